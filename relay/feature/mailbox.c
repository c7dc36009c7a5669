/*
 * feature/mailbox.c -- flushing, confirming, clearing: see mailbox.h. XEP-0160, XEP-0203, XEP-0199 as the
 * way to confirm.
 *
 * Here without stream management: at most one ping is outstanding, sent 10 s after unconfirmed rows or, in
 * a flush, at once behind each full window and behind its end. Its answer or error, and nothing else,
 * confirms what was sent before it. While rows are read for a session its stream's answers wait: what a
 * client asks behind its presence, or behind its answer to our ping, is answered behind the rows that these
 * bring. A client's own ping so tells it when it has everything. When a session ends with rows unconfirmed,
 * the other resources read the mailbox again: they get what they have not had. One log line for each change
 * of custody, with the stanza-id: accepted (message.c), delivered, confirmed.
 */
#include "config.h"

#include "relay/feature/mailbox.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/conf.h"
#include "relay/feature/feature_table.h"
#include "relay/net/clock.h"
#include "relay/net/loop.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/route/session.h"
#include "relay/store/read.h"
#include "relay/store/store.h"
#include "relay/stream/stream.h"

enum mailbox_state { MAILBOX_LIVE, MAILBOX_FLUSH, MAILBOX_PAUSED };

struct mailbox {
	enum mailbox_state state;
	bool no_flush;       /* the client pages the archive instead */
	bool reading, again; /* a read is under way; something came since it was asked */
	bool in_window;      /* rows sent since the last confirmation belong to a flush */
	int64_t last;        /* the highest id that was sent or skipped in this flush */
	int64_t *ids;        /* unconfirmed, in order of sending */
	size_t count, room;
	size_t covered;        /* how many of them are before the outstanding ping */
	char ping[ID_LEN + 1]; /* "": none outstanding */
	struct timer *timer;   /* made at first need */
};

struct reading {                 /* a question to the database */
	struct session *session; /* referenced */
	int64_t after;
};

static void flush(struct session *session);

static bool
is_per_device(const struct session *session)
{
	return router_conf(session->router)->mailbox == MAILBOX_DEVICE;
}

static struct mailbox *
mailbox_of(struct session *session)
{
	if (session->mailbox == NULL)
		session->mailbox = xcalloc(1, sizeof *session->mailbox);
	return session->mailbox;
}

/* ---- what is unconfirmed ---- */

static void
remember(struct mailbox *mailbox, int64_t id)
{
	if (mailbox->count == mailbox->room) {
		mailbox->room = mailbox->room == 0 ? 8 : mailbox->room * 2;
		mailbox->ids = xrealloc(mailbox->ids, mailbox->room * sizeof *mailbox->ids);
	}
	mailbox->ids[mailbox->count++] = id;
}

static bool
is_unconfirmed(const struct mailbox *mailbox, int64_t id)
{
	for (size_t i = 0; i < mailbox->count; i++)
		if (mailbox->ids[i] == id)
			return true;
	return false;
}

static int
compare_ids(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return left < right ? -1 : left > right;
}

/* Another resource has confirmed these (sorted): nothing to confirm any more. */
static void
forget(struct mailbox *mailbox, const int64_t *ids, size_t count)
{
	size_t kept = 0, covered = 0;

	for (size_t i = 0; i < mailbox->count; i++) {
		if (bsearch(&mailbox->ids[i], ids, count, sizeof *ids, compare_ids) != NULL)
			continue;
		covered += i < mailbox->covered;
		mailbox->ids[kept++] = mailbox->ids[i];
	}
	mailbox->count = kept;
	mailbox->covered = covered;
}

static void
send_row(struct session *session, int64_t id, int64_t received, const char *body, size_t len)
{
	struct buf buf = { 0 };
	char text[33];

	mailbox_write(&buf, session, id, received, body, len);
	remember(session->mailbox, id);
	store_stanza_id(router_store(session->router), id, text);
	log_info(&session->log, "%s delivered", text);
	session_send_bytes(session, buf.data, buf.len); /* may close it */
	buf_free(&buf);
}

/* ---- the ping ---- */

