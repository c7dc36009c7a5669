/*
 * peer/seal.c -- sealing and opening (proto/spec/courier.md 7): see seal.h. The keys are in seal_key.c.
 *
 * OpenSSL's default derives the wrapping key with SHA-1; we say SHA-256. What comes must be DER as we would write it (seal_shape.c
 * compares the fields that no tag covers), so that nobody on the way can make a second file of the same words.
 * DIAGNOSTICS: asserts that sealing works: it needs memory and randomness and nothing else.
 */
#include "config.h"

#include "relay/peer/seal.h"

#include <assert.h>
#include <limits.h>
#include <string.h>
#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include "proto/mem.h"
#include "relay/peer/seal-private.h"

enum {
	SIGN = CMS_BINARY | CMS_NOCERTS | CMS_USE_KEYID | CMS_NOSMIMECAP | CMS_PARTIAL,
	VERIFY = CMS_BINARY | CMS_NOINTERN | CMS_NO_SIGNER_CERT_VERIFY | CMS_NOCRL,
	ENVELOPE = CMS_BINARY | CMS_USE_KEYID | CMS_PARTIAL,
};

/* ---- seal ---- */

static void
add_der(CMS_ContentInfo *cms, struct buf *out)
{
	unsigned char *der = NULL;
	int len = i2d_CMS_ContentInfo(cms, &der);

	assert(len > 0);
	buf_add(out, der, (size_t)len);
	OPENSSL_cleanse(der, (size_t)len);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
}

static void
add_signed(const struct seal_key *from, const void *plain, size_t len, struct buf *out)
{
	BIO *bytes = BIO_new_mem_buf(plain, (int)len);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, SIGN);
	CMS_SignerInfo *signer = CMS_add1_signer(cms, from->pin.certificate, from->key, EVP_sha256(), SIGN);
	int done = signer != NULL && CMS_final(cms, bytes, NULL, SIGN & ~CMS_PARTIAL);

	assert(done == 1);
	(void)done;
	BIO_free(bytes);
	add_der(cms, out);
}

void
seal(const struct seal_key *from, const struct seal_pin *to, const void *plain, size_t len, struct buf *sealed)
{
	struct buf inner = { 0 };

	assert(len < INT_MAX / 2);
	add_signed(from, plain, len, &inner);
	BIO *bytes = BIO_new_mem_buf(inner.data, (int)inner.len);
	CMS_ContentInfo *cms = CMS_AuthEnvelopedData_create(EVP_aes_256_gcm());
	int attached = CMS_set_detached(cms, 0);
	CMS_RecipientInfo *recipient = CMS_add1_recipient_cert(cms, to->certificate, ENVELOPE);
	EVP_PKEY_CTX *agreement = recipient != NULL ? CMS_RecipientInfo_get0_pkey_ctx(recipient) : NULL;
	int done = attached == 1 && agreement != NULL && EVP_PKEY_CTX_set_ecdh_kdf_md(agreement, EVP_sha256()) > 0 &&
	           CMS_final(cms, bytes, NULL, ENVELOPE & ~CMS_PARTIAL);

	assert(done == 1);
	(void)done;
	BIO_free(bytes);
	add_der(cms, sealed);
	cleanse(inner.data, inner.len);
	buf_free(&inner);
}

/* ---- open ---- */

/* Of this type, all of the bytes, and in the form in which we would write it. NULL: not. */
static CMS_ContentInfo *
read_der(const void *bytes, size_t len, int type)
{
	const unsigned char *at = bytes;

	if (len == 0 || len > LONG_MAX)
		return NULL;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)len);

	if (cms == NULL)
		return NULL;
	unsigned char *again = NULL;
	int again_len = i2d_CMS_ContentInfo(cms, &again);
	bool same = again_len >= 0 && (size_t)again_len == len && memcmp(again, bytes, len) == 0 &&
	            OBJ_obj2nid(CMS_get0_type(cms)) == type;

	OPENSSL_free(again);
	if (same)
		return cms;
	CMS_ContentInfo_free(cms);
	return NULL;
}

/* The one recipient's entry; NULL: not exactly one, or none by key agreement. */
static CMS_RecipientEncryptedKey *
only_recipient(CMS_ContentInfo *cms)
{
	STACK_OF(CMS_RecipientInfo) *all = CMS_get0_RecipientInfos(cms);

	if (sk_CMS_RecipientInfo_num(all) != 1)
		return NULL;
	CMS_RecipientInfo *one = sk_CMS_RecipientInfo_value(all, 0);

	if (CMS_RecipientInfo_type(one) != CMS_RECIPINFO_AGREE)
		return NULL;
	STACK_OF(CMS_RecipientEncryptedKey) *keys = CMS_RecipientInfo_kari_get0_reks(one);

	return sk_CMS_RecipientEncryptedKey_num(keys) == 1 ? sk_CMS_RecipientEncryptedKey_value(keys, 0) : NULL;
}

