/*
 * stream/scram-private.h -- what the unit tests need to replay the examples of the RFCs.
 */
#ifndef RELAY_STREAM_SCRAM_PRIVATE_H
#define RELAY_STREAM_SCRAM_PRIVATE_H

#include "relay/stream/scram.h"

/* As scram_challenge, with the server's part of the nonce and the salt's text given instead of made. */
const char *scram_challenge_as(struct scram *scram, const struct scram_keys *keys, bool known, const char *nonce,
    const char *salt);
/* The keys of a prepared password for one hash: digest_len(kind) bytes each. */
void scram_derive(enum digest kind, const char *password, const uint8_t *salt, size_t salt_len, uint32_t iterations,
    uint8_t *stored, uint8_t *server);

#endif
