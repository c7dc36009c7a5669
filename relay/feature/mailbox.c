/*
 * feature/mailbox.c -- waiting messages: flushed to who comes, taken over when one goes. See mailbox.h;
 * XEP-0160. What confirms them is in mailbox_confirm.c.
 *
 * While rows are read for a session its stream's answers wait: what a client asks behind its presence, or
 * behind its answer to our ping, is answered behind the rows that these bring. A client's own ping so tells
 * it when it has everything.
 * They wait too while what it confirmed is taken out: an answer to what came behind the confirmation says that
 * these rows will not come again.
 * When a session ends with rows unconfirmed, the other resources read the mailbox again: they get what they
 * have not had.
 * One log line for each change of custody, with the stanza-id: accepted (message.c), delivered, confirmed.
 */
#include "config.h"

#include "relay/feature/mailbox-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/quota.h"
#include "relay/net/loop.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/route/session.h"
#include "relay/store/read.h"
#include "relay/store/store.h"
#include "relay/store/txn.h"
#include "relay/stream/stream.h"
#include "relay/tally.h"

struct mailbox *
mailbox_of(struct session *session)
{
	if (session->mailbox == NULL)
		session->mailbox = xcalloc(1, sizeof *session->mailbox);
	return session->mailbox;
}

void
mailbox_hold(struct session *session)
{
	const struct mailbox *mailbox = session->mailbox;

	if (!session->gone)
		stream_barrier(session->stream, mailbox != NULL && (mailbox->reading || mailbox->clearing > 0));
}

/* received: 0 when it is delivered live. */
static void
send_row(struct session *session, int64_t id, int64_t received, const char *body, size_t len)
{
	struct mailbox *mailbox = session->mailbox;
	uint64_t place = mailbox_owed_now(session, id);
	struct buf buf = { 0 };
	char text[33];

	if (session->gone)
		return;
	if (received != 0)
		mailbox_write_stored(&buf, session, id, received, body, len);
	else
		mailbox_write(&buf, session, id, 0, body, len);
	mailbox_remember(mailbox, &(struct mailbox_row){ .id = id, .sent = UINT64_MAX });
	store_stanza_id(router_store(session->router), id, text);
	tally_add(TALLY_DELIVERED, 1);
	log_journal(&session->log, "%s delivered", text);
	session_send_row(session, buf.data, buf.len); /* may close it; may send others ahead (quiet.h) */
	if (!session->gone) {
		mailbox->rows[mailbox->count - 1].sent = stream_sent(session->stream);
		mailbox->rows[mailbox->count - 1].place = place != 0 ? place : stream_place(session->stream);
		mailbox_owed_sent(session);
	}
	buf_free(&buf);
}

/* ---- flush ---- */

static bool
is_full(const struct session *session)
{
	const struct mailbox *mailbox = session->mailbox;

	/* What it had been sent before its connection was lost had gone out without a window. */
	return mailbox->count >= (mailbox->owed != NULL ? MAILBOX_LIVE_MOST : MAILBOX_WINDOW) ||
	       stream_queued(session->stream) > MAILBOX_QUEUED_MOST;
}

static void
rows_sent(struct session *session, bool failed, bool full, bool more)
{
	struct mailbox *mailbox = session->mailbox;

	if (failed) { /* logged; the next login or message tries again */
		mailbox->state = MAILBOX_LIVE;
		mailbox_owed_over(session);
		mailbox_ping_later(session);
	} else if (full) {
		mailbox->state = MAILBOX_PAUSED;
		mailbox->in_window = false;
		mailbox_ping(session);
	} else if (more || mailbox->again) {
		mailbox_flush(session);
	} else {
		mailbox->state = MAILBOX_LIVE;
		mailbox_owed_over(session);
		mailbox_ping_behind_end(session);
	}
}

struct dropping {
	struct session *session; /* referenced */
	int64_t id;
	struct pending_tally left;
};

