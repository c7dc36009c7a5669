/*
 * homes.h -- for the client's unit tests: people with homes in a temporary folder, and a post office between
 * them.
 *
 * Everything is real but the network: what one home's outbox holds is parsed by proto/xmlin, stamped with
 * `from` as a relay does, and given to the other's inbox.
 */
#ifndef TESTS_UNIT_CLIENT_HOMES_H
#define TESTS_UNIT_CLIENT_HOMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/db/db.h"
#include "client/inbox.h"
#include "client/omemo/omemo.h"
#include "client/outbox.h"

#define T0 ((int64_t)1790000000000) /* a day in 2026, ms */

struct person {
	const char *jid;
	char folder[64];
	struct db *db;
	struct omemo *omemo;
	struct arena *arena;
	int64_t account;
};

/* A new home; gone with home_close(). Two with the same JID are two devices of one person. */
void home_open(struct person *person, const char *jid);
void home_reopen(struct person *person); /* as a new process would */
void home_close(struct person *person);
/* Keep a copy of the database aside; and put it back, as from a backup. */
void home_keep(struct person *person);
void home_set_back(struct person *person);

/* Device list and bundle, as PEP brings them. */
void home_introduce(struct person *to, struct person *of);
void home_meet(struct person *a, struct person *b); /* both ways */
void home_take_list(struct person *to, const char *jid, const uint32_t *ids, size_t count);

/* Write; the result must be `expected`. The origin-id, in the person's arena. */
const char *home_write(struct person *from, const char *to, const char *text, enum outbox_result expected);
/* The next stanza that is ready (sent and accepted from here on), as a tree that came from `from`; NULL:
 * none. */
struct xml *home_post(struct person *from, struct arena *arena);
/* One stanza into the inbox, a batch of its own. */
struct inbox_result home_receive(struct person *to, const struct xml *message, enum way way,
				 const char *stanza_id);
/* All that is ready at `from`, into the inbox of `to`. How many were shown. */
size_t home_carry(struct person *from, struct person *to);

/* What `person` has of `peer`, received only, oldest first, bodies joined by '|'. */
const char *home_read(struct person *person, const char *peer);
struct device home_device(struct person *person, const char *jid, uint32_t id);

#endif
