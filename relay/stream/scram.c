/*
 * stream/scram.c -- SCRAM on the server's side: see scram.h.
 *
 *   scram_first: client-first-message -> user      \
 *   scram_challenge: keys -> server-first-message   > in this order, each once
 *   scram_final: client-final-message -> v=        /
 *
 * An unknown user goes the whole way with steady fake keys and fails at the end, in the same time as a wrong password (attack S8).
 * Secrets are compared in constant time (S9) and cleansed. Never: PBKDF2 in an exchange (scram_keys.c); a message longer than
 * SCRAM_TEXT_MAX.
 */
#include "config.h"

#include "relay/stream/scram.h"
#include "relay/stream/scram-private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/utf8.h"

enum {
	NONCE_BYTES = 18, /* 144 random bits, 24 characters */
	NONCE_MAX = 256,  /* of the client's part */
	BINDING_MAX = 64,
};

struct scram {
	enum digest kind;
	bool plus, offered_plus;
	struct scram_binding binding;
	struct arena *arena;
	const char *gs2;   /* header, as sent: "n,," */
	const char *bare;  /* client-first-message-bare */
	const char *nonce; /* the client's part, then both */
	const char *challenge;
	const char *offered; /* NULL: no protection of that */
	const uint8_t *bound; /* what the client chose to bind to */
	size_t bound_len;
	uint8_t stored[DIGEST_MAX], server[DIGEST_MAX];
	bool known;
};

struct scram *
scram_new(enum digest kind, bool plus, bool offered_plus, const struct scram_binding *binding)
{
	struct scram *scram = xcalloc(1, sizeof *scram);

	assert(kind == DIGEST_SHA1 || kind == DIGEST_SHA256);
	scram->kind = kind;
	scram->plus = plus;
	scram->offered_plus = offered_plus;
	scram->binding = *binding;
	scram->arena = arena_new();
	return scram;
}

void
scram_free(struct scram **scram_p)
{
	struct scram *scram = *scram_p;

	if (scram == NULL)
		return;
	*scram_p = NULL;
	arena_free(&scram->arena);
	cleanse(scram, sizeof *scram);
	free(scram);
}

void
scram_offered(struct scram *scram, const char *text)
{
	scram->offered = text;
}

/* One attribute of a message: "n=value". */
struct attribute {
	char name;
	const char *value;
	size_t len;
};

/* Take the next attribute, up to its comma or the end. False: there is none, or it is not "letter=". */
static bool
next_attribute(const char **at, const char *end, struct attribute *out)
{
	const char *comma;

	if (end - *at < 2 || (*at)[1] != '=')
		return false;
	comma = memchr(*at, ',', (size_t)(end - *at));
	if (comma == NULL)
		comma = end;
	*out = (struct attribute){ .name = **at, .value = *at + 2, .len = (size_t)(comma - *at) - 2 };
	*at = comma < end ? comma + 1 : end;
	return true;
}

/* RFC 5802 5.1 saslname: "=2C" is a comma, "=3D" an equals sign, any other '=' an error. NULL: not one, or empty. */
static const char *
decode_name(struct arena *arena, const char *text, size_t len)
{
	char *out = arena_alloc(arena, len + 1);
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] != '=') {
			out[used++] = text[i];
			continue;
		}
		if (len - i < 3)
			return NULL;
		if (memcmp(text + i, "=2C", 3) == 0)
			out[used++] = ',';
		else if (memcmp(text + i, "=3D", 3) == 0)
			out[used++] = '=';
		else
			return NULL;
		i += 2;
	}
	return used == 0 ? NULL : out;
}

/* RFC 5802 7 "printable": visible ASCII; commas end the attribute before they get here. */
static bool
is_nonce(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x21 || text[i] > 0x7e)
			return false;
	return len > 0 && len <= NONCE_MAX;
}

/* gs2-cbind-flag, up to its comma. RFC 5802 6: what flag, mechanism and announcement say must fit. */
static enum sasl_error
check_flag(struct scram *scram, const char *flag, size_t len)
{
	static const char exporter[] = "p=tls-exporter", end_point[] = "p=tls-server-end-point", unique[] = "p=tls-unique";

	if (len == 1 && flag[0] == 'n')
		return scram->plus ? SASL_MALFORMED_REQUEST : SASL_OK;
	if (len == 1 && flag[0] == 'y') /* S7: it thinks we cannot, but we said we can: somebody edited our list */
		return scram->plus ? SASL_MALFORMED_REQUEST : scram->offered_plus ? SASL_NOT_AUTHORIZED : SASL_OK;
	if (!scram->plus)
		return SASL_MALFORMED_REQUEST;
	if (len == sizeof exporter - 1 && memcmp(flag, exporter, len) == 0) {
		scram->bound = scram->binding.exporter;
		scram->bound_len = scram->binding.exporter_len;
	} else if (len == sizeof end_point - 1 && memcmp(flag, end_point, len) == 0) {
		scram->bound = scram->binding.end_point;
		scram->bound_len = scram->binding.end_point_len;
	} else if (len == sizeof unique - 1 && memcmp(flag, unique, len) == 0) { /* never announced: see sasl_offer.c */
		scram->bound = scram->binding.unique;
		scram->bound_len = scram->binding.unique_len;
	}
	return scram->bound_len > 0 ? SASL_OK : SASL_MALFORMED_REQUEST;
}

