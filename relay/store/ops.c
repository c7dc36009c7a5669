/*
 * ops.c -- each kind of operation as rows of SQL: one table, op_kind -> what it does and whether it needs
 * room.
 *
 * Runs in the writer's thread, always inside a transaction. DB_CONFLICT: its condition did not hold; the
 * caller undoes what the transaction did before.
 */
#include "config.h"

#include <assert.h>
#include <string.h>
#include "relay/store/store-private.h"

static enum db_result
none_is_conflict(struct db *db, enum db_result result)
{
	return result == DB_OK && db_changes(db) == 0 ? DB_CONFLICT : result;
}

static enum db_result
account_find(struct db *db, const char *node, int64_t *id_r)
{
	assert(node != NULL);
	return db_number(db, SQL_ACCOUNT_FIND, v_text(node), id_r);
}

/* Of the account that is to have a message. Gone meanwhile is no conflict: that would be taken for a repetition of
 * what is stored already, and the sender told nothing. */
static enum db_result
recipient_find(struct db *db, const char *node, int64_t *id_r)
{
	enum db_result result = account_find(db, node, id_r);

	return result == DB_CONFLICT ? DB_ERROR : result;
}

/* For operations that find nothing to do when the account is not there. */
static enum db_result
none_is_ok(enum db_result result)
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

/* "a@b/c" or NULL, an absent attribute, kept as "": the bare part interned, the resource borrowed; NULL when
 * there is none. */
static enum db_result
jid_intern_full(struct db *db, const char *text, int64_t *id_r, const char **resource_r)
{
	if (text == NULL)
		text = "";
	size_t len = strcspn(text, "/");

	*resource_r = text[len] == '\0' ? NULL : text + len + 1;
	return op_jid_intern(db, text, len, id_r);
}

/* ---- messages */

static int64_t
count_references(struct txn_op *message)
{
	int64_t count = 0;

	for (struct txn_op *later = message->next; later != NULL; later = later->next) {
		bool refers = later->op.kind == OP_BOX || later->op.kind == OP_PENDING;
		if (refers && later->op.id == message->op.id) {
			later->counted = true;
			later->number = (int64_t)message->op.body_len;
			count++;
		}
	}
	return count;
}

/* Ids come from blocks taken before their use (ids.c). On a disk too full to take one they run on; then the
 * first free id is raised with the message itself. db_mark() remembers it, so that this asks the database
 * once and not for each message. */
static enum db_result
ids_raise(struct db *db, int64_t least)
{
	enum db_result result = db_run(db, SQL_IDS_RAISE, v_int(least));

	return result == DB_OK ? db_number(db, SQL_META, v_text("next_id"), db_mark(db)) : result;
}

/* Has the wall clock gone back since the last message? Then times do not rise with ids (archive.c). */
static enum db_result
note_step(struct db *db, int64_t time)
{
	int64_t *latest = db_latest(db);

	if (*latest == 0) {
		struct stmt *stmt = db_ask0(db, SQL_MESSAGE_LATEST);
		enum db_result result = db_next(db, stmt);
		if (result != DB_OK && result != DB_ROW)
			return result;
		*latest = result == DB_ROW ? col_int(stmt, 0) : time;
		if (result == DB_ROW)
			db_end(stmt);
	}
	int64_t before = *latest;
	if (time > before - CLOCK_SPARE_MS) {
		*latest = time > before ? time : before;
		return DB_OK;
	}
	*latest = time;
	return db_run(db, SQL_META_SET, v_text("stepped"), v_int(1));
}

static enum db_result
op_message(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	const char *from_resource, *to_resource;
	int64_t from, to, references = count_references(own);
	enum db_result result;

	assert(op->id > 0);
	if (references == 0) /* nobody would ever delete it */
		return DB_OK;
	if ((result = note_step(db, op->time)) != DB_OK ||
	    (result = jid_intern_full(db, op->from, &from, &from_resource)) != DB_OK ||
	    (result = jid_intern_full(db, op->to, &to, &to_resource)) != DB_OK)
		return result;
	result = db_run(db, SQL_MESSAGE_NEW, v_int(op->id), v_int(from), v_text(from_resource), v_int(to),
			v_text(to_resource), v_int(op->time), v_int(op->expires), v_int(references),
			v_blob(op->body, op->body_len));
	return result == DB_OK && op->id >= *db_mark(db) ? ids_raise(db, op->id + 1) : result;
}

