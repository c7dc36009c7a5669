/*
 * feature/presence_again.c -- what people here and at a relay that was away have missed of each other (RFC 6121 4.2, 4.3).
 *
 * Presence is not kept for a relay that cannot be reached. When it is back, our available people are shown to their contacts there
 * again, and those are asked how they are.
 */
#include "config.h"

#include <string.h>
#include "proto/arena.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/presence.h"
#include "relay/route/account.h"
#include "relay/route/router.h"
#include "relay/route/session.h"

static bool
is_of(const struct roster_item *item, const char *domain)
{
	const char *at = strchr(item->contact, '@');

	return strcmp(at == NULL ? item->contact : at + 1, domain) == 0;
}

static void
meet(struct session *session, void *arg)
{
	struct account *account = session->account;
	struct arena *arena;
	const struct roster_item *item;
	const char *contact;
	unsigned flags;

	if (account->sessions != session) /* each account once */
		return;
	arena = arena_new();
	for (size_t i = 0; i < account_roster_count(account); i++) {
		item = account_roster_at(account, i);
		if (!is_of(item, arg) || account_blocks_text(account, item->contact))
			continue;
		contact = arena_strdup(arena, item->contact);
		flags = item->flags;
		if ((flags & ROSTER_FROM) != 0)
			presence_show_now(account, arena, contact);
		if ((flags & ROSTER_TO) != 0)
			presence_hear_now(account, arena, contact);
	}
	arena_free(&arena);
}

static void
on_peer_up(void *state, const char *domain, bool missed)
{
	if (missed)
		router_each_session(state, meet, (void *)(uintptr_t)domain);
}

static void *
init(struct router *router)
{
	return router;
}

const struct feature feature_presence_again = {
	.name = "presence_again",
	.spec = "RFC 6121 4",
	.init = init,
	.peer_up = on_peer_up,
};
