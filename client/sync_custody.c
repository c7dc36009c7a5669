/*
 * sync_custody.c -- where our messages are, as our relay knows it (proto/spec/custody.md): asked for at login from where we
 * stopped, heard while the stream lasts.
 *
 * The cursor is kept when the records up to it are. A record counts only from our own account (section 11), and moves a
 * message forward, never back. A relay that does not know the protocol refuses both questions, which is no failure.
 */
#include "config.h"

#include "client/sync-private.h"

#include <stdlib.h>
#include <string.h>

#include "client/db/db.h"
#include "client/db/elsewhere.h"
#include "client/db/history.h"
#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/rsm.h"
#include "proto/stamp.h"
#include "proto/stanza.h"
#include "proto/xml.h"

enum {
	PAGE = 100,
	PAGES_MOST = 1100, /* of a relay that keeps 100,000 records */
	CURSOR_MOST = 64,  /* bytes */
	TEXT_MOST = 1024,  /* likewise, of what the relay says */
};

static const struct {
	const char *name;
	enum sent state;
} stages[] = {
	{ "accepted", SENT_ACCEPTED },
	{ "delivered", SENT_DELIVERED },
	{ "displayed", SENT_DISPLAYED },
};

static void
take_status(struct sync *sync, const struct xml *status)
{
	const char *to = xml_attr(status, "to"), *origin = xml_attr(status, "origin");

	for (size_t i = 0; to != NULL && origin != NULL && i < sizeof stages / sizeof *stages; i++) {
		const struct xml *stage = xml_find(status, stages[i].name, NS_CUSTODY);
		const char *stamp = stage == NULL ? NULL : xml_attr(stage, "time");
		int64_t time;

		if (stamp != NULL && stamp_parse(stamp, &time))
			outbox_told(sync->db, sync->account->id, to, origin, stages[i].state, time);
	}
}

static int64_t
time_of(const struct xml *stage, const char *name)
{
	const char *stamp = xml_attr(stage, name);
	int64_t time;

	return stamp != NULL && stamp_parse(stamp, &time) ? time : 0;
}

static int64_t
tries_of(const struct xml *held)
{
	const char *text = xml_attr(held, "tries");
	long long tries = text == NULL ? 0 : strtoll(text, NULL, 10);

	return tries < 0 ? 0 : tries;
}

/* The later of the two, as the stages come in their order. */
static bool
read_elsewhere(const struct xml *status, struct elsewhere *at)
{
	const struct xml *stage = xml_find(status, "handed", NS_CUSTODY);
	const char *how, *text;

	*at = (struct elsewhere){ .reason = "" };
	if (stage != NULL) {
		how = xml_attr(stage, "how");
		at->state = how != NULL && strcmp(how, "unconfirmed") == 0 ? ELSEWHERE_UNCONFIRMED : ELSEWHERE_HANDED;
		at->where = xml_attr(stage, "to");
	} else if ((stage = xml_find(status, "held", NS_CUSTODY)) != NULL) {
		text = xml_attr(stage, "reason");
		at->state = ELSEWHERE_HELD;
		at->where = xml_attr(stage, "by");
		at->reason = text == NULL || strlen(text) > TEXT_MOST ? "" : text;
		at->tries = tries_of(stage);
		at->next = time_of(stage, "next");
		at->until = time_of(stage, "until");
	} else {
		return false;
	}
	at->time = time_of(stage, "time");
	return at->where != NULL && strlen(at->where) <= TEXT_MOST && at->time != 0;
}

static void
take_elsewhere(struct sync *sync, const struct xml *status)
{
	const char *to = xml_attr(status, "to"), *origin = xml_attr(status, "origin");
	struct elsewhere at;
	int64_t message;

	if (to == NULL || origin == NULL || !read_elsewhere(status, &at))
		return;
	message = history_by_origin(sync->db, sync->account->id, to, sync->account->jid, origin);
	if (message == 0)
		return;
	db_begin(sync->db);
	elsewhere_set(sync->db, message, &at);
	db_commit(sync->db, NULL);
}

bool
sync_custody_told(struct sync *sync, const struct xml *message)
{
	const struct xml *status = xml_find(message, "status", NS_CUSTODY);

	if (status == NULL || message_type(message) != MESSAGE_HEADLINE)
		return false;
	if (sync_is_own(sync, xml_attr(message, "from"))) {
		take_status(sync, status);
		take_elsewhere(sync, status);
	}
	return true;
}

/* -- what changed while we were away ----------------------------------------------------------------------- */

static void ask_page(struct sync *sync, const char *after);

static const char *
take_page(struct sync *sync, struct arena *arena, const struct xml *query)
{
	const struct xml *set = xml_find(query, "set", NS_RSM);
	const char *last = set == NULL ? NULL : xml_child_text(arena, set, "last", NS_RSM);

	db_begin(sync->db);
	for (const struct xml *at = xml_find(query, "status", NS_CUSTODY); at != NULL;
	     at = xml_next(at, "status", NS_CUSTODY)) {
		take_status(sync, at);
		take_elsewhere(sync, at);
	}
	if (last != NULL && last[0] != '\0' && strlen(last) <= CURSOR_MOST)
		account_set_text(sync->db, sync->account->id, "custody.last", last);
	else
		last = NULL;
	return db_commit(sync->db, NULL) ? last : NULL;
}

static void
page_came(struct sync *sync, struct arena *arena, const struct xml *answer, void *arg)
{
	const struct xml *query = answer == NULL ? NULL : xml_find(answer, "query", NS_CUSTODY);
	const char *last, *complete;

	(void)arg;
	if (query == NULL || iq_type(answer) != IQ_RESULT)
		return;
	last = take_page(sync, arena, query);
	complete = xml_attr(query, "complete");
	if (last != NULL && complete != NULL && strcmp(complete, "false") == 0 &&
	    ++sync->custody_pages < PAGES_MOST)
		ask_page(sync, last);
}

static void
ask_page(struct sync *sync, const char *after)
{
	struct arena *arena = arena_new();
	struct xml *iq = stanza_new(arena, "iq", NULL, NULL, "get", NULL);

	rsm_request(arena, xml_add(arena, iq, "query", NS_CUSTODY), PAGE, after, NULL);
	sync_ask(sync, iq, page_came, NULL);
	arena_free(&arena);
}

static void
enabled(struct sync *sync, struct arena *arena, const struct xml *answer, void *arg)
{
	(void)sync, (void)arena, (void)answer, (void)arg;
}

void
sync_custody_open(struct sync *sync)
{
	struct arena *arena = arena_new();
	struct xml *iq = stanza_new(arena, "iq", NULL, NULL, "set", NULL);

	xml_add(arena, iq, "enable", NS_CUSTODY);
	sync_ask(sync, iq, enabled, NULL);
	ask_page(sync, account_get(sync->db, arena, sync->account->id, "custody.last", NULL));
	arena_free(&arena);
}