enum db_result
op_message_drop(struct db *db, int64_t id)
{
	enum db_result result = db_run(db, SQL_MESSAGE_DROP, v_int(id));

	if (result == DB_OK && db_changes(db) == 0)
		result = db_run(db, SQL_MESSAGE_END, v_int(id));
	return result;
}

/* A row that refers to the message was asked for; `added` says whether it is new. */
static enum db_result
settle_reference(struct db *db, const struct txn_op *own, bool added)
{
	if (own->counted == added)
		return DB_OK;
	if (own->counted)
		return op_message_drop(db, own->op.id);
	return none_is_conflict(db, db_run(db, SQL_MESSAGE_REFER, v_int(own->op.id)));
}

struct oldest {
	int64_t id, time, bytes;
};

/* Of an earlier transaction's message the length is not at hand. */
static enum db_result
usage_add(struct db *db, int64_t account, const struct txn_op *own)
{
	int64_t bytes = own->number;
	enum db_result result = DB_OK;

	if (!own->counted)
		result = db_number(db, SQL_MESSAGE_BYTES, v_int(own->op.id), &bytes);
	if (result == DB_OK)
		result = db_run(db, SQL_USAGE_ADD, v_int(account), v_int(bytes));
	if (result != DB_OK || db_changes(db) > 0)
		return result;
	return db_run(db, SQL_USAGE_NEW, v_int(account), v_int(bytes));
}

static enum db_result
op_box(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	int64_t account, peer;
	enum db_result result;

	if ((result = recipient_find(db, op->account, &account)) != DB_OK ||
	    (result = op_jid_intern(db, op->peer, strlen(op->peer), &peer)) != DB_OK ||
	    (result = db_run(db, SQL_BOX_NEW, v_int(account), v_int(op->id), v_int(peer))) != DB_OK)
		return result;
	bool added = db_changes(db) > 0;
	if ((result = settle_reference(db, own, added)) != DB_OK || !added)
		return result;
	return usage_add(db, account, own);
}

enum { EXPIRE_ROWS = 200 };

/* The oldest row of an archive; DB_CONFLICT: it is empty. */
static enum db_result
box_oldest(struct db *db, int64_t account, struct oldest *oldest_r)
{
	struct stmt *stmt = db_ask(db, SQL_BOX_OLDEST, v_int(account));
	enum db_result result = db_next(db, stmt);

	if (result != DB_ROW)
		return result == DB_OK ? DB_CONFLICT : result;
	*oldest_r = (struct oldest){ .id = col_int(stmt, 0), .time = col_int(stmt, 1), .bytes = col_int(stmt, 2) };
	db_end(stmt);
	return DB_OK;
}

static enum db_result
box_drop(struct db *db, int64_t account, const struct oldest *oldest)
{
	enum db_result result;

	if ((result = db_run(db, SQL_BOX_END, v_int(account), v_int(oldest->id))) != DB_OK ||
	    (result = db_run(db, SQL_USAGE_TAKE, v_int(account), v_int(oldest->bytes))) != DB_OK)
		return result;
	return op_message_drop(db, oldest->id);
}

/* From the old end, without a gap (XEP-0313 3.2). What waits in a mailbox keeps its message. */
static enum db_result
op_box_expire(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	struct oldest oldest;
	int64_t account, bytes;
	enum db_result result;

	if ((result = account_find(db, op->account, &account)) != DB_OK ||
	    (result = db_number(db, SQL_USAGE, v_int(account), &bytes)) != DB_OK)
		return none_is_ok(result);
	for (int n = 0; n < EXPIRE_ROWS; n++) {
		if ((result = box_oldest(db, account, &oldest)) != DB_OK)
			return none_is_ok(result);
		if (oldest.time >= op->time && (op->most <= 0 || bytes <= op->most))
			return DB_OK;
		if ((result = box_drop(db, account, &oldest)) != DB_OK)
			return result;
		bytes -= oldest.bytes;
	}
	return DB_OK;
}

static enum db_result
op_pending(struct db *db, struct txn_op *own)
{
	int64_t account;
	enum db_result result;

	if ((result = recipient_find(db, own->op.account, &account)) != DB_OK ||
	    (result = db_run(db, SQL_PENDING_NEW, v_int(account), v_int(own->op.id))) != DB_OK)
		return result;
	return settle_reference(db, own, db_changes(db) > 0);
}

