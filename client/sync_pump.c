/*
 * sync_pump.c -- every stanza that comes during a sync, sent to whom it concerns.
 *
 * Messages go into a backlog, and from it in the order of their ratchets into one batch of the inbox; nothing is
 * acknowledged, and no ping answered, before that batch is committed. An answer counts only from whom it was asked (attack R5), a push only from our own account.
 */
#include "config.h"

#include "client/sync-private.h"

#include <stdlib.h>
#include <string.h>

#include "client/backlog.h"
#include "client/clock.h"
#include "client/db/db.h"
#include "proto/arena.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"

bool
sync_alive(const struct sync *sync)
{
	return sync->trouble->fault == FAULT_NONE;
}

void
sync_progress(struct sync *sync, enum sync_phase phase, size_t done, size_t total)
{
	bool same = sync->phase == phase;
	int64_t now = now_mono();

	sync->phase = phase;
	if (sync->owner->progress == NULL || (same && now < sync->shown + SYNC_SHOW_MS))
		return;
	sync->shown = now;
	sync->owner->progress(sync->owner->arg, phase, done, total);
}

/* -- the batch --------------------------------------------------------------------------------------------- */

static void
send_pongs(struct sync *sync)
{
	for (size_t i = 0; i < sync->pong_count; i++)
		stream_send(sync->stream, sync->pongs[i]);
	sync->pong_count = 0;
	arena_free(&sync->pong);
}

struct inbox *
sync_batch(struct sync *sync)
{
	if (sync->inbox == NULL)
		sync->inbox = inbox_begin(sync->db, sync->omemo, sync->account->id);
	return sync->inbox;
}

/* Of the stanzas that came, those before the outermost that is still being looked after. */
static uint32_t
done_with(const struct sync *sync)
{
	return sync->depth > 0 ? sync->outermost - 1 : stream_received(sync->stream);
}

static void
take_one(void *arg, const struct xml *message, const struct inbox_meta *meta)
{
	struct sync *sync = arg;
	struct arena *arena = arena_new();
	struct inbox_result result;

	inbox_take(sync->inbox, arena, message, meta, &result);
	arena_free(&arena);
	switch (result.outcome) {
	case INBOX_MESSAGE:
		sync->result->received++;
		break;
	case INBOX_UNREADABLE:
		sync->result->unreadable++;
		break;
	case INBOX_ERROR:
		sync->result->refused++;
		break;
	case INBOX_NOTHING:
	case INBOX_DUPLICATE:
	case INBOX_REFUSED:
	case INBOX_BLOCKED:
		break;
	}
}

bool
sync_commit(struct sync *sync)
{
	char *error = NULL;

	if (sync->inbox != NULL && sync->backlog != NULL)
		backlog_take(sync->backlog, take_one, sync);
	if (sync->inbox != NULL && !inbox_end(&sync->inbox, &error)) {
		trouble_set(sync->trouble, FAULT_DISK, "%s", error != NULL ? error : "commit failed");
		free(error);
		return false;
	}
	stream_handled(sync->stream, done_with(sync), true);
	send_pongs(sync);
	return true;
}

void
sync_count_other(struct sync *sync)
{
	if (++sync->others > SYNC_OTHERS_MAX)
		trouble_set(sync->trouble, FAULT_TOO_BIG, "more than %d stanzas that are no message", SYNC_OTHERS_MAX);
}

void
sync_take(struct sync *sync, const struct xml *message, const struct inbox_meta *meta)
{
	if (++sync->messages > SYNC_MESSAGES_MAX) {
		trouble_set(sync->trouble, FAULT_TOO_BIG, "more than %d messages at once", SYNC_MESSAGES_MAX);
		return;
	}
	sync->round++;
	sync_batch(sync);
	if (sync->backlog == NULL)
		sync->backlog = backlog_new(sync->omemo);
	backlog_add(sync->backlog, message, meta);
	if (backlog_full(sync->backlog))
		sync_commit(sync);
	sync_progress(sync, sync->phase, sync->result->received, 0);
}

