/*
 * skipped.h -- keys of messages that have not come yet, kept aside from the sessions: tables vault and skipped.
 *
 * A row of `vault` is one chain of the table `chain` of which something is missing: single seeds of message keys
 * that were passed over (`skipped`), and, once the sender has gone on to his next chain, the key from which the
 * rest of this one can be made. The row leaves with the last of them. Opaque bytes, written by omemo/vault.c alone;
 * all calls in a transaction. secure_delete (db.h) overwrites what leaves.
 */
#ifndef CLIENT_DB_SKIPPED_H
#define CLIENT_DB_SKIPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/db/session.h"

enum {
	SKIPPED_SEED = 32,            /* what a message's keys are derived from */
	SKIPPED_KEYS = 80,            /* or those keys: cipher 32, MAC 32, IV 16 */
};
#define SKIPPED_NO_END UINT32_MAX /* nobody said how long the chain became */

struct skipped_chain {
	uint8_t identity[RATCHET_KEY_LEN]; /* the sender's, under which its messages are authenticated */
	bool closed;                       /* the next two are set */
	uint8_t key[SKIPPED_SEED];         /* of the chain, at `next` */
	uint32_t next;
	uint32_t ends; /* the first place that the sender did not use, or SKIPPED_NO_END */
	int64_t held;  /* seeds in skipped */
};
bool skipped_chain_get(struct db *db, int64_t chain, struct skipped_chain *chain_r); /* false: nothing is missing */
/* Makes the row or changes it; `held` is not looked at. */
void skipped_chain_put(struct db *db, int64_t chain, const struct skipped_chain *put, int64_t now);

/* SKIPPED_SEED or SKIPPED_KEYS bytes. The row in vault is there already, and is told by the second how many came. False: there is
 * one already, and it stays. */
bool skipped_add(struct db *db, int64_t chain, uint32_t counter, const void *keys, size_t len, int64_t now);
void skipped_added(struct db *db, int64_t chain, int64_t count);
size_t skipped_get(struct db *db, int64_t chain, uint32_t counter,
		   uint8_t keys_r[static SKIPPED_KEYS]); /* its length; 0: not here */
void skipped_spend(struct db *db, int64_t chain, uint32_t counter); /* and the chain's row with the last */
void skipped_chain_over(struct db *db, int64_t chain); /* the rest of a closed chain is spent: no key of it is kept */

/* How much is kept of whom: a row of vault counts as one key. */
struct skipped_owner {
	const char *jid;
	int64_t keys;
	bool known; /* the caller's */
};
size_t skipped_owners(struct db *db, struct arena *arena, int64_t account, struct skipped_owner **list_r);
void skipped_drop(struct db *db, int64_t account, const char *jid, int64_t count); /* the oldest of that person */
void skipped_expire(struct db *db, int64_t account, int64_t before);

#endif
