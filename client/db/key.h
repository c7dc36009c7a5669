/*
 * key.h -- this device's own keys: identity, one-time prekeys, signed prekeys; and the versions that are
 * published.
 *
 * Records are opaque bytes of the ratchet library. A used one-time prekey is marked, not deleted: a first
 * message that was weeks on its way may have been written with it. All calls in a transaction, except
 * key_own_get().
 */
#ifndef CLIENT_DB_KEY_H
#define CLIENT_DB_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/db/device.h"

struct arena;
struct db;

enum { PRIVATE_LEN = 32, KEY_ID_MAX = 0xffffff };

struct key_own {
	uint32_t device;
	uint32_t registration;
	uint8_t identity[IDENTITY_LEN];
	uint8_t secret[PRIVATE_LEN];
};
bool key_own_get(struct db *db, int64_t account, struct key_own *own_r);
void key_own_set(struct db *db, int64_t account, const struct key_own *own); /* once */

/* Versions: raised by each change of what is published; due while the published one is lower. */
enum key_node { KEY_NODE_LIST, KEY_NODE_BUNDLE };
unsigned key_due(struct db *db, int64_t account, enum key_node node); /* 0: not due */
void key_changed(struct db *db, int64_t account, enum key_node node);
void key_published(struct db *db, int64_t account, enum key_node node, unsigned version);

enum prekey_state { PREKEY_PUBLISHED, PREKEY_RESERVE, PREKEY_CARD, PREKEY_USED };
uint32_t key_next_id(struct db *db, int64_t account,
		     bool is_signed); /* 1..KEY_ID_MAX, never one that is in use */
const void *key_prekey_get(struct db *db, struct arena *arena, int64_t account, uint32_t id, size_t *len_r);
void key_prekey_put(struct db *db, int64_t account, uint32_t id, enum prekey_state state, const void *record,
		    size_t len, int64_t now);
/* Used at `now`. True: it was a published one. */
bool key_prekey_use(struct db *db, int64_t account, uint32_t id, int64_t now);
void key_prekey_set(struct db *db, int64_t account, uint32_t id, enum prekey_state state, int64_t now);
size_t key_prekey_list(struct db *db, struct arena *arena, int64_t account, enum prekey_state state,
		       size_t most, uint32_t **ids_r);
int64_t key_prekey_count(struct db *db, int64_t account, enum prekey_state state);
void key_prekey_forget(struct db *db, int64_t account, int64_t used_before);

const void *key_signed_get(struct db *db, struct arena *arena, int64_t account, uint32_t id, size_t *len_r);
void key_signed_put(struct db *db, int64_t account, uint32_t id, const void *record, size_t len, int64_t now);
uint32_t key_signed_newest(struct db *db, int64_t account, int64_t *created_r); /* 0: none */
/* Those whose successor was made before that: until then others had no newer one to write to. Never the newest. */
void key_signed_forget(struct db *db, int64_t account, int64_t replaced_before);

#endif