static enum db_result
op_pending_clear(struct db *db, struct txn_op *own)
{
	int64_t account;
	enum db_result result;

	if ((result = account_find(db, own->op.account, &account)) != DB_OK)
		return none_is_ok(result);
	result = db_run(db, SQL_PENDING_END, v_int(account), v_int(own->op.id));
	if (result != DB_OK || db_changes(db) == 0)
		return result;
	if (own->op.time != 0)
		result = op_delivered(db, account, own->op.id, own->op.time);
	return result == DB_OK ? op_message_drop(db, own->op.id) : result;
}

/* ---- mailbox = device */

enum { DEVICES_MOST = 20, DEVICE_CLEARS = 1000 };

static enum db_result
op_device_seen(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	int64_t account;
	enum db_result result;

	if ((result = account_find(db, op->account, &account)) != DB_OK)
		return none_is_ok(result);
	result = db_run(db, SQL_DEVICE_SEEN, v_int(account), v_text(op->item), v_int(op->time));
	return result != DB_OK ? result : db_run(db, SQL_DEVICE_TRIM, v_int(account), v_int(DEVICES_MOST));
}

/* The oldest row that every device seen since then has. DB_CONFLICT: none. */
static enum db_result
device_done(struct db *db, int64_t account, int64_t since, int64_t *id_r)
{
	struct stmt *stmt = db_ask(db, SQL_DEVICE_DONE, v_int(account), v_int(since));
	enum db_result result = db_next(db, stmt);

	if (result != DB_ROW)
		return result == DB_OK ? DB_CONFLICT : result;
	*id_r = col_int(stmt, 0);
	db_end(stmt);
	return DB_OK;
}

static enum db_result
op_device_ack(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	int64_t account, id;
	enum db_result result;

	if ((result = account_find(db, op->account, &account)) != DB_OK)
		return none_is_ok(result);
	result = db_run(db, SQL_DEVICE_UPTO, v_int(account), v_text(op->item), v_int(op->id));
	for (int cleared = 0; result == DB_OK && cleared < DEVICE_CLEARS; cleared++) {
		result = device_done(db, account, op->expires, &id);
		if (result == DB_OK)
			result = db_run(db, SQL_PENDING_END, v_int(account), v_int(id));
		if (result == DB_OK)
			result = op_message_drop(db, id);
	}
	return none_is_ok(result);
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
	return none_is_conflict(
	    db, db_run(db, SQL_ACCOUNT_NEW, v_text(op->account), v_int(op->time), KEYS(op->keys)));
}

static enum db_result
op_account_keys(struct db *db, struct txn_op *own)
{
	return none_is_conflict(db,
				db_run(db, SQL_ACCOUNT_KEYS, v_text(own->op.account), KEYS(own->op.keys)));
}

static enum db_result
op_account_archive(struct db *db, struct txn_op *own)
{
	return none_is_conflict(
	    db, db_run(db, SQL_ACCOUNT_ARCHIVE, v_text(own->op.account), v_text(own->op.config)));
}

/* Gone for every reader at once; what it owned, be it a million rows, is cleared away in slices by upkeep.c.
 */
static enum db_result
op_account_del(struct db *db, struct txn_op *own)
{
	return none_is_conflict(db, db_run(db, SQL_ACCOUNT_GONE, v_text(own->op.account)));
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
	enum db_result result = account_find(db, own->op.account, &account);

	return result != DB_OK ? result : db_run(db, SQL_BLOCK_NEW, v_int(account), v_text(own->op.peer));
}

static enum db_result
op_unblock(struct db *db, struct txn_op *own)
{
	int64_t account;
	enum db_result result = account_find(db, own->op.account, &account);

	if (result != DB_OK)
		return none_is_ok(result);
	return own->op.peer == NULL ? db_run(db, SQL_BLOCK_NONE, v_int(account))
				    : db_run(db, SQL_BLOCK_END, v_int(account), v_text(own->op.peer));
}

enum { REPORTS_MOST = 10000 };

