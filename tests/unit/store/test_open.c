/* test_open.c -- opening, locking, migrating, ids and secrets, tools beside the relay, backup. */
#include "config.h"

#include "harness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include "proto/mem.h"
#include "relay/store/sql.h"

static char *
refusal(const char *dir)
{
	char *error = NULL;
	struct store *store = store_open(dir, NULL, &error);

	assert_null(store);
	assert_non_null(error);
	return error;
}

static void
raw_sql(const char *path, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void
second_relay_is_refused(void **state)
{
	struct place *place = *state;
	char *error = refusal(place->dir);

	assert_non_null(strstr(error, place->dir));
	assert_non_null(strstr(error, "another lazod is running"));
	free(error);
	store_close(&place->store);
	assert_null(place->store);
	place->store = open_or_fail(place->dir);
}

static void
files_are_private_and_as_designed(void **state)
{
	struct place *place = *state;
	static const char *const names[] = { "lazo.db", "lazo.db-wal", "lazo.db-shm", "lock", "reserve" };
	struct stat file;

	assert_int_equal(add_account(place->store, "ana"), TXN_COMMITTED);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char *path = xasprintf("%s/%s", place->dir, names[i]);
		assert_int_equal(stat(path, &file), 0);
		assert_int_equal(file.st_mode & 0777, 0600);
		free(path);
	}
	assert_int_equal(file.st_size, 4 << 20);
	assert_int_equal(file.st_blocks >= (4 << 20) / 512, 1); /* room that is really taken */
	assert_int_equal(sql_number(place->dir, "PRAGMA user_version"), schema_version());
	assert_int_equal(sql_number(place->dir, "PRAGMA application_id"), SCHEMA_APPLICATION);
	assert_int_equal(sql_number(place->dir, "PRAGMA auto_vacuum"), 2);
	assert_int_equal(
	    sql_number(place->dir,
		       "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND tbl_name = 'box'"),
	    1);

	char *fresh = xasprintf("%s/inner", place->dir);
	struct store *inner = open_or_fail(fresh);
	assert_int_equal(stat(fresh, &file), 0);
	assert_int_equal(file.st_mode & 0777, 0700);
	store_close(&inner);
	place_remove(fresh);
	free(fresh);
}

static void
newer_or_foreign_file_is_refused(void **state)
{
	struct place *place = *state;
	char *path = xasprintf("%s/lazo.db", place->dir);

	store_close(&place->store);
	raw_sql(path, "PRAGMA user_version = 99");
	char *error = refusal(place->dir);
	assert_non_null(strstr(error, "newer relay"));
	assert_non_null(strstr(error, "99"));
	free(error);
	assert_int_equal(sql_number(place->dir, "PRAGMA user_version"), 99); /* untouched */
	raw_sql(path, "PRAGMA user_version = 1; PRAGMA application_id = 5");
	error = refusal(place->dir);
	assert_non_null(strstr(error, "not a database of this relay"));
	free(error);
	place_remove(place->dir);
	assert_int_equal(mkdir(place->dir, 0700), 0);
	FILE *file = fopen(path, "w");
	for (int i = 0; i < 10000; i++)
		fputs("nothing that SQLite knows", file);
	fclose(file);
	error = refusal(place->dir);
	assert_non_null(strstr(error, path));
	free(error);
	free(path);
}

static void
no_folder_no_store(void **state)
{
	struct place *place = *state;
	char *file = xasprintf("%s/lock", place->dir), *deep = xasprintf("%s/a/b", place->dir);
	char *error = refusal(file);

	assert_non_null(strstr(error, "not a folder"));
	free(error);
	error = refusal(deep);
	assert_non_null(strstr(error, "No such file"));
	free(error);
	free(file);
	free(deep);
}

static void
every_statement_can_be_prepared(void **state)
{
	struct place *place = *state;
	char *path = xasprintf("%s/lazo.db", place->dir);
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	for (int i = 0; i < SQL_COUNT; i++) {
		sqlite3_stmt *stmt = NULL;
		if (sqlite3_prepare_v2(db, sql_text((enum sql)i), -1, &stmt, NULL) != SQLITE_OK)
			fail_msg("%s: %s", sql_text((enum sql)i), sqlite3_errmsg(db));
		sqlite3_finalize(stmt);
	}
	sqlite3_close(db);
	free(path);
}

