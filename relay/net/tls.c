/*
 * net/tls.c -- certificates, keys and the policy of TLS: see tls.h.
 *
 * One SSL_CTX for each loaded certificate; connections count it, so that a reload leaves the old ones alone (attack T6).
 * Certificates are asked for, and authorities loaded, only for streams between relays (tls_load_peer).
 * Never: asks for a passphrase on a terminal.
 */
#include "config.h"

#include "relay/net/tls.h"
#include "relay/net/tls-private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include "proto/mem.h"
#include "relay/log.h"
#include "relay/net/clock.h"

struct tls {
	unsigned refs;
	SSL_CTX *ctx;
	int64_t expires;
	uint8_t end_point[EVP_MAX_MD_SIZE];
	size_t end_point_len;
};

/* RFC 7590, RFC 9325: forward secrecy and authenticated encryption only. Of TLS 1.3 first the one that all must have (RFC 8446
 * section 9.1): its key schedule is a row of SHA-256, which processors compute themselves, not of SHA-384. */
static const char suites[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!eNULL:!PSK:!SRP";
static const char groups[] = "X25519:P-256:P-384";

const char *
tls_reason(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = ERR_reason_error_string(code);

	ERR_clear_error();
	return code == 0 || reason == NULL ? "no reason given" : reason;
}

/* OpenSSL 3.0 looks for its algorithms when they are first wanted. If memory was short at that moment it takes them for absent as long
 * as the process lives, and no session would ever begin again. Nothing that a peer sends has a part in this. */
void
tls_must_be_whole(void)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	EVP_MD *md = EVP_MD_fetch(NULL, "SHA256", NULL);
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_KDF *schedule = EVP_KDF_fetch(NULL, "TLS13-KDF", NULL);
	EVP_KEYMGMT *key = EVP_KEYMGMT_fetch(NULL, "X25519", NULL);
	EVP_KEYEXCH *exchange = EVP_KEYEXCH_fetch(NULL, "X25519", NULL);
	EVP_SIGNATURE *signature = EVP_SIGNATURE_fetch(NULL, "ECDSA", NULL);
	EVP_RAND *random = EVP_RAND_fetch(NULL, "CTR-DRBG", NULL);
	bool whole = cipher != NULL && md != NULL && mac != NULL && schedule != NULL && key != NULL && exchange != NULL &&
	    signature != NULL && random != NULL;

	EVP_CIPHER_free(cipher);
	EVP_MD_free(md);
	EVP_MAC_free(mac);
	EVP_KDF_free(schedule);
	EVP_KEYMGMT_free(key);
	EVP_KEYEXCH_free(exchange);
	EVP_SIGNATURE_free(signature);
	EVP_RAND_free(random);
	ERR_clear_error();
	if (whole)
		return;
	log_error(NULL, "OpenSSL was out of memory when it began and has to begin anew: the relay ends");
	_Exit(71); /* EX_OSERR */
}

/* An encrypted key has no place in a daemon that must come back after a power cut by itself. */
static int
no_passphrase(char *out, int size, int writing, void *arg)
{
	(void)writing;
	(void)arg;
	if (size > 0)
		out[0] = '\0';
	return -1;
}