static void
ping(struct session *session)
{
	struct mailbox *mailbox = session->mailbox;
	struct arena *arena;
	struct xml *iq;

	if (session->gone || mailbox->ping[0] != '\0' ||
	    (mailbox->count == 0 && mailbox->state != MAILBOX_PAUSED))
		return;
	random_id(mailbox->ping);
	mailbox->covered = mailbox->count;
	if (mailbox->timer != NULL)
		timer_clear(mailbox->timer);
	arena = arena_new();
	iq = stanza_new(arena, "iq", router_domain(session->router), session->text, "get", mailbox->ping);
	xml_add(arena, iq, "ping", NS_PING);
	session_send(session, iq);
	arena_free(&arena);
}

static void
ping_due(void *arg)
{
	ping(arg);
}

static void
ping_later(struct session *session)
{
	struct mailbox *mailbox = session->mailbox;

	if (session->gone || mailbox->ping[0] != '\0' || mailbox->count == 0 ||
	    router_loop(session->router) == NULL)
		return;
	if (mailbox->timer == NULL)
		mailbox->timer = timer_new(router_loop(session->router), ping_due, session);
	timer_set(mailbox->timer, MAILBOX_PING_AFTER);
}

/* When another ping is out, its answer comes back here. */
static void
ping_behind_end(struct session *session)
{
	struct mailbox *mailbox = session->mailbox;

	if (!mailbox->in_window || mailbox->ping[0] != '\0')
		return;
	mailbox->in_window = false;
	ping(session);
}

/* ---- flush ---- */

static bool
is_full(const struct session *session)
{
	return session->mailbox->count >= MAILBOX_WINDOW ||
	       stream_queued(session->stream) > MAILBOX_QUEUED_MOST;
}

static void
rows_sent(struct session *session, bool failed, bool full, bool more)
{
	struct mailbox *mailbox = session->mailbox;

	if (failed) { /* logged; the next login or message tries again */
		mailbox->state = MAILBOX_LIVE;
		ping_later(session);
	} else if (full) {
		mailbox->state = MAILBOX_PAUSED;
		mailbox->in_window = false;
		ping(session);
	} else if (more || mailbox->again) {
		flush(session);
	} else {
		mailbox->state = MAILBOX_LIVE;
		ping_behind_end(session);
	}
}

static void
rows_read(void *arg, bool failed, const struct message_row *rows, size_t count)
{
	struct reading *reading = arg;
	struct session *session = reading->session;
	struct mailbox *mailbox = session->mailbox;
	size_t i;

	free(reading);
	if (mailbox == NULL || session->gone || !session_is_eligible(session)) {
		if (mailbox != NULL) {
			mailbox->reading = false;
			mailbox->state = MAILBOX_LIVE;
		}
		if (!session->gone)
			stream_barrier(session->stream, false);
		session_unref(&session);
		return;
	}
	mailbox->reading = false;
	for (i = 0; i < count && !session->gone; i++) {
		if (is_full(session))
			break;
		mailbox->last = rows[i].id;
		if (is_unconfirmed(mailbox, rows[i].id))
			continue;
		mailbox->in_window = true;
		send_row(session, rows[i].id, rows[i].time, rows[i].body, rows[i].len);
	}
	if (!session->gone)
		rows_sent(session, failed, i < count || is_full(session),
			  count > 0); /* read.h: only 0 rows is the end */
	if (!session->gone && !session->mailbox->reading)
		stream_barrier(session->stream, false);
	session_unref(&session);
}

/* Read on behind `last`. */
static void
flush(struct session *session)
{
	struct mailbox *mailbox = session->mailbox;
	struct reading *reading;

	mailbox->state = MAILBOX_FLUSH;
	mailbox->again = false;
	if (mailbox->reading) {
		mailbox->again = true;
		return;
	}
	mailbox->reading = true;
	stream_barrier(session->stream, true);
	reading = xcalloc(1, sizeof *reading);
	*reading = (struct reading){ .session = session_ref(session), .after = mailbox->last };
	read_pending_device(router_store(session->router), session->account->node,
			    is_per_device(session) ? session->jid.resource : NULL, mailbox->last,
			    MAILBOX_WINDOW, rows_read, reading);
}