static void
dropped(void *arg, enum txn_result result)
{
	struct dropping *dropping = arg;
	char text[33];

	store_stanza_id(router_store(dropping->session->router), dropping->id, text);
	if (result == TXN_COMMITTED)
		log_journal(&dropping->session->log, "%s dropped: its sender is blocked", text);
	quota_mailbox_left(dropping->session->account, &dropping->left);
	session_unref(&dropping->session);
	free(dropping);
}

/* Blocked since it came: XEP-0191 3.3 lets nothing be delivered. */
static void
drop_row(struct session *session, int64_t id)
{
	struct dropping *dropping = xcalloc(1, sizeof *dropping);
	struct txn *txn = txn_new(router_store(session->router));

	dropping->session = session_ref(session);
	dropping->id = id;
	txn_add(txn, &(struct op){ .kind = OP_PENDING_CLEAR,
				   .account = session->account->node,
				   .id = id,
				   .left = &dropping->left });
	txn_submit(&txn, dropped, dropping);
}

static void
rows_read(void *arg, bool failed, const struct message_row *rows, size_t count)
{
	struct session *session = arg; /* referenced by mailbox_flush() */
	struct mailbox *mailbox = session->mailbox;
	size_t i;

	if (mailbox == NULL || session->gone || !mailbox_is_reader(session)) {
		if (mailbox != NULL) {
			mailbox->reading = mailbox->anew = false;
			mailbox->state = MAILBOX_LIVE;
		}
		mailbox_hold(session);
		session_unref(&session);
		return;
	}
	mailbox->reading = false;
	if (mailbox_is_away(session)) { /* goes on when it is back */
		mailbox->anew = false;
		mailbox->state = MAILBOX_PAUSED;
		mailbox_hold(session);
		session_unref(&session);
		return;
	}
	if (mailbox->anew) {
		mailbox->anew = false;
		mailbox_flush(session);
		session_unref(&session);
		return;
	}
	for (i = 0; i < count && !session->gone; i++) {
		if (is_full(session))
			break;
		mailbox->last = rows[i].id;
		if (account_blocks_text(session->account, rows[i].from)) {
			drop_row(session, rows[i].id);
			continue;
		}
		if (mailbox_is_unconfirmed(mailbox, rows[i].id) ||
		    (!session_is_eligible(session) && !mailbox_is_owed(mailbox, rows[i].id)))
			continue;
		mailbox->in_window = true;
		send_row(session, rows[i].id, rows[i].time, rows[i].body, rows[i].len);
	}
	if (!session->gone)
		rows_sent(session, failed, i < count || is_full(session),
			  count > 0); /* read.h: only 0 rows is the end */
	mailbox_hold(session);
	session_unref(&session);
}

/* Read on behind `last`. */
void
mailbox_flush(struct session *session)
{
	struct mailbox *mailbox = session->mailbox;

	if (mailbox_is_away(session)) {
		mailbox->state = MAILBOX_PAUSED;
		return;
	}
	mailbox->state = MAILBOX_FLUSH;
	mailbox->again = false;
	if (mailbox->reading) {
		mailbox->again = true;
		return;
	}
	mailbox->reading = true;
	mailbox_hold(session);
	read_pending_device(router_store(session->router), session->account->node,
			    mailbox_is_per_device(session) ? session->jid.resource : NULL, mailbox->last,
			    MAILBOX_WINDOW, rows_read, session_ref(session));
}

void
mailbox_deliver(struct session *session, int64_t id, const char *body, size_t len)
{
	struct mailbox *mailbox;
	bool first;

	if (session->gone)
		return;
	mailbox = mailbox_of(session);
	/* The reader may see a commit before its completion has run: a flush has sent it already. */
	if (id <= mailbox->last && mailbox_is_unconfirmed(mailbox, id))
		return;
	if (mailbox_is_away(session) || mailbox->owed != NULL) {
		mailbox_missed(session, id);
		return;
	}
	first = mailbox->count == mailbox->covered;
	if (mailbox->state == MAILBOX_LIVE && mailbox->count < MAILBOX_LIVE_MOST &&
	    stream_queued(session->stream) <= MAILBOX_QUEUED_MOST) {
		send_row(session, id, 0, body, len);
		if (!session->gone)
			mailbox_ping_behind_row(session, first);
		return;
	}
	if (mailbox->state == MAILBOX_LIVE) { /* now a flush, which goes on when the ping is answered */
		mailbox->state = MAILBOX_PAUSED;
		mailbox->last = id - 1;
		mailbox_ping(session);
	} else if (id <= mailbox->last) { /* committed behind a later one that was read before */
		mailbox->last = id - 1;
		mailbox->anew = mailbox->reading;
	}
	mailbox->again = true;
}

