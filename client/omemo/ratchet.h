/*
 * ratchet.h -- the double ratchet, a function for each step of the protocol; bytes and enums only.
 *
 * Everything is read from and written to the database at once (store.h). All calls inside a transaction,
 * except ratchet_open and those that say so. The results do not tell what trust says: that is decided above.
 */
#ifndef CLIENT_OMEMO_RATCHET_H
#define CLIENT_OMEMO_RATCHET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/db/bundle.h"
#include "client/db/key.h"

struct arena;
struct db;
struct ratchet;
struct ratchet_message;

enum ratchet_result {
	RATCHET_OK,
	RATCHET_NO_SESSION,
	RATCHET_KEY_GONE, /* a prekey or message key that is not here (any more) */
	RATCHET_GAP,      /* too far ahead in its chain (vault.h) */
	RATCHET_BAD,      /* a MAC or signature does not hold */
	RATCHET_MALFORMED,
	RATCHET_FAILED, /* the database: db_error() */
};

struct ratchet *ratchet_open(struct db *db, int64_t account); /* NULL: OpenSSL is broken */
void ratchet_close(struct ratchet **ratchet);
void ratchet_set_now(struct ratchet *ratchet, int64_t now);

/* New keys. Only these and the next two need no identity in the database. */
bool ratchet_new_identity(struct ratchet *ratchet,
			  struct key_own *own_r); /* identity, secret, registration */
bool ratchet_new_prekey(struct ratchet *ratchet, enum prekey_state state);
bool ratchet_new_signed(struct ratchet *ratchet);
/* Public halves, for a bundle. False: no such key. */
bool ratchet_prekey_public(struct ratchet *ratchet, uint32_t id, uint8_t key_r[static PREKEY_PUBLIC_LEN]);
bool ratchet_signed_public(struct ratchet *ratchet, uint32_t id,
			   struct bundle *bundle_r); /* signed_* and signature */

/* XEdDSA by the identity key; no transaction needed. */
bool ratchet_sign(struct ratchet *ratchet, const void *bytes, size_t len,
		  uint8_t signature_r[static SIGNATURE_LEN]);
bool ratchet_holds(struct ratchet *ratchet, const uint8_t identity[static IDENTITY_LEN], const void *bytes,
		   size_t len, const uint8_t signature[static SIGNATURE_LEN]);
bool ratchet_is_key(struct ratchet *ratchet,
		    const uint8_t key[static IDENTITY_LEN]); /* a public key, in form */

/* A session from a bundle; prekey NULL: without a one-time prekey. RATCHET_BAD: its signature does not hold.
 */
enum ratchet_result ratchet_start(struct ratchet *ratchet, const char *jid, uint32_t device,
				  const struct bundle *bundle, const struct bundle_prekey *prekey);
/* *bytes_r in the arena. *prekey_r: it carries what starts the session at the other end. */
enum ratchet_result ratchet_encrypt(struct ratchet *ratchet, struct arena *arena, const char *jid,
				    uint32_t device, const void *bytes, size_t len, const void **bytes_r,
				    size_t *len_r, bool *prekey_r);

/* A received message: first looked at (nothing of it is authentic yet), then decrypted. */
struct ratchet_header {
	bool prekey;
	uint32_t counter;
	uint8_t ratchet_key[IDENTITY_LEN];
	uint8_t identity[IDENTITY_LEN]; /* of prekey messages */
};
/* NULL: malformed. No transaction needed. */
struct ratchet_message *ratchet_read(struct ratchet *ratchet, const void *bytes, size_t len, bool prekey,
				     struct ratchet_header *header_r);
void ratchet_message_free(struct ratchet_message **message);
/* *chain: of the table chain (session.h), 0 when it is not there yet; made when the message is good. */
enum ratchet_result ratchet_decrypt(struct ratchet *ratchet, struct arena *arena, const char *jid,
				    uint32_t device, struct ratchet_message *message, int64_t *chain,
				    const void **bytes_r, size_t *len_r);
/* Of the last ratchet_decrypt(): a published prekey was used; the sender has left that chain already. */
bool ratchet_prekey_used(struct ratchet *ratchet);
bool ratchet_late(struct ratchet *ratchet);

/* Once a day or so: what is kept of messages that did not come (vault.h) leaves when it is older than `before`, and
 * beyond the bounds. */
void ratchet_forget(struct ratchet *ratchet, int64_t before);

#endif