static void
take_message(struct sync *sync, struct arena *arena, const struct xml *message)
{
	struct inbox_meta meta = { .way = WAY_LIVE, .now = now_wall() };

	if (sync_archive_result(sync, arena, message))
		return;
	if (sync_custody_told(sync, message)) { /* as many as we wrote: not among the others */
		if (++sync->custody_told > SYNC_MESSAGES_MAX)
			trouble_set(sync->trouble, FAULT_TOO_BIG, "more than %d states of messages", SYNC_MESSAGES_MAX);
		return;
	}
	if (sync_key_event(sync, arena, message))
		sync_count_other(sync);
	else
		sync_take(sync, message, &meta);
}

/* -- asking ------------------------------------------------------------------------------------------------ */

static struct sync_ask *
free_ask(struct sync *sync)
{
	for (size_t i = 0; i < SYNC_ASKS; i++)
		if (sync->asks[i].id[0] == '\0')
			return &sync->asks[i];
	return NULL;
}

static void
end_ask(struct sync *sync, struct sync_ask *ask, struct arena *arena, const struct xml *answer)
{
	struct sync_ask ended = *ask;

	*ask = (struct sync_ask){ .id = "" };
	sync->asking--;
	ended.done(sync, arena, answer, ended.arg);
	free(ended.arg);
	free(ended.from);
}

void
sync_ask(struct sync *sync, struct xml *iq, sync_answer *done, void *arg)
{
	struct arena *arena = arena_new();
	const char *to = xml_attr(iq, "to");
	struct sync_ask *ask;

	while ((ask = free_ask(sync)) == NULL)
		if (!sync_turn(sync, now_mono() + SYNC_ANSWER_MS))
			break;
	if (ask == NULL || !sync_alive(sync)) {
		free(arg);
	} else {
		random_id(ask->id);
		xml_set(arena, iq, "id", ask->id);
		ask->from = to != NULL ? xstrdup(to) : NULL;
		ask->deadline = now_mono() + SYNC_ANSWER_MS;
		ask->done = done;
		ask->arg = arg;
		sync->asking++;
		stream_send(sync->stream, iq);
	}
	xml_set(arena, iq, "id", NULL); /* its text dies with this arena */
	arena_free(&arena);
}

void
sync_patience(struct sync *sync, sync_answer *done, int64_t limit)
{
	int64_t deadline = now_mono() + SYNC_ANSWER_MS;

	for (size_t i = 0; i < SYNC_ASKS; i++)
		if (sync->asks[i].id[0] != '\0' && sync->asks[i].done == done)
			sync->asks[i].deadline = deadline < limit ? deadline : limit;
}

/* Somebody else's relay may be away; our own that does not answer for our own account ends the sync. */
static void
expire_asks(struct sync *sync)
{
	int64_t now = now_mono();

	for (size_t i = 0; i < SYNC_ASKS; i++) {
		struct sync_ask *ask = &sync->asks[i];

		if (ask->id[0] == '\0' || now <= ask->deadline)
			continue;
		if (ask->from == NULL || strcmp(ask->from, sync->account->jid) == 0)
			trouble_set(sync->trouble, FAULT_TIMEOUT, "no answer to a question about our own account");
		end_ask(sync, ask, NULL, NULL);
	}
}

bool
sync_settle(struct sync *sync)
{
	while (sync->asking > 0 && sync_turn(sync, now_mono() + SYNC_ANSWER_MS))
		expire_asks(sync);
	for (size_t i = 0; i < SYNC_ASKS && !sync_alive(sync); i++)
		if (sync->asks[i].id[0] != '\0')
			end_ask(sync, &sync->asks[i], NULL, NULL);
	return sync_alive(sync);
}

/* RFC 6120 8.1.2.1: our own account answers without `from`, as our bare, or as our full address. */
bool
sync_is_own(const struct sync *sync, const char *from)
{
	return from == NULL || strcmp(from, sync->account->jid) == 0 || strcmp(from, stream_jid(sync->stream)) == 0;
}

static void
take_answer(struct sync *sync, struct arena *arena, const struct xml *iq)
{
	const char *id = xml_attr(iq, "id"), *from = xml_attr(iq, "from");

	for (size_t i = 0; id != NULL && i < SYNC_ASKS; i++) {
		struct sync_ask *ask = &sync->asks[i];
		bool fits;

		if (ask->id[0] == '\0' || strcmp(ask->id, id) != 0)
			continue;
		if (ask->from == NULL || strcmp(ask->from, sync->account->jid) == 0)
			fits = sync_is_own(sync, from);
		else
			fits = from != NULL && strcmp(from, ask->from) == 0;
		if (fits) {
			end_ask(sync, ask, arena, iq);
			return;
		}
	}
}

