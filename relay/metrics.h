/*
 * metrics.h -- numbers for Prometheus (text format 0.0.4) by HTTP, on a loopback address or a Unix socket and nowhere else.
 *
 * GET /metrics and nothing more. What is told is the same few series for ever: no addresses, no names of people or relays.
 */
#ifndef RELAY_METRICS_H
#define RELAY_METRICS_H

#include <stdint.h>

struct buf;
struct loop;
struct metrics;

/* Fills the gauges' values at each request; the names are in metrics.c. */
struct metrics_now {
	uint64_t sessions, streams, queued_bytes;
	int64_t started;             /* ms wall */
	int64_t certificate_expires; /* ms wall */
	const char *data;            /* folder whose disk is looked at */
};
typedef void metrics_fn(void *arg, struct metrics_now *now_r);

/* where: "127.0.0.1:9222", "[::1]:9222", or the path of a socket, which the relay's user and root may open. NULL: *error_r (malloc'd). */
struct metrics *metrics_new(struct loop *loop, const char *where, metrics_fn *fn, void *arg, char **error_r);
const char *metrics_address(const struct metrics *metrics); /* with the real port; borrowed */
void metrics_free(struct metrics **metrics);                /* NULL inside is allowed */
void metrics_write(struct buf *out, const struct metrics_now *now);
uint64_t metrics_resident(void); /* bytes of memory that the relay holds now; 0: not known */

#endif
