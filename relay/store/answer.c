/*
 * answer.c -- what each question asks the database, and how its answer is told: two functions a kind, joined
 * by a struct.
 *
 * Rows are copied into the question before the statement ends: nothing of the database is held while the loop
 * looks at an answer.
 */
#include "config.h"

#include "relay/store/question.h"

#include <string.h>
#include "proto/arena.h"
#include "proto/mem.h"

enum { MESSAGES_BYTES = 4 << 20 }; /* read.h: an answer of messages ends behind so many */

void *
rows_add(struct rows *rows, size_t size)
{
	if (rows->count == rows->room) {
		rows->room = rows->room == 0 ? 8 : 2 * rows->room;
		rows->items = xrealloc(rows->items, rows->room * size);
	}
	void *row = (char *)rows->items + rows->count++ * size;
	memset(row, 0, size);
	return row;
}

const char *
keep_text(struct question *q, struct stmt *stmt, int n)
{
	const char *text = col_text(stmt, n);

	return text == NULL ? NULL : arena_strdup(q->arena, text);
}

/* NUL-terminated for convenience; the NUL is not counted. */
const char *
keep_blob(struct question *q, struct stmt *stmt, int n, size_t *len_r)
{
	const void *bytes = col_blob(stmt, n, len_r);

	return arena_strndup(q->arena, bytes == NULL ? "" : bytes, *len_r);
}

static void
copy_exactly(struct stmt *stmt, int n, void *out, size_t len)
{
	size_t got;
	const void *bytes = col_blob(stmt, n, &got);

	if (got == len)
		memcpy(out, bytes, len);
}

static void
take_keys(struct stmt *stmt, int n, struct scram_keys *keys)
{
	copy_exactly(stmt, n, keys->salt, sizeof keys->salt);
	keys->iterations = (uint32_t)col_int(stmt, n + 1);
	copy_exactly(stmt, n + 2, keys->stored_sha1, sizeof keys->stored_sha1);
	copy_exactly(stmt, n + 3, keys->server_sha1, sizeof keys->server_sha1);
	copy_exactly(stmt, n + 4, keys->stored_sha256, sizeof keys->stored_sha256);
	copy_exactly(stmt, n + 5, keys->server_sha256, sizeof keys->server_sha256);
}

/* ---- account, keys */

static enum db_result
answer_head(struct db *db, struct question *q, int64_t *id_r)
{
	struct stmt *stmt = db_ask(db, SQL_READ_ACCOUNT, v_text(q->node));
	enum db_result result = db_next(db, stmt);

	if (result != DB_ROW)
		return result;
	q->view.exists = true;
	*id_r = col_int(stmt, 0);
	q->view.account.node = q->node;
	q->view.account.created = col_int(stmt, 1);
	q->view.account.last = col_int(stmt, 2);
	q->view.roster_version = col_int(stmt, 3);
	q->view.account.pending = col_int(stmt, 4);
	q->view.waiting = (struct pending_tally){ .count = col_int(stmt, 4),
						  .bytes = col_int(stmt, 15),
						  .strange = col_int(stmt, 16),
						  .strange_bytes = col_int(stmt, 17) };
	take_keys(stmt, 5, &q->view.account.keys);
	q->view.archive = keep_text(q, stmt, 11);
	q->view.left = col_int(stmt, 12);
	q->view.left_status = keep_text(q, stmt, 13);
	q->view.avatar = keep_text(q, stmt, 14);
	db_end(stmt);
	return DB_OK;
}

static enum db_result
keys_of(struct db *db, const char *node, struct scram_keys *keys, bool *found_r)
{
	struct stmt *stmt = db_ask(db, SQL_READ_KEYS, v_text(node));
	enum db_result result = db_next(db, stmt);

	*found_r = result == DB_ROW;
	if (result != DB_ROW)
		return result;
	take_keys(stmt, 0, keys);
	db_end(stmt);
	return DB_OK;
}

/* Who asks is a stranger, and how long it takes must not tell who has an account (attack S8): for every name one row is
 * found and one is not. */
static enum db_result
answer_keys_alone(struct db *db, struct question *q)
{
	struct stmt *stmt = db_ask0(db, SQL_READ_SOME_NODE);
	enum db_result result = db_next(db, stmt);
	struct scram_keys other;
	char *some = NULL;
	bool found;

	if (result == DB_ROW) {
		some = arena_strdup(q->arena, col_text(stmt, 0));
		db_end(stmt);
		result = DB_OK;
	}
	if (result == DB_OK)
		result = keys_of(db, q->node, &q->view.account.keys, &q->view.exists);
	if (result == DB_OK && some != NULL)
		result = keys_of(db, q->view.exists ? "" : some, &other, &found);
	cleanse(&other, sizeof other);
	return result;
}

