/*
 * feature/mailbox_confirm.c -- what a session was sent and has not confirmed; the ping that asks; clearing.
 * See mailbox.h.
 *
 * At most one ping is outstanding, sent 10 s after unconfirmed rows or, in a flush, at once behind each full
 * window and behind its end. Its answer or error, and nothing else, confirms what was sent before it: the
 * rows leave the mailbox of the account (mailbox = account), or are noted for this device (mailbox = device).
 *
 * Under stream management (XEP-0198) <r/> takes the ping's place, 2 s after unconfirmed rows or behind 50 of
 * them, and the client's <a/>, asked for or not, confirms the rows among the stanzas that it counts. Rows
 * from before <enable/> stay with the ping.
 */
#include "config.h"

#include "relay/feature/mailbox-private.h"

#include <stdlib.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/conf.h"
#include "relay/feature/custody.h"
#include "relay/feature/quota.h"
#include "relay/net/clock.h"
#include "relay/net/loop.h"
#include "relay/route/account.h"
#include "relay/route/router.h"
#include "relay/route/session.h"
#include "relay/store/read.h"
#include "relay/store/store.h"
#include "relay/stream/stream.h"
#include "relay/tally.h"

enum {
	ASK_AFTER = 2 * 1000, /* ms */
	ASK_BEHIND = 50,      /* rows */
};

bool
mailbox_is_per_device(const struct session *session)
{
	return router_conf(session->router)->mailbox == MAILBOX_DEVICE;
}

/* ---- what is unconfirmed ---- */

void
mailbox_remember(struct mailbox *mailbox, const struct mailbox_row *row)
{
	if (mailbox->count == mailbox->room) {
		mailbox->room = mailbox->room == 0 ? 8 : mailbox->room * 2;
		mailbox->rows = xrealloc(mailbox->rows, mailbox->room * sizeof *mailbox->rows);
	}
	mailbox->rows[mailbox->count++] = *row;
}

bool
mailbox_is_unconfirmed(const struct mailbox *mailbox, int64_t id)
{
	for (size_t i = 0; i < mailbox->count; i++)
		if (mailbox->rows[i].id == id)
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
		if (bsearch(&mailbox->rows[i].id, ids, count, sizeof *ids, compare_ids) != NULL)
			continue;
		covered += i < mailbox->covered;
		mailbox->rows[kept++] = mailbox->rows[i];
	}
	mailbox->count = kept;
	mailbox->covered = covered;
	mailbox_owed_forget(mailbox, ids, count);
}

/* ---- the question ---- */

bool
mailbox_is_asking(const struct mailbox *mailbox)
{
	return mailbox->asked || mailbox->ping[0] != '\0';
}

/* The answer to <r/> says all that is to be known. */
static bool
acks_suffice(const struct session *session)
{
	return stream_is_managed(session->stream) &&
	       (session->mailbox->count == 0 || session->mailbox->rows[0].sent > 0);
}

void
mailbox_ping(struct session *session)
{
	struct mailbox *mailbox = session->mailbox;
	struct arena *arena;
	struct xml *iq;

	if (session->gone || mailbox_is_away(session) || mailbox_is_asking(mailbox) ||
	    (mailbox->count == 0 && mailbox->state != MAILBOX_PAUSED))
		return;
	mailbox->covered = mailbox->count;
	if (mailbox->timer != NULL)
		timer_clear(mailbox->timer);
	if (acks_suffice(session)) {
		mailbox->asked = true;
		stream_ask(session->stream);
		return;
	}
	random_id(mailbox->ping);
	arena = arena_new();
	iq = stanza_new(arena, "iq", router_domain(session->router), session->text, "get", mailbox->ping);
	xml_add(arena, iq, "ping", NS_PING);
	session_send(session, iq);
	arena_free(&arena);
}

static void
ping_due(void *arg)
{
	mailbox_ping(arg);
}

