/* link_channel.c -- channel bindings of libstrophe's TLS: see link_channel.h. */
#include "config.h"

#include "client/link_channel.h"

#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

static _Thread_local struct channel last;

struct channel
channel_last(void)
{
	return last;
}

void
channel_forget(void)
{
	last = (struct channel){ .exporter_len = 0 };
}

/* Below TLS 1.3 it is worth nothing without the extended master secret (RFC 9266 section 4). */
static void
take_exporter(SSL *ssl)
{
	static const char label[] = "EXPORTER-Channel-Binding";

	if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1)
		return;
	if (SSL_export_keying_material(ssl, last.exporter, sizeof(last.exporter), label, sizeof(label) - 1,
	        (const unsigned char *)"", 0, 1) == 1)
		last.exporter_len = sizeof(last.exporter);
}

/* RFC 5929 4.1: the hash of its signature, SHA-256 for the broken ones. */
static void
take_end_point(const SSL *ssl)
{
	X509 *certificate = SSL_get0_peer_certificate(ssl);
	uint8_t hash[EVP_MAX_MD_SIZE];
	int kind = NID_undef;
	unsigned len = 0;

	if (certificate == NULL || X509_get_signature_info(certificate, &kind, NULL, NULL, NULL) != 1 || kind == NID_undef)
		return;
	if (kind == NID_md5 || kind == NID_sha1)
		kind = NID_sha256;
	if (X509_digest(certificate, EVP_get_digestbynid(kind), hash, &len) != 1 || len > sizeof(last.end_point))
		return;
	memcpy(last.end_point, hash, len);
	last.end_point_len = len;
}

/* The program's own definition comes before the library's. */
int
SSL_connect(SSL *ssl)
{
	int (*real)(SSL *);
	void *symbol = dlsym(RTLD_NEXT, "SSL_connect");
	int outcome;

	memcpy(&real, &symbol, sizeof(real));
	outcome = real(ssl);
	if (outcome == 1) {
		channel_forget();
		take_exporter(ssl);
		take_end_point(ssl);
	}
	return outcome;
}
