/*
 * ctl/check_certificate.c -- the certificate as clients will see it: key, names, end, chain.
 */
#include "config.h"

#include "relay/ctl/check.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "relay/conf.h"
#include "relay/net/clock.h"
#include "relay/net/tls.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

enum { SOON = 14 /* days */ };

/* The first of the file, and the others in *rest_r; NULL: cannot be read. */
static X509 *
read_chain(const char *file, STACK_OF(X509) **rest_r)
{
	FILE *in = fopen(file, "re");
	X509 *first = in != NULL ? PEM_read_X509(in, NULL, NULL, NULL) : NULL, *next;

	*rest_r = sk_X509_new_null();
	while (first != NULL && (next = PEM_read_X509(in, NULL, NULL, NULL)) != NULL)
		sk_X509_push(*rest_r, next);
	if (in != NULL)
		fclose(in);
	return first;
}

/* As a client would that knows the system's authorities and those of `trust`. NULL: it would be content. */
static const char *
chain_trouble(X509 *certificate, STACK_OF(X509) *rest, const struct conf_list *trust)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	const char *trouble = NULL;

	X509_STORE_set_default_paths(store);
	for (size_t i = 0; i < trust->count; i++)
		X509_STORE_load_file(store, trust->items[i]);
	X509_STORE_CTX_init(ctx, store, certificate, rest);
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER);
	if (X509_verify_cert(ctx) != 1)
		trouble = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return trouble;
}

static void
check_names_and_chain(struct checking *checking, X509 *certificate, STACK_OF(X509) *rest)
{
	const struct conf *conf = checking->ctl->conf;
	const char *trouble = chain_trouble(certificate, rest, &conf->trust);

	if (X509_check_host(certificate, conf->host, 0, 0, NULL) != 1)
		check_find(checking, WRONG, "certificate", "%s is not for %s: clients will refuse it; get one for that name",
			   conf->certificate, conf->host);
	else
		check_find(checking, FINE, "certificate", "is for %s", conf->host);
	if (trouble != NULL)
		check_find(checking, WARNING, "certificate",
			   "not every client will trust it: %s; the chain of its authority belongs behind it in %s", trouble,
			   conf->certificate);
	else
		check_find(checking, FINE, "certificate", "its chain is whole");
}

void
check_certificate(struct checking *checking)
{
	const struct conf *conf = checking->ctl->conf;
	char *error = NULL;
	struct tls *tls = tls_load(conf->certificate, conf->key, &error);
	STACK_OF(X509) *rest;
	X509 *certificate;
	int64_t left;

	if (tls == NULL) {
		check_find(checking, WRONG, "certificate", "%s; see `certificate` and `key` in lazod.conf(5)", error);
		free(error);
		return;
	}
	check_find(checking, FINE, "certificate", "and its key belong together");
	left = (tls_expires(tls) - now_wall()) / DAY_MS;
	tls_unref(&tls);
	if (left < 0)
		check_find(checking, WRONG, "certificate", "has expired; get a new one and send lazod SIGHUP");
	else
		check_find(checking, left < SOON ? WARNING : FINE, "certificate", "valid for %d more days%s", (int)left,
			   left < SOON ? "; renew it and send lazod SIGHUP" : "");
	certificate = read_chain(conf->certificate, &rest);
	if (certificate != NULL)
		check_names_and_chain(checking, certificate, rest);
	X509_free(certificate);
	sk_X509_pop_free(rest, X509_free);
}
