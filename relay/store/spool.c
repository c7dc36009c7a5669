/*
 * spool.c -- the rows of spool.h: writing, reading; and what is remembered of each domain (table peer).
 *
 * Promises: a row and what tells its sender of the end change in one transaction; the message's body stays while a row names it.
 */
#include "config.h"

#include "relay/store/spool.h"

#include <stdio.h>
#include <string.h>
#include "proto/arena.h"
#include "relay/store/ops-private.h"
#include "relay/store/question.h"
#include "relay/store/store-private.h"

enum { CUSTODY_LEN = 16, CLEAN_ROWS = 500 };

/* ---- writing */

/* *known_r: somebody has written to a contact there before, or it was there itself. */
static enum db_result
peer_find(struct db *db, const char *domain, bool *known_r, int64_t *state_r)
{
	struct stmt *stmt = db_ask(db, SQL_PEER_FIND, v_text(domain));
	enum db_result result = db_next(db, stmt);

	*known_r = false;
	*state_r = 0;
	if (result != DB_ROW)
		return result;
	*state_r = col_int(stmt, 0);
	*known_r = *state_r != 0 || col_int(stmt, 1) != 0;
	db_end(stmt);
	return DB_OK;
}

enum db_result
op_spool_new(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	int64_t destination, state;
	bool known;
	enum db_result result;

	if ((result = op_jid_intern(db, op->peer, strlen(op->peer), &destination)) != DB_OK ||
	    (result = peer_find(db, op->peer, &known, &state)) != DB_OK)
		return result;
	if (!op->stranger && state == 0) {
		if ((result = db_run(db, SQL_PEER_KNOWN, v_text(op->peer), v_int(op->time))) != DB_OK)
			return result;
		known = true;
	}
	result = db_run(db, SQL_SPOOL_NEW, v_int(op->id), v_int(destination), v_blob(op->key, CUSTODY_LEN), v_text(op->item),
	    v_int(op->time), v_int(known ? op->expires : op->most));
	return result != DB_OK ? result : op_message_refer(db, own, db_changes(db) > 0);
}

enum db_result
op_spool_settle(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	enum db_result result = db_run(db, SQL_SPOOL_SETTLE, v_int(op->id), v_int(op->expires));

	if (result != DB_OK || db_changes(db) == 0)
		return result;
	return op_handed(db, op->id, op->time, op->max_items);
}

enum db_result
op_spool_end(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	enum db_result result = op_none_is_conflict(db, db_run(db, SQL_SPOOL_END, v_int(op->id)));

	if (result == DB_OK && op->config != NULL)
		result = op_ended(db, op->id, op->time, op->config);
	return result == DB_OK ? op_message_drop(db, op->id) : result;
}

enum db_result
op_spool_clean(struct db *db, struct txn_op *own)
{
	struct stmt *stmt = db_ask(db, SQL_SPOOL_CLEAN, v_int(own->op.time), v_int(CLEAN_ROWS));
	int64_t ids[CLEAN_ROWS];
	size_t count = 0;
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW)
		ids[count++] = col_int(stmt, 0);
	for (size_t i = 0; i < count && result == DB_OK; i++)
		result = op_message_drop(db, ids[i]);
	return result;
}

enum db_result
op_spool_defer(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	enum db_result result = db_run(db, SQL_SPOOL_DEFER, v_int(op->id), v_int(op->expires), v_text(op->config));

	return result == DB_OK ? op_held(db, op->id, op->time) : result;
}

enum db_result
op_spool_doubt(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	struct stmt *stmt = db_ask(db, SQL_SPOOL_DOUBT, v_int(op->id), v_int(op->most));
	enum db_result result = db_next(db, stmt);
	int64_t state;

	if (result != DB_ROW)
		return result;
	state = col_int(stmt, 0);
	do
		result = db_next(db, stmt);
	while (result == DB_ROW);
	return result == DB_OK && state == SPOOL_UNCONFIRMED ? op_handed(db, op->id, op->time, SPOOL_HOW_UNCONFIRMED) : result;
}

enum db_result
op_spool_retry(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	enum db_result result;

	if (op->id != 0)
		return op_none_is_conflict(db, db_run(db, SQL_SPOOL_RETRY, v_int(op->id)));
	result = db_run(db, SQL_SPOOL_RETRY_ALL, v_text(op->peer));
	return result != DB_OK ? result : db_run(db, SQL_PEER_RETRY, v_text(op->peer));
}

enum db_result
op_peer_tried(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;

	return db_run(db, SQL_PEER_TRIED, v_text(op->peer), v_int(op->time), v_int(op->id), v_int(op->expires),
	    v_text(op->config));
}

enum db_result
op_peer_seen(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	int64_t state, destination;
	bool known;
	enum db_result result = peer_find(db, op->peer, &known, &state);

	if (result == DB_OK)
		result = db_run(db, SQL_PEER_SEEN, v_text(op->peer), v_int(op->time));
	if (result != DB_OK || known)
		return result;
	result = db_number(db, SQL_JID_FIND, v_text(op->peer), &destination);
	if (result == DB_OK)
		result = db_run(db, SQL_SPOOL_LONGER, v_int(destination), v_int(op->most));
	return op_none_is_ok(result);
}

/* ---- reading */

