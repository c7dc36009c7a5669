/*
 * store/courier.c -- courier keys and pins, both sides of them: the operations that write them and the questions that read them. See
 * courier.h.
 */
#include "config.h"

#include "relay/store/courier.h"

#include <assert.h>
#include <string.h>
#include "proto/mem.h"
#include "relay/store/ops-private.h"
#include "relay/store/question.h"

/* ---- writing ---- */

enum db_result
op_courier_key_new(struct db *db, struct txn_op *own)
{
	assert(own->op.token != NULL);
	return op_none_is_conflict(db, db_run(db, SQL_COURIER_KEY_NEW, v_text(own->op.token), v_int(own->op.time)));
}

enum db_result
op_courier_pin(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;

	assert(op->peer != NULL && op->token != NULL && op->config != NULL);
	if (op->max_items == 1)
		return db_run(db, SQL_COURIER_REPIN, v_text(op->peer), v_text(op->token), v_text(op->config), v_int(op->time));
	return op_none_is_conflict(db, db_run(db, SQL_COURIER_PIN, v_text(op->peer), v_text(op->token), v_text(op->config),
	    v_int(op->time), v_text(COURIER_HOW_STREAM), v_int(COURIER_PINS_MOST)));
}

enum db_result
op_courier_offered(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;

	return db_run(db, SQL_COURIER_OFFERED, v_text(op->peer), v_text(op->token), v_int(op->token == NULL ? 0 : op->time));
}

/* ---- reading ---- */

static enum db_result
answer_keys(struct db *db, struct question *q)
{
	struct stmt *stmt = db_ask0(db, SQL_READ_COURIER_KEYS);
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW) {
		struct courier_key_row *row = rows_add(&q->rows, sizeof *row);
		row->pem = keep_text(q, stmt, 0);
		row->made = col_int(stmt, 1);
		row->retired = col_int(stmt, 2);
	}
	return result;
}

static void
tell_keys(struct question *q)
{
	const struct courier_key_row *rows = q->rows.items;

	q->fn.courier_keys(q->arg, q->failed, rows, q->rows.count);
	for (size_t i = 0; i < q->rows.count; i++)
		if (rows[i].pem != NULL)
			cleanse((void *)(uintptr_t)rows[i].pem, strlen(rows[i].pem));
}

static enum db_result
answer_pins(struct db *db, struct question *q)
{
	struct stmt *stmt = db_ask(db, SQL_READ_COURIER_PINS, v_text(q->name));
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW) {
		struct courier_pin_row *row = rows_add(&q->rows, sizeof *row);
		row->domain = keep_text(q, stmt, 0);
		row->pem = keep_text(q, stmt, 1);
		row->how = keep_text(q, stmt, 2);
		row->time = col_int(stmt, 3);
		row->offered = keep_text(q, stmt, 4);
		row->offered_time = col_int(stmt, 5);
	}
	return result;
}

static void
tell_pins(struct question *q)
{
	q->fn.courier_pins(q->arg, q->failed, q->rows.items, q->rows.count);
}

static const struct question_kind ask_keys_of_ours = { answer_keys, tell_keys };
static const struct question_kind ask_pins = { answer_pins, tell_pins };

void
read_courier_keys(struct store *store, read_courier_keys_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_keys_of_ours, (union question_fn){ .courier_keys = fn }, arg, NULL, NULL));
}

void
read_courier_pins(struct store *store, const char *domain, read_courier_pins_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_pins, (union question_fn){ .courier_pins = fn }, arg, NULL, domain));
}
