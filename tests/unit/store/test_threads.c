/* test_threads.c -- the store under a running loop: order, batches, one failing, questions, pressure,
 * closing. */
#include "config.h"

#include "harness.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/mem.h"
#include "relay/net/loop.h"

enum { MANY = 3000 };

static struct {
	struct loop *loop;
	struct store *store;
	int next, committed, conflicts;
	int rooms;
	bool returned; /* from the submitting call */
} at;

static int
setup(void **state)
{
	char *error = NULL;

	if (place_setup(state) != 0)
		return -1;
	struct place *place = *state;
	add_account(place->store, "ana");
	add_account(place->store, "beto");
	store_close(&place->store);
	memset(&at, 0, sizeof at);
	at.loop = loop_new();
	at.store = store_open(place->dir, at.loop, &error);
	if (at.store == NULL)
		fail_msg("%s", error);
	return 0;
}

static int
teardown(void **state)
{
	store_close(&at.store);
	loop_free(&at.loop);
	return place_teardown(state);
}

static void
in_order(void *arg, enum txn_result result)
{
	assert_true(at.returned);
	assert_int_equal((intptr_t)arg, at.next++);
	at.committed += result == TXN_COMMITTED;
	at.conflicts += result == TXN_CONFLICT;
	if (at.next == MANY)
		loop_stop(at.loop);
}

static struct txn *
message(const char *body, size_t len)
{
	struct txn *txn = txn_new(at.store);
	int64_t id = store_next_id(at.store);

	txn_add(txn, &(struct op){ .kind = OP_MESSAGE,
				   .id = id,
				   .from = "ana@a/x",
				   .to = "beto@a",
				   .body = body,
				   .body_len = len });
	txn_add(txn, &(struct op){ .kind = OP_PENDING, .id = id, .account = "beto" });
	return txn;
}

static void
told_in_order_and_only_the_failing_fail(void **state)
{
	struct place *place = *state;

	for (intptr_t i = 0; i < MANY; i++) {
		struct txn *txn = message("hola", 4);
		if (i % 7 == 3) /* a condition that does not hold, behind two operations that did */
			txn_add(txn, &(struct op){ .kind = OP_INVITE_USE, .token = "none", .time = 1 });
		txn_submit(&txn, in_order, (void *)i);
	}
	at.returned = true;
	loop_run(at.loop);
	assert_int_equal(at.conflicts, (MANY - 3 + 6) / 7);
	assert_int_equal(at.committed, MANY - at.conflicts);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM pending"), at.committed);
	assert_references_hold(place->dir);
}

static void
see_count(void *arg, bool failed, int64_t count, int64_t bytes)
{
	assert_false(failed);
	assert_int_equal(bytes, 4 * count);
	assert_true(count >= (intptr_t)arg);
	if (++at.next == 100)
		loop_stop(at.loop);
}

static void
ask_after_commit(void *arg, enum txn_result result)
{
	assert_int_equal(result, TXN_COMMITTED);
	read_pending_count(at.store, "beto", see_count, arg);
}

static void
answers_see_what_was_committed_before(void **state)
{
	(void)state;
	for (intptr_t i = 1; i <= 100; i++) {
		struct txn *txn = message("hola", 4);
		txn_submit(&txn, ask_after_commit, (void *)i);
	}
	loop_run(at.loop);
	assert_int_equal(at.next, 100);
}

static void
see_in_order(void *arg, bool failed, int64_t count, int64_t bytes)
{
	(void)failed;
	(void)count;
	(void)bytes;
	assert_true(at.returned);
	assert_int_equal((intptr_t)arg, at.next++);
	if (at.next == 1000)
		loop_stop(at.loop);
}

static void
questions_are_answered_in_order_later(void **state)
{
	(void)state;
	for (intptr_t i = 0; i < 1000; i++)
		read_pending_count(at.store, "beto", see_in_order, (void *)i);
	at.returned = true;
	loop_run(at.loop);
}

