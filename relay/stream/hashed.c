/* stream/hashed.c -- hashed tokens: see hashed.h. */
#include "config.h"

#include "relay/stream/hashed.h"

#include <assert.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/utf8.h"

enum { ROLE_LEN = 9, BOUND_MAX = 64 };

/* HMAC(token, role || channel binding), section 3.1 of the draft. */
static void
hash(const char *token, const char role[static ROLE_LEN], const uint8_t *bound, size_t bound_len, uint8_t *out)
{
	uint8_t text[ROLE_LEN + BOUND_MAX];

	assert(bound_len <= BOUND_MAX);
	memcpy(text, role, ROLE_LEN);
	if (bound_len > 0)
		memcpy(text + ROLE_LEN, bound, bound_len);
	digest_hmac(DIGEST_SHA256, token, strlen(token), text, ROLE_LEN + bound_len, out);
}

enum sasl_error
hashed_read(struct arena *arena, const char *bytes, size_t len, const char **user_r, uint8_t hash_r[static SHA256_LEN])
{
	const char *nul = len > HASHED_TEXT_MAX ? NULL : memchr(bytes, '\0', len);
	size_t user = nul == NULL ? 0 : (size_t)(nul - bytes);

	if (user == 0 || len - user - 1 != SHA256_LEN || !utf8_valid(bytes, user))
		return SASL_MALFORMED_REQUEST;
	*user_r = arena_strndup(arena, bytes, user);
	memcpy(hash_r, nul + 1, SHA256_LEN);
	return SASL_OK;
}

bool
hashed_holds(const char *token, const uint8_t got[static SHA256_LEN], const uint8_t *bound, size_t bound_len)
{
	uint8_t want[SHA256_LEN];
	bool same;

	hash(token, "Initiator", bound, bound_len, want);
	same = same_secret(want, got, sizeof want);
	cleanse(want, sizeof want);
	return same;
}

void
hashed_answer(const char *token, const uint8_t *bound, size_t bound_len, uint8_t out[static SHA256_LEN])
{
	hash(token, "Responder", bound, bound_len, out);
}
