/*
 * digest.c -- hashes, MACs, key stretching, random bytes, base64 and hex: see digest.h.
 *
 * What OpenSSL refuses here can only be its own want of memory or a broken installation: the process ends.
 * Spec: RFC 2104 (HMAC), RFC 8018 (PBKDF2), RFC 4648 (base64, base16).
 */
#include "config.h"

#include "proto/digest.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

static void
need(bool done, const char *what)
{
	if (!done) {
		fprintf(stderr, "cannot %s\n", what);
		_Exit(71); /* EX_OSERR, as for want of memory */
	}
}

static const EVP_MD *
md_of(enum digest kind)
{
	switch (kind) {
	case DIGEST_SHA1:
		return EVP_sha1();
	case DIGEST_SHA256:
		return EVP_sha256();
	case DIGEST_SHA512:
		return EVP_sha512();
	}
	abort();
}

size_t
digest_len(enum digest kind)
{
	return (size_t)EVP_MD_get_size(md_of(kind));
}

void
digest(enum digest kind, const void *bytes, size_t len, uint8_t *out)
{
	need(EVP_Digest(bytes, len, out, NULL, md_of(kind), NULL) == 1, "compute a hash");
}

static struct {
	pthread_once_t once;
	EVP_MAC_CTX *of[DIGEST_SHA512 + 1];
} hmac = { .once = PTHREAD_ONCE_INIT };

/* Looked up by name once: doing so for each MAC takes longer than the MAC. Kept as long as the process. */
static void
hmac_look_up(void)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	need(mac != NULL, "find HMAC");
	for (enum digest kind = DIGEST_SHA1; kind <= DIGEST_SHA512; kind++) {
		char name[16];
		snprintf(name, sizeof name, "%s", EVP_MD_get0_name(md_of(kind)));
		const OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string("digest", name, 0), OSSL_PARAM_END };

		hmac.of[kind] = EVP_MAC_CTX_new(mac);
		need(hmac.of[kind] != NULL && EVP_MAC_CTX_set_params(hmac.of[kind], params) == 1, "prepare a MAC");
	}
	EVP_MAC_free(mac);
}

void
digest_hmac(enum digest kind, const void *key, size_t key_len, const void *bytes, size_t len, uint8_t *out)
{
	pthread_once(&hmac.once, hmac_look_up);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(hmac.of[kind]);

	/* A NULL key would mean "the one before": an empty one needs an address. */
	need(ctx != NULL && EVP_MAC_init(ctx, key_len == 0 ? (const unsigned char *)"" : key, key_len, NULL) == 1 &&
	         EVP_MAC_update(ctx, bytes, len) == 1 && EVP_MAC_final(ctx, out, NULL, DIGEST_MAX) == 1,
	     "compute a MAC");
	EVP_MAC_CTX_free(ctx);
}

void
digest_pbkdf2(enum digest kind, const char *password, size_t password_len, const void *salt, size_t salt_len,
	      unsigned iterations, uint8_t *out)
{
	assert(password_len <= INT_MAX && salt_len <= INT_MAX && iterations > 0 && iterations <= INT_MAX);
	need(PKCS5_PBKDF2_HMAC(password_len == 0 ? "" : password, (int)password_len, salt, (int)salt_len,
			       (int)iterations, md_of(kind), (int)digest_len(kind), out) == 1,
	     "stretch a password");
}

bool
same_secret(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

void
random_bytes(void *out, size_t len)
{
	uint8_t *at = out;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		need(got > 0 || (got < 0 && errno == EINTR), "get random bytes");
		if (got > 0) {
			at += got;
			len -= (size_t)got;
		}
	}
}

void
random_id(char out[static ID_LEN + 1])
{
	uint8_t bytes[ID_LEN / 2];

	random_bytes(bytes, sizeof(bytes));
	hex_encode(out, bytes, sizeof(bytes));
}

size_t
base64_encoded_len(size_t len)
{
	return (len + 2) / 3 * 4;
}

void
base64_encode(char *out, const void *bytes, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *in = bytes;

	for (size_t i = 0; i < len; i += 3) {
		uint32_t group = (uint32_t)in[i] << 16;

		if (i + 1 < len)
			group |= (uint32_t)in[i + 1] << 8;
		if (i + 2 < len)
			group |= in[i + 2];
		*out++ = digits[group >> 18];
		*out++ = digits[group >> 12 & 63];
		*out++ = '=';
		*out++ = '=';
		if (i + 1 < len)
			out[-2] = digits[group >> 6 & 63];
		if (i + 2 < len)
			out[-1] = digits[group & 63];
	}
	*out = '\0';
}

/* The value of a base64 digit, or -1. */
static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

long
base64_decode(uint8_t *out, const char *text, size_t len)
{
	size_t pad = 0, done = 0;

	if (len % 4 != 0 || len > LONG_MAX)
		return -1;
	if (len > 0 && text[len - 1] == '=')
		pad = text[len - 2] == '=' ? 2 : 1;
	for (size_t i = 0; i < len; i += 4) {
		size_t absent = i + 4 == len ? pad : 0;
		uint32_t group = 0;

		for (size_t k = 0; k < 4; k++) {
			int value = k + absent >= 4 ? 0 : base64_value(text[i + k]);

			if (value < 0)
				return -1;
			group = group << 6 | (uint32_t)value;
		}
		/* RFC 4648 3.5: the bits that padding leaves over are zero, else two texts would mean the
		 * same. */
		if ((group & ((UINT32_C(1) << 8 * absent) - 1)) != 0)
			return -1;
		for (size_t k = 0; k < 3 - absent; k++)
			out[done++] = (uint8_t)(group >> (16 - 8 * k));
	}
	return (long)done;
}

void
hex_encode(char *out, const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *in = bytes;

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[in[i] >> 4];
		*out++ = digits[in[i] & 15];
	}
	*out = '\0';
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
hex_decode(uint8_t *out, const char *text, size_t out_len)
{
	for (size_t i = 0; i < out_len; i++) {
		int high = hex_value(text[2 * i]), low = high < 0 ? -1 : hex_value(text[2 * i + 1]);

		if (low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return text[2 * out_len] == '\0';
}