/* S6: nobody opens a session for somebody else. */
static bool
is_own_address(struct arena *arena, const char *authzid, const char *user, const char *domain)
{
	struct jid wanted, own;

	return jid_parse_text(arena, authzid, &wanted) && jid_make(arena, user, domain, NULL, &own) &&
	    jid_is_bare(&wanted) && jid_equal(&wanted, &own);
}

/* The gs2 header. *authzid_r: NULL when none. */
static enum sasl_error
read_header(struct scram *scram, const char *text, const char *end, const char **authzid_r, const char **bare_r)
{
	const char *first = memchr(text, ',', (size_t)(end - text));
	const char *second = first == NULL ? NULL : memchr(first + 1, ',', (size_t)(end - first - 1));
	enum sasl_error error;

	*authzid_r = NULL;
	if (second == NULL)
		return SASL_MALFORMED_REQUEST;
	error = check_flag(scram, text, (size_t)(first - text));
	if (error != SASL_OK)
		return error;
	if (second > first + 1) {
		if (second - first < 4 || memcmp(first + 1, "a=", 2) != 0)
			return SASL_MALFORMED_REQUEST;
		*authzid_r = decode_name(scram->arena, first + 3, (size_t)(second - first - 3));
		if (*authzid_r == NULL)
			return SASL_MALFORMED_REQUEST;
	}
	scram->gs2 = arena_strndup(scram->arena, text, (size_t)(second + 1 - text));
	*bare_r = second + 1;
	return SASL_OK;
}

enum sasl_error
scram_first(struct scram *scram, const char *text, size_t len, const char *domain, const char **user_r)
{
	const char *end = text + len, *at, *authzid, *bare;
	struct attribute name, nonce, extension;
	enum sasl_error error;

	assert(scram->bare == NULL);
	if (len > SCRAM_TEXT_MAX || memchr(text, '\0', len) != NULL || !utf8_valid(text, len))
		return SASL_MALFORMED_REQUEST;
	error = read_header(scram, text, end, &authzid, &bare);
	if (error != SASL_OK)
		return error;
	at = bare;
	/* An "m=" in front is a mandatory extension that nobody has defined: refused, as RFC 5802 5.1 asks. */
	if (!next_attribute(&at, end, &name) || name.name != 'n' || !next_attribute(&at, end, &nonce) ||
	    nonce.name != 'r' || !is_nonce(nonce.value, nonce.len))
		return SASL_MALFORMED_REQUEST;
	while (at < end)
		if (!next_attribute(&at, end, &extension) || extension.name == 'm')
			return SASL_MALFORMED_REQUEST;
	*user_r = decode_name(scram->arena, name.value, name.len);
	if (*user_r == NULL)
		return SASL_MALFORMED_REQUEST;
	if (authzid != NULL && !is_own_address(scram->arena, authzid, *user_r, domain))
		return SASL_INVALID_AUTHZID;
	scram->bare = arena_strndup(scram->arena, bare, (size_t)(end - bare));
	scram->nonce = arena_strndup(scram->arena, nonce.value, nonce.len);
	return SASL_OK;
}

const char *
scram_challenge_as(struct scram *scram, const struct scram_keys *keys, bool known, const char *nonce, const char *salt)
{
	bool sha1 = scram->kind == DIGEST_SHA1;
	uint8_t hash[DIGEST_MAX];
	char encoded[DIGEST_MAX * 2];

	assert(scram->bare != NULL && scram->challenge == NULL);
	memcpy(scram->stored, sha1 ? keys->stored_sha1 : keys->stored_sha256, digest_len(scram->kind));
	memcpy(scram->server, sha1 ? keys->server_sha1 : keys->server_sha256, digest_len(scram->kind));
	scram->known = known;
	scram->nonce = arena_printf(scram->arena, "%s%s", scram->nonce, nonce);
	scram->challenge = arena_printf(scram->arena, "r=%s,s=%s,i=%u", scram->nonce, salt, (unsigned)keys->iterations);
	if (scram->offered != NULL) { /* signed with all the rest: who edits the list must know the password */
		digest(scram->kind, scram->offered, strlen(scram->offered), hash);
		base64_encode(encoded, hash, digest_len(scram->kind));
		scram->challenge = arena_printf(scram->arena, "%s,h=%s", scram->challenge, encoded);
	}
	return scram->challenge;
}