/* RFC 7301 3.2: pick ours, or refuse a peer that offers only others. */
static int
choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len,
    void *arg)
{
	const char *ours = SSL_get_app_data(ssl);
	size_t len = ours == NULL ? 0 : strlen(ours);

	(void)arg;
	if (ours == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	for (unsigned at = 0; at < in_len && in[at] < in_len - at; at += 1U + in[at]) {
		if (in[at] == len && memcmp(in + at + 1, ours, len) == 0) {
			*out = in + at + 1;
			*out_len = in[at];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *
new_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
	    SSL_OP_SINGLE_ECDH_USE);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1); /* a record in one read; io.c looks for what came with it */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0); /* no client of ours resumes TLS: a ticket is 250 bytes and some work each login */
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_max_early_data(ctx, 0);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
	if (SSL_CTX_set_ciphersuites(ctx, suites) != 1 || SSL_CTX_set_cipher_list(ctx, ciphers) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, groups) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

/* NULL, or what is wrong with the key file as a file. */
static char *
check_key_file(const char *key)
{
	struct stat file;

	if (stat(key, &file) != 0)
		return xasprintf("key %s: %s", key, strerror(errno));
	if (file.st_mode & S_IRWXO)
		return xasprintf("key %s: others than its owner and group may use it; chmod o= it", key);
	return NULL;
}

static char *
load_files(SSL_CTX *ctx, const char *certificate, const char *key)
{
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
		return xasprintf("certificate %s: %s", certificate, tls_reason());
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		return xasprintf("key %s: %s (a PEM key without passphrase that belongs to %s is wanted)", key,
		    tls_reason(), certificate);
	if (SSL_CTX_check_private_key(ctx) != 1)
		return xasprintf("key %s does not belong to certificate %s", key, certificate);
	return NULL;
}

/* What is asked of the certificate while running: when it ends, and its RFC 5929 hash. */
static char *
read_certificate(struct tls *tls, const char *name)
{
	X509 *certificate = SSL_CTX_get0_certificate(tls->ctx);
	struct tm end;
	int hash = NID_undef;
	unsigned len = 0;

	if (certificate == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
		return xasprintf("certificate %s: it has no readable end of validity", name);
	tls->expires = (int64_t)timegm(&end) * 1000;
	if (X509_get_signature_info(certificate, &hash, NULL, NULL, NULL) != 1 || hash == NID_undef)
		return NULL;
	if (hash == NID_md5 || hash == NID_sha1)
		hash = NID_sha256;
	if (X509_digest(certificate, EVP_get_digestbynid(hash), tls->end_point, &len) == 1)
		tls->end_point_len = len;
	return NULL;
}

static struct tls *
load(const char *certificate, const char *key, char **error_r)
{
	struct tls *tls = xcalloc(1, sizeof *tls);

	tls->refs = 1;
	*error_r = check_key_file(key);
	if (*error_r == NULL && (tls->ctx = new_context()) == NULL)
		*error_r = xasprintf("TLS cannot be set up: %s", tls_reason());
	if (*error_r == NULL)
		*error_r = load_files(tls->ctx, certificate, key);
	if (*error_r == NULL)
		*error_r = read_certificate(tls, certificate);
	if (*error_r != NULL)
		tls_unref(&tls);
	ERR_clear_error();
	return tls;
}

struct tls *
tls_load(const char *certificate, const char *key, char **error_r)
{
	return load(certificate, key, error_r);
}

/* Judged later, when it is known for whom the other end wants to speak (tls_peer.c). */
static int
judge_later(int valid, X509_STORE_CTX *chain)
{
	(void)valid;
	(void)chain;
	return 1;
}

/* Tickets would carry an old judgement of a certificate into a new session. The purpose is looked at in tls_peer.c. */
static void
ask_for_certificates(SSL_CTX *ctx)
{
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, judge_later);
	X509_VERIFY_PARAM_set_purpose(SSL_CTX_get0_param(ctx), X509_PURPOSE_ANY);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_default_verify_paths(ctx);
}

struct tls *
tls_load_peer(const char *certificate, const char *key, char *const *trust, size_t trust_count, char **error_r)
{
	struct tls *tls = load(certificate, key, error_r);

	if (tls == NULL)
		return NULL;
	ask_for_certificates(tls->ctx);
	for (size_t i = 0; i < trust_count && *error_r == NULL; i++)
		if (SSL_CTX_load_verify_file(tls->ctx, trust[i]) != 1)
			*error_r = xasprintf("trust %s: %s", trust[i], tls_reason());
	if (*error_r != NULL)
		tls_unref(&tls);
	ERR_clear_error();
	return tls;
}

struct tls *
tls_ref(struct tls *tls)
{
	tls->refs++;
	return tls;
}

void
tls_unref(struct tls **tls_p)
{
	struct tls *tls = *tls_p;

	*tls_p = NULL;
	if (tls == NULL)
		return;
	assert(tls->refs > 0);
	if (--tls->refs > 0)
		return;
	SSL_CTX_free(tls->ctx);
	free(tls);
}

int64_t
tls_expires(const struct tls *tls)
{
	return tls->expires;
}

size_t
tls_end_point(const struct tls *tls, uint8_t out[static 64])
{
	static_assert(EVP_MAX_MD_SIZE <= 64, "RFC 5929 hashes fit");
	memcpy(out, tls->end_point, tls->end_point_len);
	return tls->end_point_len;
}

/* Certificates are judged by the clock that all else goes by. */
static SSL *
new_session(struct tls *tls, int fd, const char *alpn)
{
	SSL *ssl = SSL_new(tls->ctx);

	if (ssl == NULL)
		return NULL;
	if (SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl), (time_t)(now_wall() / 1000));
	SSL_set_app_data(ssl, (char *)(uintptr_t)alpn); /* only read again, as const, in choose_alpn */
	return ssl;
}

SSL *
tls_session(struct tls *tls, int fd, const char *alpn)
{
	SSL *ssl = new_session(tls, fd, alpn);

	if (ssl != NULL)
		SSL_set_accept_state(ssl);
	return ssl;
}

SSL *
tls_client_session(struct tls *tls, int fd, const char *name, const char *alpn)
{
	SSL *ssl = new_session(tls, fd, alpn);
	unsigned char protocols[32];
	size_t len = alpn == NULL ? 0 : strlen(alpn);

	if (ssl == NULL)
		return NULL;
	assert(len < sizeof protocols);
	if (len > 0) { /* RFC 7301 3.1: each with its length */
		protocols[0] = (unsigned char)len;
		memcpy(protocols + 1, alpn, len);
		SSL_set_alpn_protos(ssl, protocols, (unsigned)len + 1);
	}
	SSL_set_tlsext_host_name(ssl, name);
	SSL_set_connect_state(ssl);
	return ssl;
}
