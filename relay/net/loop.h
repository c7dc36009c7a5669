/*
 * net/loop.h -- the one event loop: timers, later turns, the thread pool, wake-ups from other threads, signals.
 *
 * Everything that a callback here touches belongs to the loop's thread. Only waker_wake() may be called elsewhere.
 */
#ifndef RELAY_NET_LOOP_H
#define RELAY_NET_LOOP_H

#include <stdint.h>

struct loop;
struct timer;
struct waker;
typedef void loop_fn(void *arg);

struct loop *loop_new(void);
void loop_run(struct loop *loop); /* until loop_stop */
void loop_stop(struct loop *loop);
void loop_free(struct loop **loop);

/* One-shot timers; setting again moves them. Milliseconds from now, monotonic. */
struct timer *timer_new(struct loop *loop, loop_fn *fn, void *arg);
void timer_set(struct timer *timer, uint64_t ms);
void timer_clear(struct timer *timer);
void timer_free(struct timer **timer); /* also from inside its own callback */

/* Call fn in a later turn, in the order asked. */
void loop_defer(struct loop *loop, loop_fn *fn, void *arg);

/* work in the thread pool, then done in the loop. The caller keeps `arg` alive until done. */
void loop_work(struct loop *loop, loop_fn *work, loop_fn *done, void *arg);

/* waker_wake from any thread: fn runs in the loop soon, once for any number of wakes before it. */
struct waker *waker_new(struct loop *loop, loop_fn *fn, void *arg);
void waker_wake(struct waker *waker);
void waker_free(struct waker **waker);

/* fn runs in the loop at each such signal. SIGPIPE is ignored for the process by loop_new. */
void loop_signal(struct loop *loop, int signal, loop_fn *fn, void *arg);

#endif
