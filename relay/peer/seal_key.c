/*
 * peer/seal_key.c -- the courier keys: made, read, written, compared (proto/spec/courier.md 4): see seal.h.
 *
 * A certificate is only the form in which a public key travels. It is taken when it is self-signed by a P-256 key, may sign and
 * agree on keys, and bears as its key identifier the SHA-1 of that very key (RFC 5280 4.2.1.2 (1)): so no other key's identifier.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include "proto/digest.h"
#include "proto/mem.h"
#include "relay/peer/seal-private.h"
#include "relay/peer/seal.h"

enum { SERIAL_BITS = 120, PEM_MAX = 16384 };

/* ---- make ---- */

static bool
add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;

	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	bool added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;

	X509_EXTENSION_free(extension);
	return added;
}

/* subjectAltName: id-on-xmppAddr with the domain. */
static bool
add_domain(X509 *certificate, const char *domain)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_TYPE *value = ASN1_TYPE_new();
	ASN1_UTF8STRING *text = ASN1_UTF8STRING_new();
	bool added = names != NULL && name != NULL && value != NULL && text != NULL &&
	             ASN1_STRING_set(text, domain, -1) == 1;

	assert(added);
	ASN1_TYPE_set(value, V_ASN1_UTF8STRING, text);
	added = GENERAL_NAME_set0_othername(name, OBJ_txt2obj("1.3.6.1.5.5.7.8.5", 1), value) == 1 &&
	        sk_GENERAL_NAME_push(names, name) > 0 &&
	        X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
	GENERAL_NAMES_free(names);
	return added;
}

static bool
set_serial(X509 *certificate)
{
	BIGNUM *serial = BN_new();
	bool set = serial != NULL && BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
	           BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) != NULL;

	BN_free(serial);
	return set;
}

struct seal_key *
seal_key_make(const char *domain, int64_t now)
{
	struct seal_key *key = xcalloc(1, sizeof *key);
	X509 *certificate = X509_new();

	key->key = EVP_EC_gen("P-256");
	key->pin.certificate = certificate;
	assert(key->key != NULL && certificate != NULL);
	X509_NAME *name = X509_get_subject_name(certificate);
	bool made = X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
	            X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"Lazo courier", -1, -1, 0) == 1 &&
	            X509_set_issuer_name(certificate, name) == 1 &&
	            ASN1_TIME_set(X509_getm_notBefore(certificate), now / 1000) != NULL &&
	            ASN1_TIME_set_string(X509_getm_notAfter(certificate), "99991231235959Z") == 1 && /* RFC 5280 4.1.2.5 */
	            X509_set_pubkey(certificate, key->key) == 1 &&
	            add_extension(certificate, NID_key_usage, "critical,digitalSignature,keyAgreement") &&
	            add_extension(certificate, NID_subject_key_identifier, "hash") && add_domain(certificate, domain) &&
	            X509_sign(certificate, key->key, EVP_sha256()) > 0;

	assert(made);
	(void)made;
	return key;
}

/* ---- read and write ---- */

static bool
is_p256(EVP_PKEY *key)
{
	char group[32];

	return key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
	       EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 && strcmp(group, SN_X9_62_prime256v1) == 0;
}

/* NULL: it is a courier's. */
static const char *
why_no_courier(X509 *certificate)
{
	uint8_t id[SHA1_LEN];
	unsigned int len = sizeof id;
	EVP_PKEY *key = X509_get0_pubkey(certificate);
	const ASN1_OCTET_STRING *named = X509_get0_subject_key_id(certificate);

	if (!is_p256(key))
		return "its key is not P-256";
	if (X509_verify(certificate, key) != 1)
		return "it is not signed by its own key";
	if ((X509_get_extension_flags(certificate) & EXFLAG_KUSAGE) == 0 ||
	    (X509_get_key_usage(certificate) & (KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT)) != (KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT))
		return "it may not both sign and agree on keys";
	if (named == NULL || X509_pubkey_digest(certificate, EVP_sha1(), id, &len) != 1 ||
	    (unsigned int)ASN1_STRING_length(named) != len || memcmp(ASN1_STRING_get0_data(named), id, len) != 0)
		return "its key identifier is not that of its key";
	return NULL;
}

/* Nobody is asked for a pass phrase. */
static int
no_phrase(char *out, int size, int writing, void *arg)
{
	(void)out, (void)size, (void)writing, (void)arg;
	return -1;
}

static X509 *
read_certificate(const char *pem, size_t len, const char **error_r)
{
	if (len == 0 || len > PEM_MAX) {
		*error_r = len == 0 ? "it is empty" : "it is too large";
		return NULL;
	}
	BIO *bytes = BIO_new_mem_buf(pem, (int)len);
	X509 *certificate = PEM_read_bio_X509(bytes, NULL, no_phrase, NULL);

	BIO_free(bytes);
	ERR_clear_error();
	*error_r = certificate != NULL ? why_no_courier(certificate) : "there is no certificate in it (PEM)";
	if (*error_r == NULL)
		return certificate;
	X509_free(certificate);
	return NULL;
}

