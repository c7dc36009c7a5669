/*
 * feature/last.c -- when somebody was last here (XEP-0012 2.0), for those who may see their presence; and how
 * long the relay has been running.
 *
 * Noted when the last available session goes, with what it said then; after a crash of the relay the last
 * login counts. DIAGNOSTICS: who may not see the account's presence: forbidden (section 3).
 */
#include "config.h"

#include "relay/feature/feature_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/net/clock.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/route/session.h"

enum { STATUS_MOST = 1000 }; /* bytes of what is kept of the last words */

struct last {
	int64_t started; /* ms, monotonic */
};

static enum verdict
answer(struct event *event, int64_t ms, const char *status)
{
	struct xml *result = event_result(event);
	struct xml *query = xml_add(event->arena, result, "query", NS_LAST);

	xml_setf(event->arena, query, "seconds", "%" PRId64, ms > 0 ? ms / 1000 : 0);
	if (status != NULL)
		xml_add_text(event->arena, query, status, strlen(status));
	event_reply(event, result);
	return HANDLED;
}

static enum verdict
on_host(struct event *event, void *state)
{
	const struct last *last = state;

	return answer(event, now_mono() - last->started, NULL);
}

static bool
is_here(const struct account *account, const struct session *but)
{
	for (const struct session *at = account->sessions; at != NULL; at = at->next)
		if (at != but && at->available)
			return true;
	return false;
}

static enum verdict
on_account(struct event *event, void *state)
{
	const struct account *account = event->target;

	(void)state;
	if (account == NULL)
		return event_reject(event, STANZA_SERVICE_UNAVAILABLE, NULL);
	if (!account_is_self(account, &event->from) &&
	    (account_flags(account, &event->from) & ROSTER_FROM) == 0)
		return event_reject(event, STANZA_FORBIDDEN, NULL);
	if (is_here(account, NULL))
		return answer(event, 0, NULL);
	return answer(event, event->time - (account->left != 0 ? account->left : account->created),
		      account->left_status);
}

/* No character cut in two. */
static const char *
cut(struct arena *arena, const char *text)
{
	size_t len = strlen(text);

	if (len > STATUS_MOST)
		for (len = STATUS_MOST; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
			len--;
	return len == 0 ? NULL : arena_strndup(arena, text, len);
}

static enum verdict
on_unavailable(struct event *event, void *state)
{
	struct account *account = event->origin->account;
	const char *status;

	(void)state;
	if (!event->origin->available || is_here(account, event->origin))
		return PASS;
	status = xml_child_text(event->arena, event->stanza, "status", NS_CLIENT);
	account_left_set(account, now_wall(), status == NULL ? NULL : cut(event->arena, status));
	return PASS;
}

static void *
init(struct router *router)
{
	struct last *last = xcalloc(1, sizeof *last);

	(void)router;
	last->started = now_mono();
	return last;
}

static void
last_free(void *state)
{
	free(state);
}

static const struct iq_handler handlers[] = {
	{ "query", NS_LAST, ON_GET, TO_HOST, on_host },
	{ "query", NS_LAST, ON_GET, TO_SELF | TO_ACCOUNT, on_account },
	{ 0 },
};
static const struct hook hooks[] = {
	{ POINT_UNAVAILABLE, ORDER_GUARD, on_unavailable },
	{ 0 },
};

const struct feature feature_last = {
	.name = "last",
	.spec = "XEP-0012 2.0",
	.disco = (const char *const[]){ NS_LAST, NULL },
	.disco_account = (const char *const[]){ NS_LAST, NULL },
	.iq = handlers,
	.hooks = hooks,
	.init = init,
	.free = last_free,
};
