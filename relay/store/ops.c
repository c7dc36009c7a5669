/*
 * ops.c -- each kind of operation as rows of SQL: one table, op_kind -> what it does and whether it needs
 * room. Messages are in ops_message.c, pubsub in ops_items.c.
 *
 * Runs in the writer's thread, always inside a transaction. DB_CONFLICT: its condition did not hold; the
 * caller undoes what the transaction did before.
 */
#include "config.h"

#include "relay/store/ops-private.h"

#include <assert.h>
#include <string.h>

enum db_result
op_none_is_conflict(struct db *db, enum db_result result)
{
	return result == DB_OK && db_changes(db) == 0 ? DB_CONFLICT : result;
}

enum db_result
op_account_find(struct db *db, const char *node, int64_t *id_r)
{
	assert(node != NULL);
	return db_number(db, SQL_ACCOUNT_FIND, v_text(node), id_r);
}

/* For operations that find nothing to do when the account is not there. */
enum db_result
op_none_is_ok(enum db_result result)
{
	return result == DB_CONFLICT ? DB_OK : result;
}

enum db_result
op_jid_intern(struct db *db, const char *text, size_t len, int64_t *id_r)
{
	enum db_result result = db_number(db, SQL_JID_FIND, v_span(text, len), id_r);

	if (result != DB_CONFLICT)
		return result;
	result = db_run(db, SQL_JID_NEW, v_span(text, len));
	*id_r = db_last_id(db);
	return result;
}

/* ---- accounts */

#define KEYS(keys)                                                                                           \
	v_blob((keys)->salt, sizeof(keys)->salt), v_int((keys)->iterations),                                 \
	    v_blob((keys)->stored_sha1, sizeof(keys)->stored_sha1),                                          \
	    v_blob((keys)->server_sha1, sizeof(keys)->server_sha1),                                          \
	    v_blob((keys)->stored_sha256, sizeof(keys)->stored_sha256),                                      \
	    v_blob((keys)->server_sha256, sizeof(keys)->server_sha256)

static enum db_result
op_account_new(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;

	/* The roster's version starts at the time of creation: a client that remembers an earlier account of
	 * this name does not mistake its cache for ours. */
	enum db_result result = op_none_is_conflict(
	    db, db_run(db, SQL_ACCOUNT_NEW, v_text(op->account), v_int(op->time), KEYS(op->keys)));
	return result == DB_OK ? db_run(db, SQL_USAGE_NEW, v_int(db_last_id(db))) : result;
}

static enum db_result
op_account_keys(struct db *db, struct txn_op *own)
{
	enum db_result result =
	    op_none_is_conflict(db, db_run(db, SQL_ACCOUNT_KEYS, v_text(own->op.account), KEYS(own->op.keys)));

	return result == DB_OK ? op_token_del(db, own) : result; /* whoever knew the old one is out */
}

static enum db_result
op_account_archive(struct db *db, struct txn_op *own)
{
	return op_none_is_conflict(
	    db, db_run(db, SQL_ACCOUNT_ARCHIVE, v_text(own->op.account), v_text(own->op.config)));
}

/* Gone for every reader at once; what it owned, be it a million rows, is cleared away in slices by upkeep.c.
 */
static enum db_result
op_account_del(struct db *db, struct txn_op *own)
{
	return op_none_is_conflict(db, db_run(db, SQL_ACCOUNT_GONE, v_text(own->op.account)));
}

static enum db_result
op_account_seen(struct db *db, struct txn_op *own)
{
	return db_run(db, SQL_ACCOUNT_SEEN, v_text(own->op.account), v_int(own->op.time));
}

static enum db_result
op_account_avatar(struct db *db, struct txn_op *own)
{
	return db_run(db, SQL_ACCOUNT_AVATAR, v_text(own->op.account), v_text(own->op.config));
}

static enum db_result
op_account_left(struct db *db, struct txn_op *own)
{
	return db_run(db, SQL_ACCOUNT_LEFT, v_text(own->op.account), v_int(own->op.time), v_text(own->op.config));
}

static enum db_result
op_block(struct db *db, struct txn_op *own)
{
	int64_t account;
	enum db_result result = op_account_find(db, own->op.account, &account);

	return result != DB_OK ? result : db_run(db, SQL_BLOCK_NEW, v_int(account), v_text(own->op.peer));
}

