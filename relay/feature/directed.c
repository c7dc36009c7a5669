/*
 * feature/directed.c -- a session's row of addresses that were sent directed presence: see directed.h.
 *
 * They are told when the session goes (presence.c), and they may ask it things meanwhile (RFC 6121 8.5.3.1).
 */
#include "config.h"

#include "relay/feature/directed.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "relay/route/account.h"
#include "relay/route/session.h"

struct directed {
	struct directed *next;
	char *to;
};

/* Where the address is, or the end. */
static struct directed *const *
find(const struct session *session, const char *to, size_t *count_r)
{
	struct directed *const *at = &session->directed;

	for (*count_r = 0; *at != NULL && strcmp((*at)->to, to) != 0; at = &(*at)->next)
		(*count_r)++;
	return at;
}

bool
directed_has_room(const struct session *session, const char *to)
{
	size_t count;

	return *find(session, to, &count) != NULL || count < DIRECTED_MOST;
}

static void
drop(struct session *session, const char *to)
{
	struct directed **at = &session->directed, *found;

	while (*at != NULL && strcmp((*at)->to, to) != 0)
		at = &(*at)->next;
	if ((found = *at) == NULL)
		return;
	*at = found->next;
	free(found->to);
	free(found);
}

void
directed_note(struct session *session, const char *to, bool available)
{
	struct directed *directed;
	size_t count;

	if (!available) {
		drop(session, to);
		return;
	}
	if (*find(session, to, &count) != NULL)
		return;
	directed = xcalloc(1, sizeof *directed);
	directed->to = xstrdup(to);
	directed->next = session->directed;
	session->directed = directed;
}

bool
directed_has(const struct session *session, const struct jid *who)
{
	struct arena *arena = arena_new();
	size_t count;
	bool has = *find(session, jid_text(arena, who), &count) != NULL ||
		   *find(session, jid_bare_text(arena, who), &count) != NULL;

	arena_free(&arena);
	return has;
}

char *
directed_take(struct session *session)
{
	struct directed *first = session->directed;
	char *to;

	if (first == NULL)
		return NULL;
	to = first->to;
	session->directed = first->next;
	free(first);
	return to;
}

char *
directed_take_blocked(struct session *session)
{
	for (const struct directed *at = session->directed; at != NULL; at = at->next) {
		if (account_blocks_text(session->account, at->to)) {
			char *to = xstrdup(at->to);
			drop(session, to);
			return to;
		}
	}
	return NULL;
}
