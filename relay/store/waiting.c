/* waiting.c -- counting mailboxes: see waiting.h. */
#include "config.h"

#include "relay/store/waiting.h"

#include "proto/arena.h"
#include "relay/store/question.h"

static enum db_result
count_one(struct db *db, struct question *q, const char *mailbox, const char *sender)
{
	struct waiting_row *row = rows_add(&q->rows, sizeof *row);
	struct stmt *stmt = sender == NULL
				? db_ask(db, SQL_READ_WAITING_FOR, v_text(mailbox))
				: db_ask(db, SQL_READ_WAITING_FROM, v_text(mailbox), v_text(sender));
	enum db_result result = db_next(db, stmt);

	row->node = mailbox;
	if (result != DB_ROW)
		return result;
	row->count = col_int(stmt, 0);
	row->oldest = col_int(stmt, 1);
	db_end(stmt);
	return DB_OK;
}

static enum db_result
answer(struct db *db, struct question *q)
{
	enum db_result result = count_one(db, q, q->node, NULL);

	for (size_t i = 0; i < q->limit && result == DB_OK; i++)
		result = count_one(db, q, q->names[i], q->name);
	return result;
}

static void
tell(struct question *q)
{
	q->fn.waiting(q->arg, q->failed, q->rows.items, q->rows.count);
}

static enum db_result
answer_elsewhere(struct db *db, struct question *q)
{
	struct stmt *stmt = db_ask(db, SQL_READ_WAITING_ELSEWHERE, v_text(q->name), v_int((int64_t)q->limit));
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW) {
		struct waiting_row *row = rows_add(&q->rows, sizeof *row);
		row->node = keep_text(q, stmt, 0);
		row->count = col_int(stmt, 1);
		row->oldest = col_int(stmt, 2);
		row->reason = keep_text(q, stmt, 3);
		row->next = col_int(stmt, 4);
	}
	return result;
}

static const struct question_kind ask_waiting = { answer, tell };
static const struct question_kind ask_elsewhere = { answer_elsewhere, tell };

void
read_waiting_elsewhere(struct store *store, const char *jid, size_t limit, read_waiting_fn *fn, void *arg)
{
	struct question *q = question_new(&ask_elsewhere, (union question_fn){ .waiting = fn }, arg, NULL, jid);

	q->limit = limit;
	question_ask(store, q);
}

void
read_waiting(struct store *store, const char *node, const char *jid, const char *const *others, size_t count,
	     read_waiting_fn *fn, void *arg)
{
	struct question *q = question_new(&ask_waiting, (union question_fn){ .waiting = fn }, arg, node, jid);

	q->names = arena_alloc(q->arena, (count + 1) * sizeof *q->names);
	for (size_t i = 0; i < count; i++)
		q->names[i] = arena_strdup(q->arena, others[i]);
	q->limit = count;
	question_ask(store, q);
}
