/*
 * outbox-private.h -- what outbox.c and waiting.c share.
 */
#ifndef CLIENT_OUTBOX_PRIVATE_H
#define CLIENT_OUTBOX_PRIVATE_H

#include "client/db/spool.h"
#include "client/outbox.h"

/* Encrypt the message of a waiting row, or write it in clear where that is asked for and allowed: ciphertext,
 * ratchet, targets and state READY, all or nothing. False: it goes on waiting, *ready_r says for what. In a
 * transaction. */
bool outbox_write(struct db *db, struct omemo *omemo, struct arena *arena, int64_t account,
		  const struct spool_row *row, const char *text, int64_t now, enum omemo_ready *ready_r);

/* recheck.c, in a transaction: what is ready but has not left, against the trust and the lists of today; `to`
 * NULL: all. */
void outbox_recheck(struct db *db, struct omemo *omemo, int64_t account, const char *to);

/* Write what waits for this recipient's keys, as far as they are here. In a transaction. Returns how many. */
size_t outbox_serve_waiting(struct db *db, struct omemo *omemo, int64_t account, const char *to, int64_t now);

#endif
