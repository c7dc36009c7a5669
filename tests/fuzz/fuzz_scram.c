/*
 * fuzz_scram.c -- any bytes as a client's two SCRAM messages: a byte of choices, the first up to a line feed, the second. Promises:
 * nobody gets in who has no proof; what the server challenges with goes on from the client's nonce; a user's name is UTF-8 and
 * not empty. With the choice HASHED they are a hashed token's one message instead: no bytes belong to a token that nobody has.
 */
#include "config.h"

#include "fuzz.h"

#include <string.h>

#include "proto/arena.h"
#include "proto/utf8.h"
#include "relay/stream/hashed.h"
#include "relay/stream/scram-private.h"

enum { PLUS = 1, OFFERED = 2, SHA1 = 4, KNOWN = 8, HASHED = 16 };

static const struct scram_binding binding = {
	.exporter = "0123456789abcdef0123456789abcde", .exporter_len = 32,
	.end_point = "0123456789abcdef0123456789abcde", .end_point_len = 32,
};

static void
answer(struct scram *scram, const char *user, bool known, const char *text, size_t len)
{
	static const uint8_t secret[32] = "nobody's password gives these";
	struct scram_keys keys;
	const char *challenge, *final = NULL;

	PROMISE(user[0] != '\0' && utf8_valid(user, strlen(user)));
	scram_fake_keys(secret, "u", &keys);
	/* A fixed nonce, so that saved inputs can go on from it. */
	challenge = scram_challenge_as(scram, &keys, known, "SERVER", "c2FsdHNhbHRzYWx0c2FsdA==");
	PROMISE(strncmp(challenge, "r=", 2) == 0 && strstr(challenge, "SERVER,s=c2FsdHNhbHRzYWx0c2FsdA==,i=10000") != NULL);
	PROMISE(scram_final(scram, text, len, &final) != SASL_OK);
	PROMISE(final == NULL);
}

static int
hashed_token(const char *bytes, size_t len)
{
	struct arena *arena = arena_new();
	uint8_t hash[SHA256_LEN];
	const char *user = NULL;

	if (hashed_read(arena, bytes, len, &user, hash) == SASL_OK) {
		PROMISE(user[0] != '\0' && utf8_valid(user, strlen(user)) && len == strlen(user) + 1 + SHA256_LEN);
		PROMISE(!hashed_holds("nobody has this one", hash, binding.exporter, binding.exporter_len));
	}
	arena_free(&arena);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1, *feed, *user = NULL;
	struct scram *scram;
	size_t first;

	if (size < 2)
		return 0;
	if (data[0] & HASHED)
		return hashed_token(text, size - 1);
	feed = memchr(text, '\n', size - 1);
	first = feed == NULL ? size - 1 : (size_t)(feed - text);
	scram = scram_new(data[0] & SHA1 ? DIGEST_SHA1 : DIGEST_SHA256, data[0] & PLUS, data[0] & OFFERED, &binding);
	if (scram_first(scram, text, first, "familia.example", &user) == SASL_OK && feed != NULL)
		answer(scram, user, data[0] & KNOWN, feed + 1, size - 2 - first);
	scram_free(&scram);
	return 0;
}
