/*
 * status.c -- the records of status.h: making, moving on, forgetting, reading.
 *
 * Promises: `delivered` is written only when the recipient's roster shows the sender its presence at that moment
 * (custody.md section 11), in the same transaction that clears the mailbox row.
 */
#include "config.h"

#include "relay/store/status.h"

#include <string.h>
#include "proto/arena.h"
#include "relay/store/question.h"
#include "relay/store/store-private.h"

enum {
	RECORDS_MOST = 100000, /* an account */
	HELD_MOST = 1000,      /* as in sql.c */
};

/* ---- writing */

static enum db_result
next_change(struct db *db, int64_t account, int64_t time, int64_t *change_r)
{
	struct stmt *stmt = db_ask(db, SQL_STATUS_CHANGE, v_int(account), v_int(time));
	enum db_result result = db_next(db, stmt);

	if (result != DB_ROW)
		return result == DB_OK ? DB_ERROR : result;
	*change_r = col_int(stmt, 0);
	db_end(stmt);
	return DB_OK;
}

/* The sender's account is gone: there is nobody to tell. */
static enum db_result
none_is_ok(enum db_result result)
{
	return result == DB_CONFLICT ? DB_OK : result;
}

enum db_result
op_status_new(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	int64_t account, peer, change;
	enum db_result result;

	if ((result = db_number(db, SQL_ACCOUNT_FIND, v_text(op->account), &account)) != DB_OK)
		return none_is_ok(result);
	if ((result = op_jid_intern(db, op->peer, strlen(op->peer), &peer)) != DB_OK ||
	    (result = next_change(db, account, op->time, &change)) != DB_OK ||
	    (result = db_run(db, SQL_STATUS_NEW, v_int(op->id), v_int(account), v_int(change), v_int(peer),
			     v_text(op->item), v_int(op->time))) != DB_OK)
		return result;
	return db_run(db, SQL_STATUS_TRIM, v_int(account), v_int(change - RECORDS_MOST));
}

/* One number of the first row of a question with two parameters; DB_CONFLICT: none. */
static enum db_result
number_of(struct db *db, enum sql sql, struct value first, struct value second, int64_t *number_r)
{
	struct stmt *stmt = db_ask(db, sql, first, second);
	enum db_result result = db_next(db, stmt);

	if (result != DB_ROW)
		return result == DB_OK ? DB_CONFLICT : result;
	*number_r = col_int(stmt, 0);
	db_end(stmt);
	return DB_OK;
}

enum db_result
op_delivered(struct db *db, int64_t recipient, int64_t id, int64_t time)
{
	int64_t owner, change, allowed;
	enum db_result result = db_number(db, SQL_STATUS_UNDELIVERED, v_int(id), &owner);

	if (result == DB_OK && owner != recipient)
		result = number_of(db, SQL_STATUS_ALLOWED, v_int(id), v_int(recipient), &allowed);
	if (result == DB_OK)
		result = next_change(db, owner, time, &change);
	if (result == DB_OK)
		result = db_run(db, SQL_STATUS_DELIVERED, v_int(id), v_int(time), v_int(change));
	return none_is_ok(result);
}

/* A record of its own for whom it belongs to; none: nobody asked for one. */
static enum db_result
change_of(struct db *db, int64_t id, int64_t time, int64_t *change_r)
{
	int64_t owner;
	enum db_result result = db_number(db, SQL_STATUS_OWNER, v_int(id), &owner);

	return result != DB_OK ? result : next_change(db, owner, time, change_r);
}

enum db_result
op_handed(struct db *db, int64_t id, int64_t time, int how)
{
	int64_t change;
	enum db_result result = change_of(db, id, time, &change);

	if (result == DB_OK)
		result = db_run(db, SQL_STATUS_HANDED, v_int(id), v_int(time), v_int(how), v_int(change));
	return none_is_ok(result);
}

enum db_result
op_held(struct db *db, int64_t id, int64_t time)
{
	int64_t change;
	enum db_result result = change_of(db, id, time, &change);

	if (result == DB_OK)
		result = db_run(db, SQL_STATUS_HELD, v_int(id), v_int(time), v_int(change));
	return none_is_ok(result);
}

enum db_result
op_status_held(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	struct stmt *stmt = db_ask(db, SQL_STATUS_UNTOLD, v_text(op->peer), v_int(op->id));
	int64_t ids[HELD_MOST];
	size_t count = 0;
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW)
		ids[count++] = col_int(stmt, 0);
	for (size_t i = 0; i < count && result == DB_OK; i++)
		result = op_held(db, ids[i], op->time);
	return result;
}

enum db_result
op_ended(struct db *db, int64_t id, int64_t time, const char *reason)
{
	int64_t change;
	enum db_result result = change_of(db, id, time, &change);

	if (result == DB_OK)
		result = db_run(db, SQL_STATUS_ENDED, v_int(id), v_int(time), v_text(reason), v_int(change));
	return none_is_ok(result);
}

enum db_result
op_status_delivered(struct db *db, struct txn_op *own)
{
	int64_t account;
	enum db_result result = db_number(db, SQL_ACCOUNT_FIND, v_text(own->op.account), &account);

	return result != DB_OK ? none_is_ok(result) : op_delivered(db, account, own->op.id, own->op.time);
}

