/*
 * token.c -- tokens of clients, both sides of them: the operations that write them and the question that reads them. See token.h.
 */
#include "config.h"

#include "relay/store/token.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/mem.h"
#include "relay/store/ops-private.h"
#include "relay/store/question.h"
#include "relay/store/store-private.h"

enum { CLIENTS_MOST = 20 };

/* ---- writing ---- */

/* The password that the client has shown is still the account's. */
static enum db_result
check_keys(struct db *db, int64_t account, const struct scram_keys *keys)
{
	struct stmt *stmt;
	enum db_result result;
	const void *stored;
	size_t len;

	if (keys == NULL)
		return DB_OK;
	stmt = db_ask(db, SQL_TOKEN_KEYS, v_int(account));
	result = db_next(db, stmt);
	if (result != DB_ROW)
		return result == DB_OK ? DB_CONFLICT : result;
	stored = col_blob(stmt, 0, &len);
	result = len == sizeof keys->stored_sha256 && same_secret(stored, keys->stored_sha256, len) ? DB_OK : DB_CONFLICT;
	db_end(stmt);
	return result;
}

enum db_result
op_token_new(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	int64_t account;
	enum db_result result;

	assert(op->item != NULL && op->config != NULL && op->token != NULL);
	if ((result = db_number(db, SQL_ACCOUNT_FIND, v_text(op->account), &account)) != DB_OK ||
	    (result = check_keys(db, account, op->keys)) != DB_OK ||
	    (result = db_run(db, SQL_TOKEN_EXPIRE, v_int(account), v_int(op->time))) != DB_OK ||
	    (result = db_run(db, SQL_TOKEN_NEW, v_int(account), v_text(op->item), v_text(op->config), v_text(op->token),
	         v_int(op->time), v_int(op->expires))) != DB_OK)
		return result;
	return db_run(db, SQL_TOKEN_TRIM, v_int(account), v_int(CLIENTS_MOST));
}

enum db_result
op_token_use(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	int64_t account;
	enum db_result result;

	if ((result = db_number(db, SQL_ACCOUNT_FIND, v_text(op->account), &account)) != DB_OK)
		return result;
	result = op_none_is_conflict(db, db_run(db, SQL_TOKEN_COUNT, v_int(account), v_text(op->item), v_text(op->token),
	    v_int(op->most), v_int(op->time)));
	if (result != DB_OK)
		return result;
	/* It is the one before the newest: nothing moves. */
	if ((result = db_run(db, SQL_TOKEN_OLD, v_int(account), v_text(op->item), v_text(op->token))) != DB_OK)
		return result;
	return db_run(db, SQL_TOKEN_MOVE, v_int(account), v_text(op->item));
}

enum db_result
op_token_del(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	int64_t account;
	enum db_result result = db_number(db, SQL_ACCOUNT_FIND, v_text(op->account), &account);

	if (result != DB_OK)
		return result == DB_CONFLICT ? DB_OK : result;
	return db_run(db, SQL_TOKEN_END, v_int(account), v_text(op->item));
}

/* ---- reading ---- */

static void
keep(struct stmt *stmt, int n, char *out, size_t size)
{
	const char *text = col_text(stmt, n);

	snprintf(out, size, "%s", text == NULL ? "" : text);
}

static enum db_result
ask(struct db *db, const char *node, const char *client, struct token_rows *rows, bool *exists_r)
{
	struct stmt *stmt = db_ask(db, SQL_READ_TOKENS, v_text(node), v_text(client));
	enum db_result result;
	struct token_row *row;
	const void *salt;
	size_t len;

	*exists_r = false;
	while ((result = db_next(db, stmt)) == DB_ROW) {
		*exists_r = true;
		salt = col_blob(stmt, 6, &len);
		if (len == sizeof rows->salt)
			memcpy(rows->salt, salt, len);
		if (col_text(stmt, 1) == NULL)
			continue;
		row = &rows->place[col_int(stmt, 0) == TOKEN_NEW ? TOKEN_NEW : TOKEN_CURRENT];
		row->there = true;
		keep(stmt, 1, row->mechanism, sizeof row->mechanism);
		keep(stmt, 2, row->text, sizeof row->text);
		row->issued = col_int(stmt, 3);
		row->expires = col_int(stmt, 4);
		row->count = col_int(stmt, 5);
	}
	return result;
}

/* As with keys (answer.c): one account that is there and one that is not, for every name. */
static enum db_result
answer_tokens(struct db *db, struct question *q)
{
	struct stmt *stmt = db_ask0(db, SQL_READ_SOME_NODE);
	enum db_result result = db_next(db, stmt);
	struct token_rows other = { 0 };
	char *some = NULL;
	bool exists = false, ignored;

	if (result == DB_ROW) {
		some = arena_strdup(q->arena, col_text(stmt, 0));
		db_end(stmt);
		result = DB_OK;
	}
	q->tokens = (struct token_rows){ 0 };
	if (result == DB_OK)
		result = ask(db, q->node, q->name, &q->tokens, &exists);
	if (result == DB_OK && some != NULL)
		result = ask(db, exists ? "" : some, "", &other, &ignored);
	return result;
}

static void
tell_tokens(struct question *q)
{
	q->fn.tokens(q->arg, q->failed, &q->tokens);
	cleanse(&q->tokens, sizeof q->tokens);
}

const struct question_kind ask_tokens = { answer_tokens, tell_tokens };

void
read_tokens(struct store *store, const char *node, const char *client, read_tokens_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_tokens, (union question_fn){ .tokens = fn }, arg, node, client));
}
