/*
 * feature/roster.c -- contact lists (RFC 6121 2): get, set, remove, versions, pushes.
 *
 * The version is the account's time of creation and a counter that every change raises, so that a client
 * that knew another life of this address asks again. A client whose version is the present one gets an
 * empty result, any other the whole roster (2.6.3 leaves that to us).
 * DIAGNOSTICS: somebody else's roster: forbidden; not exactly one item, a group twice: bad-request; a name
 * or group too long or an empty group: not-acceptable; more than 5,000 items: resource-constraint; removing
 * what is not there: item-not-found.
 */
#include "config.h"

#include "relay/feature/roster.h"

#include <inttypes.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/jid.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/presence.h"
#include "relay/feature/unsent.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/route/session.h"

enum { NAME_MOST = 1023, GROUPS_MOST = 100 };

struct push {
	struct account *account;
	const struct xml *query;
};

static const char *
version_text(struct arena *arena, const struct account *account)
{
	return arena_printf(arena, "%" PRIx64 "-%" PRIx64, (uint64_t)account->created,
			    (uint64_t)account->roster_version);
}

static const char *
subscription_name(unsigned flags)
{
	static const char *const names[] = { "none", "to", "from", "both" };

	return names[flags & (ROSTER_TO | ROSTER_FROM)];
}

static void
add_groups(struct arena *arena, struct xml *node, const char *groups)
{
	const char *end;

	for (; groups != NULL && (end = strchr(groups, '\n')) != NULL; groups = end + 1)
		xml_add_leaf(arena, node, "group", NULL,
			     arena_strndup(arena, groups, (size_t)(end - groups)));
}

static void
add_item(struct arena *arena, struct xml *query, const struct roster_item *item)
{
	struct xml *node = xml_add(arena, query, "item", NULL);

	xml_set(arena, node, "jid", item->contact);
	xml_set(arena, node, "name", item->name);
	xml_set(arena, node, "subscription", subscription_name(item->flags));
	if (item->flags & ROSTER_PENDING_OUT)
		xml_set(arena, node, "ask", "subscribe");
	if (item->flags & ROSTER_APPROVED)
		xml_set(arena, node, "approved", "true");
	add_groups(arena, node, item->groups);
}

/* ---- pushes ---- */

static void
push_now(struct event *event, void *arg)
{
	const struct push *push = arg;
	struct session *row[SESSION_MOST];
	size_t count = session_row(push->account, row);
	char id[ID_LEN + 1];
	struct xml *iq;

	for (size_t i = 0; i < count; i++) {
		if (row[i]->interested) {
			random_id(id);
			iq = stanza_new(event->arena, "iq", NULL, row[i]->text, "set", id);
			xml_append(iq, xml_copy(event->arena, push->query));
			session_send(row[i], iq);
		}
		session_unref(&row[i]);
	}
}

void
roster_push(struct event *event, struct account *account, const char *contact)
{
	const struct roster_item *item = account_roster_find(account, contact);
	struct push *push = arena_alloc(event->arena, sizeof *push);
	struct xml *query = xml_new(event->arena, "query", NS_ROSTER), *node;

	xml_set(event->arena, query, "ver", version_text(event->arena, account));
	if (item != NULL && (item->flags & ROSTER_VISIBLE)) {
		add_item(event->arena, query, item);
	} else {
		node = xml_add(event->arena, query, "item", NULL);
		xml_set(event->arena, node, "jid", contact);
		xml_set(event->arena, node, "subscription", "remove");
	}
	*push = (struct push){ .account = account, .query = query };
	event_after(event, push_now, push);
}

/* ---- get ---- */

static enum verdict
get(struct event *event, void *state)
{
	const char *known = xml_attr(event->payload, "ver");
	const char *version = version_text(event->arena, event->target);
	struct xml *result = event_result(event), *query;
	const struct roster_item *item;

	(void)state;
	if (event->origin == NULL || event->target != event->sender)
		return event_reject(event, STANZA_FORBIDDEN, NULL);
	event->origin->interested = true; /* RFC 6121 2.2 */
	if (known == NULL || strcmp(known, version) != 0) {
		query = xml_add(event->arena, result, "query", NS_ROSTER);
		xml_set(event->arena, query, "ver", version);
		for (size_t i = 0; i < account_roster_count(event->target); i++) {
			item = account_roster_at(event->target, i);
			if (item->flags & ROSTER_VISIBLE)
				add_item(event->arena, query, item);
		}
	}
	event_reply(event, result);
	return HANDLED;
}

/* ---- set: check, then proceed ---- */

struct wanted {
	const char *contact;
	const char *name;
	struct buf groups;
	bool remove;
};

static bool
has_group(const struct wanted *wanted, const char *group)
{
	size_t len = strlen(group);

	for (const char *at = wanted->groups.data; at != NULL && *at != '\0'; at = strchr(at, '\n') + 1)
		if (strncmp(at, group, len) == 0 && at[len] == '\n')
			return true;
	return false;
}

/* RFC 6121 2.3.3: an empty or long group is not-acceptable, the same twice bad-request. A line end would
 * break our own form. */
static enum stanza_error
check_groups(struct arena *arena, const struct xml *item, struct wanted *wanted)
{
	size_t count = 0;
	const char *group;

	for (struct xml *node = xml_find(item, "group", NS_ROSTER); node != NULL;
	     node = xml_next(node, "group", NS_ROSTER)) {
		group = xml_text(arena, node);
		if (*group == '\0' || strlen(group) > NAME_MOST || strchr(group, '\n') != NULL ||
		    ++count > GROUPS_MOST)
			return STANZA_NOT_ACCEPTABLE;
		if (has_group(wanted, group))
			return STANZA_BAD_REQUEST;
		buf_printf(&wanted->groups, "%s\n", group);
	}
	return STANZA_OK;
}

