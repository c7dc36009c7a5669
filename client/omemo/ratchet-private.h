/*
 * ratchet-private.h -- what ratchet.c, receive.c and vault.c share: the library's objects behind ratchet.h.
 */
#ifndef CLIENT_OMEMO_RATCHET_PRIVATE_H
#define CLIENT_OMEMO_RATCHET_PRIVATE_H

#include <protocol.h>
#include <signal_protocol.h>
#include <stdbool.h>
#include <stdint.h>
#include "client/omemo/provider.h"
#include "client/omemo/ratchet.h"
#include "client/omemo/store.h"
#include "client/omemo/wire.h"

struct ratchet {
	struct provider *provider;
	struct store store;
	bool late;      /* ratchet_late() */
	int64_t wasted; /* chain steps taken since ratchet_open() for messages that proved forged */
	int64_t grown;  /* keys put into the vault since its bounds were looked at */
};

struct ratchet_message {
	pre_key_signal_message *prekey; /* or NULL */
	signal_message *message;        /* inside `prekey`, borrowed, or our own */
	struct wire_header wire;
};

signal_context *ratchet_context(struct ratchet *ratchet);
signal_protocol_address ratchet_address(const char *jid, uint32_t device);
enum ratchet_result ratchet_result_of(const struct ratchet *ratchet, int code);
/* Copy a buffer's bytes and forget it. False: not of that length. */
bool ratchet_take_bytes(signal_buffer *buffer, uint8_t *out, size_t len);
bool ratchet_public_bytes(const ec_public_key *key, uint8_t out[static IDENTITY_LEN]);
ratchet_identity_key_pair *ratchet_own_pair(struct ratchet *ratchet); /* NULL: none; a reference of the caller's */

/* The session that a first message brings, by X3DH (signal.org/docs/specifications/x3dh, 3.4) with those of our keys that
 * it names; not in any record yet. RATCHET_KEY_GONE: one of them is not here. */
enum ratchet_result ratchet_session_of(struct ratchet *ratchet, pre_key_signal_message *message,
				       session_state **state_r);

#endif