static void
ids_rise_and_never_repeat(void **state)
{
	struct place *place = *state;
	int64_t last = 0;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 150000; i++) { /* over more than two blocks */
			int64_t id = store_next_id(place->store);
			assert_true(id > last);
			last = id;
		}
		store_close(&place->store);
		place->store = open_or_fail(place->dir);
	}
	/* Every id handed out was durably taken before. */
	assert_true(sql_number(place->dir, "SELECT value FROM meta WHERE key = 'next_id'") > last);
	/* A message behind the mark raises it: what happens when no block could be taken. */
	assert_int_equal(add_account(place->store, "ana"), TXN_COMMITTED);
	assert_int_equal(run(place->store,
			     { .kind = OP_MESSAGE,
			       .id = last + 10000000,
			       .from = "a@b",
			       .to = "c@d",
			       .body = "x",
			       .body_len = 1 },
			     { .kind = OP_PENDING, .id = last + 10000000, .account = "ana" },
			     { .kind = OP_PENDING_CLEAR, .id = last + 10000000, .account = "ana" }),
			 TXN_COMMITTED);
	store_close(&place->store);
	place->store = open_or_fail(place->dir);
	assert_true(store_next_id(place->store) > last + 10000000);
}

static void
stanza_id_is_ours_or_nobodys(void **state)
{
	struct place *place = *state;
	static const int64_t ids[] = { 1, 2, 65536, INT64_MAX };
	char text[33], again[33];

	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		store_stanza_id(place->store, ids[i], text);
		assert_int_equal(strlen(text), 32);
		assert_int_equal(strspn(text, "0123456789abcdef"), 32);
		assert_int_equal(store_id_of(place->store, text), ids[i]);
	}
	store_close(&place->store);
	place->store = open_or_fail(place->dir);
	store_stanza_id(place->store, INT64_MAX, again);
	assert_string_equal(text, again); /* the same after a restart */
	for (int i = 0; i < 32; i++) {    /* any digit changed: not ours */
		memcpy(again, text, sizeof again);
		again[i] = again[i] == '0' ? '1' : '0';
		assert_int_equal(store_id_of(place->store, again), 0);
	}
	static const char *const foreign[] = { "",
					       "0",
					       "00000000000000000000000000000000",
					       "zz",
					       "5",
					       "ffffffffffffffffffffffffffffffff0",
					       "550e8400-e29b-41d4-a716-446655440000" };
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
		assert_int_equal(store_id_of(place->store, foreign[i]), 0);
	for (char *c = text; *c != '\0'; c++)
		*c = (char)(*c >= 'a' ? *c - 32 : *c);
	assert_int_equal(store_id_of(place->store, text), 0); /* only the form that we give out */

	char *other = xasprintf("%s/other", place->dir);
	struct store *second = open_or_fail(other);
	store_stanza_id(second, 7, text);
	store_stanza_id(place->store, 7, again);
	assert_string_not_equal(text, again);
	assert_int_equal(store_id_of(place->store, text), 0);
	store_close(&second);
	place_remove(other);
	free(other);
}

static void
secrets_are_steady_and_apart(void **state)
{
	struct place *place = *state;
	uint8_t salts[32], dialback[32], again[32];

	store_secret(place->store, "salts", salts);
	store_secret(place->store, "dialback", dialback);
	assert_memory_not_equal(salts, dialback, 32);
	store_close(&place->store);
	place->store = open_or_fail(place->dir);
	store_secret(place->store, "salts", again);
	assert_memory_equal(salts, again, 32);
}

static void
tool_works_beside_the_relay(void **state)
{
	struct place *place = *state;
	struct store *tool = open_tool_or_fail(place->dir);
	int64_t ids[4];

	assert_int_equal(add_account(tool, "ana"), TXN_COMMITTED);
	assert_int_equal(add_account(place->store, "ana"), TXN_CONFLICT);
	assert_int_equal(add_account(place->store, "beto"), TXN_COMMITTED);
	for (int i = 0; i < 4; i++)
		ids[i] = store_next_id(i % 2 == 0 ? tool : place->store);
	assert_true(ids[0] != ids[1] && ids[2] == ids[0] + 1 && ids[3] == ids[1] + 1);
	int64_t of_tool = add_message(tool, "t"), of_relay = add_message(place->store, "r");
	assert_int_not_equal(of_tool, of_relay);
	assert_int_equal(get_pending_count(place->store, "beto"), 2);
	assert_int_equal(run(tool, { .kind = OP_ACCOUNT_DEL, .account = "beto" }), TXN_COMMITTED);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM account"),
			 1); /* the tool clears away what it deletes */
	assert_int_equal(get_pending_count(place->store, "beto"), 0);
	assert_references_hold(place->dir);
	store_close(&tool);
	assert_int_equal(add_account(place->store, "carla"), TXN_COMMITTED);
}

static void
tool_works_without_the_relay(void **state)
{
	struct place *place = *state;

	store_close(&place->store);
	place_remove(place->dir);
	struct store *tool = open_tool_or_fail(place->dir); /* makes the database */
	assert_int_equal(add_account(tool, "ana"), TXN_COMMITTED);
	char text[33];
	store_stanza_id(tool, 5, text);
	store_close(&tool);
	place->store = open_or_fail(place->dir);
	assert_int_equal(add_account(place->store, "ana"), TXN_CONFLICT);
	assert_int_equal(store_id_of(place->store, text), 5);
}

