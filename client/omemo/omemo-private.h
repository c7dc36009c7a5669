/*
 * omemo-private.h -- what omemo.c, publish.c and decrypt.c share.
 */
#ifndef CLIENT_OMEMO_PRIVATE_H
#define CLIENT_OMEMO_PRIVATE_H

#include <stdint.h>
#include "client/db/device.h"

struct db;
struct ratchet;

struct omemo {
	struct db *db;
	struct ratchet *ratchet;
	char *jid; /* own, bare */
	int64_t account;
	uint32_t device;
	uint8_t identity[IDENTITY_LEN];
};

/* publish.c: 100 prekeys, the reserve, the first signed prekey. In a transaction. */
bool omemo_first_keys(struct omemo *omemo, int64_t now);

#endif
