/*
 * archive.c -- paging through an archive: see archive.h.
 *
 * A page is one statement between two ids. Ids rise with time as long as the wall clock does: where a time is
 * the only lower or upper bound, the id to begin at is looked for by halves with an hour to spare, and the
 * statement's own comparison of times decides. When the clock has ever gone back further than that (meta
 * "stepped", ops.c), every row is looked at.
 */
#include "config.h"

#include "relay/store/archive.h"

#include <string.h>
#include "proto/arena.h"
#include "relay/store/question.h"
#include "relay/store/store-private.h"

struct range {
	int64_t above, below; /* ids, not included */
};

/* ---- asking ---- */

static const char *
own_text(struct question *q, const char *text)
{
	return text == NULL ? NULL : arena_strdup(q->arena, text);
}

void
read_archive(struct store *store, const char *node, const struct archive_query *query, read_archive_fn *fn,
	     void *arg)
{
	struct question *q =
	    question_new(&ask_archive, (union question_fn){ .archive = fn }, arg, node, NULL);
	int64_t *ids = query->ids == NULL ? NULL : arena_alloc(q->arena, (query->id_count + 1) * sizeof *ids);

	q->archive = *query;
	q->archive.with = own_text(q, query->with);
	q->archive.resource = own_text(q, query->resource);
	if (ids != NULL)
		memcpy(ids, query->ids, query->id_count * sizeof *ids);
	q->archive.ids = ids;
	if (q->archive.end == 0)
		q->archive.end = INT64_MAX;
	question_ask(store, q);
}

void
read_archive_ends(struct store *store, const char *node, read_archive_ends_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_archive_ends, (union question_fn){ .archive_ends = fn }, arg,
					 node, NULL));
}

void
read_archive_over(struct store *store, int64_t before, int64_t most, read_archive_over_fn *fn, void *arg)
{
	struct question *q =
	    question_new(&ask_archive_over, (union question_fn){ .archive_over = fn }, arg, NULL, NULL);

	q->archive.end = before;
	q->bytes = most;
	question_ask(store, q);
}

static enum db_result
read_end(struct db *db, const struct question *q, enum sql which, int64_t *id_r, int64_t *time_r)
{
	struct stmt *stmt = db_ask(db, which, v_text(q->node));
	enum db_result result = db_next(db, stmt);

	if (result != DB_ROW)
		return result;
	*id_r = col_int(stmt, 0);
	*time_r = col_int(stmt, 1);
	db_end(stmt);
	return DB_OK;
}

/* ---- what was named must be there (XEP-0313 4.1.3, 4.3.2) ---- */

static enum db_result
require(struct db *db, struct question *q, int64_t id)
{
	enum db_result result;

	if (id == 0 || q->page.missing)
		return DB_OK;
	struct stmt *stmt = db_ask(db, SQL_READ_BOX_HAS, v_text(q->node), v_int(id));
	result = db_next(db, stmt);
	if (result == DB_ROW)
		db_end(stmt);
	q->page.missing = result == DB_OK;
	return result == DB_ROW ? DB_OK : result;
}

static enum db_result
require_all(struct db *db, struct question *q)
{
	const struct archive_query *query = &q->archive;
	const int64_t named[] = { query->above, query->below, query->after, query->before };
	enum db_result result = DB_OK;

	for (size_t i = 0; i < sizeof named / sizeof *named && result == DB_OK; i++)
		result = require(db, q, named[i]);
	for (size_t i = 0; i < query->id_count && result == DB_OK; i++)
		result = require(db, q, query->ids[i]);
	return result;
}

/* ---- from times to ids ---- */

/* The time of the first row from `id` on; INT64_MAX: there is none. */
static enum db_result
time_from(struct db *db, const struct question *q, int64_t id, int64_t *time_r)
{
	struct stmt *stmt = db_ask(db, SQL_READ_BOX_TIME, v_text(q->node), v_int(id));
	enum db_result result = db_next(db, stmt);

	*time_r = INT64_MAX;
	if (result != DB_ROW)
		return result;
	*time_r = col_int(stmt, 1);
	db_end(stmt);
	return DB_OK;
}

