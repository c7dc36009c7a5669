/*
 * stream/hashed.h -- the SASL mechanisms HT-SHA-256-* on the server's side (draft-schmaus-kitten-sasl-ht-09, used by XEP-0484): a
 * client shows by one hash that it knows a token. Pure: no socket, no clock, no store.
 */
#ifndef RELAY_STREAM_HASHED_H
#define RELAY_STREAM_HASHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/digest.h"
#include "proto/error.h"

struct arena;

enum { HASHED_TEXT_MAX = 2048 };

/* initiator-msg: user, NUL, hash. SASL_OK: *user_r (arena; to be prepared by the caller) and its hash. */
enum sasl_error hashed_read(struct arena *arena, const char *bytes, size_t len, const char **user_r,
    uint8_t hash_r[static SHA256_LEN]);
/* Whether that is the hash of this token on this channel; constant time. bound_len 0: no channel binding. */
bool hashed_holds(const char *token, const uint8_t hash[static SHA256_LEN], const uint8_t *bound, size_t bound_len);
/* responder-msg: shows that we know the token too. */
void hashed_answer(const char *token, const uint8_t *bound, size_t bound_len, uint8_t out[static SHA256_LEN]);

#endif
