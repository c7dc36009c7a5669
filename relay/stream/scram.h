/*
 * stream/scram.h -- SCRAM on the server's side (RFC 5802, 7677), channel binding tls-exporter (RFC 9266) and tls-server-end-point
 * (RFC 5929), and tls-unique (RFC 5929) for who asks for it unasked. Pure: no socket, no clock, no store; the caller brings keys and bindings.
 */
#ifndef RELAY_STREAM_SCRAM_H
#define RELAY_STREAM_SCRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/digest.h"
#include "proto/error.h"
#include "relay/store/txn.h"

enum { SCRAM_ITERATIONS = 10000, SCRAM_TEXT_MAX = 2048 };

struct scram;
struct scram_binding { /* what this TLS session offers; len 0: not there */
	uint8_t exporter[32], end_point[64], unique[64];
	size_t exporter_len, end_point_len, unique_len;
};

/* plus: the mechanism was SCRAM-*-PLUS. offered_plus: such mechanisms were announced (then gs2 'y' fails, S7). */
struct scram *scram_new(enum digest kind, bool plus, bool offered_plus, const struct scram_binding *binding);
void scram_free(struct scram **scram);
/* What the server has announced (XEP-0474 4.1): its hash goes into the challenge. Borrowed; without it there is none. */
void scram_offered(struct scram *scram, const char *text);
/* client-first-message. SASL_OK: *user_r (borrowed; saslprepped by the caller) wants keys. authzid must be empty or that account's own bare JID (S6). */
enum sasl_error scram_first(struct scram *scram, const char *text, size_t len, const char *domain, const char **user_r);
/* server-first-message, for these keys (real, or steady fakes for an unknown user: then known is false and the end is not-authorized). */
const char *scram_challenge(struct scram *scram, const struct scram_keys *keys, bool known);
/* client-final-message. SASL_OK: *final_r is "v=..." . */
enum sasl_error scram_final(struct scram *scram, const char *text, size_t len, const char **final_r);

/* Keys of a new password (PBKDF2: in the thread pool only). password: saslprepped UTF-8. false: not allowed by SASLprep or empty. */
bool scram_make_keys(const char *password, struct scram_keys *keys_r);
/* PLAIN against stored keys; constant time; PBKDF2: thread pool. */
bool scram_check_password(const char *password, const struct scram_keys *keys);
/* A salt that stays the same for an unknown name (S8). */
void scram_fake_keys(const uint8_t secret[static 32], const char *node, struct scram_keys *keys_r);

#endif