static enum stanza_error
check_set(struct event *event, struct wanted *wanted)
{
	const struct xml *item = xml_find(event->payload, "item", NS_ROSTER);
	const char *subscription;
	struct jid jid;

	if (item == NULL || xml_next(item, "item", NS_ROSTER) != NULL)
		return STANZA_BAD_REQUEST;
	if (xml_attr(item, "jid") == NULL)
		return STANZA_BAD_REQUEST;
	if (!jid_parse_text(event->arena, xml_attr(item, "jid"), &jid))
		return STANZA_JID_MALFORMED;
	if (!jid_is_bare(&jid))
		return STANZA_BAD_REQUEST;
	if (account_is_self(event->target, &jid))
		return STANZA_NOT_ALLOWED;
	wanted->contact = jid_text(event->arena, &jid);
	subscription = xml_attr(item, "subscription");
	wanted->remove = subscription != NULL && strcmp(subscription, "remove") == 0;
	wanted->name = xml_attr(item, "name");
	if (wanted->name != NULL && strlen(wanted->name) > NAME_MOST)
		return STANZA_NOT_ACCEPTABLE;
	return check_groups(event->arena, item, wanted);
}

static void
tell_contact(struct event *event, const char *contact, const char *type)
{
	router_send_with(event,
			 stanza_new(event->arena, "presence", event->target->jid, contact, type, NULL));
}

/* What is left of it: nothing, but for what its relay has to hear of. */
static void
take_out(struct event *event, const char *contact, unsigned flags)
{
	struct roster_row row = { .contact = contact, .flags = flags & UNSENT_FLAGS };

	if (flags & (ROSTER_TO | ROSTER_PENDING_OUT))
		row.flags |= ROSTER_ASK_UNSENT;
	if (flags & (ROSTER_FROM | ROSTER_PENDING_IN))
		row.flags |= ROSTER_GRANT_UNSENT;
	if (row.flags == 0 || !unsent_is_far(event, contact)) {
		account_roster_del(event->target, event, contact);
		return;
	}
	account_roster_set(event->target, event, &row);
	unsent_after(event, event->target, contact);
}

/* RFC 6121 2.5: removing ends both subscriptions, and a request that waits is refused. */
static enum verdict
proceed_remove(struct event *event, const char *contact)
{
	const struct roster_item *item = account_roster_find(event->target, contact);
	unsigned flags = item == NULL ? 0 : item->flags;

	if ((flags & ROSTER_VISIBLE) == 0)
		return event_reject(event, STANZA_ITEM_NOT_FOUND, NULL);
	take_out(event, contact, flags);
	event_reply_result(event);
	roster_push(event, event->target, contact);
	if (flags & ROSTER_FROM)
		presence_hide_after(event, event->target, contact);
	if (flags & (ROSTER_TO | ROSTER_PENDING_OUT))
		tell_contact(event, contact, "unsubscribe");
	if (flags & (ROSTER_FROM | ROSTER_PENDING_IN))
		tell_contact(event, contact, "unsubscribed");
	return HANDLED;
}

static enum verdict
proceed_set(struct event *event, const struct wanted *wanted)
{
	const struct roster_item *item = account_roster_find(event->target, wanted->contact);
	struct roster_row row = { .contact = wanted->contact,
				  .flags = (item == NULL ? 0 : item->flags) | ROSTER_VISIBLE,
				  .name = wanted->name,
				  .groups = wanted->groups.data,
				  .request = item == NULL ? NULL : item->request };

	if (item == NULL && account_roster_count(event->target) >= ROSTER_ITEMS_MOST)
		return event_reject(event, STANZA_RESOURCE_CONSTRAINT, "the contact list is full");
	account_roster_set(event->target, event, &row);
	event_reply_result(event);
	roster_push(event, event->target, wanted->contact);
	return HANDLED;
}

static enum verdict
set(struct event *event, void *state)
{
	struct wanted wanted = { 0 };
	enum stanza_error error;
	enum verdict verdict;

	(void)state;
	if (event->origin == NULL || event->target != event->sender) /* attack R5: nobody else's roster */
		return event_reject(event, STANZA_FORBIDDEN, NULL);
	error = check_set(event, &wanted);
	if (error != STANZA_OK)
		verdict = event_reject(event, error, NULL);
	else if (wanted.remove)
		verdict = proceed_remove(event, wanted.contact);
	else
		verdict = proceed_set(event, &wanted);
	buf_free(&wanted.groups);
	return verdict;
}

static void
stream_features(void *state, struct arena *arena, struct xml *features, bool ready)
{
	(void)state;
	if (!ready)
		return;
	xml_add(arena, features, "ver", NS_ROSTERVER);
	xml_add(arena, features, "sub", NS_PREAPPROVAL);
}

static const struct iq_handler handlers[] = {
	{ "query", NS_ROSTER, ON_GET, TO_SELF | TO_ACCOUNT, get },
	{ "query", NS_ROSTER, ON_SET, TO_SELF | TO_ACCOUNT, set },
	{ 0 },
};

const struct feature feature_roster = {
	.name = "roster",
	.spec = "RFC 6121 2",
	.disco_account = (const char *const[]){ NS_ROSTER, NULL },
	.iq = handlers,
	.stream_features = stream_features,
};
