/*
 * callers.c -- short calls to a local service: see callers.h.
 *
 * DIAGNOSTICS: none; whoever breaks a limit is let go without a word.
 */
#include "config.h"

#include "relay/net/callers.h"

#include <stdlib.h>
#include <unistd.h>
#include "proto/buf.h"
#include "proto/mem.h"
#include "relay/net/io.h"
#include "relay/net/loop.h"

struct caller {
	struct caller *next;
	struct callers *callers;
	uint64_t number;
	struct io *io;
	struct timer *deadline;
	struct buf in;
	bool paused, waking;
	bool deaf; /* nothing more is heard */
};

struct callers {
	struct loop *loop;
	struct callers_limits limits;
	callers_fn *fn;
	void *arg;
	struct caller *first;
	size_t count;
	uint64_t last; /* number given out */
};

static void
caller_free(struct caller *caller)
{
	struct caller **at = &caller->callers->first;

	while (*at != caller)
		at = &(*at)->next;
	*at = caller->next;
	caller->callers->count--;
	io_free(&caller->io);
	timer_free(&caller->deadline);
	buf_free(&caller->in);
	free(caller);
}

static void
hear(struct caller *caller)
{
	struct callers *callers = caller->callers;

	if (!callers->fn(callers->arg, caller, &caller->in) || caller->in.len > callers->limits.bytes)
		caller_free(caller);
}

static void
on_timer(void *arg)
{
	struct caller *caller = arg;

	if (!caller->waking) {
		caller_free(caller);
		return;
	}
	caller->waking = false;
	caller_alive(caller);
	if (caller->in.len > 0 && !caller->paused)
		hear(caller);
}

static void
on_io(void *arg, enum io_event event, const char *bytes, size_t len)
{
	struct caller *caller = arg;

	switch (event) {
	case IO_DATA:
		if (caller->deaf)
			return;
		buf_add(&caller->in, bytes, len);
		if (!caller->paused)
			hear(caller);
		else if (caller->in.len > caller->callers->limits.bytes)
			caller_free(caller);
		return;
	case IO_CLOSED:
		caller_free(caller);
		return;
	case IO_TLS_READY:
	case IO_DRAINED:
		return;
	}
}

struct callers *
callers_new(struct loop *loop, const struct callers_limits *limits, callers_fn *fn, void *arg)
{
	struct callers *callers = xcalloc(1, sizeof *callers);

	*callers = (struct callers){ .loop = loop, .limits = *limits, .fn = fn, .arg = arg };
	return callers;
}

void
callers_take(struct callers *callers, int fd)
{
	struct caller *caller;

	if (callers->count >= callers->limits.most) {
		close(fd);
		return;
	}
	caller = xcalloc(1, sizeof *caller);
	caller->callers = callers;
	caller->number = ++callers->last;
	caller->next = callers->first;
	callers->first = caller;
	callers->count++;
	caller->deadline = timer_new(callers->loop, on_timer, caller);
	caller_alive(caller);
	caller->io = io_new(callers->loop, fd, on_io, caller);
	if (caller->io == NULL)
		caller_free(caller);
}

void
callers_free(struct callers **handle)
{
	struct callers *callers = *handle;

	*handle = NULL;
	if (callers == NULL)
		return;
	while (callers->first != NULL)
		caller_free(callers->first);
	free(callers);
}

void
caller_write(struct caller *caller, const char *bytes, size_t len)
{
	io_write(caller->io, bytes, len);
}

void
caller_alive(struct caller *caller)
{
	if (!caller->paused && !caller->waking)
		timer_set(caller->deadline, caller->callers->limits.silence);
}

void
caller_shutdown(struct caller *caller)
{
	io_shutdown(caller->io);
	caller->deaf = true;
}

uint64_t
caller_pause(struct caller *caller)
{
	caller->paused = true;
	timer_clear(caller->deadline);
	return caller->number;
}

struct caller *
callers_find(const struct callers *callers, uint64_t number)
{
	struct caller *caller = callers->first;

	while (caller != NULL && caller->number != number)
		caller = caller->next;
	return caller;
}

void
caller_resume(struct caller *caller)
{
	caller->paused = false;
	caller->waking = true;
	timer_set(caller->deadline, 0); /* perhaps we are in the middle of hearing it */
}