struct seal_key *
seal_key_read(const char *pem, size_t len, const char **error_r)
{
	X509 *certificate = read_certificate(pem, len, error_r);

	if (certificate == NULL)
		return NULL;
	BIO *bytes = BIO_new_mem_buf(pem, (int)len);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bytes, NULL, no_phrase, NULL);
	bool fits = key != NULL && X509_check_private_key(certificate, key) == 1;

	BIO_free(bytes);
	ERR_clear_error();
	if (!fits) {
		*error_r = key == NULL ? "there is no private key in it (PEM)" : "its private key is another one's";
		EVP_PKEY_free(key);
		X509_free(certificate);
		return NULL;
	}
	struct seal_key *read = xcalloc(1, sizeof *read);

	read->key = key;
	read->pin.certificate = certificate;
	return read;
}

static void
take_pem(BIO *bio, struct buf *pem)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);

	assert(len > 0);
	buf_add(pem, data, (size_t)len);
	OPENSSL_cleanse(data, (size_t)len);
	BIO_free(bio);
}

void
seal_key_write(const struct seal_key *key, struct buf *pem)
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool written = PEM_write_bio_PrivateKey(bio, key->key, NULL, NULL, 0, NULL, NULL) == 1;

	assert(written);
	(void)written;
	take_pem(bio, pem);
	seal_pin_write(&key->pin, pem);
}

void
seal_key_free(struct seal_key **key)
{
	if (*key != NULL) {
		EVP_PKEY_free((*key)->key); /* which cleanses it */
		X509_free((*key)->pin.certificate);
	}
	free(*key);
	*key = NULL;
}

const struct seal_pin *
seal_key_pin(const struct seal_key *key)
{
	return &key->pin;
}

struct seal_pin *
seal_pin_read(const char *pem, size_t len, const char **error_r)
{
	X509 *certificate = read_certificate(pem, len, error_r);

	if (certificate == NULL)
		return NULL;
	struct seal_pin *pin = xcalloc(1, sizeof *pin);

	pin->certificate = certificate;
	return pin;
}

struct seal_pin *
seal_pin_read_der(const void *der, size_t len, const char **error_r)
{
	const unsigned char *at = der, *end = at + len;
	X509 *certificate = len == 0 || len > PEM_MAX ? NULL : d2i_X509(NULL, &at, (long)len);

	ERR_clear_error();
	*error_r = certificate == NULL || at != end ? "it is no certificate" : why_no_courier(certificate);
	if (*error_r != NULL) {
		X509_free(certificate);
		return NULL;
	}
	struct seal_pin *pin = xcalloc(1, sizeof *pin);

	pin->certificate = certificate;
	return pin;
}

void
seal_pin_write_der(const struct seal_pin *pin, struct buf *der)
{
	unsigned char *bytes = NULL;
	int len = i2d_X509(pin->certificate, &bytes);

	assert(len > 0);
	buf_add(der, bytes, (size_t)len);
	OPENSSL_free(bytes);
}

void
seal_pin_write(const struct seal_pin *pin, struct buf *pem)
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool written = PEM_write_bio_X509(bio, pin->certificate) == 1;

	assert(written);
	(void)written;
	take_pem(bio, pem);
}

void
seal_pin_free(struct seal_pin **pin)
{
	if (*pin != NULL)
		X509_free((*pin)->certificate);
	free(*pin);
	*pin = NULL;
}

/* ---- compare ---- */

void
seal_pin_fingerprint(const struct seal_pin *pin, char out[static SEAL_FINGERPRINT_LEN + 1])
{
	uint8_t hash[SHA256_LEN];
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(pin->certificate), &der);

	assert(len > 0);
	digest(DIGEST_SHA256, der, (size_t)len, hash);
	OPENSSL_free(der);
	memcpy(out, "sha256:", 7);
	hex_encode(out + 7, hash, sizeof hash);
}

bool
seal_pin_same(const struct seal_pin *a, const struct seal_pin *b)
{
	return EVP_PKEY_eq(X509_get0_pubkey(a->certificate), X509_get0_pubkey(b->certificate)) == 1;
}

bool
seal_pin_names(const struct seal_pin *pin, const char *domain)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(pin->certificate, NID_subject_alt_name, NULL, NULL);
	ASN1_OBJECT *wanted = OBJ_txt2obj("1.3.6.1.5.5.7.8.5", 1);
	bool found = false;

	for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
		ASN1_OBJECT *kind;
		ASN1_TYPE *value;

		found = GENERAL_NAME_get0_otherName(sk_GENERAL_NAME_value(names, i), &kind, &value) == 1 &&
		        OBJ_cmp(kind, wanted) == 0 && value->type == V_ASN1_UTF8STRING &&
		        (size_t)ASN1_STRING_length(value->value.utf8string) == strlen(domain) &&
		        memcmp(ASN1_STRING_get0_data(value->value.utf8string), domain, strlen(domain)) == 0;
	}
	ASN1_OBJECT_free(wanted);
	GENERAL_NAMES_free(names);
	return found;
}
