/*
 * net/loop.c -- the one event loop over libuv: see loop.h.
 *
 * Owns the libuv loop, the queue of deferred calls, the signal handles and the read buffer that all connections share.
 * Timers and wakers belong to whoever made them; their memory goes back in the turn after they were freed,
 * which is what lets them be freed from inside their own callbacks.
 *
 * DIAGNOSTICS: a libuv call that cannot fail but did (out of descriptors while starting) ends the process.
 */
#include "config.h"

#include "relay/net/loop.h"
#include "relay/net/loop-private.h"

#include <assert.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include "proto/mem.h"

struct deferred {
	struct deferred *next;
	loop_fn *fn;
	void *arg;
};

struct watch { /* one signal */
	uv_signal_t uv;
	struct watch *next;
	loop_fn *fn;
	void *arg;
};

struct loop {
	uv_loop_t uv;
	uv_async_t alive; /* keeps the loop running while nothing else is there */
	uv_idle_t later;  /* active while `first` or `nexts` is not NULL */
	uv_prepare_t turn; /* active always: runs `ends` before the loop waits */
	struct turn_end *ends, *nexts;
	struct deferred *first, **last;
	struct watch *watches;
	char buffer[LOOP_BUFFER];
	size_t queued;
	bool stopped;
};

struct timer {
	uv_timer_t uv;
	loop_fn *fn;
	void *arg;
};

struct waker {
	uv_async_t uv;
	loop_fn *fn;
	void *arg;
};

struct work {
	uv_work_t uv;
	loop_fn *work, *done;
	void *arg;
};

static void
must(int result, const char *what)
{
	if (result == 0)
		return;
	fprintf(stderr, "event loop: %s: %s\n", what, uv_strerror(result));
	_Exit(71); /* EX_OSERR */
}

static void
run_deferred(uv_idle_t *handle)
{
	struct loop *loop = handle->data;
	struct deferred *next, *call = loop->first;
	struct turn_end *turns = loop->nexts, *turn;

	/* What these calls defer in turn belongs to the next turn. */
	loop->first = NULL;
	loop->last = &loop->first;
	loop->nexts = NULL;
	if (turns != NULL)
		turns->back = &turns;
	while ((turn = turns) != NULL) {
		loop_turn_cancel(turn);
		turn->fn(turn->arg);
	}
	for (; call != NULL; call = next) {
		next = call->next;
		call->fn(call->arg);
		free(call);
	}
	if (loop->first == NULL && loop->nexts == NULL)
		uv_idle_stop(&loop->later);
}

static void
run_turn_end(uv_prepare_t *handle)
{
	struct loop *loop = handle->data;
	struct turn_end *call;

	while ((call = loop->ends) != NULL) {
		loop_turn_cancel(call);
		call->fn(call->arg);
	}
}

static void
push(struct turn_end **list, struct turn_end *call)
{
	if (call->back != NULL)
		return;
	call->next = *list;
	call->back = list;
	if (call->next != NULL)
		call->next->back = &call->next;
	*list = call;
}

void
loop_turn_end(struct loop *loop, struct turn_end *call)
{
	push(&loop->ends, call);
}

void
loop_turn_next(struct loop *loop, struct turn_end *call)
{
	push(&loop->nexts, call);
	uv_idle_start(&loop->later, run_deferred); /* no harm when active */
}

void
loop_turn_cancel(struct turn_end *call)
{
	if (call->back == NULL)
		return;
	*call->back = call->next;
	if (call->next != NULL)
		call->next->back = call->back;
	call->back = NULL;
}

static void
woken_alive(uv_async_t *handle)
{
	(void)handle;
}

struct loop *
loop_new(void)
{
	struct loop *loop = xcalloc(1, sizeof *loop);

	signal(SIGPIPE, SIG_IGN);
	must(uv_loop_init(&loop->uv), "init");
	must(uv_async_init(&loop->uv, &loop->alive, woken_alive), "wake-up");
	uv_idle_init(&loop->uv, &loop->later);
	loop->later.data = loop;
	uv_prepare_init(&loop->uv, &loop->turn);
	loop->turn.data = loop;
	uv_prepare_start(&loop->turn, run_turn_end);
	uv_unref((uv_handle_t *)&loop->turn);
	loop->last = &loop->first;
	return loop;
}

uv_loop_t *
loop_uv(struct loop *loop)
{
	return &loop->uv;
}

char *
loop_buffer(struct loop *loop)
{
	return loop->buffer;
}