static enum db_result
op_unblock(struct db *db, struct txn_op *own)
{
	int64_t account;
	enum db_result result = op_account_find(db, own->op.account, &account);

	if (result != DB_OK)
		return op_none_is_ok(result);
	return own->op.peer == NULL ? db_run(db, SQL_BLOCK_NONE, v_int(account))
				    : db_run(db, SQL_BLOCK_END, v_int(account), v_text(own->op.peer));
}

enum { REPORTS_MOST = 10000, REPORTS_OF_ONE = 200 }; /* nobody's reports push out all of the others' */

static enum db_result
op_report(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	enum db_result result = db_run(db, SQL_REPORT_NEW, v_int(op->time), v_text(op->account), v_text(op->peer),
				       v_text(op->item), v_text(op->config), v_text(op->node));

	if (result == DB_OK)
		result = db_run(db, SQL_REPORT_TRIM_OWN, v_text(op->account), v_int(REPORTS_OF_ONE));
	return result != DB_OK ? result : db_run(db, SQL_REPORT_TRIM, v_int(REPORTS_MOST));
}

static enum db_result
op_report_del(struct db *db, struct txn_op *own)
{
	return op_none_is_conflict(db, db_run(db, SQL_REPORT_END, v_int(own->op.id)));
}

static enum db_result
op_roster_set(struct db *db, struct txn_op *own)
{
	const struct roster_row *row = own->op.roster;
	int64_t account, contact;
	enum db_result result;

	if ((result = op_account_find(db, own->op.account, &account)) != DB_OK ||
	    (result = op_jid_intern(db, row->contact, strlen(row->contact), &contact)) != DB_OK ||
	    (result = db_run(db, SQL_ROSTER_SET, v_int(account), v_int(contact), v_int(row->flags),
			     v_text(row->name), v_text(row->groups), v_text(row->request))) != DB_OK)
		return result;
	return db_run(db, SQL_ACCOUNT_BUMP, v_int(account));
}

static enum db_result
op_roster_del(struct db *db, struct txn_op *own)
{
	int64_t account, contact;
	enum db_result result;

	if ((result = op_account_find(db, own->op.account, &account)) != DB_OK)
		return result;
	result = db_number(db, SQL_JID_FIND, v_text(own->op.roster->contact), &contact);
	if (result == DB_OK)
		result = db_run(db, SQL_ROSTER_END, v_int(account), v_int(contact));
	if (op_none_is_ok(result) != DB_OK)
		return result;
	return db_run(db, SQL_ACCOUNT_BUMP, v_int(account));
}

/* ---- invitations, duplicates, ids */

static enum db_result
op_invite_new(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;

	return op_none_is_conflict(db, db_run(db, SQL_INVITE_NEW, v_text(op->token), v_text(op->account),
					   v_int(op->time), v_int(op->expires)));
}

static enum db_result
op_invite_use(struct db *db, struct txn_op *own)
{
	return op_none_is_conflict(db, db_run(db, SQL_INVITE_USE, v_text(own->op.token), v_int(own->op.time),
					   v_text(own->op.account)));
}

static enum db_result
op_invite_del(struct db *db, struct txn_op *own)
{
	return db_run(db, SQL_INVITE_END, v_text(own->op.token));
}

static enum db_result
op_seen(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;

	return op_none_is_conflict(
	    db, db_run(db, SQL_SEEN_NEW, v_blob(op->key, 32), v_int(op->expires), v_int(op->time)));
}

static enum db_result
op_seen_expire(struct db *db, struct txn_op *own)
{
	return db_run(db, SQL_SEEN_EXPIRE, v_int(own->op.time));
}

/* Of all those in a batch the last counts: counter.c. */
static enum db_result
op_counter(struct db *db, struct txn_op *own)
{
	(void)db;
	(void)own;
	return DB_OK;
}

static enum db_result
op_ids(struct db *db, struct txn_op *own)
{
	return db_number(db, SQL_IDS_TAKE, v_int(own->op.id), &own->number);
}

