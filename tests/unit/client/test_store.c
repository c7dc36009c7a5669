/*
 * test_store.c -- the database under what happens to it: rollback, a full disk, kill -9 in the middle of a
 * batch, two processes at once, a newer file; and 50,000 waiting messages in time.
 */
#include "config.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "client/db/account.h"
#include "client/db/contact.h"
#include "client/db/history.h"
#include "client/db/home.h"
#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "tests/unit/client/homes.h"

#define ANA  "ana@madrid.example"
#define JOSE "jose@maracaibo.example"

enum { WAITING = 50000, KILLS = 12, SECONDS_MOST = 10 };

static int
setup(void **state)
{
	static struct person person;
	home_open(&person, ANA);
	*state = &person;
	return 0;
}

static int
teardown(void **state)
{
	home_close(*state);
	return 0;
}

static double
seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int64_t
add(struct person *person, const char *body)
{
	const struct message message = {
		.account = person->account, .peer = JOSE, .from = JOSE, .body = body, .time = T0
	};
	return history_add(person->db, &message);
}

static size_t
count_all(struct person *person)
{
	struct message *list;
	const struct history_query query = { .account = person->account, .limit = 1000000 };
	return history_list(person->db, person->arena, &query, &list);
}

static void
test_nesting(void **state)
{
	struct person *ana = *state;
	db_begin(ana->db);
	add(ana, "queda");
	db_begin(ana->db);
	add(ana, "se va");
	db_begin(ana->db);
	add(ana, "también");
	db_commit(ana->db, NULL); /* into the middle one */
	db_rollback(ana->db);
	db_begin(ana->db);
	add(ana, "queda 2");
	db_commit(ana->db, NULL);
	assert_true(db_commit(ana->db, NULL));
	assert_string_equal(home_read(ana, JOSE), "queda|queda 2");
	db_begin(ana->db);
	add(ana, "nada");
	db_rollback(ana->db);
	assert_string_equal(home_read(ana, JOSE), "queda|queda 2");
}