size_t *
loop_queued(struct loop *loop)
{
	return &loop->queued;
}

void
loop_run(struct loop *loop)
{
	while (!loop->stopped)
		uv_run(&loop->uv, UV_RUN_DEFAULT);
	loop->stopped = false;
}

void
loop_stop(struct loop *loop)
{
	loop->stopped = true;
	uv_stop(&loop->uv);
}

static void
watch_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
loop_free(struct loop **loop_p)
{
	struct loop *loop = *loop_p;
	struct watch *watch;

	if (loop == NULL)
		return;
	*loop_p = NULL;
	while ((watch = loop->watches) != NULL) {
		loop->watches = watch->next;
		uv_close((uv_handle_t *)&watch->uv, watch_closed);
	}
	uv_close((uv_handle_t *)&loop->alive, NULL);
	/* Deferred calls and work under way end first; every handle was freed by its owner, so this ends. */
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&loop->later, NULL);
	uv_close((uv_handle_t *)&loop->turn, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	must(uv_loop_close(&loop->uv), "something is still open");
	free(loop);
}

static void
timer_fired(uv_timer_t *handle)
{
	struct timer *timer = handle->data;

	timer->fn(timer->arg);
}

struct timer *
timer_new(struct loop *loop, loop_fn *fn, void *arg)
{
	struct timer *timer = xcalloc(1, sizeof *timer);

	uv_timer_init(&loop->uv, &timer->uv);
	timer->uv.data = timer;
	timer->fn = fn;
	timer->arg = arg;
	return timer;
}

void
timer_set(struct timer *timer, uint64_t ms)
{
	uv_update_time(timer->uv.loop); /* from now, not from the start of this turn */
	uv_timer_start(&timer->uv, timer_fired, ms, 0);
}

void
timer_clear(struct timer *timer)
{
	uv_timer_stop(&timer->uv);
}

static void
data_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
timer_free(struct timer **timer)
{
	if (*timer == NULL)
		return;
	uv_close((uv_handle_t *)&(*timer)->uv, data_closed);
	*timer = NULL;
}

void
loop_defer(struct loop *loop, loop_fn *fn, void *arg)
{
	struct deferred *call = xcalloc(1, sizeof *call);

	call->fn = fn;
	call->arg = arg;
	*loop->last = call;
	loop->last = &call->next;
	uv_idle_start(&loop->later, run_deferred); /* no harm when active */
}

static void
work_run(uv_work_t *request)
{
	struct work *work = request->data;

	work->work(work->arg);
}

static void
work_done(uv_work_t *request, int status)
{
	struct work *work = request->data;

	assert(status == 0); /* nothing cancels work */
	(void)status;
	work->done(work->arg);
	free(work);
}

void
loop_work(struct loop *loop, loop_fn *run, loop_fn *done, void *arg)
{
	struct work *work = xcalloc(1, sizeof *work);

	work->uv.data = work;
	work->work = run;
	work->done = done;
	work->arg = arg;
	must(uv_queue_work(&loop->uv, &work->uv, work_run, work_done), "thread pool");
}

static void
waker_woken(uv_async_t *handle)
{
	struct waker *waker = handle->data;

	waker->fn(waker->arg);
}

struct waker *
waker_new(struct loop *loop, loop_fn *fn, void *arg)
{
	struct waker *waker = xcalloc(1, sizeof *waker);

	must(uv_async_init(&loop->uv, &waker->uv, waker_woken), "wake-up");
	waker->uv.data = waker;
	waker->fn = fn;
	waker->arg = arg;
	return waker;
}

void
waker_wake(struct waker *waker)
{
	uv_async_send(&waker->uv);
}

void
waker_free(struct waker **waker)
{
	if (*waker == NULL)
		return;
	uv_close((uv_handle_t *)&(*waker)->uv, data_closed);
	*waker = NULL;
}

static void
signal_came(uv_signal_t *handle, int number)
{
	struct watch *watch = handle->data;

	(void)number;
	watch->fn(watch->arg);
}

void
loop_signal(struct loop *loop, int number, loop_fn *fn, void *arg)
{
	struct watch *watch = xcalloc(1, sizeof *watch);

	uv_signal_init(&loop->uv, &watch->uv);
	watch->uv.data = watch;
	watch->fn = fn;
	watch->arg = arg;
	watch->next = loop->watches;
	loop->watches = watch;
	must(uv_signal_start(&watch->uv, signal_came, number), "signal");
}