/* What the recipient's device says of `item` (XEP-0184, 0333). What it names may be nothing of ours. */
static enum db_result
moved_on(struct db *db, const struct op *op, enum sql find, enum sql set)
{
	int64_t account, peer, id, change;
	struct stmt *stmt;
	enum db_result result;

	if ((result = db_number(db, SQL_ACCOUNT_FIND, v_text(op->account), &account)) != DB_OK ||
	    (result = db_number(db, SQL_JID_FIND, v_text(op->peer), &peer)) != DB_OK)
		return none_is_ok(result);
	stmt = db_ask(db, find, v_int(account), v_text(op->item), v_int(peer));
	result = db_next(db, stmt);
	if (result != DB_ROW)
		return result;
	id = col_int(stmt, 0);
	db_end(stmt);
	result = next_change(db, account, op->time, &change);
	return result != DB_OK ? result : db_run(db, set, v_int(id), v_int(op->time), v_int(change));
}

enum db_result
op_status_received(struct db *db, struct txn_op *own)
{
	return moved_on(db, &own->op, SQL_STATUS_FIND_UNDELIVERED, SQL_STATUS_DELIVERED);
}

enum db_result
op_status_displayed(struct db *db, struct txn_op *own)
{
	return moved_on(db, &own->op, SQL_STATUS_FIND_UNSEEN, SQL_STATUS_DISPLAYED);
}

enum db_result
op_status_expire(struct db *db, struct txn_op *own)
{
	return db_run(db, SQL_STATUS_EXPIRE, v_int(own->op.time));
}

/* ---- reading */

static void
keep_row(struct question *q, struct stmt *stmt)
{
	struct status_row *row = rows_add(&q->rows, sizeof *row);

	row->id = col_int(stmt, 0);
	row->change = col_int(stmt, 1);
	row->node = keep_text(q, stmt, 2);
	row->to = keep_text(q, stmt, 3);
	row->origin = keep_text(q, stmt, 4);
	row->accepted = col_int(stmt, 5);
	row->delivered = col_int(stmt, 6);
	row->displayed = col_int(stmt, 7);
	row->held = col_int(stmt, 8);
	row->until = col_int(stmt, 9);
	row->tries = col_int(stmt, 10);
	row->next = col_int(stmt, 11);
	row->held_reason = keep_text(q, stmt, 12);
	row->handed = col_int(stmt, 13);
	row->how = (enum spool_how)col_int(stmt, 14);
	row->ended = col_int(stmt, 15);
	row->reason = keep_text(q, stmt, 16);
}

static enum db_result
keep_rows(struct db *db, struct question *q, struct stmt *stmt)
{
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW)
		keep_row(q, stmt);
	return result;
}

static void
tell(struct question *q)
{
	q->fn.status(q->arg, q->failed, q->rows.items, q->rows.count);
}

static enum db_result
answer_since(struct db *db, struct question *q)
{
	return keep_rows(
	    db, q, db_ask(db, SQL_READ_STATUS_SINCE, v_text(q->node), v_int(q->after), v_int((int64_t)q->limit)));
}

static enum db_result
answer_origin(struct db *db, struct question *q)
{
	return keep_rows(db, q, db_ask(db, SQL_READ_STATUS_ORIGIN, v_text(q->node), v_text(q->name)));
}

static enum db_result
answer_of(struct db *db, struct question *q)
{
	enum db_result result = DB_OK;

	for (size_t i = 0; i < q->archive.id_count && result == DB_OK; i++)
		result = keep_rows(db, q, db_ask(db, SQL_READ_STATUS_OF, v_int(q->archive.ids[i])));
	return result;
}

static enum db_result
answer_held(struct db *db, struct question *q)
{
	return keep_rows(db, q, db_ask(db, SQL_READ_STATUS_HELD, v_text(q->name), v_int(q->after), v_int(q->time)));
}

static const struct question_kind ask_held = { answer_held, tell };
static const struct question_kind ask_since = { answer_since, tell };
static const struct question_kind ask_origin = { answer_origin, tell };
static const struct question_kind ask_of = { answer_of, tell };

void
read_status_since(struct store *store, const char *node, int64_t change, size_t limit, read_status_fn *fn, void *arg)
{
	struct question *q = question_new(&ask_since, (union question_fn){ .status = fn }, arg, node, NULL);

	q->after = change;
	q->limit = limit;
	question_ask(store, q);
}

void
read_status_origin(struct store *store, const char *node, const char *origin, read_status_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_origin, (union question_fn){ .status = fn }, arg, node, origin));
}

void
read_status_held(struct store *store, const char *domain, int64_t id, int64_t time, read_status_fn *fn, void *arg)
{
	struct question *q = question_new(&ask_held, (union question_fn){ .status = fn }, arg, NULL, domain);

	q->after = id;
	q->time = time;
	question_ask(store, q);
}

void
read_status_of(struct store *store, const int64_t *ids, size_t count, read_status_fn *fn, void *arg)
{
	struct question *q = question_new(&ask_of, (union question_fn){ .status = fn }, arg, NULL, NULL);
	int64_t *copy = arena_alloc(q->arena, (count + 1) * sizeof *copy);

	memcpy(copy, ids, count * sizeof *copy);
	q->archive.ids = copy;
	q->archive.id_count = count;
	question_ask(store, q);
}
