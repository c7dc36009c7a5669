/*
 * provider.c -- HMAC-SHA-256, SHA-512, AES-CBC, AES-CTR and random bytes for libsignal-protocol-c, by
 * OpenSSL 3.
 *
 * Algorithms are fetched once: an implicit fetch at each message would cost more than the cipher. The lock is
 * recursive, as signal_context_set_locking_functions demands. The library's own log is dropped: it may hold
 * key material, and what went wrong comes back as its result.
 */
#include "config.h"
#include "client/omemo/provider.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>
#include "proto/digest.h"
#include "proto/mem.h"

enum { CIPHERS = 4, SHA512_LEN = 64, BLOCK_LEN = 16 };

struct provider {
	signal_context *context;
	EVP_MAC *hmac;
	EVP_MAC_CTX *chain; /* HMAC-SHA-256, for provider_chain() */
	EVP_MD *sha512;
	EVP_CIPHER *ciphers[CIPHERS]; /* by cipher_index() */
	pthread_mutex_t lock;
};

static char hmac_digest[] = "SHA256"; /* OSSL_PARAM takes no const */
static const OSSL_PARAM hmac_settings[] = {
	OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, hmac_digest, sizeof hmac_digest - 1),
	OSSL_PARAM_END,
};

static int
provider_random(uint8_t *data, size_t len, void *user_data)
{
	(void)user_data;
	random_bytes(data, len);
	return SG_SUCCESS;
}

static int
hmac_init(void **hmac_context, const uint8_t *key, size_t key_len, void *user_data)
{
	struct provider *provider = user_data;
	EVP_MAC_CTX *mac = EVP_MAC_CTX_new(provider->hmac);
	if (!mac)
		return SG_ERR_NOMEM;
	if (EVP_MAC_init(mac, key, key_len, hmac_settings) != 1) {
		EVP_MAC_CTX_free(mac);
		return SG_ERR_UNKNOWN;
	}
	*hmac_context = mac;
	return SG_SUCCESS;
}

static int
hmac_update(void *hmac_context, const uint8_t *data, size_t data_len, void *user_data)
{
	(void)user_data;
	return EVP_MAC_update(hmac_context, data, data_len) == 1 ? SG_SUCCESS : SG_ERR_UNKNOWN;
}

static int
hmac_final(void *hmac_context, signal_buffer **output, void *user_data)
{
	(void)user_data;
	uint8_t mac[SHA256_LEN];
	size_t len = 0;
	if (EVP_MAC_final(hmac_context, mac, &len, sizeof mac) != 1)
		return SG_ERR_UNKNOWN;
	*output = signal_buffer_create(mac, len);
	cleanse(mac, sizeof mac);
	return *output ? SG_SUCCESS : SG_ERR_NOMEM;
}

static void
hmac_cleanup(void *hmac_context, void *user_data)
{
	(void)user_data;
	EVP_MAC_CTX_free(hmac_context);
}

static int
sha512_init(void **digest_context, void *user_data)
{
	struct provider *provider = user_data;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	if (!md)
		return SG_ERR_NOMEM;
	if (EVP_DigestInit_ex2(md, provider->sha512, NULL) != 1) {
		EVP_MD_CTX_free(md);
		return SG_ERR_UNKNOWN;
	}
	*digest_context = md;
	return SG_SUCCESS;
}

static int
sha512_update(void *digest_context, const uint8_t *data, size_t data_len, void *user_data)
{
	(void)user_data;
	return EVP_DigestUpdate(digest_context, data, data_len) == 1 ? SG_SUCCESS : SG_ERR_UNKNOWN;
}

/* The library goes on using the context: it must be as new (signal_protocol.h, sha512_digest_final_func). */
static int
sha512_final(void *digest_context, signal_buffer **output, void *user_data)
{
	struct provider *provider = user_data;
	uint8_t hash[SHA512_LEN];
	unsigned len = 0;
	if (EVP_DigestFinal_ex(digest_context, hash, &len) != 1 ||
	    EVP_DigestInit_ex2(digest_context, provider->sha512, NULL) != 1)
		return SG_ERR_UNKNOWN;
	*output = signal_buffer_create(hash, len);
	cleanse(hash, sizeof hash);
	return *output ? SG_SUCCESS : SG_ERR_NOMEM;
}

static void
sha512_cleanup(void *digest_context, void *user_data)
{
	(void)user_data;
	EVP_MD_CTX_free(digest_context);
}

/* 0..3, or -1: not a cipher that the protocol uses. */
static int
cipher_index(int cipher, size_t key_len)
{
	if (key_len != 16 && key_len != 32)
		return -1;
	if (cipher != SG_CIPHER_AES_CBC_PKCS5 && cipher != SG_CIPHER_AES_CTR_NOPADDING)
		return -1;
	return (cipher == SG_CIPHER_AES_CTR_NOPADDING ? 2 : 0) + (key_len == 32);
}

/* Either direction: encrypting is 1 or 0, as EVP_CipherInit_ex2 has it. */
static int
cipher_run(struct provider *provider, signal_buffer **output, int encrypting, int cipher, const uint8_t *key,
	   size_t key_len, const uint8_t *iv, size_t iv_len, const uint8_t *in, size_t in_len)
{
	int index = cipher_index(cipher, key_len);
	if (index < 0 || iv_len != BLOCK_LEN || in_len > INT_MAX - BLOCK_LEN)
		return SG_ERR_INVAL;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t *out = xmalloc(in_len + BLOCK_LEN);
	int done = 0, rest = 0;
	int result = SG_ERR_UNKNOWN;
	if (ctx && EVP_CipherInit_ex2(ctx, provider->ciphers[index], key, iv, encrypting, NULL) == 1 &&
	    EVP_CIPHER_CTX_set_padding(ctx, cipher == SG_CIPHER_AES_CBC_PKCS5) == 1 &&
	    EVP_CipherUpdate(ctx, out, &done, in, (int)in_len) == 1 &&
	    EVP_CipherFinal_ex(ctx, out + done, &rest) == 1) {
		*output = signal_buffer_create(out, (size_t)done + (size_t)rest);
		result = *output ? SG_SUCCESS : SG_ERR_NOMEM;
	}
	cleanse(out, in_len + BLOCK_LEN);
	free(out);
	EVP_CIPHER_CTX_free(ctx);
	return result;
}

