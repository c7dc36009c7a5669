/*
 * sync_archive.c -- what came while this home was away, page by page from the account's archive (XEP-0313, XEP-0059).
 *
 * The cursor is the stanza-id of the last result taken; it is committed with the messages up to it and never before them, so a
 * page that is cut short comes again and is known by its stanza-ids. Pages come before presence: nothing new pushes in between,
 * and the order is the archive's. A relay that says so (`urn:lazo:custody:0#mailbox`) is told that we page, and takes what we
 * acknowledged of it for delivered; presence then brings what is in no archive. Another one flushes what it likes.
 *
 *     no cursor: what waits is flushed, then the newest page alone is taken, and sets the cursor
 *     cursor -> page behind it -> page -> ... -> complete
 *        '- item-not-found (it was removed) -> pages from its time on, less OVERLAP_MS
 *
 * A result counts only from our own account, for the query that is open (attack R3), and when the message inside is to or
 * from us and no carbon. Its stanza-id is the result's own. What the relay says of counts is not looked at.
 * DIAGNOSTICS: pages that lead back to one already had end the sync. Refused questions are no failure: then the flush is taken.
 */
#include "config.h"

#include "client/sync-private.h"

#include <stdlib.h>
#include <string.h>

#include "client/clock.h"
#include "client/db/db.h"
#include "proto/arena.h"
#include "proto/form.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/rsm.h"
#include "proto/stamp.h"
#include "proto/stanza.h"
#include "proto/xml.h"

#define DAY_MS  (INT64_C(24) * 3600 * 1000)
#define MAILBOX NS_CUSTODY "#mailbox"

enum {
	PAGE_FIRST = 20,       /* results; goes along with the first questions, before the outbox */
	PAGE = 200,            /* within one batch of the inbox */
	PAGE_NEWEST = 100,     /* of a home without a cursor */
	PAGE_MOST_MS = 300000, /* a page that trickles in */
	ID_MOST = 1024,        /* bytes of a stanza-id */
};
static const int64_t overlap_ms = DAY_MS;
static const int64_t newest_ms = 30 * DAY_MS;
static const int64_t discover_ms = 7 * DAY_MS; /* what the relay offers is asked again */

static void ask_page(struct sync *sync, long most);

/* -- what the relay offers --------------------------------------------------------------------------------- */

static void
learn(struct sync *sync, bool there, bool clears)
{
	sync->archive.there = there;
	sync->archive.clears = there && clears;
}

static void
offers_came(struct sync *sync, struct arena *arena, const struct xml *answer, void *arg)
{
	const struct xml *query = answer != NULL ? xml_find(answer, "query", NS_DISCO_INFO) : NULL;
	bool there = false, clears = false;

	(void)arena, (void)arg;
	if (answer == NULL)
		return;
	for (const struct xml *at = query != NULL ? xml_find(query, "feature", NS_DISCO_INFO) : NULL; at != NULL;
	     at = xml_next(at, "feature", NS_DISCO_INFO)) {
		const char *var = xml_attr(at, "var");

		there = there || (var != NULL && strcmp(var, NS_MAM) == 0);
		clears = clears || (var != NULL && strcmp(var, MAILBOX) == 0);
	}
	learn(sync, there, clears);
	db_begin(sync->db);
	account_set_text(sync->db, sync->account->id, "archive", !there ? "no" : clears ? "clears" : "yes");
	account_set_int(sync->db, sync->account->id, "archive.asked", now_wall());
	db_commit(sync->db, NULL);
}

static void
ask_offers(struct sync *sync)
{
	struct arena *arena = arena_new();
	struct xml *iq = stanza_new(arena, "iq", NULL, sync->account->jid, "get", NULL);

	xml_add(arena, iq, "query", NS_DISCO_INFO);
	sync_ask(sync, iq, offers_came, NULL);
	arena_free(&arena);
}

/* It changed its mind: ask at the next login, and take the flush until then. */
static void
forget_offers(struct sync *sync)
{
	learn(sync, false, false);
	sync->archive.more = false;
	db_begin(sync->db);
	account_set_text(sync->db, sync->account->id, "archive", NULL);
	db_commit(sync->db, NULL);
}

static void
declared(struct sync *sync, struct arena *arena, const struct xml *answer, void *arg)
{
	(void)arena, (void)arg;
	sync->archive.declared = answer != NULL && iq_type(answer) == IQ_RESULT;
}

static void
say_flush(struct sync *sync, const char *flush, sync_answer *done)
{
	struct arena *arena = arena_new();
	struct xml *iq = stanza_new(arena, "iq", NULL, NULL, "set", NULL);

	xml_set(arena, xml_add(arena, iq, "mailbox", NS_CUSTODY), "flush", flush);
	sync_ask(sync, iq, done, NULL);
	arena_free(&arena);
}

/* -- the cursor -------------------------------------------------------------------------------------------- */