/* -- requests to us ---------------------------------------------------------------------------------------- */

/* After the commit of all that came before it: the asker may take the answer as ours for that (XEP-0199 as a barrier). */
static void
keep_pong(struct sync *sync, const struct xml *iq)
{
	if (sync->pong_count == sizeof(sync->pongs) / sizeof(sync->pongs[0]))
		sync_commit(sync);
	if (sync->pong == NULL)
		sync->pong = arena_new();
	sync->pongs[sync->pong_count++] = iq_result(sync->pong, iq);
}

static void
take_request(struct sync *sync, struct arena *arena, const struct xml *iq)
{
	struct xml *answer;

	if (!iq_valid(iq))
		return;
	if (xml_find(iq, "ping", NS_PING) != NULL && iq_type(iq) == IQ_GET) {
		keep_pong(sync, iq);
		return;
	}
	if (xml_find(iq, "query", NS_ROSTER) != NULL && iq_type(iq) == IQ_SET && sync_is_own(sync, xml_attr(iq, "from"))) {
		sync_roster_push(sync, arena, iq);
		return;
	}
	if (xml_find(iq, NULL, NS_BLOCKING) != NULL && iq_type(iq) == IQ_SET && sync_is_own(sync, xml_attr(iq, "from"))) {
		stream_send(sync->stream, iq_result(arena, iq)); /* another device blocked: the whole list comes at the next sync */
		return;
	}
	if (xml_find(iq, "query", NS_DISCO_INFO) != NULL && iq_type(iq) == IQ_GET) {
		sync_answer_info(sync, arena, iq);
		return;
	}
	answer = stanza_error(arena, iq, STANZA_SERVICE_UNAVAILABLE, NULL, false);
	if (answer != NULL)
		stream_send(sync->stream, answer);
}

static void
take_iq(struct sync *sync, struct arena *arena, const struct xml *iq)
{
	switch (iq_type(iq)) {
	case IQ_RESULT:
	case IQ_ERROR:
		take_answer(sync, arena, iq);
		break;
	case IQ_GET:
	case IQ_SET:
		take_request(sync, arena, iq);
		break;
	case IQ_BAD:
		break;
	}
}

static void
take_stanza(struct sync *sync, struct arena *arena, const struct xml *stanza)
{
	enum stanza_kind kind = stanza_kind(stanza);

	if (kind != STANZA_MESSAGE)
		sync_count_other(sync);
	if (sync->depth++ == 0)
		sync->outermost = stream_received(sync->stream);
	switch (sync_alive(sync) ? kind : STANZA_OTHER) {
	case STANZA_MESSAGE:
		take_message(sync, arena, stanza);
		break;
	case STANZA_IQ:
		take_iq(sync, arena, stanza);
		break;
	case STANZA_PRESENCE:
		sync_presence(sync, arena, stanza);
		break;
	case STANZA_OTHER:
		break;
	}
	sync->depth--;
	if (sync->inbox == NULL && sync->pong_count == 0)
		stream_handled(sync->stream, done_with(sync), false);
}

bool
sync_turn(struct sync *sync, int64_t deadline)
{
	bool open = sync->inbox != NULL || sync->pong_count > 0;
	int64_t pause = now_mono() + SYNC_IDLE_MS;
	struct arena *arena = NULL;
	struct xml *stanza = NULL;

	if (!sync_alive(sync))
		return false;
	if (sync->owner->stopped != NULL && sync->owner->stopped(sync->owner->arg))
		return trouble_set(sync->trouble, FAULT_STOPPED, "by a signal");
	switch (stream_next(sync->stream, open && pause < deadline ? pause : deadline, &arena, &stanza)) {
	case STREAM_STANZA:
		take_stanza(sync, arena, stanza);
		arena_free(&arena);
		break;
	case STREAM_ACK:
		sync_acked(sync);
		break;
	case STREAM_TIME_OUT:
		if (open)
			return sync_commit(sync);
		if (now_mono() >= deadline && sync->asking == 0)
			return trouble_set(sync->trouble, FAULT_TIMEOUT, "silence");
		break;
	case STREAM_WOKEN:
		break;
	case STREAM_CLOSED:
		return trouble_set(sync->trouble, FAULT_LOST, "the relay closed the stream");
	}
	return sync_alive(sync);
}