static enum db_result
answer_roster(struct db *db, struct question *q, int64_t id)
{
	struct stmt *stmt = db_ask(db, SQL_READ_ROSTER, v_int(id));
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW) {
		struct roster_row *row = rows_add(&q->rows, sizeof *row);
		row->contact = keep_text(q, stmt, 0);
		row->flags = (unsigned)col_int(stmt, 1);
		row->name = keep_text(q, stmt, 2);
		row->groups = keep_text(q, stmt, 3);
		row->request = keep_text(q, stmt, 4);
	}
	return result;
}

static enum db_result
answer_nodes(struct db *db, struct question *q, int64_t id)
{
	struct stmt *stmt = db_ask(db, SQL_READ_NODES, v_int(id));
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW) {
		struct node_row *row = rows_add(&q->nodes, sizeof *row);
		row->name = keep_text(q, stmt, 0);
		row->config = keep_text(q, stmt, 1);
	}
	return result;
}

static enum db_result
answer_blocks(struct db *db, struct question *q, int64_t id)
{
	struct stmt *stmt = db_ask(db, SQL_READ_BLOCKS, v_int(id));
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW) {
		const char **row = rows_add(&q->blocks, sizeof *row);
		*row = keep_text(q, stmt, 0);
	}
	return result;
}

/* Statements of one moment. */
static enum db_result
answer_account(struct db *db, struct question *q)
{
	int64_t id = 0;
	enum db_result result = db_run0(db, SQL_BEGIN_READ);

	if (result == DB_OK)
		result = answer_head(db, q, &id);
	if (result == DB_OK && q->view.exists)
		result = answer_roster(db, q, id);
	if (result == DB_OK && q->view.exists)
		result = answer_nodes(db, q, id);
	if (result == DB_OK && q->view.exists)
		result = answer_blocks(db, q, id);
	if (result == DB_OK)
		result = db_commit(db);
	if (result != DB_OK)
		db_rollback(db);
	return result;
}

static void
tell_account(struct question *q)
{
	q->view.roster = q->rows.items;
	q->view.roster_count = q->rows.count;
	q->view.nodes = q->nodes.items;
	q->view.node_count = q->nodes.count;
	q->view.blocks = q->blocks.items;
	q->view.block_count = q->blocks.count;
	q->fn.account(q->arg, q->failed, &q->view);
}

static void
tell_keys(struct question *q)
{
	q->fn.keys(q->arg, q->failed, q->view.exists, &q->view.account.keys);
}

/* ---- messages */

const char *
keep_jid(struct question *q, struct stmt *stmt, int n)
{
	const char *resource = col_text(stmt, n + 1);

	if (resource == NULL)
		return keep_text(q, stmt, n);
	return arena_printf(q->arena, "%s/%s", col_text(stmt, n), resource);
}

void
keep_message(struct question *q, struct stmt *stmt, struct message_row *row)
{
	row->id = col_int(stmt, 0);
	row->time = col_int(stmt, 1);
	row->expires = col_int(stmt, 2);
	row->from = keep_jid(q, stmt, 3);
	row->to = keep_jid(q, stmt, 5);
	row->body = keep_blob(q, stmt, 7, &row->len);
}

static enum db_result
answer_pending(struct db *db, struct question *q)
{
	struct stmt *stmt =
	    db_ask(db, SQL_READ_PENDING, v_text(q->node), v_int(q->after), v_int((int64_t)q->limit), v_text(q->name));
	enum db_result result;
	size_t bytes = 0;

	while ((result = db_next(db, stmt)) == DB_ROW) {
		struct message_row *row = rows_add(&q->rows, sizeof *row);
		keep_message(q, stmt, row);
		if ((bytes += row->len) > MESSAGES_BYTES) {
			db_end(stmt);
			return DB_OK;
		}
	}
	return result;
}

static void
tell_messages(struct question *q)
{
	q->fn.messages(q->arg, q->failed, q->rows.items, q->rows.count);
}

static enum db_result
answer_pending_count(struct db *db, struct question *q)
{
	struct stmt *stmt = db_ask(db, SQL_READ_PENDING_COUNT, v_text(q->node));
	enum db_result result = db_next(db, stmt);

	if (result != DB_ROW)
		return result;
	q->count = col_int(stmt, 0);
	q->bytes = col_int(stmt, 1);
	db_end(stmt);
	return DB_OK;
}

static void
tell_count(struct question *q)
{
	q->fn.count(q->arg, q->failed, q->count, q->bytes);
}

static enum db_result
answer_counter(struct db *db, struct question *q)
{
	struct stmt *stmt = db_ask(db, SQL_READ_COUNTER, v_text(q->node), v_text(q->name));
	enum db_result result = db_next(db, stmt);

	q->count = -1;
	if (result != DB_ROW)
		return result;
	q->count = col_int(stmt, 0);
	db_end(stmt);
	return DB_OK;
}

/* ---- items */

static void
take_item(struct question *q, struct stmt *stmt, struct item_row *row)
{
	row->item = keep_text(q, stmt, 0);
	row->publisher = keep_text(q, stmt, 1);
	row->time = col_int(stmt, 3);
	row->body = keep_blob(q, stmt, 2, &row->len);
}

