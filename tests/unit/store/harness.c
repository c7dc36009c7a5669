/* harness.c -- see harness.h. */
#include "config.h"

#include "harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sqlite3.h>
#include "proto/mem.h"

const struct scram_keys some_keys = {
	.salt = "0123456789abcde",
	.iterations = 10000,
	.stored_sha1 = "s1",
	.server_sha1 = "v1",
	.stored_sha256 = "s256",
	.server_sha256 = "v256",
};

struct store *
open_or_fail(const char *dir)
{
	char *error = NULL;
	struct store *store = store_open(dir, NULL, &error);

	if (store == NULL)
		fail_msg("%s", error);
	return store;
}

struct store *
open_tool_or_fail(const char *dir)
{
	char *error = NULL;
	struct store *store = store_open_tool(dir, &error);

	if (store == NULL)
		fail_msg("%s", error);
	return store;
}

int
place_setup(void **state)
{
	const char *base = getenv("TMPDIR");
	struct place *place = xcalloc(1, sizeof *place);

	place->dir = xasprintf("%s/lazo-store.XXXXXX", base == NULL ? "/tmp" : base);
	if (mkdtemp(place->dir) == NULL)
		return -1;
	place->store = open_or_fail(place->dir);
	*state = place;
	return 0;
}

void
place_remove(const char *dir)
{
	DIR *folder = opendir(dir);
	struct dirent *entry;

	while (folder != NULL && (entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(folder), entry->d_name, 0);
	if (folder != NULL)
		closedir(folder);
	rmdir(dir);
}

int
place_teardown(void **state)
{
	struct place *place = *state;

	store_close(&place->store);
	place_remove(place->dir);
	free(place->dir);
	free(place);
	return 0;
}

struct outcome {
	int calls;
	enum txn_result result;
};

static void
note_outcome(void *arg, enum txn_result result)
{
	struct outcome *outcome = arg;

	outcome->calls++;
	outcome->result = result;
}

enum txn_result
run_ops(struct store *store, const struct op *ops, size_t count)
{
	struct outcome outcome = { 0, TXN_FAILED };
	struct txn *txn = txn_new(store);

	assert_true(txn_is_empty(txn));
	for (size_t i = 0; i < count; i++)
		txn_add(txn, &ops[i]);
	assert_false(txn_is_empty(txn));
	txn_submit(&txn, note_outcome, &outcome);
	assert_null(txn);
	assert_int_equal(outcome.calls, 1);
	return outcome.result;
}

enum txn_result
add_account(struct store *store, const char *node)
{
	return run(store, { .kind = OP_ACCOUNT_NEW, .account = node, .time = 1000, .keys = &some_keys });
}

int64_t
add_message(struct store *store, const char *body)
{
	int64_t id = store_next_id(store);

	assert_int_equal(TXN_COMMITTED, run(store,
					    { .kind = OP_MESSAGE,
					      .id = id,
					      .time = 5000 + id,
					      .expires = 9000,
					      .from = "ana@a/x",
					      .to = "beto@a",
					      .body = body,
					      .body_len = strlen(body) },
					    { .kind = OP_BOX, .id = id, .account = "ana", .peer = "beto@a" },
					    { .kind = OP_BOX, .id = id, .account = "beto", .peer = "ana@a" },
					    { .kind = OP_PENDING, .id = id, .account = "beto" }));
	return id;
}

int64_t
sql_number(const char *dir, const char *sql)
{
	char *path = xasprintf("%s/lazo.db", dir);
	sqlite3 *db;
	sqlite3_stmt *stmt;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	int code = sqlite3_step(stmt);
	assert_true(code == SQLITE_ROW || code == SQLITE_DONE);
	int64_t number = code == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	free(path);
	return number;
}

void
assert_counts_hold(const char *dir)
{
	assert_int_equal(0, sql_number(dir, "SELECT count(*) FROM account a LEFT JOIN usage u ON u.account = a.id"
					    " WHERE a.node IS NOT NULL AND (u.account IS NULL"
					    " OR u.bytes <> (SELECT coalesce(sum(length(m.body)), 0) FROM box b"
					    "  JOIN msg m ON m.id = b.id WHERE b.account = a.id)"
					    " OR (u.pending, u.pending_bytes, u.strange, u.strange_bytes) <>"
					    "  (SELECT count(*), coalesce(sum(length(m.body)), 0), coalesce(sum(p.stranger), 0),"
					    "   coalesce(sum(p.stranger * length(m.body)), 0) FROM pending p"
					    "   JOIN msg m ON m.id = p.id WHERE p.account = a.id)"
					    " OR u.item_bytes <> (SELECT coalesce(sum(length(i.body)), 0) FROM node n"
					    "  JOIN item i ON i.node = n.id WHERE n.account = a.id))"));
}

void
assert_references_hold(const char *dir)
{
	assert_counts_hold(dir);
	assert_int_equal(0, sql_number(dir, "SELECT count(*) FROM msg m LEFT JOIN (SELECT id, count(*) AS n "
					    "FROM (SELECT id FROM box UNION ALL"
					    " SELECT id FROM pending UNION ALL SELECT id FROM spool) GROUP BY id) r ON r.id = m.id WHERE "
					    "m.refs < 1 OR m.refs <> coalesce(r.n, 0)"));
	assert_int_equal(0, sql_number(dir, "SELECT count(*) FROM box WHERE id NOT IN (SELECT id FROM msg)"));
	assert_int_equal(
	    0, sql_number(dir, "SELECT count(*) FROM pending WHERE id NOT IN (SELECT id FROM msg)"));
}

static void
copy_text(char *out, size_t room, const char *text, size_t len)
{
	assert_true(len < room);
	memcpy(out, text, len);
	out[len] = '\0';
}

static void
copy_mail(void *arg, bool failed, const struct message_row *rows, size_t count)
{
	struct mail *mail = arg;

	assert_false(failed);
	assert_true(count <= 64);
	mail->count = count;
	for (size_t i = 0; i < count; i++) {
		mail->rows[i].id = rows[i].id;
		mail->rows[i].time = rows[i].time;
		mail->rows[i].expires = rows[i].expires;
		copy_text(mail->rows[i].from, sizeof mail->rows[i].from, rows[i].from, strlen(rows[i].from));
		copy_text(mail->rows[i].to, sizeof mail->rows[i].to, rows[i].to, strlen(rows[i].to));
		copy_text(mail->rows[i].body, sizeof mail->rows[i].body, rows[i].body,
			  rows[i].len < 63 ? rows[i].len : 63);
	}
}

void
get_pending(struct store *store, const char *node, int64_t after, size_t limit, struct mail *mail_r)
{
	mail_r->count = SIZE_MAX;
	read_pending(store, node, after, limit, copy_mail, mail_r);
	assert_true(mail_r->count <= limit);
}

static void
copy_count(void *arg, bool failed, int64_t count, int64_t bytes)
{
	assert_false(failed);
	assert_true(bytes >= 0);
	*(int64_t *)arg = count;
}

int64_t
get_pending_count(struct store *store, const char *node)
{
	int64_t count = -1;

	read_pending_count(store, node, copy_count, &count);
	return count;
}