void
mailbox_deliver(struct session *session, int64_t id, const char *body, size_t len)
{
	struct mailbox *mailbox;
	bool first;

	if (session->gone)
		return;
	mailbox = mailbox_of(session);
	first = mailbox->count == mailbox->covered;
	if (mailbox->state == MAILBOX_LIVE && mailbox->count < MAILBOX_LIVE_MOST &&
	    stream_queued(session->stream) <= MAILBOX_QUEUED_MOST) {
		send_row(session, id, 0, body, len);
		if (first && !session->gone)
			ping_later(session);
		return;
	}
	if (mailbox->state ==
	    MAILBOX_LIVE) { /* from here on it is a flush that goes on when the ping is answered */
		mailbox->state = MAILBOX_PAUSED;
		mailbox->last = id - 1;
		ping(session);
	}
	mailbox->again = true;
}

void
mailbox_sent(struct session *session, int64_t id)
{
	struct mailbox *mailbox;

	/* What a device has is told by the highest id it confirmed: a page may begin anywhere. */
	if (session->gone || !session_is_eligible(session) || is_per_device(session))
		return;
	mailbox = mailbox_of(session);
	if (mailbox->count >= MAILBOX_LIVE_MOST || is_unconfirmed(mailbox, id))
		return;
	remember(mailbox, id);
	if (mailbox->count - mailbox->covered >= MAILBOX_WINDOW)
		ping(session);
	else
		ping_later(session);
}

/* ---- confirmation ---- */

/* The account's count is the quota's: how many rows the confirmation took is known to the database alone. */
static void
counted(void *arg, bool failed, int64_t count, int64_t bytes)
{
	struct session *session = arg;

	(void)bytes;
	if (!failed)
		session->account->pending = count;
	session_unref(&session);
}

static void
device_acked(void *arg, enum txn_result result)
{
	struct session *session = arg;

	(void)result; /* a failure is logged, and the rows come again */
	read_pending_count(router_store(session->router), session->account->node, counted, session);
}

/*
 * mailbox = device: rows stay until every device seen within `hold` has them. Ids rise in the order of
 * commits, and a device is sent rows in that order, so one number says what it has: the highest confirmed
 * id below all that it was sent and has not confirmed.
 */
static void
ack_device(struct session *session, const int64_t *ids, size_t count)
{
	const struct mailbox *mailbox = session->mailbox;
	int64_t upto = ids[count - 1], now = now_wall(), bound = INT64_MAX;
	struct txn *txn = txn_new(router_store(session->router));

	for (size_t i = 0; i < mailbox->count; i++)
		bound = mailbox->ids[i] < bound ? mailbox->ids[i] : bound;
	for (size_t i = count; i-- > 0 && upto >= bound;)
		upto = ids[i];
	if (upto < bound)
		txn_add(txn, &(struct op){ .kind = OP_DEVICE_ACK,
					   .account = session->account->node,
					   .item = session->jid.resource,
					   .id = upto,
					   .expires = now - router_conf(session->router)->hold * 1000 });
	txn_submit(&txn, device_acked, session_ref(session));
}

static void
note_device(struct session *session)
{
	struct txn *txn = txn_new(router_store(session->router));

	txn_add(txn, &(struct op){ .kind = OP_DEVICE_SEEN,
				   .account = session->account->node,
				   .item = session->jid.resource,
				   .time = now_wall() });
	txn_submit(&txn, NULL, NULL);
}

static void
clear_rows(struct session *session, int64_t *ids, size_t count)
{
	struct account *account = session->account;
	struct session *row[SESSION_MOST];
	struct txn *txn;
	size_t sessions;
	char text[33];

	qsort(ids, count, sizeof *ids, compare_ids);
	for (size_t i = 0; i < count; i++) {
		store_stanza_id(router_store(session->router), ids[i], text);
		log_info(&session->log, "%s confirmed", text);
	}
	if (is_per_device(session)) {
		ack_device(session, ids, count);
		return;
	}
	txn = txn_new(router_store(session->router));
	for (size_t i = 0; i < count; i++)
		txn_add(txn,
			&(struct op){ .kind = OP_PENDING_CLEAR, .account = account->node, .id = ids[i] });
	account->pending -= account->pending < (int64_t)count ? account->pending : (int64_t)count;
	sessions = session_row(account, row);
	for (size_t i = 0; i < sessions; i++) {
		if (row[i] != session && row[i]->mailbox != NULL)
			forget(row[i]->mailbox, ids, count);
		session_unref(&row[i]);
	}
	txn_submit(&txn, NULL, NULL);
}

