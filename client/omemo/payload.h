/*
 * payload.h -- the message body's cipher: AES-128-GCM with a fresh key and IV each time (XEP-0384
 * 0.3.0, 4.4).
 */
#ifndef CLIENT_OMEMO_PAYLOAD_H
#define CLIENT_OMEMO_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PAYLOAD_KEY = 16,
	PAYLOAD_TAG = 16,
	PAYLOAD_IV = 12,
	PAYLOAD_IV_OLD = 16,
	PAYLOAD_SECRET = PAYLOAD_KEY + PAYLOAD_TAG
};

struct arena;

/* `out` holds len bytes. secret_r is key and tag, what the ratchet encrypts for each device; iv_r is new. */
bool payload_seal(const void *text, size_t len, uint8_t *out, uint8_t iv_r[static PAYLOAD_IV],
		  uint8_t secret_r[static PAYLOAD_SECRET]);
/* Key transport: a random key, no text. */
void payload_empty(uint8_t iv_r[static PAYLOAD_IV], uint8_t secret_r[static PAYLOAD_SECRET]);
/* secret is 32 bytes (key, tag) or the older 16 (the tag ends `bytes`). IV of 12 or 16. `out` holds len
 * bytes. The text's length, or -1: not authentic, or sizes that are none of these. */
long payload_open(const uint8_t *bytes, size_t len, const uint8_t *iv, size_t iv_len, const uint8_t *secret,
		  size_t secret_len, uint8_t *out);
/* Text as XML may hold it: what is not UTF-8, or a character that XML 1.0 (2.2) leaves out, becomes U+FFFD.
 */
const char *payload_text(struct arena *arena, const uint8_t *bytes, size_t len);
bool payload_is_text(const char *text); /* nothing would have to be replaced */

#endif
