/*
 * test_checkpoint.c -- the writer copies the log in slices, so that no commit waits long behind one (at most 20 ms, p99).
 *
 * What counts is the writer's own time from the end of a commit to the next that it can take. Its processor time is held to the
 * figure; the clock's, which the machine and its disk have a part in, is printed and held to ten times that.
 * Control: the same log copied at once takes many times as long as a slice does.
 */
#include "config.h"

#include "harness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "proto/mem.h"
#include "relay/store/store-private.h"

enum { MESSAGES = 20, COMMITS = 1000, BODY = 400, FRAMES = 20000 /* of the control's log */ };
static const double MOST_MS = 20, MOST_CLOCK_MS = 200, CONTROL_TIMES = 5;

struct times {
	double cpu[COMMITS], clock[COMMITS]; /* ms behind each commit */
	size_t slices;                       /* how many of them copied something */
	double slice_cpu;                    /* of all those */
};

static double
ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* One batch as a busy chat makes it; nothing is copied meanwhile. */
static void
commit(struct store *store)
{
	static char body[BODY];
	struct txn *txn = txn_new(store);

	memset(body, 'x', sizeof body);
	for (int i = 0; i < MESSAGES; i++) {
		int64_t id = store_next_id(store);
		txn_add(txn, &(struct op){ .kind = OP_MESSAGE, .id = id, .time = 5000 + id, .from = "ana@a/x",
		                 .to = "beto@a", .body = body, .body_len = sizeof body });
		txn_add(txn, &(struct op){ .kind = OP_BOX, .id = id, .account = "ana", .peer = "beto@a" });
		txn_add(txn, &(struct op){ .kind = OP_BOX, .id = id, .account = "beto", .peer = "ana@a" });
		txn_add(txn, &(struct op){ .kind = OP_PENDING, .id = id, .account = "beto" });
	}
	store->upkeep.tool = true;
	txn_submit(&txn, NULL, NULL);
	store->upkeep.tool = false;
}

static void
measure(struct store *store, struct times *times)
{
	for (size_t i = 0; i < COMMITS; i++) {
		int64_t before = store->upkeep.copied;
		double cpu, clock;

		commit(store);
		cpu = ms(CLOCK_THREAD_CPUTIME_ID);
		clock = ms(CLOCK_MONOTONIC);
		(void)upkeep_slice(&store->upkeep, store->db, false);
		times->cpu[i] = ms(CLOCK_THREAD_CPUTIME_ID) - cpu;
		times->clock[i] = ms(CLOCK_MONOTONIC) - clock;
		if (store->upkeep.copied > before) {
			times->slices++;
			times->slice_cpu += times->cpu[i];
		}
	}
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* What the whole log costs at once: the processor's ms. */
static double
all_at_once(struct store *store)
{
	int64_t copied;
	double cpu;

	for (size_t i = 0; i < 8 * COMMITS && db_wal_frames(store->db) < FRAMES; i++)
		commit(store);
	cpu = ms(CLOCK_THREAD_CPUTIME_ID);
	assert_int_equal(db_checkpoint(store->db, false, &copied), DB_OK);
	cpu = ms(CLOCK_THREAD_CPUTIME_ID) - cpu;
	printf("at once: %" PRId64 " frames, %.2f ms of CPU\n", copied, cpu);
	return cpu;
}

static void
no_commit_waits_long(void **state)
{
	struct place *place = *state;
	struct times *times = xcalloc(1, sizeof *times);
	double mean, whole;

	assert_int_equal(add_account(place->store, "ana"), TXN_COMMITTED);
	assert_int_equal(add_account(place->store, "beto"), TXN_COMMITTED);
	measure(place->store, times);
	mean = times->slice_cpu / (double)times->slices;
	qsort(times->cpu, COMMITS, sizeof times->cpu[0], by_size);
	qsort(times->clock, COMMITS, sizeof times->clock[0], by_size);
	printf("%d commits, %zu slices of %.2f ms of CPU; behind a commit p99 %.2f, most %.2f ms of CPU; by the clock p99 %.2f, most"
	       " %.2f ms\n", COMMITS, times->slices, mean, times->cpu[COMMITS * 99 / 100], times->cpu[COMMITS - 1],
	    times->clock[COMMITS * 99 / 100], times->clock[COMMITS - 1]);
	assert_true(times->slices > 10);
	assert_true(times->cpu[COMMITS * 99 / 100] <= MOST_MS);
	assert_true(times->clock[COMMITS * 99 / 100] <= MOST_CLOCK_MS);
	whole = all_at_once(place->store);
	assert_true(whole > CONTROL_TIMES * mean);
	free(times);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_commit_waits_long, place_setup, place_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