static const struct op_row {
	enum db_result (*apply)(struct db *db, struct txn_op *own);
	bool grows;
} rows[] = {
	[OP_MESSAGE] = { op_message, true },
	[OP_BOX] = { op_box, true },
	[OP_BOX_EXPIRE] = { op_box_expire, false },
	[OP_PENDING] = { op_pending, true },
	[OP_PENDING_CLEAR] = { op_pending_clear, false },
	[OP_DEVICE_SEEN] = { op_device_seen, true },
	[OP_DEVICE_ACK] = { op_device_ack, false },
	[OP_COUNTER] = { op_counter, true },
	[OP_COUNTER_EXPIRE] = { op_counter_expire, false },
	[OP_ACCOUNT_NEW] = { op_account_new, true },
	[OP_ACCOUNT_KEYS] = { op_account_keys, false },
	[OP_ACCOUNT_ARCHIVE] = { op_account_archive, false },
	[OP_ACCOUNT_DEL] = { op_account_del, false },
	[OP_ACCOUNT_SEEN] = { op_account_seen, false },
	[OP_ACCOUNT_AVATAR] = { op_account_avatar, false },
	[OP_ACCOUNT_LEFT] = { op_account_left, false },
	[OP_BLOCK] = { op_block, true },
	[OP_UNBLOCK] = { op_unblock, false },
	[OP_REPORT] = { op_report, true },
	[OP_REPORT_DEL] = { op_report_del, false },
	[OP_ROSTER_SET] = { op_roster_set, true },
	[OP_ROSTER_DEL] = { op_roster_del, false },
	[OP_NODE_SET] = { op_node_set, true },
	[OP_NODE_DEL] = { op_node_del, false },
	[OP_NODE_PURGE] = { op_node_purge, false },
	[OP_ITEM_SET] = { op_item_set, true },
	[OP_ITEM_DEL] = { op_item_del, false },
	[OP_INVITE_NEW] = { op_invite_new, true },
	[OP_INVITE_USE] = { op_invite_use, false },
	[OP_INVITE_DEL] = { op_invite_del, false },
	[OP_SEEN] = { op_seen, true },
	[OP_SEEN_EXPIRE] = { op_seen_expire, false },
	[OP_STATUS_NEW] = { op_status_new, true },
	[OP_STATUS_DELIVERED] = { op_status_delivered, false },
	[OP_STATUS_RECEIVED] = { op_status_received, false },
	[OP_STATUS_DISPLAYED] = { op_status_displayed, false },
	[OP_STATUS_HELD] = { op_status_held, false },
	[OP_STATUS_EXPIRE] = { op_status_expire, false },
	[OP_SPOOL_NEW] = { op_spool_new, true },
	[OP_SPOOL_SETTLE] = { op_spool_settle, false },
	[OP_SPOOL_END] = { op_spool_end, false },
	[OP_SPOOL_CLEAN] = { op_spool_clean, false },
	[OP_SPOOL_DEFER] = { op_spool_defer, false },
	[OP_SPOOL_DOUBT] = { op_spool_doubt, false },
	[OP_SPOOL_RETRY] = { op_spool_retry, false },
	[OP_PEER_TRIED] = { op_peer_tried, false },
	[OP_PEER_SEEN] = { op_peer_seen, false },
	[OP_FAR_SET] = { op_far_set, true },
	[OP_FAR_KEEP] = { op_far_keep, false },
	[OP_FAR_TIDY] = { op_far_tidy, false },
	[OP_TOKEN_NEW] = { op_token_new, true },
	[OP_TOKEN_USE] = { op_token_use, false },
	[OP_TOKEN_DEL] = { op_token_del, false },
	[OP_COURIER_KEY_NEW] = { op_courier_key_new, true },
	[OP_COURIER_PIN] = { op_courier_pin, true },
	[OP_COURIER_OFFERED] = { op_courier_offered, true },
	[OP_IDS] = { op_ids, false },
};

bool
op_grows(enum op_kind kind)
{
	assert((size_t)kind < sizeof rows / sizeof *rows);
	return rows[kind].grows;
}

enum db_result
op_apply(struct db *db, struct txn_op *own)
{
	own->left = (struct pending_tally){ 0 }; /* it may be run again, with a savepoint */
	return rows[own->op.kind].apply(db, own);
}