static void
account_half_deleted_is_finished_at_start(void **state)
{
	struct place *place = *state;
	char *path = xasprintf("%s/lazo.db", place->dir);

	add_account(place->store, "ana");
	add_account(place->store, "beto");
	add_message(place->store, "hola");
	store_close(&place->store);
	raw_sql(path, "UPDATE account SET node = NULL WHERE node = 'beto'");
	place->store = open_or_fail(place->dir);
	assert_int_equal(add_account(place->store, "carla"),
			 TXN_COMMITTED); /* a store without a loop does its upkeep behind this */
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM account"), 2);
	assert_references_hold(place->dir);
	free(path);
}

static void
backup_is_whole_private_and_overwrites_nothing(void **state)
{
	struct place *place = *state;
	char *dir = xasprintf("%s/copy", place->dir), *file = xasprintf("%s/lazo.db", dir), *error = NULL;
	struct stat copy;

	add_account(place->store, "ana");
	add_account(place->store, "beto");
	int64_t id = add_message(place->store, "hola");
	assert_int_equal(mkdir(dir, 0700), 0);
	if (!store_backup(place->store, file, &error))
		fail_msg("%s", error);
	assert_int_equal(stat(file, &copy), 0);
	assert_int_equal(copy.st_mode & 0777, 0600);
	assert_false(store_backup(place->store, file, &error));
	assert_non_null(strstr(error, "File exists"));
	free(error);
	assert_false(store_backup(place->store, "/nowhere/at/all", &error));
	free(error);

	struct store *restored = open_or_fail(dir);
	struct mail mail;
	char before[33], after[33];
	get_pending(restored, "beto", 0, 10, &mail);
	assert_int_equal(mail.count, 1);
	assert_int_equal(mail.rows[0].id, id);
	store_stanza_id(place->store, id, before);
	store_stanza_id(restored, id, after);
	assert_string_equal(before, after);
	assert_int_equal(sql_number(dir, "PRAGMA auto_vacuum"), 2);
	store_close(&restored);
	place_remove(dir);
	free(dir);
	free(file);
}

static void
see_nothing(void *arg, bool failed, const struct account_row *rows, size_t count)
{
	(void)rows;
	assert_true(!failed || count == 0);
	++*(int *)arg;
}

/* One relay's life on what is there, in a child: damage that is found ends the process. */
static void
live_on(const char *dir)
{
	char *error = NULL;
	int answers = 0;
	struct store *store = store_open(dir, NULL, &error);

	if (store == NULL)
		_exit(error != NULL && *error != '\0' ? EX_CANTCREAT : EX_SOFTWARE);
	read_accounts(store, see_nothing, &answers);
	run(store, { .kind = OP_ACCOUNT_SEEN, .account = "ana", .time = 1 });
	int64_t id = store_next_id(store);
	run(store, { .kind = OP_MESSAGE, .id = id, .from = "a@b", .to = "c@d", .body = "x", .body_len = 1 },
	    { .kind = OP_PENDING, .id = id, .account = "beto" });
	store_close(&store);
	_exit(answers == 1 ? EX_OK : EX_SOFTWARE);
}

/* Whatever a bad card made of the file: refused in words, ended with 74, or served; never a crash. */
static void
damaged_file_is_survived(void **state)
{
	struct place *place = *state;
	char *path = xasprintf("%s/lazo.db", place->dir);
	int opened = 0, status;

	add_account(place->store, "ana");
	add_account(place->store, "beto");
	for (int i = 0; i < 50; i++)
		add_message(place->store, "hola");
	store_close(&place->store);
	srand(7);
	for (int round = 0; round < 60; round++) {
		FILE *file = fopen(path, "r+");
		fseek(file, 0, SEEK_END);
		fseek(file, rand() % ftell(file), SEEK_SET);
		fputc(rand() & 255, file);
		fclose(file);
		fflush(NULL);
		pid_t child = fork();
		if (child == 0)
			live_on(place->dir);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		status = WEXITSTATUS(status);
		assert_true(status == EX_OK || status == EX_CANTCREAT || status == EX_IOERR);
		opened += status == EX_OK;
	}
	assert_true(opened > 0);
	free(path);
}
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(second_relay_is_refused),
		TEST(files_are_private_and_as_designed),
		TEST(newer_or_foreign_file_is_refused),
		TEST(no_folder_no_store),
		TEST(every_statement_can_be_prepared),
		TEST(ids_rise_and_never_repeat),
		TEST(stanza_id_is_ours_or_nobodys),
		TEST(secrets_are_steady_and_apart),
		TEST(tool_works_beside_the_relay),
		TEST(tool_works_without_the_relay),
		TEST(account_half_deleted_is_finished_at_start),
		TEST(backup_is_whole_private_and_overwrites_nothing),
		TEST(damaged_file_is_survived),
	};

	return cmocka_run_group_tests_name("store/open", tests, NULL, NULL);
}
