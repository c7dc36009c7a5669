/*
 * store/spool.h -- messages held for other relays: what is asked about them, answered like the questions of read.h. They are
 * written by the operations OP_SPOOL_ and OP_PEER_ of txn.h.
 *
 * A row is one message to one recipient; its id is the message's. Those of a domain are answered in order of ids. Rows that are
 * settled stay some minutes for the error that may yet come, and are in no list.
 */
#ifndef RELAY_STORE_SPOOL_H
#define RELAY_STORE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum { SPOOL_BYTES = 256 * 1024 }; /* an answer with bodies ends behind so many */

enum spool_state { SPOOL_HELD, SPOOL_SETTLED, SPOOL_UNCONFIRMED };                  /* in the database */
enum spool_how { SPOOL_HOW_NONE, SPOOL_DURABLE, SPOOL_RECEIVED, SPOOL_HOW_UNCONFIRMED }; /* likewise */

struct spool_row {
	int64_t id, time, expires; /* ms: accepted, held until */
	const char *domain, *from, *to;
	const char *body;
	size_t len;
	char custody[33];
	enum spool_state state;
	const char *name;   /* the stanza's id; NULL: none */
	const char *reason; /* of the last error that stopped it; NULL */
	int64_t tries, next; /* how often it was stopped, until when */
};
struct spool_domain {
	const char *domain;
	bool known;    /* seen, or somebody has written to a contact there */
	int64_t seen;  /* ms, when last; 0: never */
	int64_t tries, next; /* in vain since then; not before */
	const char *reason; /* NULL */
};
typedef void read_spool_fn(void *arg, bool failed, const struct spool_row *rows, size_t count);
typedef void read_spool_domains_fn(void *arg, bool failed, const struct spool_domain *rows, size_t count);

/* Held for this domain (SPOOL_HELD), behind `after`; at most limit. Only an answer of 0 rows is the end. */
void read_spool(struct store *store, const char *domain, int64_t after, size_t limit, read_spool_fn *fn, void *arg);
/* Those whose time is up, first the longest. */
void read_spool_expired(struct store *store, int64_t now, size_t limit, read_spool_fn *fn, void *arg);
/* Of this domain, also settled, that the stanza calls so; the newest first, at most 20. */
void read_spool_named(struct store *store, const char *domain, const char *name, read_spool_fn *fn, void *arg);
/* All, behind `after`. */
void read_spool_list(struct store *store, int64_t after, size_t limit, read_spool_fn *fn, void *arg);
/* All domains with rows to send (SPOOL_HELD); costs a look-up each, however many rows there are. */
void read_spool_domains(struct store *store, read_spool_domains_fn *fn, void *arg);
/* This one: 1 row, or 0 when nothing is known of it. */
void read_spool_domain(struct store *store, const char *domain, read_spool_domains_fn *fn, void *arg);

#endif