static void
on_room(void *arg)
{
	assert_ptr_equal(arg, &at);
	assert_false(store_is_full(at.store));
	at.rooms++;
}

static void
count_end(void *arg, enum txn_result result)
{
	(void)arg;
	assert_int_equal(result, TXN_COMMITTED);
	if (++at.next == 60)
		loop_stop(at.loop);
}

static void
pressure_is_told_and_ends(void **state)
{
	size_t len = 200000;
	char *body = xcalloc(1, len);

	(void)state;
	store_on_room(at.store, on_room, &at);
	for (int i = 0; i < 60; i++) {
		assert_int_equal(store_is_full(at.store), i > 41); /* 8 MiB */
		struct txn *txn = message(body, len);
		txn_submit(&txn, count_end, NULL);
	}
	loop_run(at.loop);
	assert_int_equal(at.rooms, 1);
	assert_false(store_is_full(at.store));
	free(body);
}

static void
submit_once_more(void *arg, enum txn_result result)
{
	intptr_t left = (intptr_t)arg;

	assert_int_equal(result, TXN_COMMITTED);
	at.committed++;
	if (left == 0)
		return;
	struct txn *txn = message("hola", 4);
	txn_submit(&txn, submit_once_more, (void *)(left - 1));
	read_pending_count(at.store, "beto", see_in_order, (void *)(5 - left));
}

static void
closing_waits_for_everything(void **state)
{
	struct place *place = *state;

	at.returned = true;
	for (int i = 0; i < 10; i++) {
		struct txn *txn = message("hola", 4);
		txn_submit(&txn, i == 0 ? submit_once_more : NULL, (void *)(intptr_t)5);
	}
	store_close(&at.store);
	assert_int_equal(at.committed, 6);
	assert_int_equal(at.next, 5);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM pending"), 15);
	assert_references_hold(place->dir);
}

static void *
tool_thread(void *arg)
{
	char *error = NULL;
	struct store *tool = store_open_tool(arg, &error);

	assert_non_null(tool);
	for (int i = 0; i < 50; i++) {
		char node[16];
		snprintf(node, sizeof node, "t%d", i);
		assert_int_equal(add_account(tool, node), TXN_COMMITTED);
		assert_int_equal(run(tool, { .kind = OP_ACCOUNT_DEL, .account = node }), TXN_COMMITTED);
	}
	store_close(&tool);
	return NULL;
}

static void
tool_takes_turns_with_a_busy_relay(void **state)
{
	struct place *place = *state;
	pthread_t thread;

	at.returned = true;
	assert_int_equal(pthread_create(&thread, NULL, tool_thread, place->dir), 0);
	for (intptr_t i = 0; i < MANY; i++) {
		struct txn *txn = message("hola", 4);
		txn_submit(&txn, in_order, (void *)i);
	}
	loop_run(at.loop);
	pthread_join(thread, NULL);
	assert_int_equal(at.committed, MANY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Whoever else has the database open must see that we have, too; else its last close removes our log. SQLite's shared lock is on
 * these bytes (sqlite.org/c3ref/file_control, os.h). */
static void
others_see_that_it_is_open(void **state)
{
	struct place *place = *state;
	char *file = xasprintf("%s/lazo.db", place->dir);
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000002, .l_len = 510 };
		int fd = open(file, O_RDWR | O_CLOEXEC);
		_exit(fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_RDLCK && lock.l_pid == getppid() ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	free(file);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(told_in_order_and_only_the_failing_fail),
		TEST(answers_see_what_was_committed_before),
		TEST(questions_are_answered_in_order_later),
		TEST(pressure_is_told_and_ends),
		TEST(closing_waits_for_everything),
		TEST(tool_takes_turns_with_a_busy_relay),
		TEST(others_see_that_it_is_open),
	};

	return cmocka_run_group_tests_name("store/threads", tests, NULL, NULL);
}
