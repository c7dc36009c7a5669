/*
 * bundle.c -- kept bundles: table bundle. One-time prekeys are packed: 4 bytes id, big endian, then 33 bytes
 * of key.
 */
#include "config.h"
#include "client/db/bundle.h"

#include <assert.h>
#include <string.h>
#include "client/db/db-private.h"
#include "proto/digest.h"

enum { PACKED = 4 + PREKEY_PUBLIC_LEN };

static size_t
prekeys_pack(uint8_t *out, const struct bundle *bundle)
{
	for (size_t i = 0; i < bundle->count; i++) {
		uint32_t id = bundle->prekeys[i].id;
		uint8_t *at = out + i * PACKED;
		for (int byte = 0; byte < 4; byte++)
			at[byte] = (uint8_t)(id >> (24 - 8 * byte));
		memcpy(at + 4, bundle->prekeys[i].key, PREKEY_PUBLIC_LEN);
	}
	return bundle->count * PACKED;
}

static void
prekeys_unpack(struct bundle *bundle, const uint8_t *bytes, size_t len)
{
	bundle->count = len / PACKED < BUNDLE_PREKEYS ? len / PACKED : BUNDLE_PREKEYS;
	for (size_t i = 0; i < bundle->count; i++) {
		const uint8_t *at = bytes + i * PACKED;
		bundle->prekeys[i].id =
		    (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
		memcpy(bundle->prekeys[i].key, at + 4, PREKEY_PUBLIC_LEN);
	}
}

void
bundle_put(struct db *db, int64_t account, const char *jid, uint32_t device, const struct bundle *bundle)
{
	uint8_t packed[BUNDLE_PREKEYS * PACKED];
	assert(bundle->count <= BUNDLE_PREKEYS);
	size_t len = prekeys_pack(packed, bundle);
	db_run(db,
	       "INSERT OR REPLACE INTO bundle(account, jid, device, source, fetched, identity, signed_id, "
	       "signed_key,"
	       " signature, prekeys) VALUES(?,?,?,?,?,?,?,?,?,?)",
	       INT(account), TEXT(jid), INT(device), INT(bundle->source), INT(bundle->fetched),
	       BLOB(bundle->identity, IDENTITY_LEN), INT(bundle->signed_id),
	       BLOB(bundle->signed_key, PREKEY_PUBLIC_LEN), BLOB(bundle->signature, SIGNATURE_LEN),
	       BLOB(packed, len));
	db_run(db, "UPDATE device SET bundle_failed = 0 WHERE account = ? AND jid = ? AND device = ?",
	       INT(account), TEXT(jid), INT(device));
}

static bool
bundle_row(struct bundle *bundle, sqlite3_stmt *row)
{
	bundle->source = (enum bundle_source)sqlite3_column_int(row, 0);
	bundle->fetched = sqlite3_column_int64(row, 1);
	bundle->signed_id = (uint32_t)sqlite3_column_int64(row, 3);
	if (sqlite3_column_bytes(row, 2) != IDENTITY_LEN ||
	    sqlite3_column_bytes(row, 4) != PREKEY_PUBLIC_LEN ||
	    sqlite3_column_bytes(row, 5) != SIGNATURE_LEN)
		return false;
	memcpy(bundle->identity, sqlite3_column_blob(row, 2), IDENTITY_LEN);
	memcpy(bundle->signed_key, sqlite3_column_blob(row, 4), PREKEY_PUBLIC_LEN);
	memcpy(bundle->signature, sqlite3_column_blob(row, 5), SIGNATURE_LEN);
	prekeys_unpack(bundle, sqlite3_column_blob(row, 6), (size_t)sqlite3_column_bytes(row, 6));
	return true;
}

bool
bundle_choose(struct db *db, int64_t account, const char *jid, uint32_t device, struct bundle *bundle_r,
	      bool *has_r, struct bundle_prekey *prekey_r)
{
	/* with one-time prekeys first, of those a card's; then whatever is newest */
	sqlite3_stmt *row =
	    db_query(db,
		     "SELECT source, fetched, identity, signed_id, signed_key, signature, prekeys FROM bundle"
		     " WHERE account = ? AND jid = ? AND device = ?"
		     " ORDER BY length(prekeys) = 0, CASE WHEN length(prekeys) THEN source END DESC, fetched "
		     "DESC LIMIT 1",
		     INT(account), TEXT(jid), INT(device));
	if (!db_next(db, row))
		return false;
	bool usable = bundle_row(bundle_r, row);
	db_done(row);
	*has_r = usable && bundle_r->count > 0;
	if (!*has_r)
		return usable;
	/* at random: others read the same published bundle, and two must rarely meet */
	uint32_t number;
	random_bytes(&number, sizeof number);
	size_t index = number % bundle_r->count;
	*prekey_r = bundle_r->prekeys[index];
	bundle_r->prekeys[index] = bundle_r->prekeys[--bundle_r->count];
	bundle_put(db, account, jid, device, bundle_r);
	return true;
}
