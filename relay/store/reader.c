/*
 * reader.c -- the reader's thread: questions in, answers out, in the order of asking.
 *
 *     loop: reader_ask --> asked --(reader: question_answer)--> answered --(waker)--> loop: question_tell
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "proto/mem.h"
#include "relay/log.h"
#include "relay/net/loop.h"
#include "relay/store/store-private.h"

struct question_list {
	struct question *first, **last;
};

struct reader {
	struct db *db;
	pthread_t thread;
	struct waker *waker;
	size_t outstanding; /* the loop's */

	pthread_mutex_t lock;
	pthread_cond_t work, progress;
	struct question_list asked, answered;
	bool stopping;
};

static void
list_init(struct question_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static void
list_add(struct question_list *list, struct question *question)
{
	*question_next(question) = NULL;
	*list->last = question;
	list->last = question_next(question);
}

static struct question *
list_take(struct question_list *list)
{
	struct question *question = list->first;

	if (question == NULL)
		return NULL;
	list->first = *question_next(question);
	if (list->first == NULL)
		list_init(list);
	return question;
}

static void *
reader_thread(void *arg)
{
	struct reader *reader = arg;
	struct question *question;

	pthread_mutex_lock(&reader->lock);
	for (;;) {
		while (reader->asked.first == NULL && !reader->stopping)
			pthread_cond_wait(&reader->work, &reader->lock);
		if ((question = list_take(&reader->asked)) == NULL)
			break;
		pthread_mutex_unlock(&reader->lock);
		question_answer(reader->db, question);
		pthread_mutex_lock(&reader->lock);
		list_add(&reader->answered, question);
		pthread_mutex_unlock(&reader->lock); /* whom it wakes must not wait for it at once */
		pthread_cond_signal(&reader->progress);
		waker_wake(reader->waker);
		pthread_mutex_lock(&reader->lock);
	}
	pthread_mutex_unlock(&reader->lock);
	return NULL;
}

static void
tell(void *arg)
{
	struct reader *reader = arg;

	for (;;) {
		pthread_mutex_lock(&reader->lock);
		struct question *question = list_take(&reader->answered);
		pthread_mutex_unlock(&reader->lock);
		if (question == NULL)
			return;
		reader->outstanding--;
		question_tell(&question);
	}
}

struct reader *
reader_start(struct store *store, struct db *db)
{
	struct reader *reader = xcalloc(1, sizeof *reader);
	sigset_t all, before;

	reader->db = db;
	reader->waker = waker_new(store->loop, tell, reader);
	list_init(&reader->asked);
	list_init(&reader->answered);
	pthread_mutex_init(&reader->lock, NULL);
	pthread_cond_init(&reader->work, NULL);
	pthread_cond_init(&reader->progress, NULL);
	/* Signals belong to the loop's thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int code = pthread_create(&reader->thread, NULL, reader_thread, reader);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code != 0) {
		log_error(NULL, "cannot start the reader's thread: %s", strerror(code));
		_exit(EX_OSERR);
	}
	return reader;
}

void
reader_ask(struct reader *reader, struct question *question)
{
	reader->outstanding++;
	pthread_mutex_lock(&reader->lock);
	list_add(&reader->asked, question);
	pthread_mutex_unlock(&reader->lock);
	pthread_cond_signal(&reader->work);
}

bool
reader_is_busy(const struct reader *reader)
{
	return reader->outstanding > 0;
}

void
reader_drain(struct reader *reader)
{
	while (reader->outstanding > 0) {
		pthread_mutex_lock(&reader->lock);
		while (reader->answered.first == NULL)
			pthread_cond_wait(&reader->progress, &reader->lock);
		pthread_mutex_unlock(&reader->lock);
		tell(reader);
	}
}

void
reader_stop(struct reader **handle)
{
	struct reader *reader = *handle;

	pthread_mutex_lock(&reader->lock);
	reader->stopping = true;
	pthread_cond_signal(&reader->work);
	pthread_mutex_unlock(&reader->lock);
	pthread_join(reader->thread, NULL);
	waker_free(&reader->waker);
	pthread_cond_destroy(&reader->work);
	pthread_cond_destroy(&reader->progress);
	pthread_mutex_destroy(&reader->lock);
	free(reader);
	*handle = NULL;
}
