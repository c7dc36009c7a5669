/* link_cert.c -- pins and the reasons of a refused certificate: see link_cert.h. */
#include "config.h"

#include "client/link_cert.h"

#include <ctype.h>
#include <string.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "proto/mem.h"

bool
cert_pin_parse(const char *text, uint8_t pin_r[static SHA256_LEN])
{
	char digits[2 * SHA256_LEN + 1];
	size_t count = 0;

	if (strncmp(text, "sha256:", 7) == 0)
		text += 7;
	for (; *text != '\0'; text++) {
		if (*text == ':')
			continue;
		if (count == 2 * SHA256_LEN)
			return false;
		digits[count++] = (char)tolower((unsigned char)*text);
	}
	digits[count] = '\0';
	return count == 2 * SHA256_LEN && hex_decode(pin_r, digits, SHA256_LEN);
}

void
cert_pin_text(char out[static PIN_TEXT_LEN + 1], const uint8_t pin[static SHA256_LEN])
{
	memcpy(out, "sha256:", 7);
	hex_encode(out + 7, pin, SHA256_LEN);
}

bool
cert_pin(const char *pem, uint8_t pin_r[static SHA256_LEN])
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	uint8_t *spki = NULL;
	int len = cert != NULL ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &spki) : -1;

	if (len > 0)
		digest(DIGEST_SHA256, spki, (size_t)len, pin_r);
	OPENSSL_free(spki);
	X509_free(cert);
	BIO_free(bio);
	return len > 0;
}

enum fault
cert_fault(const char *reason)
{
	static const struct {
		long code;
		enum fault fault;
	} known[] = {
		{ X509_V_ERR_CERT_HAS_EXPIRED, FAULT_EXPIRED },
		{ X509_V_ERR_CERT_NOT_YET_VALID, FAULT_NOT_YET },
		{ X509_V_ERR_HOSTNAME_MISMATCH, FAULT_NAME },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(reason, X509_verify_cert_error_string(known[i].code)) == 0)
			return known[i].fault;
	return FAULT_UNTRUSTED;
}
