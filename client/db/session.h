/*
 * session.h -- ratchet sessions, and which message keys are spent.
 *
 * Session records are opaque bytes of the ratchet library. The read table is asked before the library, so
 * that "read before" and "key gone" are told apart. Writing calls are made in a transaction.
 */
#ifndef CLIENT_DB_SESSION_H
#define CLIENT_DB_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct db;

enum { RATCHET_KEY_LEN = 33 };

const void *session_get(struct db *db, struct arena *arena, int64_t account, const char *jid, uint32_t device,
			size_t *len_r); /* NULL: none */
bool session_exists(struct db *db, int64_t account, const char *jid, uint32_t device);
void session_put(struct db *db, int64_t account, const char *jid, uint32_t device, const void *record,
		 size_t len);
void session_delete(struct db *db, int64_t account, const char *jid, uint32_t device);
void session_delete_all(struct db *db, int64_t account, const char *jid);

/* The chain of a device's ratchet key; 0 when none was read. Made by chain_make(). */
int64_t chain_find(struct db *db, int64_t account, const char *jid, uint32_t device,
		   const uint8_t ratchet[static RATCHET_KEY_LEN]);
int64_t chain_make(struct db *db, int64_t account, const char *jid, uint32_t device,
		   const uint8_t ratchet[static RATCHET_KEY_LEN]);
struct chain_row {
	int64_t id;
	uint8_t ratchet[RATCHET_KEY_LEN];
};
/* Of that device, the last begun first. */
size_t chain_newest(struct db *db, int64_t account, const char *jid, uint32_t device, size_t most,
		    struct chain_row *list_r);
/* True: that key is spent; *message_r is what it became. */
bool read_get(struct db *db, int64_t chain, uint32_t counter, int64_t *message_r);
void read_set(struct db *db, int64_t chain, uint32_t counter, int64_t message);
int64_t read_highest(struct db *db, int64_t chain); /* -1: none */
int64_t read_count(struct db *db, int64_t chain);

#endif
