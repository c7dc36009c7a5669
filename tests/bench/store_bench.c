/*
 * store_bench.c -- how fast the store takes messages, what one costs in CPU, and how long a commit waits.
 *
 *     tests/bench/store_bench FOLDER [MESSAGES [IN_FLIGHT [PENDING]]]
 *
 * Each message: body of 400 bytes, both archives, and with PENDING 1 the mailbox too, cleared again in a
 * transaction of its own (as an online chat does) or with 2 left there (an offline one). IN_FLIGHT messages
 * are submitted before the first is awaited.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include "proto/mem.h"
#include "relay/net/clock.h"
#include "relay/net/loop.h"
#include "relay/store/store.h"
#include "relay/store/txn.h"

enum { ACCOUNTS = 200 };

static struct {
	struct loop *loop;
	struct store *store;
	size_t total, submitted, done, in_flight;
	int pending;
	double *waits; /* ms of each */
} bench;

struct message {
	int64_t id;
	double start;
	char to[16];
};

static double
seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void submit_next(void);

static void
cleared(void *arg, enum txn_result result)
{
	(void)arg;
	if (result != TXN_COMMITTED)
		exit(1);
	if (bench.done == bench.total)
		loop_stop(bench.loop);
}

static void
committed(void *arg, enum txn_result result)
{
	struct message *message = arg;

	if (result != TXN_COMMITTED) {
		fprintf(stderr, "message %" PRId64 ": result %d\n", message->id, (int)result);
		exit(1);
	}
	bench.waits[bench.done++] = 1000 * (seconds(CLOCK_MONOTONIC) - message->start);
	if (bench.pending == 1) {
		struct txn *txn = txn_new(bench.store);
		txn_add(txn,
			&(struct op){ .kind = OP_PENDING_CLEAR, .account = message->to, .id = message->id });
		txn_submit(&txn, cleared, NULL);
	} else if (bench.done == bench.total) {
		loop_stop(bench.loop);
	}
	free(message);
	if (bench.submitted < bench.total)
		submit_next();
}

static void
submit_next(void)
{
	static char body[400];
	struct message *message = xmalloc(sizeof *message);
	unsigned a = (unsigned)rand() % ACCOUNTS, b = (unsigned)rand() % ACCOUNTS;
	char from[16], from_bare[48], to_bare[48], from_full[96], to_full[96];

	memset(body, 'x', sizeof body);
	snprintf(from, sizeof from, "user%u", a);
	snprintf(message->to, sizeof message->to, "user%u", b);
	snprintf(from_bare, sizeof from_bare, "user%u@familia.example", a);
	snprintf(to_bare, sizeof to_bare, "user%u@familia.example", b);
	snprintf(from_full, sizeof from_full, "%s/Conversations.%04x", from_bare, a);
	snprintf(to_full, sizeof to_full, "%s", to_bare);
	message->id = store_next_id(bench.store);
	message->start = seconds(CLOCK_MONOTONIC);
	struct txn *txn = txn_new(bench.store);
	txn_add(txn, &(struct op){ .kind = OP_MESSAGE,
				   .id = message->id,
				   .time = now_wall(),
				   .from = from_full,
				   .to = to_full,
				   .body = body,
				   .body_len = sizeof body });
	txn_add(txn, &(struct op){ .kind = OP_BOX, .id = message->id, .account = from, .peer = to_bare });
	txn_add(txn,
		&(struct op){ .kind = OP_BOX, .id = message->id, .account = message->to, .peer = from_bare });
	if (bench.pending != 0)
		txn_add(txn, &(struct op){ .kind = OP_PENDING, .id = message->id, .account = message->to });
	txn_submit(&txn, committed, message);
	bench.submitted++;
}

static void
make_accounts(const char *folder)
{
	static const struct scram_keys keys = { .iterations = 10000 };
	char *error = NULL;
	struct store *store = store_open(folder, NULL, &error);

	if (store == NULL) {
		fprintf(stderr, "%s\n", error);
		exit(1);
	}
	struct txn *txn = txn_new(store);
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		char node[16];
		snprintf(node, sizeof node, "user%u", i);
		txn_add(txn,
			&(struct op){
			    .kind = OP_ACCOUNT_NEW, .account = node, .time = now_wall(), .keys = &keys });
	}
	txn_submit(&txn, NULL, NULL);
	store_close(&store);
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static long
resident_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

int
main(int argc, char **argv)
{
	char *error = NULL;

	if (argc < 2) {
		fprintf(stderr, "usage: store_bench FOLDER [MESSAGES [IN_FLIGHT [PENDING]]]\n");
		return 64;
	}
	bench.total = argc > 2 ? strtoul(argv[2], NULL, 10) : 20000;
	bench.in_flight = argc > 3 ? strtoul(argv[3], NULL, 10) : 100;
	bench.pending = argc > 4 ? atoi(argv[4]) : 0;
	bench.waits = xcalloc(bench.total, sizeof *bench.waits);
	make_accounts(argv[1]);
	long before_kib = resident_kib();
	bench.loop = loop_new();
	bench.store = store_open(argv[1], bench.loop, &error);
	if (bench.store == NULL) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	while (bench.submitted < bench.in_flight && bench.submitted < bench.total)
		submit_next();
	loop_run(bench.loop);
	wall = seconds(CLOCK_MONOTONIC) - wall;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	store_close(&bench.store);
	loop_free(&bench.loop);
	qsort(bench.waits, bench.done, sizeof *bench.waits, by_size);
	printf("%zu messages, %zu in flight, pending %d: %.0f/s, %.1f us CPU each, waited p50 %.2f p99 %.2f "
	       "most %.2f ms,"
	       " %ld KiB before, %ld at most\n",
	       bench.done, bench.in_flight, bench.pending, (double)bench.done / wall,
	       cpu * 1e6 / (double)bench.done, bench.waits[bench.done / 2],
	       bench.waits[bench.done * 99 / 100], bench.waits[bench.done - 1], before_kib, resident_kib());
	free(bench.waits);
	return 0;
}
