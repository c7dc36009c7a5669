/*
 * store/far.c -- the last known public items of contacts at other relays: see far.h.
 */
#include "config.h"

#include "relay/store/far.h"

#include <string.h>
#include "relay/store/ops-private.h"
#include "relay/store/question.h"

enum { ROWS_MOST = 64 };

enum db_result
op_far_set(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	int64_t contact;
	enum db_result result = op_jid_intern(db, op->peer, strlen(op->peer), &contact);

	return result != DB_OK ? result : db_run(db, SQL_FAR_SET, v_int(contact), v_text(op->node), v_int(op->time),
						 v_blob(op->body, op->body_len));
}

enum db_result
op_far_keep(struct db *db, struct txn_op *own)
{
	return db_run(db, SQL_FAR_KEEP, v_text(own->op.peer), v_text(own->op.config));
}

enum db_result
op_far_tidy(struct db *db, struct txn_op *own)
{
	return own->op.peer == NULL ? db_run0(db, SQL_FAR_TIDY_ALL) : db_run(db, SQL_FAR_TIDY, v_text(own->op.peer));
}

static enum db_result
answer_place(struct db *db, struct question *q)
{
	struct stmt *stmt = db_ask(db, SQL_READ_FAR_PLACE, v_text(q->node), v_text(q->name));
	enum db_result result = db_next(db, stmt);

	if (result != DB_ROW)
		return result;
	q->count = col_int(stmt, 0);
	q->bytes = col_int(stmt, 1);
	db_end(stmt);
	return DB_OK;
}

static enum db_result
answer_far(struct db *db, struct question *q)
{
	enum db_result result = answer_place(db, q);
	struct stmt *stmt;

	if (result != DB_OK)
		return result;
	stmt = db_ask(db, SQL_READ_FAR, v_text(q->name), v_int(ROWS_MOST));
	while ((result = db_next(db, stmt)) == DB_ROW) {
		struct far_row *row = rows_add(&q->rows, sizeof *row);
		row->node = keep_text(q, stmt, 0);
		row->time = col_int(stmt, 1);
		row->body = keep_blob(q, stmt, 2, &row->len);
	}
	return result;
}

static void
tell_far(struct question *q)
{
	q->fn.far(q->arg, q->failed,
		  &(struct far_view){ .rows = q->rows.items, .count = q->rows.count, .subscribers = q->count, .place = q->bytes });
}

static const struct question_kind ask_far = { answer_far, tell_far };

void
read_far(struct store *store, const char *node, const char *contact, read_far_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_far, (union question_fn){ .far = fn }, arg, node, contact));
}