static void
confirmed(struct session *session)
{
	struct mailbox *mailbox = session->mailbox;
	size_t count = mailbox->covered, left;
	int64_t *ids = mailbox->ids;

	mailbox->ping[0] = '\0';
	mailbox->covered = 0;
	if (count > 0) {
		/* The confirmed ones leave; what came behind the ping stays. */
		left = mailbox->count - count;
		mailbox->ids = NULL;
		mailbox->count = mailbox->room = 0;
		for (size_t i = 0; i < left; i++)
			remember(mailbox, ids[count + i]);
		clear_rows(session, ids, count);
		free(ids);
	}
	if (mailbox->state == MAILBOX_PAUSED && session_is_eligible(session)) {
		flush(session);
		return;
	}
	if (mailbox->state == MAILBOX_PAUSED)
		mailbox->state = MAILBOX_LIVE;
	if (mailbox->state == MAILBOX_LIVE)
		ping_behind_end(session);
	ping_later(session);
}

static enum verdict
on_answer(struct event *event, void *state)
{
	const struct mailbox *mailbox = event->origin->mailbox;
	const char *id = xml_attr(event->stanza, "id");

	(void)state;
	if (mailbox == NULL || mailbox->ping[0] == '\0' || id == NULL || strlen(id) != ID_LEN ||
	    !same_secret(id, mailbox->ping, ID_LEN))
		return PASS;
	confirmed(event->origin);
	return HANDLED;
}

/* ---- coming and going ---- */

static void
restart(struct session *session)
{
	struct mailbox *mailbox = mailbox_of(session);

	mailbox->last = 0;
	if (mailbox->state == MAILBOX_PAUSED && mailbox->ping[0] != '\0')
		return; /* its answer goes on, from the beginning */
	flush(session);
}

static enum verdict
on_available(struct event *event, void *state)
{
	struct session *session = event->origin;

	(void)state;
	if (session_is_eligible(session) && is_per_device(session))
		note_device(session);
	if (session_is_eligible(session) && !mailbox_of(session)->no_flush)
		restart(session);
	return PASS;
}

static enum verdict
on_closed(struct event *event, void *state)
{
	struct session *session = event->origin, *row[SESSION_MOST];
	struct mailbox *mailbox = session->mailbox;
	size_t count;

	(void)state;
	if (mailbox == NULL)
		return PASS;
	if (mailbox->count > 0) {
		count = session_row(session->account, row);
		for (size_t i = 0; i < count; i++) {
			if (row[i] != session && session_is_eligible(row[i]) && !mailbox_of(row[i])->no_flush)
				restart(row[i]);
			session_unref(&row[i]);
		}
	}
	if (mailbox->timer != NULL)
		timer_free(&mailbox->timer);
	free(mailbox->ids);
	free(mailbox);
	session->mailbox = NULL;
	return PASS;
}

/* <mailbox xmlns='urn:lazo:custody:0' flush='no'/>: this client pages the archive instead. */
static enum verdict
on_mailbox(struct event *event, void *state)
{
	const char *wanted = xml_attr(event->payload, "flush");

	(void)state;
	if (event->origin == NULL || wanted == NULL ||
	    (strcmp(wanted, "no") != 0 && strcmp(wanted, "yes") != 0))
		return event_reject(event, STANZA_BAD_REQUEST, NULL);
	if (event->origin->available)
		return event_reject(event, STANZA_UNEXPECTED_REQUEST, "before initial presence only");
	mailbox_of(event->origin)->no_flush = strcmp(wanted, "no") == 0;
	event_reply_result(event);
	return HANDLED;
}

static const struct iq_handler handlers[] = {
	{ "mailbox", NS_CUSTODY, ON_SET, TO_SELF | TO_HOST, on_mailbox },
	{ 0 },
};
static const struct hook hooks[] = {
	{ POINT_ANSWER, ORDER_DELIVER, on_answer },
	{ POINT_AVAILABLE, ORDER_DELIVER, on_available },
	{ POINT_CLOSED, ORDER_DELIVER, on_closed },
	{ 0 },
};

const struct feature feature_mailbox = {
	.name = "mailbox",
	.spec = "XEP-0160 1.0.1",
	.disco = (const char *const[]){ "msgoffline", NULL },
	.iq = handlers,
	.hooks = hooks,
};