static enum db_result
op_report(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	enum db_result result = db_run(db, SQL_REPORT_NEW, v_int(op->time), v_text(op->account), v_text(op->peer),
				       v_text(op->item), v_text(op->config), v_text(op->node));

	return result != DB_OK ? result : db_run(db, SQL_REPORT_TRIM, v_int(REPORTS_MOST));
}

static enum db_result
op_report_del(struct db *db, struct txn_op *own)
{
	return none_is_conflict(db, db_run(db, SQL_REPORT_END, v_int(own->op.id)));
}

static enum db_result
op_roster_set(struct db *db, struct txn_op *own)
{
	const struct roster_row *row = own->op.roster;
	int64_t account, contact;
	enum db_result result;

	if ((result = account_find(db, own->op.account, &account)) != DB_OK ||
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

	if ((result = account_find(db, own->op.account, &account)) != DB_OK)
		return result;
	result = db_number(db, SQL_JID_FIND, v_text(own->op.roster->contact), &contact);
	if (result == DB_OK)
		result = db_run(db, SQL_ROSTER_END, v_int(account), v_int(contact));
	if (none_is_ok(result) != DB_OK)
		return result;
	return db_run(db, SQL_ACCOUNT_BUMP, v_int(account));
}

/* ---- pubsub */

static enum db_result
node_find(struct db *db, const struct op *op, int64_t *node_r)
{
	int64_t account;
	enum db_result result = account_find(db, op->account, &account);

	if (result != DB_OK)
		return result;
	struct stmt *stmt = db_ask(db, SQL_NODE_FIND, v_int(account), v_text(op->node));
	result = db_next(db, stmt);
	if (result != DB_ROW)
		return result == DB_OK ? DB_CONFLICT : result;
	*node_r = col_int(stmt, 0);
	db_end(stmt);
	return DB_OK;
}

static enum db_result
op_node_set(struct db *db, struct txn_op *own)
{
	int64_t account;
	enum db_result result = account_find(db, own->op.account, &account);

	return result != DB_OK
		   ? result
		   : db_run(db, SQL_NODE_SET, v_int(account), v_text(own->op.node), v_text(own->op.config));
}

static enum db_result
op_node_del(struct db *db, struct txn_op *own)
{
	int64_t node;
	enum db_result result;

	if ((result = node_find(db, &own->op, &node)) != DB_OK)
		return none_is_ok(result);
	result = db_run(db, SQL_NODE_PURGE, v_int(node));
	return result != DB_OK ? result : db_run(db, SQL_NODE_END, v_int(node));
}

static enum db_result
op_node_purge(struct db *db, struct txn_op *own)
{
	int64_t node;
	enum db_result result = node_find(db, &own->op, &node);

	return result != DB_OK ? none_is_ok(result) : db_run(db, SQL_NODE_PURGE, v_int(node));
}

static enum db_result
op_item_set(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	int64_t node;
	enum db_result result;

	/* Deleted and inserted: the order of ids is the order of publication. */
	if ((result = node_find(db, op, &node)) != DB_OK ||
	    (result = db_run(db, SQL_ITEM_END, v_int(node), v_text(op->item))) != DB_OK ||
	    (result = db_run(db, SQL_ITEM_NEW, v_int(node), v_text(op->item), v_text(op->publisher),
			     v_int(op->time), v_blob(op->body, op->body_len))) != DB_OK)
		return result;
	return op->max_items <= 0 ? DB_OK : db_run(db, SQL_ITEM_TRIM, v_int(node), v_int(op->max_items));
}

static enum db_result
op_item_del(struct db *db, struct txn_op *own)
{
	int64_t node;
	enum db_result result = node_find(db, &own->op, &node);

	return result != DB_OK ? none_is_ok(result)
			       : db_run(db, SQL_ITEM_END, v_int(node), v_text(own->op.item));
}

/* ---- invitations, duplicates, ids */

static enum db_result
op_invite_new(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;

	return none_is_conflict(db, db_run(db, SQL_INVITE_NEW, v_text(op->token), v_text(op->account),
					   v_int(op->time), v_int(op->expires)));
}

static enum db_result
op_invite_use(struct db *db, struct txn_op *own)
{
	return none_is_conflict(db, db_run(db, SQL_INVITE_USE, v_text(own->op.token), v_int(own->op.time),
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

	return none_is_conflict(
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
	[OP_STATUS_EXPIRE] = { op_status_expire, false },
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
	return rows[own->op.kind].apply(db, own);
}
