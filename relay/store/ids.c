/*
 * ids.c -- message ids, and what is made under the database's secret: stanza-ids and secrets for other
 * purposes.
 *
 * Ids are taken from the database in blocks, durably, before the first of a block is handed out: a crash
 * loses what was left of a block and repeats nothing. The next block is asked for when half of one is used;
 * were it never to come (a full disk), ids run on and OP_MESSAGE raises the database's mark (ops.c).
 *
 * A stanza-id (XEP-0359) is one AES-128 block: 8 bytes of id, 8 of zeros, under a key derived from the
 * secret. It tells nothing of how many messages there are, needs no index, and one that is not ours does not
 * decrypt to the zeros (1 in 2^64).
 */
#include "config.h"

#include <assert.h>
#include <string.h>
#include <openssl/evp.h>
#include "proto/digest.h"
#include "proto/mem.h"
#include "relay/store/store-private.h"

enum { IDS_BLOCK = 1 << 16, AES_LEN = 16 };

static void
install_spare(struct ids *ids)
{
	/* Ids that ran on past the end may have eaten into it. */
	if (ids->next < ids->spare)
		ids->next = ids->spare;
	ids->end = ids->spare_end;
	ids->spare = ids->spare_end = 0;
}

static void
block_taken(void *arg, enum txn_result result)
{
	struct ids *ids = arg;

	if (result == TXN_COMMITTED) {
		ids->spare_end = ids->asking->number;
		ids->spare = ids->spare_end - IDS_BLOCK;
	}
	ids->asking = NULL;
}

static void
ask_for_block(struct store *store)
{
	struct txn *txn = txn_new(store);

	txn_add(txn, &(struct op){ .kind = (enum op_kind)OP_IDS, .id = IDS_BLOCK });
	store->ids.asking = txn->first;
	txn_submit(&txn, block_taken, &store->ids);
}

int64_t
store_next_id(struct store *store)
{
	struct ids *ids = &store->ids;

	if (ids->end - ids->next < IDS_BLOCK / 2 && ids->spare == 0 && ids->asking == NULL)
		ask_for_block(store);
	if (ids->next >= ids->end && ids->spare != 0)
		install_spare(ids);
	return ids->next++;
}

static void *
cipher(const uint8_t *key, int encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (ctx == NULL || EVP_CipherInit_ex(ctx, EVP_aes_128_ecb(), NULL, key, NULL, encrypt) != 1 ||
	    EVP_CIPHER_CTX_set_padding(ctx, 0) != 1) {
		EVP_CIPHER_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

static void
one_block(void *ctx, const uint8_t in[static AES_LEN], uint8_t out[static AES_LEN])
{
	int len = 0;
	int code = EVP_CipherUpdate(ctx, out, &len, in, AES_LEN);

	assert(code == 1 && len == AES_LEN);
	(void)code;
}

void
store_stanza_id(const struct store *store, int64_t id, char out[static 33])
{
	uint8_t plain[AES_LEN] = { 0 }, sealed[AES_LEN];

	assert(id > 0);
	for (int i = 0; i < 8; i++)
		plain[i] = (uint8_t)((uint64_t)id >> (56 - 8 * i));
	one_block(store->ids.seal, plain, sealed);
	hex_encode(out, sealed, sizeof sealed);
}

int64_t
store_id_of(const struct store *store, const char *stanza_id)
{
	static const uint8_t zeros[8];
	uint8_t sealed[AES_LEN], plain[AES_LEN];
	char again[33];
	uint64_t id = 0;

	if (!hex_decode(sealed, stanza_id, sizeof sealed))
		return 0;
	one_block(store->ids.open, sealed, plain);
	for (int i = 0; i < 8; i++)
		id = id << 8 | plain[i];
	if (!same_secret(plain + 8, zeros, sizeof zeros) || id == 0 || id > INT64_MAX)
		return 0;
	/* Ids are compared as text: only the form that we give out is ours. */
	hex_encode(again, sealed, sizeof sealed);
	return strcmp(again, stanza_id) == 0 ? (int64_t)id : 0;
}

void
store_secret(const struct store *store, const char *purpose, uint8_t out[static 32])
{
	digest_hmac(DIGEST_SHA256, store->ids.secret, sizeof store->ids.secret, purpose, strlen(purpose),
		    out);
}

/* Made at the first open, by whoever comes first. */
static bool
load_secret(struct store *store)
{
	uint8_t fresh[STORE_SECRET_LEN];
	size_t len = 0;

	random_bytes(fresh, sizeof fresh);
	bool good = db_run(store->db, SQL_META_SET, v_text("secret"), v_blob(fresh, sizeof fresh)) == DB_OK;
	cleanse(fresh, sizeof fresh);
	struct stmt *stmt = good ? db_ask(store->db, SQL_META, v_text("secret")) : NULL;
	if (stmt == NULL || db_next(store->db, stmt) != DB_ROW)
		return false;
	const void *bytes = col_blob(stmt, 0, &len);
	good = len == STORE_SECRET_LEN;
	if (good)
		memcpy(store->ids.secret, bytes, len);
	db_end(stmt);
	return good;
}

/* Past every id in use, whatever the mark says: a message may have gone in while no block could be taken. */
static bool
first_block(struct store *store)
{
	struct ids *ids = &store->ids;
	struct stmt *stmt = db_ask0(store->db, SQL_IDS_HIGHEST);
	int64_t mark = 0;

	if (stmt == NULL || db_next(store->db, stmt) != DB_ROW)
		return false;
	int64_t highest = col_int(stmt, 0);
	db_end(stmt);
	if (db_number(store->db, SQL_META, v_text("next_id"), &mark) != DB_OK)
		return false;
	ids->next = ids->end = mark > highest ? mark : highest + 1;
	if (store->lock < 0) /* a tool takes a block when it first needs one */
		return true;
	ask_for_block(store); /* the writer does not run yet: done when it returns */
	if (ids->spare != 0)
		install_spare(ids);
	return true;
}

bool
ids_open(struct store *store, char **error_r)
{
	struct ids *ids = &store->ids;
	uint8_t key[32];

	if (!load_secret(store) || !first_block(store)) {
		*error_r = xasprintf("%s: cannot be read", store->path);
		return false;
	}
	store_secret(store, "stanza-id", key);
	ids->seal = cipher(key, 1);
	ids->open = cipher(key, 0);
	cleanse(key, sizeof key);
	if (ids->seal == NULL || ids->open == NULL) {
		*error_r = xstrdup("OpenSSL gives no AES-128");
		return false;
	}
	return true;
}

void
ids_close(struct store *store)
{
	EVP_CIPHER_CTX_free(store->ids.seal);
	EVP_CIPHER_CTX_free(store->ids.open);
	cleanse(&store->ids, sizeof store->ids);
}
