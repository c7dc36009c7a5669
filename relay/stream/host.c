/*
 * stream/host.c -- what all client streams share, and their common end: see stream.h.
 *
 * Stopping: each stream hears system-shutdown once what it sent is handled, after 2 s in any case; those that do not take
 * leave within another second are dropped. Then done is called.
 *
 * When many connections have gone, what they held goes back to the system: malloc alone keeps it behind the last block in use.
 */
#include "config.h"

#include "relay/stream/stream-private.h"

#include <malloc.h>
#include <stdlib.h>
#include "proto/mem.h"
#include "proto/xmlin.h"
#include "relay/net/loop.h"
#include "relay/store/store.h"
#include "relay/stream/limit.h"
#include "relay/stream/pool.h"

enum {
	PBKDF2_AT_A_TIME = 2,
	STOP_HANDLE = 2000, /* ms for what was sent to be handled */
	STOP_CLOSE = 1000,  /* ms for the others' goodbye */
	PARSERS_KEPT = 32, /* 12 KiB each */
	TRIM_AFTER = 50,    /* connections gone */
	TRIM_WAIT = 1000,   /* ms */
};

static void
trim(void *arg)
{
	struct stream_shared *shared = arg;

	shared->gone = 0;
	malloc_trim(0);
}

void
stream_host_init(struct stream_host *host)
{
	struct stream_shared *shared = xcalloc(1, sizeof *shared);

	shared->limiter = limiter_new(host->logins);
	shared->pool = pool_new(host->loop, PBKDF2_AT_A_TIME);
	store_secret(host->store, "sasl fake salt", shared->secret);
	store_secret(host->store, "bind2 resource", shared->resources);
	shared->parsers = xmlin_kept_new(PARSERS_KEPT);
	shared->trim = timer_new(host->loop, trim, shared);
	host->limiter = shared;
	host->streams = NULL;
}

void
stream_host_changed(struct stream_host *host)
{
	limiter_set(stream_shared(host)->limiter, host->logins);
}

size_t
stream_host_count(const struct stream_host *host)
{
	return stream_shared(host)->count;
}

struct stream_shared *
stream_shared(const struct stream_host *host)
{
	return host->limiter;
}

struct pool *
stream_host_pool(struct stream_host *host)
{
	return stream_shared(host)->pool;
}

void
stream_host_free(struct stream_host *host)
{
	struct stream_shared *shared = host->limiter;

	if (shared == NULL)
		return;
	host->limiter = NULL;
	limiter_free(&shared->limiter);
	pool_free(&shared->pool);
	timer_free(&shared->timer);
	timer_free(&shared->trim);
	buf_free(&shared->out);
	xmlin_kept_free(&shared->parsers);
	cleanse(shared, sizeof *shared);
	free(shared);
}

static void
call_done(void *arg)
{
	struct stream_shared *shared = arg;
	void (*done)(void *) = shared->done;

	shared->done = NULL;
	if (done != NULL)
		done(shared->done_arg);
}

void
host_connection_gone(struct stream_host *host)
{
	struct stream_shared *shared = stream_shared(host);

	if (++shared->gone == TRIM_AFTER)
		timer_set(shared->trim, TRIM_WAIT);
}

void
host_stream_gone(struct stream_host *host)
{
	struct stream_shared *shared = stream_shared(host);

	shared->count--;
	host_connection_gone(host);
	if (shared->stopping && host->streams == NULL && shared->done != NULL) {
		timer_clear(shared->timer);
		call_done(shared);
	}
}

static void
stop_harder(void *arg)
{
	struct stream_host *host = arg;
	struct stream_shared *shared = stream_shared(host);

	for (struct stream *stream = host->streams; stream != NULL; stream = stream->next) {
		if (shared->forced)
			stream_drop(stream);
		else
			stream_close(stream, STREAM_SYSTEM_SHUTDOWN, NULL);
	}
	if (!shared->forced)
		timer_set(shared->timer, STOP_CLOSE);
	shared->forced = true;
}

void
stream_host_shutdown(struct stream_host *host, void (*done)(void *arg), void *arg)
{
	struct stream_shared *shared = stream_shared(host);

	shared->stopping = true;
	shared->done = done;
	shared->done_arg = arg;
	if (host->streams == NULL) {
		loop_defer(host->loop, call_done, shared);
		return;
	}
	for (struct stream *stream = host->streams; stream != NULL; stream = stream->next) {
		stream->stopping = true;
		stream_later(stream);
	}
	shared->timer = timer_new(host->loop, stop_harder, host);
	timer_set(shared->timer, STOP_HANDLE);
}