static void
load_cursor(struct sync *sync, struct arena *arena)
{
	struct sync_archive *archive = &sync->archive;
	const char *last = account_get(sync->db, arena, sync->account->id, "archive.last", NULL);

	archive->time = account_get_int(sync->db, sync->account->id, "archive.time", 0);
	free(archive->last);
	archive->last = last != NULL ? xstrdup(last) : NULL;
	archive->span = archive->time == 0 ? SPAN_NEWEST : last == NULL ? SPAN_SINCE : SPAN_BEHIND;
}

/* With the messages before it, in their batch. */
static void
keep_cursor(struct sync *sync)
{
	struct sync_archive *archive = &sync->archive;

	sync_batch(sync);
	account_set_text(sync->db, sync->account->id, "archive.last", archive->last);
	account_set_int(sync->db, sync->account->id, "archive.time", archive->time);
	sync_commit(sync);
}

/* To the last result of the page. Pages that come back to where they were would never end (Brent: one place is remembered,
 * at pages 1, 2, 4, 8...). */
static bool
advance(struct sync *sync)
{
	struct sync_archive *archive = &sync->archive;

	if ((archive->last != NULL && strcmp(archive->last, archive->next) == 0) ||
	    (archive->mark != NULL && strcmp(archive->mark, archive->next) == 0))
		return trouble_set(sync->trouble, FAULT_PROTOCOL, "the pages of the archive go in a circle");
	if ((archive->pages & (archive->pages - 1)) == 0) {
		free(archive->mark);
		archive->mark = xstrdup(archive->next);
	}
	free(archive->last);
	archive->last = archive->next;
	archive->next = NULL;
	if (archive->next_time > 0)
		archive->time = archive->next_time;
	else if (archive->time == 0)
		archive->time = now_wall();
	return true;
}

/* -- pages ------------------------------------------------------------------------------------------------- */

static void
page_refused(struct sync *sync, const struct xml *answer)
{
	struct sync_archive *archive = &sync->archive;

	if (archive->span == SPAN_BEHIND && iq_type(answer) == IQ_ERROR &&
	    stanza_error_of(answer) == STANZA_ITEM_NOT_FOUND) {
		archive->span = SPAN_SINCE;
		archive->since = archive->time - overlap_ms;
		free(archive->last);
		archive->last = NULL;
		ask_page(sync, PAGE);
		return;
	}
	forget_offers(sync);
}

static void
page_came(struct sync *sync, struct arena *arena, const struct xml *answer, void *arg)
{
	struct sync_archive *archive = &sync->archive;
	const struct xml *fin = answer != NULL ? xml_find(answer, "fin", NS_MAM) : NULL;

	(void)arena, (void)arg;
	archive->query[0] = '\0';
	if (answer == NULL)
		return;
	if (iq_type(answer) != IQ_RESULT || fin == NULL) {
		page_refused(sync, answer);
		return;
	}
	archive->pages++;
	archive->more =
	    archive->span != SPAN_NEWEST && archive->next != NULL && form_bool(xml_attr(fin, "complete")) != 1;
	if (archive->next == NULL && archive->time > 0)
		return;
	if (archive->next != NULL && !advance(sync))
		return;
	if (archive->time == 0) /* an empty archive: from now on */
		archive->time = now_wall();
	if (archive->more && !archive->held) { /* the next one is on its way while this one is committed */
		ask_page(sync, PAGE);
		stream_flush(sync->stream, now_mono() + SYNC_ANSWER_MS);
	}
	keep_cursor(sync);
}

static void
add_start(struct arena *arena, struct xml *query, int64_t since)
{
	struct xml *form = form_new(arena, query, "submit", NS_MAM);
	char stamp[STAMP_LEN + 1];

	stamp_format(stamp, since);
	form_field(arena, form, "start", NULL, NULL, arena_strdup(arena, stamp));
}

static void
ask_page(struct sync *sync, long most)
{
	struct sync_archive *archive = &sync->archive;
	struct arena *arena = arena_new();
	struct xml *iq = stanza_new(arena, "iq", NULL, NULL, "set", NULL);
	struct xml *query = xml_add(arena, iq, "query", NS_MAM);

	random_id(archive->query);
	archive->limit = now_mono() + PAGE_MOST_MS;
	xml_set(arena, query, "queryid", archive->query);
	if (archive->span != SPAN_BEHIND)
		add_start(arena, query, archive->since);
	rsm_request(arena, query, most, archive->span != SPAN_NEWEST ? archive->last : NULL,
	    archive->span == SPAN_NEWEST ? "" : NULL);
	sync_ask(sync, iq, page_came, NULL);
	arena_free(&arena);
}

/* -- results ----------------------------------------------------------------------------------------------- */

static bool
is_ours(struct arena *arena, const struct xml *message, const char *attribute, const char *own)
{
	struct jid jid;

	return jid_parse_text(arena, xml_attr(message, attribute), &jid) && strcmp(jid_bare_text(arena, &jid), own) == 0;
}

