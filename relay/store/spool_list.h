/*
 * store/spool_list.h -- what is held for other relays, as the operator sees it: rows without their bodies, and sums for each domain.
 *
 * Asked and answered like the questions of read.h. What is settled is in neither.
 */
#ifndef RELAY_STORE_SPOOL_LIST_H
#define RELAY_STORE_SPOOL_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/store/read.h"
#include "relay/store/spool.h"

struct spool_line {
	int64_t id, since, expires; /* ms: accepted, held until */
	const char *domain, *from, *to;
	int64_t size; /* bytes */
	enum spool_state state;
	const char *reason;  /* of the last error that stopped it; NULL */
	int64_t tries, next; /* how often it was stopped, until when */
};
struct spool_sum {
	struct spool_domain about;
	int64_t waiting, bytes;
};
typedef void read_spool_lines_fn(void *arg, bool failed, const struct spool_line *rows, size_t count);
typedef void read_spool_sums_fn(void *arg, bool failed, const struct spool_sum *rows, size_t count);

/* In order of ids, behind `after`, at most limit. domain, jid (bare, of sender or recipient): NULL: all. */
void read_spool_lines(struct store *store, const char *domain, const char *jid, int64_t after, size_t limit, read_spool_lines_fn *fn,
    void *arg);
/* Each domain that something is known of or held for, in their order; domain: this one, NULL: all. */
void read_spool_sums(struct store *store, const char *domain, read_spool_sums_fn *fn, void *arg);

/* All of them; bytes is 0. */
void read_spool_count(struct store *store, read_count_fn *fn, void *arg);

#endif
