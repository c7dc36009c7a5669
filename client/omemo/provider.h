/*
 * provider.h -- the ratchet library's crypto provider over OpenSSL, and its context.
 */
#ifndef CLIENT_OMEMO_PROVIDER_H
#define CLIENT_OMEMO_PROVIDER_H

#include <signal_protocol.h>
#include <stdbool.h>
#include <stdint.h>

struct provider; /* algorithms fetched once, and the lock the library asks for */

/* NULL: OpenSSL lacks an algorithm (a broken installation). */
struct provider *provider_new(void);
void provider_free(struct provider **provider);
signal_context *provider_context(struct provider *provider);

enum { PROVIDER_CHAIN = 32 /* bytes of a chain key, and of HMAC-SHA-256 */ };
/* HMAC-SHA-256 of one byte under a chain key: a step of the symmetric ratchet, many times in a row. */
bool provider_chain(struct provider *provider, const uint8_t key[static PROVIDER_CHAIN], uint8_t label,
		    uint8_t out[static PROVIDER_CHAIN]);
/* AES-256-CBC with PKCS padding, as messages are encrypted. NULL: not so padded. */
signal_buffer *provider_open(struct provider *provider, const ratchet_message_keys *keys, const signal_buffer *body);

#endif
