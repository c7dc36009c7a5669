/*
 * wire.h -- the outside of a ratchet message, read without the ratchet: to which chain it belongs and where in it.
 *
 * Nothing of it is authentic. It serves to put a backlog into order before anything is decrypted, and to read the
 * previous counter, for which the library has no function.
 */
#ifndef CLIENT_OMEMO_WIRE_H
#define CLIENT_OMEMO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WIRE_KEY_LEN = 33 };

struct wire_header {
	uint8_t ratchet_key[WIRE_KEY_LEN]; /* of the chain, as it came: whether it is a point is not said */
	uint32_t counter;                  /* the message's place in the chain */
	bool has_previous;
	uint32_t previous;                 /* the last place of the sender's chain before this one */
};

/* A WhisperMessage, or with `prekey` the one inside a PreKeyWhisperMessage. False: neither. */
bool wire_read(const void *bytes, size_t len, bool prekey, struct wire_header *header_r);

#endif