/* Is there a key for this device? What was encrypted before it existed has none, and says nothing to anyone. */
static bool
is_for_device(const struct sync *sync, struct arena *arena, const struct xml *message)
{
	const struct xml *encrypted = xml_find(message, "encrypted", NS_OMEMO);
	const struct xml *header = encrypted != NULL ? xml_find(encrypted, "header", NS_OMEMO) : NULL;
	const char *device = arena_printf(arena, "%u", (unsigned)omemo_device(sync->omemo));

	for (const struct xml *key = header != NULL ? xml_find(header, "key", NS_OMEMO) : NULL; key != NULL;
	     key = xml_next(key, "key", NS_OMEMO))
		if (xml_attr(key, "rid") != NULL && strcmp(xml_attr(key, "rid"), device) == 0)
			return true;
	return encrypted == NULL;
}

/* The message inside, or NULL: nothing that belongs into our archive, or that a new device can use. */
static const struct xml *
open_result(const struct sync *sync, struct arena *arena, const struct xml *result, struct inbox_meta *meta)
{
	const char *own = sync->account->jid;
	const struct xml *forwarded = xml_find(result, "forwarded", NS_FORWARD);
	const struct xml *message = forwarded != NULL ? xml_find(forwarded, "message", NULL) : NULL;
	const struct xml *delay = forwarded != NULL ? xml_find(forwarded, "delay", NS_DELAY) : NULL;
	const char *stamp = delay != NULL ? xml_attr(delay, "stamp") : NULL;

	if (stamp == NULL || !stamp_parse(stamp, &meta->delay) || meta->delay > meta->now)
		meta->delay = 0;
	if (message == NULL || stanza_kind(message) != STANZA_MESSAGE || xml_find(message, NULL, NS_CARBONS) != NULL)
		return NULL;
	if (!is_ours(arena, message, "to", own) && !is_ours(arena, message, "from", own))
		return NULL;
	return sync->archive.span != SPAN_NEWEST || is_for_device(sync, arena, message) ? message : NULL;
}

bool
sync_archive_result(struct sync *sync, struct arena *arena, const struct xml *message)
{
	struct sync_archive *archive = &sync->archive;
	const struct xml *result = xml_find(message, "result", NS_MAM), *inside;
	struct inbox_meta meta = { .way = WAY_ARCHIVE, .now = now_wall() };
	const char *query, *id;

	if (result == NULL || !sync_is_own(sync, xml_attr(message, "from")))
		return false;
	query = xml_attr(result, "queryid");
	id = xml_attr(result, "id");
	if (archive->query[0] == '\0' || query == NULL || strcmp(query, archive->query) != 0 || id == NULL || id[0] == '\0' ||
	    strlen(id) > ID_MOST) {
		sync_count_other(sync);
		return true;
	}
	sync_patience(sync, page_came, archive->limit);
	meta.stanza_id = id;
	inside = open_result(sync, arena, result, &meta);
	free(archive->next);
	archive->next = xstrdup(id);
	archive->next_time = meta.delay;
	if (inside != NULL)
		sync_take(sync, inside, &meta);
	else
		sync_count_other(sync);
	return true;
}

/* -- in the order of a sync -------------------------------------------------------------------------------- */

static void
begin(struct sync *sync)
{
	struct sync_archive *archive = &sync->archive;

	if (!archive->there || archive->begun || archive->span == SPAN_NEWEST)
		return;
	archive->begun = true;
	archive->since = archive->time - overlap_ms;
	if (archive->clears)
		say_flush(sync, "no", declared);
	ask_page(sync, PAGE_FIRST);
}

void
sync_archive_open(struct sync *sync)
{
	struct arena *arena = arena_new();
	int64_t account = sync->account->id, asked = account_get_int(sync->db, account, "archive.asked", 0);
	const char *offers = account_get(sync->db, arena, account, "archive", NULL);

	sync->archive.held = true;
	load_cursor(sync, arena);
	if (offers == NULL || now_wall() - asked > discover_ms || now_wall() < asked) {
		ask_offers(sync);
	} else {
		learn(sync, strcmp(offers, "no") != 0, strcmp(offers, "clears") == 0);
		begin(sync);
	}
	arena_free(&arena);
}

void
sync_archive_catch_up(struct sync *sync)
{
	struct sync_archive *archive = &sync->archive;

	archive->held = false;
	if (!archive->begun)
		begin(sync);
	else if (archive->more)
		ask_page(sync, PAGE);
	if (!sync_settle(sync) || !sync_commit(sync) || !archive->declared)
		return;
	/* The answer comes when what we acknowledged is out of the mailbox: presence brings the rest. */
	say_flush(sync, "yes", declared);
	if (sync_archive_moved(sync))
		sync_settle(sync);
}

void
sync_archive_newest(struct sync *sync)
{
	struct sync_archive *archive = &sync->archive;

	if (!archive->there || archive->span != SPAN_NEWEST || !sync_alive(sync))
		return;
	archive->since = now_wall() - newest_ms;
	ask_page(sync, PAGE_NEWEST);
	if (sync_settle(sync))
		sync_commit(sync);
}

bool
sync_archive_moved(const struct sync *sync)
{
	return sync->archive.mark != NULL;
}

void
sync_archive_close(struct sync *sync)
{
	free(sync->archive.last);
	free(sync->archive.next);
	free(sync->archive.mark);
}