static void
test_modes(void **state)
{
	struct person *ana = *state;
	char path[128], *error = NULL;
	struct stat st;
	snprintf(path, sizeof path, "%s/lazo.db", ana->folder);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* a home that others may write to */
	struct home home;
	assert_int_equal(chmod(ana->folder, 0777), 0);
	assert_false(home_find(ana->folder, &home, &error));
	assert_non_null(strstr(error, "others may write"));
	free(error);
	assert_int_equal(chmod(ana->folder, 0755), 0);
	assert_true(home_find(ana->folder, &home, &error));
	assert_int_equal(stat(ana->folder, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	home_free(&home);
}

static void
test_not_ours(void **state)
{
	struct person *ana = *state;
	char command[256], *error = NULL;
	db_close(&ana->db);
	omemo_close(&ana->omemo);
	snprintf(command, sizeof command, "sqlite3 %s/lazo.db 'PRAGMA user_version = 99' >/dev/null 2>&1",
		 ana->folder);
	if (system(command) != 0)
		skip();
	assert_null(db_open(ana->folder, &error));
	assert_non_null(strstr(error, "newer"));
	free(error);
	snprintf(command, sizeof command, "sqlite3 %s/lazo.db 'PRAGMA application_id = 1' >/dev/null 2>&1",
		 ana->folder);
	assert_int_equal(system(command), 0);
	assert_null(db_open(ana->folder, &error));
	assert_non_null(strstr(error, "another program"));
	free(error);
}

/* A page of the file overwritten: told, not taken for data. */
static void
test_damaged(void **state)
{
	struct person *ana = *state;
	char path[128], *error;
	static char junk[4096];
	db_begin(ana->db);
	for (int i = 0; i < 200; i++)
		add(ana, "una página llena de palabras que nadie debe perder");
	assert_true(db_commit(ana->db, NULL));
	assert_true(db_check(ana->db, &error));
	omemo_close(&ana->omemo);
	db_close(&ana->db);
	snprintf(path, sizeof path, "%s/lazo.db", ana->folder);
	memset(junk, 0x5a, sizeof junk);
	FILE *file = fopen(path, "r+");
	for (long page = 5; page < 12; page++) {
		fseek(file, page * (long)sizeof junk, SEEK_SET);
		fwrite(junk, 1, sizeof junk, file);
	}
	fclose(file);
	ana->db = db_open(ana->folder, &error);
	if (ana->db)
		assert_false(db_check(ana->db, &error));
	assert_non_null(error);
	free(error);
}

/* A child fills the disk (a limit on file size stands for it): its transaction is undone as a whole and it is
 * told so. */
static void
test_full_disk(void **state)
{
	struct person *ana = *state;
	static char text[60000];
	memset(text, 'x', sizeof text - 1);
	pid_t child = fork();
	if (child == 0) {
		char *error = NULL;
		struct db *db = db_open(ana->folder, &error);
		signal(SIGXFSZ, SIG_IGN);
		const struct rlimit limit = { 2000000, 2000000 };
		setrlimit(RLIMIT_FSIZE, &limit);
		struct person other = *ana;
		other.db = db;
		db_begin(db);
		for (int i = 0; i < 100; i++)
			add(&other, text);
		if (db_commit(db, &error) || !error)
			_exit(1);
		db_begin(db); /* the error is over: what fits is written */
		add(&other, "cabe");
		_exit(db_commit(db, NULL) ? 0 : 2);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_string_equal(home_read(ana, JOSE), "cabe");
}

/* Two processes write; nobody loses anything, nobody waits in vain. */
static void
test_two_writers(void **state)
{
	enum { EACH = 60 };
	struct person *ana = *state;
	pid_t children[2];
	for (int i = 0; i < 2; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			char *error = NULL;
			struct person other = *ana;
			other.db = db_open(ana->folder, &error);
			for (int n = 0; n < EACH; n++) {
				db_begin(other.db);
				add(&other, "uno");
				if (!db_commit(other.db, NULL))
					_exit(1);
			}
			_exit(0);
		}
	}
	for (int i = 0; i < 2; i++) {
		int status;
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(count_all(ana), 2 * EACH);
}

static void
test_locks(void **state)
{
	struct person *ana = *state;
	struct db_lock *lock = db_lock(ana->db, "sync-1", 0), *second;
	assert_non_null(lock);
	second = db_lock(ana->db, "sync-1", 20);
	assert_null(second);
	second = db_lock(ana->db, "sync-2", 0);
	assert_non_null(second);
	db_unlock(&lock);
	lock = db_lock(ana->db, "sync-1", 0);
	assert_non_null(lock);
	db_unlock(&lock);
	db_unlock(&second);
	char path[128];
	for (int i = 1; i <= 2; i++) {
		snprintf(path, sizeof path, "%s/sync-%d.lock", ana->folder, i);
		unlink(path);
	}
}

static void
test_search(void **state)
{
	struct person *ana = *state;
	struct message *list;
	db_begin(ana->db);
	add(ana, "Mamá está en Maracaibo");
	add(ana, "el número es 42");
	int64_t gone = add(ana, "Maracaibo se borra");
	history_delete(ana->db, gone);
	assert_true(db_commit(ana->db, NULL));
	struct history_query query = { .account = ana->account, .words = "mama maraca" };
	assert_int_equal(history_list(ana->db, ana->arena, &query, &list), 1);
	query.words = "NUMERO";
	assert_int_equal(history_list(ana->db, ana->arena, &query, &list), 1);
	query.words = "\"NEAR( OR * ^ : -";
	history_list(ana->db, ana->arena, &query, &list); /* operators are words like any other */
	assert_null(db_error(ana->db));
	query.words = "  ";
	assert_int_equal(history_list(ana->db, ana->arena, &query, &list), 0);
}

static size_t
found(struct person *person, const char *words)
{
	struct message *list;
	const struct history_query query = { .account = person->account, .words = words };
	return history_list(person->db, person->arena, &query, &list);
}

/* The words of a transaction are indexed in one go, at its end: what was undone within it must not be found, what stayed
 * must, and rows from before and from within are deleted alike. The index agrees with the table (FTS5, 6.5). */
static void
test_search_what_was_undone(void **state)
{
	struct person *ana = *state;
	db_begin(ana->db);
	int64_t before = add(ana, "antes");
	add(ana, "queda");
	assert_true(db_commit(ana->db, NULL));
	db_begin(ana->db);
	db_begin(ana->db);
	add(ana, "deshecho");
	db_rollback(ana->db);
	db_begin(ana->db);
	add(ana, "dentro");
	history_delete(ana->db, add(ana, "fugaz"));
	history_delete(ana->db, before);
	assert_true(db_commit(ana->db, NULL));
	assert_true(db_commit(ana->db, NULL));
	db_begin(ana->db);
	add(ana, "perdido");
	db_rollback(ana->db);
	db_begin(ana->db);
	add(ana, "final");
	assert_true(db_commit(ana->db, NULL));
	assert_int_equal(found(ana, "queda"), 1);
	assert_int_equal(found(ana, "dentro"), 1);
	assert_int_equal(found(ana, "final"), 1);
	assert_int_equal(found(ana, "antes") + found(ana, "deshecho") + found(ana, "fugaz") + found(ana, "perdido"), 0);
	sqlite3 *index;
	char file[128];
	snprintf(file, sizeof file, "%s/lazo.db", ana->folder);
	assert_int_equal(sqlite3_open(file, &index), SQLITE_OK);
	assert_int_equal(sqlite3_exec(index, "INSERT INTO words(words, rank) VALUES('integrity-check', 1)", NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(index);
}

static void
test_cursor(void **state)
{
	struct person *ana = *state;
	db_begin(ana->db);
	int64_t first = add(ana, "a"), second = add(ana, "b");
	assert_int_equal(history_unread(ana->db, ana->account), 2);
	history_set_cursor(ana->db, ana->account, first);
	assert_int_equal(history_unread(ana->db, ana->account), 1);
	history_set_cursor(ana->db, ana->account, second);
	history_set_cursor(ana->db, ana->account, first); /* never backwards */
	assert_int_equal(history_cursor(ana->db, ana->account), second);
	assert_true(db_commit(ana->db, NULL));
}

static void
test_contacts(void **state)
{
	struct person *ana = *state;
	struct contact contact, *list;
	db_begin(ana->db);
	contact_add(ana->db, ana->account, JOSE, "José", T0);
	contact_add(ana->db, ana->account, "josefa@x.example", "Josefa", T0);
	contact_know(ana->db, ana->account, "nadie@x.example", T0);
	assert_true(db_commit(ana->db, NULL));
	assert_int_equal(contact_list(ana->db, ana->arena, ana->account, &list), 2);
	assert_int_equal(contact_find(ana->db, ana->arena, ana->account, "José", &contact), 1);
	assert_string_equal(contact.jid, JOSE);
	assert_int_equal(contact.roster_due, CONTACT_DUE_SET);
	assert_int_equal(contact_find(ana->db, ana->arena, ana->account, "Jos", &contact), 2);
	assert_int_equal(contact_find(ana->db, ana->arena, ana->account, "josefa", &contact), 1);
	assert_int_equal(contact_find(ana->db, ana->arena, ana->account, "", &contact), 0);
	/* the roster comes: our new name stands until it was told, the rest is the relay's */
	db_begin(ana->db);
	contact_roster_told(ana->db, ana->account, "josefa@x.example");
	contact_roster_begin(ana->db, ana->account);
	contact_roster_item(ana->db, ana->account, JOSE, "otro", "both", false, T0);
	contact_roster_item(ana->db, ana->account, "luz@x.example", "Luz", "to", true, T0);
	contact_roster_end(ana->db, ana->account);
	contact_blocklist(ana->db, ana->account, (const char *const[]){ "spam@x.example" }, 1, T0);
	assert_true(db_commit(ana->db, NULL));
	contact_get(ana->db, ana->arena, ana->account, JOSE, &contact);
	assert_string_equal(contact.name, "José");
	assert_string_equal(contact.subscription, "both");
	contact_get(ana->db, ana->arena, ana->account, "spam@x.example", &contact);
	assert_true(contact.blocked);
}

static void
test_accounts(void **state)
{
	struct person *ana = *state;
	struct account account, *list;
	db_begin(ana->db);
	int64_t second = account_add(ana->db, "ana@otro.example", T0);
	assert_int_equal(account_add(ana->db, "ana@otro.example", T0), second);
	account_set_text(ana->db, second, "secret.scram", "x");
	account_set_int(ana->db, second, "archive.cursor", -5);
	assert_true(db_commit(ana->db, NULL));
	assert_true(account_find(ana->db, ana->arena, NULL, &account));
	assert_string_equal(account.jid, ANA);
	assert_int_equal(account_get_int(ana->db, second, "archive.cursor", 0), -5);
	assert_string_equal(account_get(ana->db, ana->arena, second, "secret.scram", NULL), "x");
	db_begin(ana->db);
	account_set_logged_in(ana->db, second, false);
	assert_null(account_get(ana->db, ana->arena, second, "secret.scram", NULL));
	account_delete(ana->db, ana->account);
	assert_true(db_commit(ana->db, NULL));
	assert_int_equal(account_list(ana->db, ana->arena, &list), 1);
	assert_true(list[0].standard);
}

/* One message of a chain, as it comes from the relay. */
static struct xml *
chain_message(struct person *from, const char *to, struct arena *arena, const char *text)
{
	struct omemo_target *targets;
	struct xml *encrypted, *message = xml_new(arena, "message", NS_CLIENT);
	size_t count;
	assert_int_equal(
	    omemo_encrypt(from->omemo, arena, to, text, NULL, 0, T0, &encrypted, &targets, &count),
	    OMEMO_READY);
	xml_setf(arena, message, "from", "%s/1", from->jid);
	xml_set(arena, message, "type", "chat");
	xml_append(message, encrypted);
	return message;
}

/* Figure of design 6: 50,000 waiting messages decrypted and stored in under 10 s. Counted in CPU time, so that a busy machine
 * does not decide. */
static void
test_backlog(void **state)
{
	struct person *ana = *state, jose;
	struct arena *arena = NULL;
	struct xml *batch[INBOX_BATCH];
	struct inbox_result result;
	char text[64];
	double spent = 0;
	home_open(&jose, JOSE);
	home_meet(ana, &jose);
	for (int done = 0; done < WAITING; done += INBOX_BATCH) {
		arena = arena_new();
		db_begin(ana->db);
		for (int i = 0; i < INBOX_BATCH; i++) {
			snprintf(text, sizeof text, "mensaje %d de una larga espera", done + i);
			batch[i] = chain_message(ana, JOSE, arena, text);
		}
		assert_true(db_commit(ana->db, NULL));
		const struct inbox_meta meta = { .way = WAY_LIVE, .now = T0 };
		double start = seconds();
		struct inbox *inbox = inbox_begin(jose.db, jose.omemo, jose.account);
		for (int i = 0; i < INBOX_BATCH; i++) {
			inbox_take(inbox, arena, batch[i], &meta, &result);
			assert_int_equal(result.outcome, INBOX_MESSAGE);
		}
		assert_true(inbox_end(&inbox, NULL));
		spent += seconds() - start;
		arena_free(&arena);
	}
	print_message("%d messages in %.2f s of CPU\n", WAITING, spent);
#ifndef SANITIZED
	assert_true(getenv("LAZO_SLOW_MACHINE") || spent < SECONDS_MOST);
#endif
	assert_int_equal(count_all(&jose), WAITING);
	home_close(&jose);
}

/* The child takes batches and tells each commit through a pipe; it is killed at some moment. What was told is
 * there, once; what was not is decrypted again by whoever comes next. */
static void
take_until_killed(struct person *jose, struct xml *const *messages, int count, int fd)
{
	const struct inbox_meta meta = { .way = WAY_LIVE, .now = T0 };
	struct inbox_result result;
	home_reopen(jose);
	for (int at = 0; at < count;) {
		struct inbox *inbox = inbox_begin(jose->db, jose->omemo, jose->account);
		for (int i = 0; i < 7 && at < count; i++, at++)
			inbox_take(inbox, jose->arena, messages[at], &meta, &result);
		if (!inbox_end(&inbox, NULL) || write(fd, &at, sizeof at) != (ssize_t)sizeof at)
			_exit(1);
	}
	pause(); /* all done: the parent kills */
	_exit(0);
}

static void
test_kill_receiving(void **state)
{
	enum { MESSAGES = 200 };
	struct person *ana = *state, jose;
	struct arena *arena = arena_new();
	struct xml *messages[MESSAGES];
	char text[32];
	home_open(&jose, JOSE);
	home_meet(ana, &jose);
	db_begin(ana->db);
	for (int i = 0; i < MESSAGES; i++) {
		snprintf(text, sizeof text, "m%d", i);
		messages[i] = chain_message(ana, JOSE, arena, text);
	}
	assert_true(db_commit(ana->db, NULL));
	omemo_close(&jose.omemo);
	db_close(&jose.db);
	int told = 0;
	for (int kill_at = 0; kill_at < KILLS; kill_at++) {
		int ends[2];
		assert_int_equal(pipe(ends), 0);
		pid_t child = fork();
		if (child == 0)
			take_until_killed(&jose, messages, MESSAGES, ends[1]);
		usleep((useconds_t)(4000 + kill_at * 3000));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		close(ends[1]);
		for (int at; read(ends[0], &at, sizeof at) == (ssize_t)sizeof at;)
			told = at > told ? at : told;
		close(ends[0]);
		home_reopen(&jose);
		struct message *list;
		const struct history_query query = { .account = jose.account };
		size_t count = history_list(jose.db, jose.arena, &query, &list);
		assert_true(count >= (size_t)told);
		for (size_t i = 0; i < count; i++) { /* in order, each once, all readable */
			snprintf(text, sizeof text, "m%zu", i);
			assert_string_equal(list[i].body, text);
		}
		omemo_close(&jose.omemo);
		db_close(&jose.db);
	}
	print_message("%d of %d told before the last kill\n", told, MESSAGES);
	home_reopen(&jose);
	for (int i = 0; i < MESSAGES; i++)
		assert_int_not_equal(home_receive(&jose, messages[i], WAY_ARCHIVE, NULL).outcome,
				     INBOX_UNREADABLE);
	assert_int_equal(count_all(&jose), MESSAGES);
	home_close(&jose);
	arena_free(&arena);
}

/* Every (IV, ratchet ciphertext) that ever left is new, over kills of the sender; what was told as safe is
 * there. */
static void
test_kill_sending(void **state)
{
	struct person *ana = *state, jose;
	struct arena *arena = arena_new();
	home_open(&jose, JOSE);
	home_meet(ana, &jose);
	omemo_close(&ana->omemo);
	db_close(&ana->db);
	int told = 0;
	for (int kill_at = 0; kill_at < KILLS; kill_at++) {
		int ends[2];
		assert_int_equal(pipe(ends), 0);
		pid_t child = fork();
		if (child == 0) {
			home_reopen(ana);
			for (int i = 0;; i++) {
				struct outbox_sent sent;
				outbox_send(ana->db, ana->omemo, ana->arena, ana->account, JOSE, "hola", 0,
					    T0, &sent);
				if (sent.result != OUTBOX_READY ||
				    write(ends[1], &i, sizeof i) != (ssize_t)sizeof i)
					_exit(1);
			}
		}
		usleep((useconds_t)(15000 + kill_at * 2500));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		close(ends[1]);
		for (int i; read(ends[0], &i, sizeof i) == (ssize_t)sizeof i;)
			told++;
		close(ends[0]);
	}
	home_reopen(ana);
	struct outbox_item *list;
	size_t count = outbox_list(ana->db, arena, ana->account, &list);
	assert_true(count >= (size_t)told);
	print_message("%zu kept, %d told\n", count, told);
	size_t shown = 0;
	const char **ivs = arena_alloc(arena, count * sizeof *ivs);
	for (struct xml *message; (message = home_post(ana, arena));) {
		struct xml *header = xml_find(xml_find(message, "encrypted", NULL), "header", NULL);
		ivs[shown] = xml_child_text(arena, header, "iv", NULL);
		for (size_t i = 0; i < shown; i++)
			assert_string_not_equal(ivs[i], ivs[shown]);
		/* a reused message key would be a DUPLICATE here */
		assert_int_equal(home_receive(&jose, message, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
		shown++;
	}
	assert_int_equal(shown, count);
	home_close(&jose);
	arena_free(&arena);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nesting),        TEST(test_modes),        TEST(test_not_ours), TEST(test_damaged),
		TEST(test_full_disk),      TEST(test_two_writers),  TEST(test_locks),    TEST(test_search),
		TEST(test_search_what_was_undone),
		TEST(test_cursor),         TEST(test_contacts),     TEST(test_accounts), TEST(test_backlog),
		TEST(test_kill_receiving), TEST(test_kill_sending),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