static void
keep_custody(char out[static 33], struct stmt *stmt, int n)
{
	size_t len;
	const uint8_t *bytes = col_blob(stmt, n, &len);

	for (size_t i = 0; i < len && i < CUSTODY_LEN; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static enum db_result
keep_rows(struct db *db, struct question *q, struct stmt *stmt)
{
	struct message_row message;
	enum db_result result;
	size_t bytes = 0;

	while ((result = db_next(db, stmt)) == DB_ROW) {
		struct spool_row *row = rows_add(&q->rows, sizeof *row);
		keep_message(q, stmt, &message);
		*row = (struct spool_row){ .id = message.id, .time = message.time, .expires = message.expires, .from = message.from,
			.to = message.to, .body = message.body, .len = message.len };
		row->domain = keep_text(q, stmt, 8);
		keep_custody(row->custody, stmt, 9);
		row->state = (enum spool_state)col_int(stmt, 10);
		row->name = keep_text(q, stmt, 11);
		row->reason = keep_text(q, stmt, 12);
		row->tries = col_int(stmt, 13);
		row->next = col_int(stmt, 14);
		bytes += row->len;
		if (bytes > SPOOL_BYTES) {
			db_end(stmt);
			return DB_OK;
		}
	}
	return result;
}

static void
tell(struct question *q)
{
	q->fn.spool(q->arg, q->failed, q->rows.items, q->rows.count);
}

static enum db_result
answer_held(struct db *db, struct question *q)
{
	return keep_rows(db, q, db_ask(db, SQL_READ_SPOOL, v_text(q->name), v_int(q->after), v_int((int64_t)q->limit)));
}

static enum db_result
answer_expired(struct db *db, struct question *q)
{
	return keep_rows(db, q, db_ask(db, SQL_READ_SPOOL_EXPIRED, v_int(q->after), v_int((int64_t)q->limit)));
}

static enum db_result
answer_named(struct db *db, struct question *q)
{
	return keep_rows(db, q, db_ask(db, SQL_READ_SPOOL_NAMED, v_text(q->item), v_text(q->name)));
}

static enum db_result
answer_list(struct db *db, struct question *q)
{
	return keep_rows(db, q, db_ask(db, SQL_READ_SPOOL_LIST, v_int(q->after), v_int((int64_t)q->limit)));
}

void
keep_spool_domain(struct question *q, struct stmt *stmt, struct spool_domain *row)
{
	row->domain = keep_text(q, stmt, 0);
	row->seen = col_int(stmt, 2);
	row->known = col_int(stmt, 1) != 0 || row->seen != 0;
	row->tries = col_int(stmt, 3);
	row->next = col_int(stmt, 4);
	row->reason = keep_text(q, stmt, 5);
}

static enum db_result
keep_domains(struct db *db, struct question *q, struct stmt *stmt)
{
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW)
		keep_spool_domain(q, stmt, rows_add(&q->rows, sizeof(struct spool_domain)));
	return result;
}

/* From one to the next by the index: not by a look at each row. */
static enum db_result
answer_domains(struct db *db, struct question *q)
{
	int64_t at = 0;
	enum db_result result;

	while ((result = db_number(db, SQL_READ_SPOOL_NEXT, v_int(at), &at)) == DB_OK)
		if ((result = keep_domains(db, q, db_ask(db, SQL_READ_SPOOL_DOMAIN, v_int(at)))) != DB_OK)
			return result;
	return result == DB_CONFLICT ? DB_OK : result;
}

static enum db_result
answer_domain(struct db *db, struct question *q)
{
	return keep_domains(db, q, db_ask(db, SQL_READ_SPOOL_PEER, v_text(q->name)));
}

static void
tell_domains(struct question *q)
{
	q->fn.spool_domains(q->arg, q->failed, q->rows.items, q->rows.count);
}

static const struct question_kind ask_held = { answer_held, tell };
static const struct question_kind ask_expired = { answer_expired, tell };
static const struct question_kind ask_named = { answer_named, tell };
static const struct question_kind ask_list = { answer_list, tell };
static const struct question_kind ask_domains = { answer_domains, tell_domains };
static const struct question_kind ask_domain = { answer_domain, tell_domains };

static void
ask(struct store *store, const struct question_kind *kind, const char *domain, const char *name, int64_t after, size_t limit,
    read_spool_fn *fn, void *arg)
{
	struct question *q = question_new(kind, (union question_fn){ .spool = fn }, arg, NULL, domain);

	q->item = name == NULL ? NULL : arena_strdup(q->arena, name);
	q->after = after;
	q->limit = limit;
	question_ask(store, q);
}

void
read_spool(struct store *store, const char *domain, int64_t after, size_t limit, read_spool_fn *fn, void *arg)
{
	ask(store, &ask_held, domain, NULL, after, limit, fn, arg);
}

void
read_spool_expired(struct store *store, int64_t now, size_t limit, read_spool_fn *fn, void *arg)
{
	ask(store, &ask_expired, NULL, NULL, now, limit, fn, arg);
}

void
read_spool_named(struct store *store, const char *domain, const char *name, read_spool_fn *fn, void *arg)
{
	ask(store, &ask_named, domain, name, 0, 0, fn, arg);
}

void
read_spool_list(struct store *store, int64_t after, size_t limit, read_spool_fn *fn, void *arg)
{
	ask(store, &ask_list, NULL, NULL, after, limit, fn, arg);
}

void
read_spool_domains(struct store *store, read_spool_domains_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_domains, (union question_fn){ .spool_domains = fn }, arg, NULL, NULL));
}

void
read_spool_domain(struct store *store, const char *domain, read_spool_domains_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_domain, (union question_fn){ .spool_domains = fn }, arg, NULL, domain));
}
