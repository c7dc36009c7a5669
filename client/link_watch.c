/* link_watch.c -- the watchdog of the link: see link_watch.h. */
#include "config.h"

#include "client/link_watch.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "client/clock.h"
#include "proto/mem.h"

struct watch {
	pthread_t thread;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	int fd;           /* -1: nothing to watch */
	int64_t deadline; /* monotonic ms */
	bool acted;
	bool quit;
};

static void
wait_until(struct watch *watch, int64_t deadline)
{
	struct timespec at = { .tv_sec = deadline / 1000, .tv_nsec = (long)(deadline % 1000) * 1000000 };

	pthread_cond_timedwait(&watch->changed, &watch->lock, &at);
}

static void *
watch_run(void *arg)
{
	struct watch *watch = arg;

	pthread_mutex_lock(&watch->lock);
	while (!watch->quit) {
		if (watch->fd < 0) {
			pthread_cond_wait(&watch->changed, &watch->lock);
		} else if (now_mono() < watch->deadline) {
			wait_until(watch, watch->deadline);
		} else {
			shutdown(watch->fd, SHUT_RDWR);
			watch->acted = true;
			watch->fd = -1;
		}
	}
	pthread_mutex_unlock(&watch->lock);
	return NULL;
}

struct watch *
watch_new(void)
{
	struct watch *watch = xcalloc(1, sizeof(*watch));
	pthread_condattr_t attr;
	sigset_t all, old;

	watch->fd = -1;
	pthread_mutex_init(&watch->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&watch->changed, &attr);
	pthread_condattr_destroy(&attr);

	/* Signals are for the main thread: its poll(2) must be the one that wakes. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&watch->thread, NULL, watch_run, watch) != 0)
		abort();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return watch;
}

void
watch_free(struct watch **watch)
{
	struct watch *dead = *watch;

	if (dead == NULL)
		return;
	*watch = NULL;
	pthread_mutex_lock(&dead->lock);
	dead->quit = true;
	pthread_cond_signal(&dead->changed);
	pthread_mutex_unlock(&dead->lock);
	pthread_join(dead->thread, NULL);
	pthread_cond_destroy(&dead->changed);
	pthread_mutex_destroy(&dead->lock);
	free(dead);
}

void
watch_arm(struct watch *watch, int fd, int64_t deadline)
{
	pthread_mutex_lock(&watch->lock);
	watch->fd = fd;
	watch->deadline = deadline;
	watch->acted = false;
	pthread_cond_signal(&watch->changed);
	pthread_mutex_unlock(&watch->lock);
}

bool
watch_disarm(struct watch *watch)
{
	bool acted;

	pthread_mutex_lock(&watch->lock);
	watch->fd = -1;
	acted = watch->acted;
	pthread_cond_signal(&watch->changed);
	pthread_mutex_unlock(&watch->lock);
	return acted;
}
