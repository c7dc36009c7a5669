/*
 * feature/unsent.c -- subscriptions towards other relays as state: see unsent.h.
 *
 * On disk: two bits in the roster's row, written with the change itself. In memory: those contacts, by domain. A domain's contacts are
 * told their present state, and behind that the relay is pinged (XEP-0199): stanzas are handled in order, so its answer, whatever it
 * says, is the proof that it has them; then the bits go. Without answer: again after 5 s, doubling to an hour, and at once when a
 * stream with that domain begins.
 * Promises: what was decided reaches the other relay however long it is away, and across restarts; at most one ping a domain is open.
 * Never: says a state that is no longer true. DIAGNOSTICS: more than UNSENT_MOST at once wait on the disk until others are through.
 */
#include "config.h"

#include "relay/feature/unsent.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/feature/ask.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/presence.h"
#include "relay/feature/unsent-private.h"
#include "relay/log.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/store/read.h"

static_assert(UNSENT_FLAGS == (ROSTER_ASK_UNSENT | ROSTER_GRANT_UNSENT), "unsent.h tells them without the store's header");

enum {
	START_MS = 1000,
	ROUND_MOST = 200, /* contacts told before a ping */
	PAUSE_MOST = 3600 * 1000,
};

static void begin(void *arg);

/* ---- the proof ---- */

static void load(struct unsent *unsent);

static void
later(struct domain *domain)
{
	domain->busy = false;
	timer_set(domain->timer, domain->pause);
}

static void ask(struct domain *domain);

/* All that the answer proved is being written down. */
static void
settled(struct domain *domain)
{
	struct unsent *unsent = domain->unsent;
	bool any = false;

	domain->busy = false;
	domain->pause = UNSENT_PAUSE_FIRST;
	timer_clear(domain->timer);
	for (const struct one *one = domain->ones; one != NULL; one = one->next)
		any = any || one->told;
	if (any)
		ask(domain);
	else if (domain->ones != NULL)
		begin(domain);
	else
		unsent_drop_domain(domain);
	if (unsent->more && unsent->count < UNSENT_MOST / 2)
		load(unsent);
}

struct clearing {
	struct domain *domain;
	struct event *event; /* the answer */
};

static void clear_next(struct clearing *clearing);

static void
clear_one(void *arg, struct account *account, bool failed)
{
	struct clearing *clearing = arg;
	struct unsent *unsent = clearing->domain->unsent;
	struct one **at = &clearing->domain->ones;
	const struct roster_item *item;
	struct roster_row row;

	while (*at != NULL && !(*at)->covered)
		at = &(*at)->next;
	if (*at == NULL) {
		clear_next(clearing);
		return;
	}
	item = account == NULL ? NULL : account_roster_find(account, (*at)->contact);
	if (item != NULL && (item->flags & UNSENT_FLAGS) != 0) {
		row = (struct roster_row){ .contact = (*at)->contact, .flags = item->flags & ~(unsigned)UNSENT_FLAGS,
			.name = item->name, .groups = item->groups, .request = item->request };
		account_roster_set(account, clearing->event, &row);
	}
	if (failed) /* as if not proven: the disk still says so */
		(*at)->covered = (*at)->told = false;
	else
		unsent_drop(unsent, at);
	clear_next(clearing);
}

static void
clear_next(struct clearing *clearing)
{
	struct domain *domain = clearing->domain;
	struct event *event = clearing->event;
	struct one *one = domain->ones;

	while (one != NULL && !one->covered)
		one = one->next;
	if (one != NULL) {
		account_with(domain->unsent->router, one->node, clear_one, clearing);
		return;
	}
	event_finish(event, HANDLED);
	settled(domain);
}

static enum verdict
answered(struct router *router, struct event *answer, void *arg)
{
	struct domain *domain = arg;
	struct clearing *clearing;

	(void)router;
	if (answer == NULL || !answer->foreign) {
		for (struct one *one = domain->ones; one != NULL; one = one->next)
			one->told = one->covered = false;
		later(domain);
		return HANDLED;
	}
	clearing = arena_alloc(answer->arena, sizeof *clearing);
	*clearing = (struct clearing){ .domain = domain, .event = answer };
	clear_next(clearing);
	return LATER;
}

static void
ask(struct domain *domain)
{
	struct router *router = domain->unsent->router;
	struct arena *arena = arena_new();
	struct xml *iq = stanza_new(arena, "iq", router_domain(router), domain->name, "get", NULL);

	unsigned room = ROUND_MOST;

	domain->busy = true;
	for (struct one *one = domain->ones; one != NULL; one = one->next)
		one->covered = one->told && room > 0 && room-- > 0;
	xml_add(arena, iq, "ping", NS_PING);
	ask_send(router, arena, iq, answered, domain);
	arena_free(&arena);
}

/* ---- telling ---- */

static void
say(struct account *account, const char *contact, const char *type)
{
	struct arena *arena = arena_new();

	router_send(account->router, stanza_new(arena, "presence", account->jid, contact, type, NULL));
	arena_free(&arena);
}

