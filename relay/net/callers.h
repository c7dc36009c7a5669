/*
 * net/callers.h -- short calls to a local service: bounded in number, in bytes and in silence.
 *
 * The service looks at what has come and takes what it understands; a caller that says more than it may, or nothing for too long,
 * is let go. Knows nothing of what is said.
 */
#ifndef RELAY_NET_CALLERS_H
#define RELAY_NET_CALLERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct caller;
struct callers;
struct loop;

struct callers_limits {
	size_t most;     /* callers at a time */
	size_t bytes;    /* said and not taken */
	uint64_t silence; /* ms; begins anew with caller_alive() */
};

/* Something has come and lies in `in`, which is terminated; what is taken is dropped from it. False: the caller is let go. */
typedef bool callers_fn(void *arg, struct caller *caller, struct buf *in);

struct callers *callers_new(struct loop *loop, const struct callers_limits *limits, callers_fn *fn, void *arg);
void callers_take(struct callers *callers, int fd); /* fd becomes theirs; one too many is closed */
void callers_free(struct callers **callers);        /* NULL inside is allowed */

void caller_write(struct caller *caller, const char *bytes, size_t len);
void caller_alive(struct caller *caller);
void caller_shutdown(struct caller *caller); /* after what is written; nothing more is heard */

/* An answer that takes a while: nothing more is heard of this caller until caller_resume(). Its number finds it again, or not: NULL. */
uint64_t caller_pause(struct caller *caller);
struct caller *callers_find(const struct callers *callers, uint64_t number);
void caller_resume(struct caller *caller);

#endif
