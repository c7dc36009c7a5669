/*
 * payload.c -- seal and open a message body with AES-128-GCM, and make sure that what comes out is text.
 *
 * DIAGNOSTICS: a body that does not authenticate is never returned in part.
 */
#include "config.h"
#include "client/omemo/payload.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/mem.h"

/* Either direction; the tag is made or checked. */
static bool
gcm_run(int encrypting, const uint8_t *key, const uint8_t *iv, size_t iv_len, const void *in, size_t len,
	uint8_t *out, uint8_t *tag)
{
	int done = 0, rest = 0;
	if (len > INT_MAX)
		return false;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool good = ctx && EVP_CipherInit_ex(ctx, EVP_aes_128_gcm(), NULL, NULL, NULL, encrypting) == 1 &&
		    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)iv_len, NULL) == 1 &&
		    EVP_CipherInit_ex(ctx, NULL, NULL, key, iv, encrypting) == 1 &&
		    EVP_CipherUpdate(ctx, out, &done, in, (int)len) == 1 &&
		    (encrypting || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, PAYLOAD_TAG, tag) == 1) &&
		    EVP_CipherFinal_ex(ctx, out + done, &rest) == 1 &&
		    (!encrypting || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, PAYLOAD_TAG, tag) == 1);
	EVP_CIPHER_CTX_free(ctx);
	return good;
}

bool
payload_seal(const void *text, size_t len, uint8_t *out, uint8_t iv_r[static PAYLOAD_IV],
	     uint8_t secret_r[static PAYLOAD_SECRET])
{
	payload_empty(iv_r, secret_r);
	return gcm_run(1, secret_r, iv_r, PAYLOAD_IV, text, len, out, secret_r + PAYLOAD_KEY);
}

void
payload_empty(uint8_t iv_r[static PAYLOAD_IV], uint8_t secret_r[static PAYLOAD_SECRET])
{
	random_bytes(secret_r, PAYLOAD_KEY);
	memset(secret_r + PAYLOAD_KEY, 0, PAYLOAD_TAG);
	random_bytes(iv_r, PAYLOAD_IV);
}

long
payload_open(const uint8_t *bytes, size_t len, const uint8_t *iv, size_t iv_len, const uint8_t *secret,
	     size_t secret_len, uint8_t *out)
{
	uint8_t tag[PAYLOAD_TAG];
	if (iv_len != PAYLOAD_IV && iv_len != PAYLOAD_IV_OLD)
		return -1;
	if (secret_len == PAYLOAD_SECRET) {
		memcpy(tag, secret + PAYLOAD_KEY, PAYLOAD_TAG);
	} else if (secret_len == PAYLOAD_KEY && len >= PAYLOAD_TAG) {
		len -= PAYLOAD_TAG;
		memcpy(tag, bytes + len, PAYLOAD_TAG);
	} else {
		return -1;
	}
	if (gcm_run(0, secret, iv, iv_len, bytes, len, out, tag))
		return (long)len;
	cleanse(out, len);
	return -1;
}

/* Bytes of the character at `bytes` that XML 1.0 allows (2.2 Char, UTF-8 of RFC 3629), 0: not one. */
static size_t
character_len(const uint8_t *bytes, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c = bytes[0];
	size_t size = c < 0x80                ? 1
		      : c >= 0xc2 && c < 0xe0 ? 2
		      : c >= 0xe0 && c < 0xf0 ? 3
		      : c >= 0xf0 && c < 0xf5 ? 4
					      : 0;
	if (size == 0 || size > len)
		return 0;
	if (size == 1)
		return c >= 0x20 || c == '\t' || c == '\n' || c == '\r';
	c &= 0x7fu >> size;
	for (size_t i = 1; i < size; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (bytes[i] & 0x3f);
	}
	if (c < least[size] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || c == 0xfffe || c == 0xffff)
		return 0;
	return size;
}

const char *
payload_text(struct arena *arena, const uint8_t *bytes, size_t len)
{
	char *text = arena_alloc(arena, len * 3 + 1); /* U+FFFD is three bytes for one */
	size_t filled = 0;
	for (size_t at = 0; at < len;) {
		size_t size = character_len(bytes + at, len - at);
		memcpy(text + filled, size ? (const void *)(bytes + at) : "\xef\xbf\xbd", size ? size : 3);
		filled += size ? size : 3;
		at += size ? size : 1;
	}
	return text;
}

bool
payload_is_text(const char *text)
{
	size_t len = strlen(text);
	for (size_t at = 0, size; at < len; at += size) {
		size = character_len((const uint8_t *)text + at, len - at);
		if (size == 0)
			return false;
	}
	return true;
}
