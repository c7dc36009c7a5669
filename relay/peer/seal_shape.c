/*
 * peer/seal_shape.c -- the one form that a sealed part may have (proto/spec/courier.md 7).
 *
 * CMS leaves parts of an envelope unauthenticated: versions, the name of the content's type, unused bits of the sender's key. Whoever
 * turned such a bit would make another file of the same words. So each field but the five that cannot be foreseen (key, recipient,
 * wrapped key, nonce, ciphertext with its tag) is compared with what we write ourselves.
 */
#include "config.h"

#include <string.h>

#include "relay/peer/seal-private.h"

enum { ANY = 0, CONSTRUCTED = 0x20, PLACES = 4 /* bytes of a length at most */ };

/* In the order in which they come; of a constructed one only the tag is looked at here, then what is in it. */
static const struct field {
	unsigned char tag;
	size_t len;              /* of the content */
	const char *starts;      /* with these bytes */
	size_t starts_len;
} shape[] = {
#define IS(bytes) sizeof(bytes) - 1, bytes, sizeof(bytes) - 1
	{ 0x30, ANY, NULL, 0 },
	{ 0x06, IS("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17") },     /* id-ct-authEnvelopedData (RFC 5083) */
	{ 0xa0, ANY, NULL, 0 },
	{ 0x30, ANY, NULL, 0 },
	{ 0x02, IS("\0") },                                               /* version */
	{ 0x31, ANY, NULL, 0 },                                           /* recipients: one, by key agreement */
	{ 0xa1, ANY, NULL, 0 },
	{ 0x02, IS("\3") },
	{ 0xa0, ANY, NULL, 0 },
	{ 0xa1, ANY, NULL, 0 },
	{ 0x30, ANY, NULL, 0 },
	{ 0x06, IS("\x2a\x86\x48\xce\x3d\x02\x01") },                     /* id-ecPublicKey */
	{ 0x03, 66, "\0\4", 2 },                                          /* the ephemeral key, uncompressed */
	{ 0x30, ANY, NULL, 0 },
	{ 0x06, IS("\x2b\x81\x04\x01\x0b\x01") },                         /* dhSinglePass-stdDH-sha256kdf (RFC 5753) */
	{ 0x30, ANY, NULL, 0 },
	{ 0x06, IS("\x60\x86\x48\x01\x65\x03\x04\x01\x2d") },             /* id-aes256-wrap */
	{ 0x30, ANY, NULL, 0 },
	{ 0x30, ANY, NULL, 0 },
	{ 0xa0, ANY, NULL, 0 },
	{ 0x04, 20, NULL, 0 },                                            /* the recipient's key identifier */
	{ 0x04, 40, NULL, 0 },                                            /* the wrapped key */
	{ 0x30, ANY, NULL, 0 },
	{ 0x06, IS("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01") },             /* id-data */
	{ 0x30, ANY, NULL, 0 },
	{ 0x06, IS("\x60\x86\x48\x01\x65\x03\x04\x01\x2e") },             /* aes256-GCM (RFC 5084) */
	{ 0x30, ANY, NULL, 0 },
	{ 0x04, 12, NULL, 0 },                                            /* nonce */
	{ 0x02, IS("\x10") },                                             /* length of the tag */
	{ 0x80, ANY, NULL, 0 },                                           /* ciphertext */
	{ 0x04, 16, NULL, 0 },                                            /* tag */
#undef IS
};

/* The length at *at, which moves behind it; at most what is left, else false. */
static bool
take_length(const unsigned char **at, const unsigned char *end, size_t *len_r)
{
	if (*at == end)
		return false;
	size_t first = *(*at)++, places = first & 0x7f;

	*len_r = first;
	if (first >= 0x80) {
		if (places == 0 || places > PLACES || (size_t)(end - *at) < places)
			return false;
		for (*len_r = 0; places > 0; places--)
			*len_r = *len_r << 8 | *(*at)++;
	}
	return *len_r <= (size_t)(end - *at);
}

bool
seal_has_shape(const void *der, size_t der_len)
{
	const unsigned char *at = der, *end = at + der_len;

	for (const struct field *field = shape; field < shape + sizeof shape / sizeof shape[0]; field++) {
		size_t len;

		if (at == end || *at++ != field->tag || !take_length(&at, end, &len))
			return false;
		if ((field->tag & CONSTRUCTED) != 0)
			continue;
		if ((field->len != ANY && len != field->len) ||
		    (field->starts != NULL && memcmp(at, field->starts, field->starts_len) != 0))
			return false;
		at += len;
	}
	return at == end;
}