/* What is up to *low_r is before `time`, what is from *high_r on is not. */
static enum db_result
halve(struct db *db, const struct question *q, int64_t time, int64_t *low_r, int64_t *high_r)
{
	int64_t last = 0, last_time = 0, middle_time;
	enum db_result result = read_end(db, q, SQL_READ_BOX_LAST, &last, &last_time);

	*low_r = 0;
	*high_r = last + 1;
	while (result == DB_OK && *high_r - *low_r > 1) {
		int64_t middle = *low_r + (*high_r - *low_r) / 2;
		result = time_from(db, q, middle, &middle_time);
		*(middle_time < time ? low_r : high_r) = middle;
	}
	return result;
}

static enum db_result
narrow(struct db *db, const struct question *q, struct range *range)
{
	const struct archive_query *query = &q->archive;
	int64_t stepped, low, high;
	enum db_result result = db_number(db, SQL_META, v_text("stepped"), &stepped);

	if (result != DB_CONFLICT)
		return result;
	result = DB_OK;
	if (query->start > CLOCK_SPARE_MS) {
		result = halve(db, q, query->start - CLOCK_SPARE_MS, &low, &high);
		if (result == DB_OK && low > range->above)
			range->above = low;
	}
	if (result == DB_OK && query->end < INT64_MAX - CLOCK_SPARE_MS) {
		result = halve(db, q, query->end + CLOCK_SPARE_MS + 1, &low, &high);
		if (result == DB_OK && high < range->below)
			range->below = high;
	}
	return result;
}

/* ---- rows ---- */

static struct stmt *
ask_rows(struct db *db, const struct question *q, enum sql all, enum sql with, const struct range *range,
	 int64_t limit)
{
	const struct archive_query *query = &q->archive;
	const struct value values[] = { v_text(q->node),     v_int(range->above),    v_int(range->below),
					v_int(query->start), v_int(query->end),      v_int(limit),
					v_text(query->with), v_text(query->resource) };

	return db_ask_values(db, query->with != NULL ? with : all, values, query->with != NULL ? 8 : 6);
}

/* Full: as many rows as asked for, or as many bytes; one row more was seen then. */
static enum db_result
take_rows(struct db *db, struct question *q, const struct range *range, bool *full_r)
{
	const struct archive_query *query = &q->archive;
	size_t left = query->most - q->rows.count;
	struct stmt *stmt =
	    ask_rows(db, q, query->back ? SQL_READ_BOX_BACK : SQL_READ_BOX,
		     query->back ? SQL_READ_PEER_BACK : SQL_READ_PEER, range, (int64_t)left + 1);
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW) {
		if (left == 0 || q->bytes > ARCHIVE_BYTES) {
			*full_r = true;
			db_end(stmt);
			return DB_OK;
		}
		struct archive_row *row = rows_add(&q->rows, sizeof *row);
		keep_message(q, stmt, &row->message);
		row->pending = col_int(stmt, 8) != 0;
		q->bytes += (int64_t)row->message.len;
		left--;
	}
	return result;
}

/* One by one, in the order of paging: the same statement between the neighbours of each id. */
static enum db_result
take_named(struct db *db, struct question *q, const struct range *range, bool *full_r)
{
	const struct archive_query *query = &q->archive;
	enum db_result result = DB_OK;

	for (size_t i = 0; i < query->id_count && result == DB_OK && !*full_r; i++) {
		int64_t id = query->ids[query->back ? query->id_count - 1 - i : i];
		if (id > range->above && id < range->below)
			result = take_rows(db, q, &(struct range){ id - 1, id + 1 }, full_r);
	}
	return result;
}