const char *
scram_challenge(struct scram *scram, const struct scram_keys *keys, bool known)
{
	uint8_t random[NONCE_BYTES];
	char nonce[NONCE_BYTES / 3 * 4 + 1], salt[(sizeof keys->salt + 2) / 3 * 4 + 1];

	random_bytes(random, sizeof random);
	base64_encode(nonce, random, sizeof random);
	base64_encode(salt, keys->salt, sizeof keys->salt);
	return scram_challenge_as(scram, keys, known, nonce, salt);
}

/* "c=": the gs2 header as it was sent and the binding's bytes. */
static bool
binding_fits(const struct scram *scram, const struct attribute *got)
{
	size_t header = strlen(scram->gs2);
	uint8_t want[SCRAM_TEXT_MAX + BINDING_MAX], bytes[SCRAM_TEXT_MAX];
	long len = base64_decode(bytes, got->value, got->len);

	memcpy(want, scram->gs2, header);
	if (scram->bound_len > 0)
		memcpy(want + header, scram->bound, scram->bound_len);
	return len >= 0 && (size_t)len == header + scram->bound_len && same_secret(bytes, want, (size_t)len);
}

/* RFC 5802 3: the proof shows the client key without telling it to who only listens. */
static bool
proof_holds(const struct scram *scram, const uint8_t *proof, const char *auth)
{
	size_t size = digest_len(scram->kind);
	uint8_t key[DIGEST_MAX], stored[DIGEST_MAX];
	bool holds;

	digest_hmac(scram->kind, scram->stored, size, auth, strlen(auth), key);
	for (size_t i = 0; i < size; i++)
		key[i] ^= proof[i];
	digest(scram->kind, key, size, stored);
	holds = same_secret(stored, scram->stored, size);
	cleanse(key, sizeof key);
	cleanse(stored, sizeof stored);
	return holds & scram->known;
}

/* Split client-final-message. The proof is the last attribute; what is before it is part of what was signed. */
static bool
read_final(const char *text, size_t len, struct attribute *binding, struct attribute *nonce, struct attribute *proof,
    size_t *without_proof_r)
{
	const char *at = text, *end = text + len, *start;

	if (!next_attribute(&at, end, binding) || binding->name != 'c' || !next_attribute(&at, end, nonce) ||
	    nonce->name != 'r')
		return false;
	do {
		start = at;
		if (!next_attribute(&at, end, proof) || proof->name == 'm')
			return false;
	} while (proof->name != 'p');
	*without_proof_r = (size_t)(start - text) - 1; /* 1: the comma */
	return at == end && end[-1] != ',';
}

enum sasl_error
scram_final(struct scram *scram, const char *text, size_t len, const char **final_r)
{
	struct attribute binding, nonce, proof;
	uint8_t bytes[SCRAM_TEXT_MAX], signature[DIGEST_MAX];
	size_t size = digest_len(scram->kind), without_proof;
	char encoded[DIGEST_MAX * 2];
	const char *auth;
	bool right;

	assert(scram->challenge != NULL);
	if (len > SCRAM_TEXT_MAX || memchr(text, '\0', len) != NULL ||
	    !read_final(text, len, &binding, &nonce, &proof, &without_proof) ||
	    base64_decode(bytes, proof.value, proof.len) != (long)size)
		return SASL_MALFORMED_REQUEST;
	auth = arena_printf(scram->arena, "%s,%s,%.*s", scram->bare, scram->challenge, (int)without_proof, text);
	/* All three are looked at whatever the first ones say. */
	right = proof_holds(scram, bytes, auth);
	right &= nonce.len == strlen(scram->nonce) && memcmp(nonce.value, scram->nonce, nonce.len) == 0;
	right &= binding_fits(scram, &binding);
	digest_hmac(scram->kind, scram->server, size, auth, strlen(auth), signature);
	base64_encode(encoded, signature, size);
	cleanse(signature, sizeof signature);
	if (!right)
		return SASL_NOT_AUTHORIZED;
	*final_r = arena_printf(scram->arena, "v=%s", encoded);
	return SASL_OK;
}
