/*
 * store.h -- the ratchet library's stores over the database. Nothing is kept in memory: what a rolled back
 * transaction wrote is gone for the library too.
 */
#ifndef CLIENT_OMEMO_STORE_H
#define CLIENT_OMEMO_STORE_H

#include <signal_protocol.h>
#include <stdbool.h>
#include <stdint.h>

struct db;

struct store {
	struct db *db;
	int64_t account;
	int64_t now;      /* of the call that is running: when a prekey is used */
	bool prekey_used; /* by it */
	signal_protocol_store_context *context;
};

bool store_open(struct store *store, struct db *db, int64_t account, signal_context *context);
void store_close(struct store *store);

#endif