static int
provider_encrypt(signal_buffer **output, int cipher, const uint8_t *key, size_t key_len, const uint8_t *iv,
		 size_t iv_len, const uint8_t *plaintext, size_t plaintext_len, void *user_data)
{
	return cipher_run(user_data, output, 1, cipher, key, key_len, iv, iv_len, plaintext, plaintext_len);
}

static int
provider_decrypt(signal_buffer **output, int cipher, const uint8_t *key, size_t key_len, const uint8_t *iv,
		 size_t iv_len, const uint8_t *ciphertext, size_t ciphertext_len, void *user_data)
{
	return cipher_run(user_data, output, 0, cipher, key, key_len, iv, iv_len, ciphertext, ciphertext_len);
}

static void
provider_lock(void *user_data)
{
	pthread_mutex_lock(&((struct provider *)user_data)->lock);
}

static void
provider_unlock(void *user_data)
{
	pthread_mutex_unlock(&((struct provider *)user_data)->lock);
}

static void
provider_log(int level, const char *message, size_t len, void *user_data)
{
	(void)level;
	(void)message;
	(void)len;
	(void)user_data;
}

static void
lock_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t kind;
	pthread_mutexattr_init(&kind);
	pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(lock, &kind);
	pthread_mutexattr_destroy(&kind);
}

static bool
algorithms_fetch(struct provider *provider)
{
	static const char *const names[CIPHERS] = { "AES-128-CBC", "AES-256-CBC", "AES-128-CTR",
						    "AES-256-CTR" };
	bool all = true;
	for (int i = 0; i < CIPHERS; i++) {
		provider->ciphers[i] = EVP_CIPHER_fetch(NULL, names[i], NULL);
		all = all && provider->ciphers[i];
	}
	provider->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	provider->chain = provider->hmac ? EVP_MAC_CTX_new(provider->hmac) : NULL;
	provider->sha512 = EVP_MD_fetch(NULL, "SHA512", NULL);
	return all && provider->chain && EVP_MAC_CTX_set_params(provider->chain, hmac_settings) == 1 &&
	       provider->sha512;
}

struct provider *
provider_new(void)
{
	struct provider *provider = xcalloc(1, sizeof *provider);
	const signal_crypto_provider functions = {
		.random_func = provider_random,
		.hmac_sha256_init_func = hmac_init,
		.hmac_sha256_update_func = hmac_update,
		.hmac_sha256_final_func = hmac_final,
		.hmac_sha256_cleanup_func = hmac_cleanup,
		.sha512_digest_init_func = sha512_init,
		.sha512_digest_update_func = sha512_update,
		.sha512_digest_final_func = sha512_final,
		.sha512_digest_cleanup_func = sha512_cleanup,
		.encrypt_func = provider_encrypt,
		.decrypt_func = provider_decrypt,
		.user_data = provider,
	};
	lock_init(&provider->lock);
	if (!algorithms_fetch(provider) ||
	    signal_context_create(&provider->context, provider) != SG_SUCCESS ||
	    signal_context_set_crypto_provider(provider->context, &functions) != SG_SUCCESS ||
	    signal_context_set_locking_functions(provider->context, provider_lock, provider_unlock) !=
		SG_SUCCESS ||
	    signal_context_set_log_function(provider->context, provider_log) != SG_SUCCESS)
		provider_free(&provider);
	return provider;
}

void
provider_free(struct provider **provider)
{
	if (!*provider)
		return;
	if ((*provider)->context)
		signal_context_destroy((*provider)->context);
	for (int i = 0; i < CIPHERS; i++)
		EVP_CIPHER_free((*provider)->ciphers[i]);
	EVP_MAC_CTX_free((*provider)->chain);
	EVP_MAC_free((*provider)->hmac);
	EVP_MD_free((*provider)->sha512);
	pthread_mutex_destroy(&(*provider)->lock);
	free(*provider);
	*provider = NULL;
}

signal_context *
provider_context(struct provider *provider)
{
	return provider->context;
}

bool
provider_chain(struct provider *provider, const uint8_t key[static PROVIDER_CHAIN], uint8_t label,
	       uint8_t out[static PROVIDER_CHAIN])
{
	size_t len = 0;
	return EVP_MAC_init(provider->chain, key, PROVIDER_CHAIN, NULL) == 1 &&
	       EVP_MAC_update(provider->chain, &label, 1) == 1 &&
	       EVP_MAC_final(provider->chain, out, &len, PROVIDER_CHAIN) == 1 && len == PROVIDER_CHAIN;
}

signal_buffer *
provider_open(struct provider *provider, const ratchet_message_keys *keys, const signal_buffer *body)
{
	signal_buffer *plain = NULL;
	cipher_run(provider, &plain, 0, SG_CIPHER_AES_CBC_PKCS5, keys->cipher_key, sizeof keys->cipher_key,
		   keys->iv, sizeof keys->iv, signal_buffer_const_data(body), signal_buffer_len(body));
	return plain;
}
