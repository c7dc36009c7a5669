/*
 * digest.h -- hashes, MACs, key stretching, random bytes, base64 and hex, over OpenSSL.
 *
 * All sizes are bytes. Comparisons of secrets go through same_secret(), which takes the same time whatever differs.
 */
#ifndef PROTO_DIGEST_H
#define PROTO_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHA1_LEN = 20, SHA256_LEN = 32, DIGEST_MAX = 64, ID_LEN = 32 /* hex digits of 128 bits */ };
enum digest { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512 };

size_t digest_len(enum digest kind);
void digest(enum digest kind, const void *bytes, size_t len, uint8_t *out); /* digest_len(kind) bytes */
void digest_hmac(enum digest kind, const void *key, size_t key_len, const void *bytes, size_t len, uint8_t *out);
void digest_pbkdf2(enum digest kind, const char *password, size_t password_len, const void *salt, size_t salt_len,
    unsigned iterations, uint8_t *out);
bool same_secret(const void *a, const void *b, size_t len);

void random_bytes(void *out, size_t len);  /* from the kernel; dies when there are none */
void random_id(char out[static ID_LEN + 1]); /* 128 random bits as hex, NUL-terminated: ids of stanzas, streams, tokens */

size_t base64_encoded_len(size_t len);                       /* without NUL */
void base64_encode(char *out, const void *bytes, size_t len); /* adds NUL */
/* Strict RFC 4648: no white space, right padding. Returns the length, or -1. `out` holds at least len / 4 * 3 bytes. */
long base64_decode(uint8_t *out, const char *text, size_t len);
void hex_encode(char *out, const void *bytes, size_t len); /* lower case, adds NUL */
bool hex_decode(uint8_t *out, const char *text, size_t out_len); /* exactly 2 * out_len digits, then NUL */

#endif
