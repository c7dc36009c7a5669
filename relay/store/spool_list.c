/* spool_list.c -- the questions of spool_list.h. */
#include "config.h"

#include "relay/store/spool_list.h"

#include "proto/arena.h"
#include "relay/store/question.h"

static enum db_result
answer_lines(struct db *db, struct question *q)
{
	struct stmt *stmt = db_ask(db, SQL_READ_SPOOL_LINES, v_int(q->after), v_int((int64_t)q->limit), v_text(q->name), v_text(q->item));
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW) {
		struct spool_line *row = rows_add(&q->rows, sizeof *row);
		row->id = col_int(stmt, 0);
		row->since = col_int(stmt, 1);
		row->expires = col_int(stmt, 2);
		row->from = keep_jid(q, stmt, 3);
		row->to = keep_jid(q, stmt, 5);
		row->size = col_int(stmt, 7);
		row->domain = keep_text(q, stmt, 8);
		row->state = (enum spool_state)col_int(stmt, 9);
		row->reason = keep_text(q, stmt, 10);
		row->tries = col_int(stmt, 11);
		row->next = col_int(stmt, 12);
	}
	return result;
}

static void
tell_lines(struct question *q)
{
	q->fn.spool_lines(q->arg, q->failed, q->rows.items, q->rows.count);
}

static enum db_result
answer_sums(struct db *db, struct question *q)
{
	struct stmt *stmt = db_ask(db, SQL_READ_SPOOL_SUMS, v_text(q->name));
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW) {
		struct spool_sum *row = rows_add(&q->rows, sizeof *row);
		keep_spool_domain(q, stmt, &row->about);
		row->waiting = col_int(stmt, 6);
		row->bytes = col_int(stmt, 7);
	}
	return result;
}

static void
tell_sums(struct question *q)
{
	q->fn.spool_sums(q->arg, q->failed, q->rows.items, q->rows.count);
}

static enum db_result
answer_count(struct db *db, struct question *q)
{
	struct stmt *stmt = db_ask0(db, SQL_READ_SPOOL_COUNT);
	enum db_result result = db_next(db, stmt);

	if (result != DB_ROW)
		return result;
	q->count = col_int(stmt, 0);
	db_end(stmt);
	return DB_OK;
}

static void
tell_count(struct question *q)
{
	q->fn.count(q->arg, q->failed, q->count, 0);
}

static const struct question_kind ask_lines = { answer_lines, tell_lines };
static const struct question_kind ask_count = { answer_count, tell_count };
static const struct question_kind ask_sums = { answer_sums, tell_sums };

void
read_spool_lines(struct store *store, const char *domain, const char *jid, int64_t after, size_t limit, read_spool_lines_fn *fn,
    void *arg)
{
	struct question *q = question_new(&ask_lines, (union question_fn){ .spool_lines = fn }, arg, NULL, domain);

	q->item = jid == NULL ? NULL : arena_strdup(q->arena, jid);
	q->after = after;
	q->limit = limit;
	question_ask(store, q);
}

void
read_spool_sums(struct store *store, const char *domain, read_spool_sums_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_sums, (union question_fn){ .spool_sums = fn }, arg, NULL, domain));
}

void
read_spool_count(struct store *store, read_count_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_count, (union question_fn){ .count = fn }, arg, NULL, NULL));
}
