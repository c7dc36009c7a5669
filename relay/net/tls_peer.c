/*
 * net/tls_peer.c -- does a certificate prove that the other end is a domain? RFC 9525, RFC 6120 13.7.1.2, XEP-0178.
 *
 * The chain must end in an authority we trust and be valid now; the certificate must be one for TLS; and one of its alternative names
 * must be the domain: a dNSName (a star stands for one whole label at the left, never for part of one), an SRVName of
 * _xmpp-server, or an xmppAddr. The common name says nothing (RFC 9525 section 2). A name with a NUL in it is none (attack F5).
 * A pinned key is compared instead of all that: whoever pinned it knows whose it is, whatever the certificate around it says.
 * Authorities have stopped writing the clientAuth usage into the certificates they give to servers, so that serverAuth alone is
 * enough for a relay that calls us.
 */
#include "config.h"

#include "relay/net/tls-private.h"

#include <string.h>
#include <strings.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/jid.h"

static const char pin_prefix[] = "sha256:";

/* Of the key as SubjectPublicKeyInfo, so that it outlives the certificate's renewal (RFC 7858 4.2 does the same). */
static bool
key_is(X509 *certificate, const char *pin)
{
	uint8_t wanted[SHA256_LEN], found[SHA256_LEN];
	unsigned char *spki = NULL;
	int len;

	if (strncmp(pin, pin_prefix, sizeof pin_prefix - 1) != 0 || !hex_decode(wanted, pin + sizeof pin_prefix - 1, SHA256_LEN))
		return false;
	len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);
	if (len <= 0)
		return false;
	digest(DIGEST_SHA256, spki, (size_t)len, found);
	OPENSSL_free(spki);
	return memcmp(wanted, found, SHA256_LEN) == 0;
}

static bool
text_is(const ASN1_STRING *string, const char *text)
{
	size_t len = (size_t)ASN1_STRING_length(string);

	return len == strlen(text) && strncasecmp((const char *)ASN1_STRING_get0_data(string), text, len) == 0;
}

/* RFC 9525 6.3: the star is the whole leftmost label and stands for exactly one. */
static bool
dns_matches(const ASN1_STRING *name, const char *ascii)
{
	const char *text = (const char *)ASN1_STRING_get0_data(name), *dot = strchr(ascii, '.');
	size_t len = (size_t)ASN1_STRING_length(name);

	if (text_is(name, ascii))
		return true;
	return len > 2 && text[0] == '*' && text[1] == '.' && memchr(text + 2, '.', len - 2) != NULL && dot != NULL &&
	    strlen(dot) == len - 1 && strncasecmp(text + 1, dot, len - 1) == 0;
}

/* RFC 4985: "_xmpp-server.example.org", no star. */
static bool
srv_matches(const ASN1_STRING *name, const char *ascii)
{
	static const char service[] = "_xmpp-server.";
	const char *text = (const char *)ASN1_STRING_get0_data(name);
	size_t len = (size_t)ASN1_STRING_length(name), skip = sizeof service - 1;

	return len == skip + strlen(ascii) && strncasecmp(text, service, skip) == 0 &&
	    strncasecmp(text + skip, ascii, len - skip) == 0;
}

/* RFC 6120 13.7.1.4, no star. */
static bool
address_matches(const ASN1_STRING *name, const char *domain)
{
	const char *text = (const char *)ASN1_STRING_get0_data(name);
	size_t len = (size_t)ASN1_STRING_length(name);
	struct arena *arena;
	struct jid jid;
	bool same;

	if (len == 0 || len > JID_PART_MAX || memchr(text, '\0', len) != NULL)
		return false;
	arena = arena_new();
	same = jid_parse(arena, text, len, &jid) && jid.node == NULL && jid.resource == NULL && strcmp(jid.domain, domain) == 0;
	arena_free(&arena);
	return same;
}

static bool
other_matches(const OTHERNAME *other, const char *domain, const char *ascii)
{
	switch (OBJ_obj2nid(other->type_id)) {
	case NID_SRVName:
		return other->value->type == V_ASN1_IA5STRING && srv_matches(other->value->value.ia5string, ascii);
	case NID_XmppAddr:
		return other->value->type == V_ASN1_UTF8STRING && address_matches(other->value->value.utf8string, domain);
	default:
		return false;
	}
}

static bool
names(X509 *certificate, const char *domain)
{
	GENERAL_NAMES *list = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	char ascii[JID_PART_MAX + 1];
	bool found = false;

	for (int i = 0; jid_domain_ascii(domain, ascii) && !found && i < sk_GENERAL_NAME_num(list); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(list, i);

		if (name->type == GEN_DNS)
			found = dns_matches(name->d.dNSName, ascii);
		else if (name->type == GEN_OTHERNAME)
			found = other_matches(name->d.otherName, domain, ascii);
	}
	GENERAL_NAMES_free(list);
	return found;
}

/* Absent means any. */
static bool
is_for_tls(X509 *certificate)
{
	return (X509_get_extended_key_usage(certificate) & (XKU_SSL_SERVER | XKU_SSL_CLIENT | XKU_ANYEKU)) != 0;
}

bool
tls_peer_proves(SSL *ssl, const char *domain, const char *pin, const char **why_r)
{
	X509 *certificate = SSL_get0_peer_certificate(ssl);
	long result = SSL_get_verify_result(ssl);

	*why_r = NULL;
	if (certificate == NULL)
		*why_r = "no certificate";
	else if (pin != NULL)
		*why_r = key_is(certificate, pin) ? NULL : "its key is not the pinned one";
	else if (result != X509_V_OK)
		*why_r = X509_verify_cert_error_string(result);
	else if (!is_for_tls(certificate))
		*why_r = "the certificate is not for TLS";
	else if (!names(certificate, domain))
		*why_r = "the certificate is for other names";
	return *why_r == NULL;
}
