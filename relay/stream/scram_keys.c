/*
 * stream/scram_keys.c -- from passwords to keys: see scram.h. PBKDF2 takes milliseconds: in the thread pool only.
 *
 * A password that SASLprep refuses is nobody's, and takes as long to refuse (attack S8).
 */
#include "config.h"

#include "relay/stream/scram.h"
#include "relay/stream/scram-private.h"

#include <string.h>
#include <gsasl.h>
#include "proto/mem.h"

void
scram_derive(enum digest kind, const char *password, const uint8_t *salt, size_t salt_len, uint32_t iterations,
    uint8_t *stored, uint8_t *server)
{
	size_t size = digest_len(kind);
	uint8_t salted[DIGEST_MAX], client[DIGEST_MAX];

	digest_pbkdf2(kind, password, strlen(password), salt, salt_len, iterations, salted);
	digest_hmac(kind, salted, size, "Client Key", strlen("Client Key"), client);
	digest(kind, client, size, stored);
	digest_hmac(kind, salted, size, "Server Key", strlen("Server Key"), server);
	cleanse(salted, sizeof salted);
	cleanse(client, sizeof client);
}

/* SASLprep for what is stored (RFC 5802 5.1): NULL when it is not allowed or nothing is left. gsasl_free() it. */
static char *
prepare(const char *password)
{
	char *out = NULL;

	if (gsasl_saslprep(password, 0, &out, NULL) != GSASL_OK)
		return NULL;
	if (*out != '\0')
		return out;
	gsasl_free(out);
	return NULL;
}

static void
forget(char *prepared)
{
	cleanse(prepared, strlen(prepared));
	gsasl_free(prepared);
}

bool
scram_make_keys(const char *password, struct scram_keys *keys)
{
	char *prepared = prepare(password);

	if (prepared == NULL)
		return false;
	random_bytes(keys->salt, sizeof keys->salt);
	keys->iterations = SCRAM_ITERATIONS;
	scram_derive(DIGEST_SHA1, prepared, keys->salt, sizeof keys->salt, keys->iterations, keys->stored_sha1,
	    keys->server_sha1);
	scram_derive(DIGEST_SHA256, prepared, keys->salt, sizeof keys->salt, keys->iterations, keys->stored_sha256,
	    keys->server_sha256);
	forget(prepared);
	return true;
}

bool
scram_check_password(const char *password, const struct scram_keys *keys)
{
	char *prepared = prepare(password);
	uint8_t stored[SHA256_LEN], server[SHA256_LEN];
	bool same;

	/* What SASLprep refuses can be nobody's password, but takes as long to refuse. */
	scram_derive(DIGEST_SHA256, prepared == NULL ? "" : prepared, keys->salt, sizeof keys->salt, keys->iterations,
	    stored, server);
	same = same_secret(stored, keys->stored_sha256, sizeof stored);
	if (prepared != NULL)
		forget(prepared);
	else
		same = false;
	cleanse(stored, sizeof stored);
	cleanse(server, sizeof server);
	return same;
}

void
scram_fake_keys(const uint8_t secret[static 32], const char *node, struct scram_keys *keys)
{
	uint8_t bytes[DIGEST_MAX], more[DIGEST_MAX];

	digest_hmac(DIGEST_SHA256, secret, 32, node, strlen(node), bytes);
	digest_hmac(DIGEST_SHA512, secret, 32, bytes, SHA256_LEN, more); /* keys that belong to no password */
	memcpy(keys->salt, bytes, sizeof keys->salt);
	keys->iterations = SCRAM_ITERATIONS;
	memcpy(keys->stored_sha1, more, sizeof keys->stored_sha1);
	memcpy(keys->server_sha1, more + 20, sizeof keys->server_sha1);
	memcpy(keys->stored_sha256, more, sizeof keys->stored_sha256);
	memcpy(keys->server_sha256, more + 32, sizeof keys->server_sha256);
}