void
mailbox_ping_later(struct session *session)
{
	struct mailbox *mailbox = session->mailbox;

	if (session->gone || mailbox_is_asking(mailbox) || mailbox->count == 0 ||
	    router_loop(session->router) == NULL)
		return;
	if (mailbox->timer == NULL)
		mailbox->timer = timer_new(router_loop(session->router), ping_due, session);
	timer_set(mailbox->timer, acks_suffice(session) ? ASK_AFTER : MAILBOX_PING_AFTER);
}

void
mailbox_ping_behind_row(struct session *session, bool first)
{
	const struct mailbox *mailbox = session->mailbox;

	if (acks_suffice(session) && mailbox->count - mailbox->covered >= ASK_BEHIND)
		mailbox_ping(session);
	else if (first)
		mailbox_ping_later(session);
}

/* When another ping is out, its answer comes back here. */
void
mailbox_ping_behind_end(struct session *session)
{
	struct mailbox *mailbox = session->mailbox;

	if (!mailbox->in_window || mailbox_is_asking(mailbox))
		return;
	mailbox->in_window = false;
	mailbox_ping(session);
}

/* ---- confirmation ---- */

/* Rows on their way out. */
struct clearing {
	struct session *session; /* referenced */
	int64_t *ids;            /* sorted */
	size_t count;
	struct pending_tally left; /* what that took out of the mailbox: the database knows */
};

/* A failure is logged by the store, and the rows come again. */
static void
cleared(void *arg, enum txn_result result)
{
	struct clearing *clearing = arg;
	struct session *session = clearing->session;
	struct store *store = router_store(session->router);
	char text[33];

	for (size_t i = 0; i < clearing->count && result == TXN_COMMITTED; i++) {
		store_stanza_id(store, clearing->ids[i], text);
		tally_add(TALLY_CONFIRMED, 1);
		log_journal(&session->log, "%s confirmed", text);
	}
	if (result == TXN_COMMITTED)
		custody_delivered(session->router, clearing->ids, clearing->count);
	if (session->mailbox != NULL)
		session->mailbox->clearing--;
	mailbox_hold(session);
	quota_mailbox_left(session->account, &clearing->left);
	session_unref(&clearing->session);
	free(clearing->ids);
	free(clearing);
}

/*
 * mailbox = device: rows stay until every device seen within `hold` has them. Ids rise in the order of
 * commits, and a device is sent rows in that order, so one number says what it has: the highest confirmed
 * id below all that it was sent and has not confirmed.
 */
static void
ack_device(struct clearing *clearing, struct txn *txn)
{
	const struct session *session = clearing->session;
	const struct mailbox *mailbox = session->mailbox;
	int64_t upto = clearing->ids[clearing->count - 1], bound = mailbox_owed_first(mailbox);

	for (size_t i = 0; i < mailbox->count; i++)
		bound = mailbox->rows[i].id < bound ? mailbox->rows[i].id : bound;
	for (size_t i = clearing->count; i-- > 0 && upto >= bound;)
		upto = clearing->ids[i];
	for (size_t i = 0; i < clearing->count; i++)
		txn_add(txn, &(struct op){ .kind = OP_STATUS_DELIVERED,
					   .account = session->account->node,
					   .id = clearing->ids[i],
					   .time = now_wall() });
	if (upto < bound)
		txn_add(txn, &(struct op){ .kind = OP_DEVICE_ACK,
					   .account = session->account->node,
					   .item = session->jid.resource,
					   .id = upto,
					   .left = &clearing->left,
					   .expires = now_wall() - router_conf(session->router)->hold * 1000 });
}

void
mailbox_note_device(struct session *session)
{
	struct txn *txn = txn_new(router_store(session->router));

	txn_add(txn, &(struct op){ .kind = OP_DEVICE_SEEN,
				   .account = session->account->node,
				   .item = session->jid.resource,
				   .time = now_wall() });
	txn_submit(&txn, NULL, NULL);
}