static enum db_result
answer_items(struct db *db, struct question *q)
{
	struct stmt *stmt =
	    q->item != NULL
		? db_ask(db, SQL_READ_ITEM, v_text(q->node), v_text(q->name), v_text(q->item))
		: db_ask(db, SQL_READ_ITEMS, v_text(q->node), v_text(q->name), v_int((int64_t)q->limit));
	enum db_result result;
	size_t bytes = 0;

	while ((result = db_next(db, stmt)) == DB_ROW) {
		struct item_row *row = rows_add(&q->rows, sizeof *row);
		if (q->rows.count > q->skip && bytes < READ_ITEMS_BYTES) {
			take_item(q, stmt, row);
			bytes += row->len;
		} else { /* SQLite reads no page of a column that nobody asks for */
			row->item = keep_text(q, stmt, 0);
		}
	}
	return result;
}

static enum db_result
answer_last_items(struct db *db, struct question *q)
{
	enum db_result result = DB_OK;

	for (size_t i = 0; i < q->limit && result == DB_OK; i++) {
		struct item_row *row = rows_add(&q->rows, sizeof *row);
		struct stmt *stmt = db_ask(db, SQL_READ_LAST_ITEM, v_text(q->node), v_text(q->names[i]));
		result = db_next(db, stmt);
		if (result != DB_ROW)
			continue;
		take_item(q, stmt, row);
		db_end(stmt);
		result = DB_OK;
	}
	return result;
}

static void
tell_items(struct question *q)
{
	q->fn.items(q->arg, q->failed, q->rows.items, q->rows.count);
}

/* ---- accounts, invitations */

static enum db_result
answer_accounts(struct db *db, struct question *q)
{
	struct stmt *stmt = db_ask0(db, SQL_READ_ACCOUNTS);
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW) {
		struct account_row *row = rows_add(&q->rows, sizeof *row);
		row->node = keep_text(q, stmt, 0);
		row->created = col_int(stmt, 1);
		row->last = col_int(stmt, 2);
		row->pending = col_int(stmt, 3);
		take_keys(stmt, 4, &row->keys);
	}
	return result;
}

static void
tell_accounts(struct question *q)
{
	q->fn.accounts(q->arg, q->failed, q->rows.items, q->rows.count);
}

static enum db_result
answer_invites(struct db *db, struct question *q)
{
	struct stmt *stmt =
	    q->name != NULL ? db_ask(db, SQL_READ_INVITE, v_text(q->name)) : db_ask0(db, SQL_READ_INVITES);
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW) {
		struct invite_row *row = rows_add(&q->rows, sizeof *row);
		row->token = keep_text(q, stmt, 0);
		row->node = keep_text(q, stmt, 1);
		row->created = col_int(stmt, 2);
		row->expires = col_int(stmt, 3);
		row->used = col_int(stmt, 4) != 0;
	}
	return result;
}

static void
tell_invites(struct question *q)
{
	q->fn.invites(q->arg, q->failed, q->rows.items, q->rows.count);
}

static enum db_result
answer_reports(struct db *db, struct question *q)
{
	struct stmt *stmt = db_ask0(db, SQL_READ_REPORTS);
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW) {
		struct report_row *row = rows_add(&q->rows, sizeof *row);
		row->id = col_int(stmt, 0);
		row->time = col_int(stmt, 1);
		row->node = keep_text(q, stmt, 2);
		row->jid = keep_text(q, stmt, 3);
		row->reason = keep_text(q, stmt, 4);
		row->words = keep_text(q, stmt, 5);
		row->messages = keep_text(q, stmt, 6);
	}
	return result;
}

static void
tell_reports(struct question *q)
{
	q->fn.reports(q->arg, q->failed, q->rows.items, q->rows.count);
}

static enum db_result
answer_unsent(struct db *db, struct question *q)
{
	struct stmt *stmt = db_ask(db, SQL_READ_UNSENT, v_int((int64_t)q->limit));
	enum db_result result;

	while ((result = db_next(db, stmt)) == DB_ROW) {
		struct contact_row *row = rows_add(&q->rows, sizeof *row);
		row->node = keep_text(q, stmt, 0);
		row->contact = keep_text(q, stmt, 1);
	}
	return result;
}

static void
tell_unsent(struct question *q)
{
	q->fn.contacts(q->arg, q->failed, q->rows.items, q->rows.count);
}

const struct question_kind ask_unsent = { answer_unsent, tell_unsent };
const struct question_kind ask_account = { answer_account, tell_account };
const struct question_kind ask_keys = { answer_keys_alone, tell_keys };
const struct question_kind ask_pending = { answer_pending, tell_messages };
const struct question_kind ask_pending_count = { answer_pending_count, tell_count };
const struct question_kind ask_counter = { answer_counter, tell_count };
const struct question_kind ask_items = { answer_items, tell_items };
const struct question_kind ask_last_items = { answer_last_items, tell_items };
const struct question_kind ask_accounts = { answer_accounts, tell_accounts };
const struct question_kind ask_reports = { answer_reports, tell_reports };
const struct question_kind ask_invites = { answer_invites, tell_invites };
