/*
 * writer.c -- group commit: the loop fills the open batch while the writer's thread commits the one before.
 *
 *     loop: writer_submit --> open --(writer: take, batch_run)--> told --(waker)--> loop: done callbacks, in
 * order
 *
 * The lock guards the two lists and nothing else; no SQLite call is made under it. A transaction belongs to
 * the loop until submitted, then to the writer until it is in `told`.
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#include "proto/mem.h"
#include "relay/log.h"
#include "relay/net/loop.h"
#include "relay/store/store-private.h"
#include "relay/net/clock.h"
#include "relay/tally.h"

enum {
	IDLE_SOON_MS = 100, /* quiet this long: the longer kinds of upkeep */
	IDLE_LATER_MS = 60000,
};

struct writer {
	struct store *store;
	pthread_t thread;
	struct waker *waker;
	size_t outstanding; /* the loop's: submitted and not yet told */

	pthread_mutex_t lock;
	pthread_cond_t work, progress; /* something in open, or stopping; something in told */
	struct txn_list open, told;
	bool stopping;
};

/* Wait for work; false: none came in time. Under the lock. */
static bool
wait_for_work(struct writer *writer, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	int code = 0;
	while (writer->open.first == NULL && !writer->stopping && code == 0)
		code = pthread_cond_timedwait(&writer->work, &writer->lock, &until);
	return writer->open.first != NULL;
}

/* Under the lock, which it gives back. */
static void
commit_next(struct writer *writer)
{
	struct store *store = writer->store;
	struct txn_list batch;
	int64_t begun = now_mono();

	txn_list_take_batch(&writer->open, &batch);
	pthread_mutex_unlock(&writer->lock);

	batch_run(store->db, &store->reserve, batch.first);
	tally_add(TALLY_COMMITS, 1);
	tally_add(TALLY_COMMIT_MS, (uint64_t)(now_mono() - begun));
	upkeep_note(&store->upkeep, batch.first);

	pthread_mutex_lock(&writer->lock);
	*writer->told.last = batch.first;
	writer->told.last = batch.last;
	pthread_mutex_unlock(&writer->lock); /* whom it wakes must not wait for it at once */
	pthread_cond_signal(&writer->progress);
	waker_wake(writer->waker);
}

static void *
writer_thread(void *arg)
{
	struct writer *writer = arg;
	struct store *store = writer->store;
	int64_t wait = IDLE_SOON_MS;

	pthread_mutex_lock(&writer->lock);
	for (;;) {
		bool work = wait_for_work(writer, wait);
		if (!work && writer->stopping)
			break;
		if (work)
			commit_next(writer);
		else
			pthread_mutex_unlock(&writer->lock);
		/* A tool may have deleted an account and not come to the end of it. */
		store->upkeep.gone = store->upkeep.gone || (!work && wait == IDLE_LATER_MS);
		bool more = upkeep_slice(&store->upkeep, store->db, !work);
		wait = more ? 1 : work ? IDLE_SOON_MS : IDLE_LATER_MS;
		pthread_mutex_lock(&writer->lock);
	}
	pthread_mutex_unlock(&writer->lock);
	return NULL;
}

/* Take what was told, then call back without the lock: callbacks submit again. */
static void
tell(void *arg)
{
	struct writer *writer = arg;
	struct txn_list list;

	txn_list_init(&list);
	pthread_mutex_lock(&writer->lock);
	if (writer->told.first != NULL) {
		list.first = writer->told.first;
		txn_list_init(&writer->told);
	}
	pthread_mutex_unlock(&writer->lock);
	for (const struct txn *txn = list.first; txn != NULL; txn = txn->next)
		writer->outstanding--;
	txn_list_finish(&list);
}

struct writer *
writer_start(struct store *store)
{
	struct writer *writer = xcalloc(1, sizeof *writer);
	pthread_condattr_t attributes;
	sigset_t all, before;

	writer->store = store;
	writer->waker = waker_new(store->loop, tell, writer);
	txn_list_init(&writer->open);
	txn_list_init(&writer->told);
	pthread_mutex_init(&writer->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&writer->work, &attributes);
	pthread_cond_init(&writer->progress, &attributes);
	pthread_condattr_destroy(&attributes);
	/* Signals belong to the loop's thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int code = pthread_create(&writer->thread, NULL, writer_thread, writer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code != 0) {
		log_error(NULL, "cannot start the writer's thread: %s", strerror(code));
		_exit(EX_OSERR);
	}
	return writer;
}

void
writer_submit(struct writer *writer, struct txn *txn)
{
	writer->outstanding++;
	pthread_mutex_lock(&writer->lock);
	txn_list_add(&writer->open, txn);
	pthread_mutex_unlock(&writer->lock);
	pthread_cond_signal(&writer->work);
}

bool
writer_is_busy(const struct writer *writer)
{
	return writer->outstanding > 0;
}

void
writer_drain(struct writer *writer)
{
	while (writer->outstanding > 0) {
		pthread_mutex_lock(&writer->lock);
		while (writer->told.first == NULL)
			pthread_cond_wait(&writer->progress, &writer->lock);
		pthread_mutex_unlock(&writer->lock);
		tell(writer);
	}
}

void
writer_stop(struct writer **handle)
{
	struct writer *writer = *handle;

	pthread_mutex_lock(&writer->lock);
	writer->stopping = true;
	pthread_cond_signal(&writer->work);
	pthread_mutex_unlock(&writer->lock);
	pthread_join(writer->thread, NULL);
	waker_free(&writer->waker);
	pthread_cond_destroy(&writer->work);
	pthread_cond_destroy(&writer->progress);
	pthread_mutex_destroy(&writer->lock);
	free(writer);
	*handle = NULL;
}
