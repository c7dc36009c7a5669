/*
 * ops_message.c -- messages: the one body, the archives and mailboxes that refer to it, who has confirmed it. See ops.c.
 *
 * What each account holds is counted where it changes (table usage): no limit needs a look at the rows.
 */
#include "config.h"

#include "relay/store/ops-private.h"

#include <assert.h>
#include <string.h>

/* Of the account that is to have a message. Gone meanwhile is no conflict: that would be taken for a repetition of
 * what is stored already, and the sender told nothing. */
static enum db_result
recipient_find(struct db *db, const char *node, int64_t *id_r)
{
	enum db_result result = op_account_find(db, node, id_r);

	return result == DB_CONFLICT ? DB_ERROR : result;
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

static int64_t
count_references(struct txn_op *message)
{
	int64_t count = 0;

	for (struct txn_op *later = message->next; later != NULL; later = later->next) {
		bool refers = later->op.kind == OP_BOX || later->op.kind == OP_PENDING || later->op.kind == OP_SPOOL_NEW;
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

enum db_result
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

enum db_result
op_message_refer(struct db *db, const struct txn_op *own, bool added)
{
	if (own->counted == added)
		return DB_OK;
	if (own->counted)
		return op_message_drop(db, own->op.id);
	return op_none_is_conflict(db, db_run(db, SQL_MESSAGE_REFER, v_int(own->op.id)));
}

struct oldest {
	int64_t id, time, bytes;
};

/* Of the message that this row refers to; of an earlier transaction's the length is not at hand. */
static enum db_result
message_bytes(struct db *db, const struct txn_op *own, int64_t *bytes_r)
{
	*bytes_r = own->number;
	return own->counted ? DB_OK : db_number(db, SQL_MESSAGE_BYTES, v_int(own->op.id), bytes_r);
}

enum db_result
op_box(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	int64_t account, peer, bytes;
	enum db_result result;

	if ((result = recipient_find(db, op->account, &account)) != DB_OK ||
	    (result = op_jid_intern(db, op->peer, strlen(op->peer), &peer)) != DB_OK ||
	    (result = db_run(db, SQL_BOX_NEW, v_int(account), v_int(op->id), v_int(peer))) != DB_OK)
		return result;
	bool added = db_changes(db) > 0;
	if ((result = op_message_refer(db, own, added)) != DB_OK || !added ||
	    (result = message_bytes(db, own, &bytes)) != DB_OK)
		return result;
	return db_run(db, SQL_USAGE_ADD, v_int(account), v_int(bytes));
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
enum db_result
op_box_expire(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	struct oldest oldest;
	int64_t account, bytes;
	enum db_result result;

	if ((result = op_account_find(db, op->account, &account)) != DB_OK ||
	    (result = db_number(db, SQL_USAGE, v_int(account), &bytes)) != DB_OK)
		return op_none_is_ok(result);
	for (int n = 0; n < EXPIRE_ROWS; n++) {
		if ((result = box_oldest(db, account, &oldest)) != DB_OK)
			return op_none_is_ok(result);
		if (oldest.time >= op->time && (op->most <= 0 || bytes <= op->most))
			return DB_OK;
		if ((result = box_drop(db, account, &oldest)) != DB_OK)
			return result;
		bytes -= oldest.bytes;
	}
	return DB_OK;
}

/* ---- the mailbox */

enum db_result
op_pending(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	int64_t account, bytes;
	enum db_result result = op_account_find(db, op->account, &account);

	if (result == DB_CONFLICT)
		return op->optional ? op_message_refer(db, own, false) : DB_ERROR; /* as recipient_find() */
	if (result != DB_OK || (result = message_bytes(db, own, &bytes)) != DB_OK ||
	    (result = db_run(db, SQL_PENDING_NEW, v_int(account), v_int(op->id), v_int(bytes),
			     v_int(op->stranger))) != DB_OK)
		return result;
	bool added = db_changes(db) > 0;
	if ((result = op_message_refer(db, own, added)) != DB_OK || !added)
		return result;
	return db_run(db, SQL_WAITING_ADD, v_int(account), v_int(bytes), v_int(op->stranger));
}

/* delivered: when, 0: it was not. DB_CONFLICT: it does not wait. What it took is added to `left`. */
static enum db_result
pending_take(struct db *db, int64_t account, int64_t id, int64_t delivered, struct pending_tally *left)
{
	struct stmt *stmt = db_ask(db, SQL_PENDING_END, v_int(account), v_int(id));
	enum db_result result = db_next(db, stmt);
	int64_t bytes, strange;

	if (result != DB_ROW)
		return result == DB_OK ? DB_CONFLICT : result;
	bytes = col_int(stmt, 0);
	strange = col_int(stmt, 1);
	do
		result = db_next(db, stmt);
	while (result == DB_ROW);
	left->count++;
	left->bytes += bytes;
	left->strange += strange;
	left->strange_bytes += bytes * strange;
	if (result == DB_OK && delivered != 0)
		result = op_delivered(db, account, id, delivered);
	return result == DB_OK ? op_message_drop(db, id) : result;
}

static enum db_result
pending_taken(struct db *db, int64_t account, const struct pending_tally *left)
{
	if (left->count == 0)
		return DB_OK;
	return db_run(db, SQL_WAITING_TAKE, v_int(account), v_int(left->count), v_int(left->bytes),
		      v_int(left->strange), v_int(left->strange_bytes));
}

enum db_result
op_pending_clear(struct db *db, struct txn_op *own)
{
	int64_t account;
	enum db_result result;

	if ((result = op_account_find(db, own->op.account, &account)) == DB_OK)
		result = pending_take(db, account, own->op.id, own->op.time, &own->left);
	return result == DB_OK ? pending_taken(db, account, &own->left) : op_none_is_ok(result);
}

/* ---- mailbox = device */

enum { DEVICES_MOST = 20, DEVICE_CLEARS = 1000 };

enum db_result
op_device_seen(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	int64_t account;
	enum db_result result;

	if ((result = op_account_find(db, op->account, &account)) != DB_OK)
		return op_none_is_ok(result);
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

enum db_result
op_device_ack(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	int64_t account, id;
	enum db_result result;

	if ((result = op_account_find(db, op->account, &account)) != DB_OK)
		return op_none_is_ok(result);
	result = db_run(db, SQL_DEVICE_UPTO, v_int(account), v_text(op->item), v_int(op->id));
	for (int cleared = 0; result == DB_OK && cleared < DEVICE_CLEARS; cleared++) {
		result = device_done(db, account, op->expires, &id);
		if (result == DB_OK)
			result = pending_take(db, account, id, 0, &own->left);
	}
	result = op_none_is_ok(result);
	return result == DB_OK ? pending_taken(db, account, &own->left) : result;
}