static void
reverse(struct rows *rows)
{
	struct archive_row *row = rows->items, swap;

	for (size_t i = 0; i < rows->count / 2; i++) {
		swap = row[i];
		row[i] = row[rows->count - 1 - i];
		row[rows->count - 1 - i] = swap;
	}
}

/* A total without being asked only where it costs little: XEP-0313 4.3.2 makes it optional. */
static enum db_result
count_rows(struct db *db, struct question *q, const struct range *range)
{
	const struct archive_query *query = &q->archive;
	int64_t limit = query->counted ? INT64_MAX : ARCHIVE_COUNT_MOST + 1;
	enum db_result result;

	if (query->ids != NULL || (!query->counted && (query->start > 0 || query->end < INT64_MAX)))
		return DB_OK;
	struct stmt *stmt = ask_rows(db, q, SQL_READ_BOX_COUNT, SQL_READ_PEER_COUNT, range, limit);
	result = db_next(db, stmt);
	if (result != DB_ROW)
		return result;
	if (query->counted || col_int(stmt, 0) < limit)
		q->page.total = col_int(stmt, 0);
	db_end(stmt);
	return DB_OK;
}

static enum db_result
answer_page(struct db *db, struct question *q)
{
	const struct archive_query *query = &q->archive;
	struct range set = { query->above, query->below == 0 ? INT64_MAX : query->below }, page;
	bool full = false;
	enum db_result result = require_all(db, q);

	if (result != DB_OK || q->page.missing || (result = narrow(db, q, &set)) != DB_OK)
		return result;
	page = (struct range){ query->after > set.above ? query->after : set.above,
			       query->before != 0 && query->before < set.below ? query->before : set.below };
	result = query->ids != NULL ? take_named(db, q, &page, &full) : take_rows(db, q, &page, &full);
	if (result == DB_OK)
		result = count_rows(db, q, &set);
	if (query->back)
		reverse(&q->rows);
	q->page.complete = !full;
	return result;
}

/* All statements of one moment. */
static enum db_result
answer_archive(struct db *db, struct question *q)
{
	enum db_result result = db_run0(db, SQL_BEGIN_READ);

	q->page.total = -1;
	if (result == DB_OK)
		result = answer_page(db, q);
	if (result == DB_OK)
		result = db_commit(db);
	if (result != DB_OK)
		db_rollback(db);
	return result;
}

static void
tell_archive(struct question *q)
{
	q->page.rows = q->rows.items;
	q->page.count = q->rows.count;
	q->fn.archive(q->arg, q->failed, &q->page);
}

/* ---- ends ---- */

static enum db_result
answer_ends(struct db *db, struct question *q)
{
	struct archive_ends *ends = rows_add(&q->rows, sizeof *ends);
	enum db_result result = read_end(db, q, SQL_READ_BOX_FIRST, &ends->first, &ends->first_time);

	return result == DB_OK ? read_end(db, q, SQL_READ_BOX_LAST, &ends->last, &ends->last_time) : result;
}

static void
tell_ends(struct question *q)
{
	static const struct archive_ends none;

	q->fn.archive_ends(q->arg, q->failed, q->failed ? &none : q->rows.items);
}

/* ---- what has outgrown its limits ---- */

static enum db_result
answer_over(struct db *db, struct question *q)
{
	struct stmt *stmt = db_ask(db, SQL_READ_BOX_OVER, v_int(q->archive.end), v_int(q->bytes));
	enum db_result result = db_next(db, stmt);

	if (result != DB_ROW)
		return result;
	q->name = keep_text(q, stmt, 0);
	db_end(stmt);
	return DB_OK;
}

static void
tell_over(struct question *q)
{
	q->fn.archive_over(q->arg, q->failed, q->failed ? NULL : q->name);
}

const struct question_kind ask_archive = { answer_archive, tell_archive };
const struct question_kind ask_archive_ends = { answer_ends, tell_ends };
const struct question_kind ask_archive_over = { answer_over, tell_over };