/* What was written to `bio` so far, into `out`. */
static void
take_written(BIO *bio, struct buf *out)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);

	if (len > 0) {
		buf_add(out, data, (size_t)len);
		OPENSSL_cleanse(data, (size_t)len);
	}
	BIO_free(bio);
}

static enum seal_outcome
open_envelope(struct seal_key *const *keys, size_t count, const void *sealed, size_t len, struct buf *inner)
{
	CMS_ContentInfo *cms = seal_has_shape(sealed, len) ? read_der(sealed, len, NID_id_smime_ct_authEnvelopedData) : NULL;
	CMS_RecipientEncryptedKey *recipient = cms != NULL ? only_recipient(cms) : NULL;
	enum seal_outcome outcome = recipient == NULL ? SEAL_FORGED : SEAL_OTHERS;

	for (size_t i = 0; recipient != NULL && i < count; i++) {
		if (CMS_RecipientEncryptedKey_cert_cmp(recipient, keys[i]->pin.certificate) != 0)
			continue;
		BIO *out = BIO_new(BIO_s_mem());
		bool opened = CMS_decrypt(cms, keys[i]->key, keys[i]->pin.certificate, NULL, out, CMS_BINARY) == 1;

		outcome = opened ? SEAL_OPENED : SEAL_FORGED;
		take_written(out, inner);
		break;
	}
	CMS_ContentInfo_free(cms);
	return outcome;
}

/* Which pin the signer is; pin_count: none of them. */
static size_t
signer_of(CMS_SignerInfo *signer, struct seal_pin *const *pins, size_t pin_count)
{
	size_t i = 0;

	while (i < pin_count && CMS_SignerInfo_cert_cmp(signer, pins[i]->certificate) != 0)
		i++;
	return i;
}

/* SHA-256 and nothing else, over attributes that say what was signed. */
static bool
is_signed_as_ours(CMS_SignerInfo *signer)
{
	X509_ALGOR *digest = NULL;

	CMS_SignerInfo_get0_algs(signer, NULL, NULL, &digest, NULL);
	return digest != NULL && OBJ_obj2nid(digest->algorithm) == NID_sha256 && CMS_signed_get_attr_count(signer) > 0 &&
	       CMS_unsigned_get_attr_count(signer) <= 0;
}

static enum seal_outcome
open_signed(struct seal_pin *const *pins, size_t pin_count, const struct buf *inner, struct buf *plain, size_t *signer_r)
{
	CMS_ContentInfo *cms = read_der(inner->data, inner->len, NID_pkcs7_signed);
	STACK_OF(CMS_SignerInfo) *signers = cms != NULL ? CMS_get0_SignerInfos(cms) : NULL;
	enum seal_outcome outcome = SEAL_FORGED;

	if (sk_CMS_SignerInfo_num(signers) == 1 && is_signed_as_ours(sk_CMS_SignerInfo_value(signers, 0))) {
		*signer_r = signer_of(sk_CMS_SignerInfo_value(signers, 0), pins, pin_count);
		outcome = SEAL_UNKNOWN;
	}
	if (outcome == SEAL_UNKNOWN && *signer_r < pin_count) {
		STACK_OF(X509) *only = sk_X509_new_null();
		BIO *out = BIO_new(BIO_s_mem());
		bool holds = sk_X509_push(only, pins[*signer_r]->certificate) > 0 &&
		             CMS_verify(cms, only, NULL, NULL, out, VERIFY) == 1;

		outcome = holds ? SEAL_OPENED : SEAL_FORGED;
		if (holds)
			take_written(out, plain);
		else
			BIO_free(out);
		sk_X509_free(only);
	}
	CMS_ContentInfo_free(cms);
	return outcome;
}

enum seal_outcome
seal_open(struct seal_key *const *keys, size_t key_count, struct seal_pin *const *pins, size_t pin_count, const void *sealed,
    size_t len, struct buf *plain, size_t *signer_r)
{
	struct buf inner = { 0 };
	enum seal_outcome outcome = open_envelope(keys, key_count, sealed, len, &inner);

	if (outcome == SEAL_OPENED)
		outcome = open_signed(pins, pin_count, &inner, plain, signer_r);
	if (inner.len > 0)
		cleanse(inner.data, inner.len);
	buf_free(&inner);
	ERR_clear_error();
	return outcome;
}