/* For the whole account: the other resources have nothing to confirm of these any more. */
static void
ack_account(struct clearing *clearing, struct txn *txn)
{
	struct account *account = clearing->session->account;
	struct session *row[SESSION_MOST];
	size_t sessions = session_row(account, row);

	for (size_t i = 0; i < clearing->count; i++)
		txn_add(txn, &(struct op){ .kind = OP_PENDING_CLEAR,
					   .account = account->node,
					   .id = clearing->ids[i],
					   .time = now_wall(),
					   .left = &clearing->left });
	for (size_t i = 0; i < sessions; i++) {
		if (row[i] != clearing->session && row[i]->mailbox != NULL)
			forget(row[i]->mailbox, clearing->ids, clearing->count);
		session_unref(&row[i]);
	}
}

/* Takes the ids over. */
static void
clear_rows(struct session *session, int64_t *ids, size_t count)
{
	struct clearing *clearing = xcalloc(1, sizeof *clearing);
	struct txn *txn = txn_new(router_store(session->router));

	qsort(ids, count, sizeof *ids, compare_ids);
	*clearing = (struct clearing){ .session = session_ref(session), .ids = ids, .count = count };
	if (mailbox_is_per_device(session))
		ack_device(clearing, txn);
	else
		ack_account(clearing, txn);
	session->mailbox->clearing++;
	mailbox_hold(session);
	txn_submit(&txn, cleared, clearing);
}

/* The first ones leave; what came behind them stays. */
static void
confirm_first(struct session *session, size_t count)
{
	struct mailbox *mailbox = session->mailbox;
	struct mailbox_row *rows = mailbox->rows;
	size_t left = mailbox->count - count;
	int64_t *ids;

	if (count == 0)
		return;
	ids = xcalloc(count, sizeof *ids);
	for (size_t i = 0; i < count; i++)
		ids[i] = rows[i].id;
	mailbox->rows = NULL;
	mailbox->count = mailbox->room = 0;
	for (size_t i = 0; i < left; i++)
		mailbox_remember(mailbox, &rows[count + i]);
	free(rows);
	if (left == 0 && mailbox->timer != NULL)
		timer_clear(mailbox->timer);
	clear_rows(session, ids, count);
}

static void
go_on(struct session *session)
{
	struct mailbox *mailbox = session->mailbox;

	if (mailbox->state == MAILBOX_PAUSED && mailbox_is_reader(session)) {
		if (mailbox->count >= MAILBOX_WINDOW)
			mailbox_ping_later(session); /* it counts slowly: not as fast as it can answer */
		else
			mailbox_flush(session);
		return;
	}
	if (mailbox->state == MAILBOX_PAUSED)
		mailbox->state = MAILBOX_LIVE;
	if (mailbox->state == MAILBOX_LIVE)
		mailbox_ping_behind_end(session);
	mailbox_ping_later(session);
}

void
mailbox_confirmed(struct session *session)
{
	struct mailbox *mailbox = session->mailbox;
	size_t count = mailbox->covered;

	mailbox->ping[0] = '\0';
	mailbox->covered = 0;
	confirm_first(session, count);
	go_on(session);
}

static size_t
counted_by(const struct mailbox *mailbox, uint64_t upto)
{
	size_t count = 0;

	while (count < mailbox->count && mailbox->rows[count].sent > 0 && mailbox->rows[count].sent <= upto)
		count++;
	return count;
}

void
mailbox_confirm_upto(struct session *session, uint64_t upto)
{
	confirm_first(session, counted_by(session->mailbox, upto));
}

void
mailbox_acked(struct session *session, uint64_t upto)
{
	struct mailbox *mailbox = session->mailbox;
	bool asked;
	size_t count;

	if (mailbox == NULL || mailbox->ping[0] != '\0') /* then its answer comes first */
		return;
	asked = mailbox->asked;
	count = counted_by(mailbox, upto);
	if (!asked && count == 0)
		return;
	mailbox->asked = false;
	mailbox->covered = 0;
	confirm_first(session, count);
	go_on(session);
}
