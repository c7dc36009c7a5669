/*
 * stream/pool.c -- a few works at a time: see pool.h.
 */
#include "config.h"

#include "relay/stream/pool.h"

#include <stdbool.h>
#include <stdlib.h>
#include "proto/mem.h"

struct job {
	struct job *next;
	struct pool *pool;
	loop_fn *work, *done;
	void *arg;
};

struct pool {
	struct loop *loop;
	struct job *first, **last;
	unsigned running, most;
	bool closed;
};

struct pool *
pool_new(struct loop *loop, unsigned at_a_time)
{
	struct pool *pool = xcalloc(1, sizeof *pool);

	pool->loop = loop;
	pool->most = at_a_time;
	pool->last = &pool->first;
	return pool;
}

static void
job_work(void *arg)
{
	struct job *job = arg;

	job->work(job->arg);
}

static void job_done(void *arg);

static void
start_next(struct pool *pool)
{
	struct job *job = pool->first;

	if (job == NULL || pool->running == pool->most)
		return;
	pool->first = job->next;
	if (pool->first == NULL)
		pool->last = &pool->first;
	pool->running++;
	loop_work(pool->loop, job_work, job_done, job);
}

static void
free_if_over(struct pool *pool)
{
	if (pool->closed && pool->running == 0)
		free(pool);
}

static void
job_done(void *arg)
{
	struct job *job = arg;
	struct pool *pool = job->pool;

	job->done(job->arg);
	free(job);
	pool->running--;
	start_next(pool);
	free_if_over(pool);
}

void
pool_run(struct pool *pool, loop_fn *work, loop_fn *done, void *arg)
{
	struct job *job = xcalloc(1, sizeof *job);

	job->pool = pool;
	job->work = work;
	job->done = done;
	job->arg = arg;
	*pool->last = job;
	pool->last = &job->next;
	start_next(pool);
}

void
pool_free(struct pool **pool_p)
{
	struct pool *pool = *pool_p;
	struct job *job;

	if (pool == NULL)
		return;
	*pool_p = NULL;
	pool->closed = true;
	while ((job = pool->first) != NULL) {
		pool->first = job->next;
		job->done(job->arg);
		free(job);
	}
	free_if_over(pool);
}