static void
say_state(struct account *account, const struct roster_item *item)
{
	char *contact = xstrdup(item->contact);
	unsigned flags = item->flags;
	struct arena *arena = arena_new();

	if ((flags & ROSTER_GRANT_UNSENT) != 0 && (flags & ROSTER_FROM) != 0) {
		say(account, contact, "subscribed");
		presence_show_now(account, arena, contact);
	} else if ((flags & ROSTER_GRANT_UNSENT) != 0 && (flags & ROSTER_PENDING_IN) == 0) {
		say(account, contact, "unsubscribed");
	}
	if ((flags & ROSTER_ASK_UNSENT) != 0)
		say(account, contact, (flags & (ROSTER_TO | ROSTER_PENDING_OUT)) != 0 ? "subscribe" : "unsubscribe");
	arena_free(&arena);
	free(contact);
}

static void tell_next(struct domain *domain);

static void
tell_one(void *arg, struct account *account, bool failed)
{
	struct domain *domain = arg;
	struct one *one = domain->at;
	const struct roster_item *item = account == NULL ? NULL : account_roster_find(account, one->contact);

	one->told = !failed;
	domain->at = one->next;
	if (item != NULL)
		say_state(account, item);
	tell_next(domain);
}

static void
tell_next(struct domain *domain)
{
	while (domain->at != NULL && domain->at->told)
		domain->at = domain->at->next;
	if (domain->at != NULL && domain->room-- > 0)
		account_with(domain->unsent->router, domain->at->node, tell_one, domain);
	else
		ask(domain);
}

static void
begin(void *arg)
{
	struct domain *domain = arg;

	if (domain->busy || domain->ones == NULL)
		return;
	domain->busy = true;
	timer_clear(domain->timer);
	domain->pause = domain->pause * 2 < PAUSE_MOST ? domain->pause * 2 : PAUSE_MOST; /* should this be in vain */
	domain->at = domain->ones;
	domain->room = ROUND_MOST;
	tell_next(domain);
}

static void
on_peer_up(void *state, const char *name, bool missed)
{
	struct domain *domain = unsent_find(state, name);

	if (domain == NULL)
		return;
	for (struct one *one = domain->ones; missed && one != NULL; one = one->next)
		one->told = one->covered = false; /* an answer that comes now proves nothing of what went before */
	if (!domain->busy)
		timer_set(domain->timer, 0);
}

/* ---- what is new ---- */

struct note {
	struct account *account;
	const char *contact;
};

static void
note_now(struct event *event, void *arg)
{
	const struct note *note = arg;
	struct unsent *unsent = router_state(event->router, &feature_unsent);
	struct domain *domain;
	struct one *one = unsent_take(unsent, note->account->node, note->contact, &domain);

	if (one == NULL)
		return;
	one->told = true;
	one->covered = false;
	if (!domain->busy)
		ask(domain);
}

/* Behind what this event sends. */
static void
note_last(struct event *event, void *arg)
{
	event_after(event, note_now, arg);
}

void
unsent_after(struct event *event, struct account *account, const char *contact)
{
	struct note *note = arena_alloc(event->arena, sizeof *note);

	*note = (struct note){ .account = account, .contact = arena_strdup(event->arena, contact) };
	event_after(event, note_last, note);
}

bool
unsent_is_far(const struct event *event, const char *contact)
{
	const char *at = strchr(contact, '@');

	return !router_is_local(event->router, at == NULL ? contact : at + 1);
}

/* ---- life ---- */

static void
loaded(void *arg, bool failed, const struct contact_row *rows, size_t count)
{
	struct unsent *unsent = arg;
	struct domain *domain;

	unsent->more = !failed && count >= UNSENT_MOST;
	if (unsent->more)
		log_warn(NULL, "subscriptions of more than %d contacts elsewhere wait to be sent", UNSENT_MOST);
	for (size_t i = 0; i < count; i++)
		(void)unsent_take(unsent, rows[i].node, rows[i].contact, &domain);
	for (domain = unsent->domains; domain != NULL; domain = domain->next)
		if (!domain->busy && domain->pause == UNSENT_PAUSE_FIRST)
			timer_set(domain->timer, 0);
}

static void
load(struct unsent *unsent)
{
	unsent->more = false;
	read_unsent(router_store(unsent->router), UNSENT_MOST, loaded, unsent);
}

static void
start(void *arg)
{
	load(arg);
}

static void *
init(struct router *router)
{
	struct unsent *unsent = xcalloc(1, sizeof *unsent);

	unsent->router = router;
	unsent->begin = begin;
	unsent->start = timer_new(router_loop(router), start, unsent);
	timer_set(unsent->start, START_MS);
	return unsent;
}

static void
unsent_free(void *state)
{
	struct unsent *unsent = state;

	while (unsent->domains != NULL)
		unsent_drop_domain(unsent->domains);
	timer_free(&unsent->start);
	free(unsent);
}

const struct feature feature_unsent = {
	.name = "unsent",
	.spec = "RFC 6121 3",
	.init = init,
	.free = unsent_free,
	.peer_up = on_peer_up,
};