void
mailbox_sent(struct session *session, int64_t id)
{
	struct mailbox *mailbox;

	/* What a device has is told by the highest id it confirmed: a page may begin anywhere. */
	if (session->gone || mailbox_is_away(session) || mailbox_is_per_device(session))
		return;
	mailbox = mailbox_of(session);
	if (mailbox->owed != NULL) /* it waits behind what is sent again: not sent yet, and nothing counts it */
		return;
	if (!session_is_eligible(session) && (session->available || !mailbox->no_flush))
		return;
	if (mailbox->count >= MAILBOX_LIVE_MOST || mailbox_is_unconfirmed(mailbox, id))
		return;
	mailbox_remember(mailbox, &(struct mailbox_row){ .id = id,
							 .sent = stream_sent(session->stream),
							 .place = stream_place(session->stream) });
	if (mailbox->count - mailbox->covered >= MAILBOX_WINDOW)
		mailbox_ping(session);
	else
		mailbox_ping_later(session);
}

/* ---- coming and going ---- */

static enum verdict
on_answer(struct event *event, void *state)
{
	const struct mailbox *mailbox = event->origin->mailbox;
	const char *id = xml_attr(event->stanza, "id");

	(void)state;
	if (mailbox == NULL || mailbox->ping[0] == '\0' || id == NULL || strlen(id) != ID_LEN ||
	    !same_secret(id, mailbox->ping, ID_LEN))
		return PASS;
	mailbox_confirmed(event->origin);
	return HANDLED;
}

static void
restart(struct session *session)
{
	struct mailbox *mailbox = mailbox_of(session);

	mailbox->last = 0;
	mailbox->anew = mailbox->reading;
	if (mailbox->state == MAILBOX_PAUSED && mailbox_is_asking(mailbox))
		return; /* its answer goes on, from the beginning */
	mailbox_flush(session);
}

static enum verdict
on_available(struct event *event, void *state)
{
	struct session *session = event->origin;

	(void)state;
	if (session_is_eligible(session) && mailbox_is_per_device(session))
		mailbox_note_device(session);
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
	if (mailbox->count > 0 || mailbox->owed != NULL || mailbox->state != MAILBOX_LIVE) {
		count = session_row(session->account, row);
		for (size_t i = 0; i < count; i++) {
			if (row[i] != session && session_is_eligible(row[i]) && !mailbox_of(row[i])->no_flush)
				restart(row[i]);
			session_unref(&row[i]);
		}
	}
	if (mailbox->timer != NULL)
		timer_free(&mailbox->timer);
	free(mailbox->rows);
	free(mailbox->owed);
	free(mailbox);
	session->mailbox = NULL;
	return PASS;
}

/* <mailbox xmlns='urn:lazo:custody:0' flush='no'/>: this client pages the archive instead, so what it is
 * shown there counts as delivered already before its presence. With flush='yes' behind the pages, presence
 * brings what no archive has. */
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

static void
on_acked(void *state, struct session *session, uint64_t upto)
{
	(void)state;
	mailbox_acked(session, upto);
}

static void
on_resumed(void *state, struct session *session, uint64_t upto)
{
	(void)state;
	mailbox_resumed(session, upto);
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
	.disco_account = (const char *const[]){ NS_CUSTODY "#mailbox", NULL },
	.iq = handlers,
	.hooks = hooks,
	.acked = on_acked,
	.resumed = on_resumed,
};
