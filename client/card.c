/*
 * card.c -- contact cards: made, signed, read, imported. Their forms as text are in armor.c.
 *
 * Written against: a card cut short, changed, put together from two, of sizes that lie, signed by another
 * key, naming ourselves, naming a known device with another key. None of these changes anything but that
 * device's trust (it is stopped).
 */
#include "config.h"
#include "client/card-private.h"

#include <string.h>
#include "client/db/contact.h"
#include "client/db/db.h"
#include "client/omemo/sign.h"
#include "client/outbox.h"
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/jid.h"

enum record {
	RECORD_JID = 1,     /* bare; the first is whose device keys follow */
	RECORD_RELAY = 2,   /* host name */
	RECORD_COURIER = 3, /* SHA-256 of the relay's courier certificate */
	RECORD_MADE = 4,    /* 8 bytes: ms since 1970 */
	RECORD_DEVICE =
	    5, /* id(4) identity(33) signed id(4) signed key(33) signature(64), then id(4) key(33) each */
	RECORD_OPTIONAL = 128, /* from here on: may be passed over */
};
enum {
	DEVICE_FIXED = 4 + IDENTITY_LEN + 4 + PREKEY_PUBLIC_LEN + SIGNATURE_LEN,
	DEVICE_PREKEY = 4 + PREKEY_PUBLIC_LEN
};

static const char context[] = "lazo card 1";

const char *
card_error_word(enum card_error error)
{
	static const char *const words[CARD_ERRORS] = {
		[CARD_OK] = "",
		[CARD_NOT_A_CARD] = "not-a-card",
		[CARD_DAMAGED] = "damaged",
		[CARD_FORGED] = "forged",
		[CARD_NEWER] = "newer",
		[CARD_MISSING_PART] = "missing-part",
		[CARD_OWN] = "own",
		[CARD_CHANGED_KEY] = "changed-key",
		[CARD_FAILED] = "failed",
	};
	return error < CARD_ERRORS ? words[error] : "";
}

static void
number_add(struct buf *out, uint64_t number, int bytes)
{
	while (bytes-- > 0) {
		uint8_t byte = (uint8_t)(number >> (8 * bytes));
		buf_add(out, &byte, 1);
	}
}

static uint64_t
number_read(const uint8_t *bytes, int count)
{
	uint64_t number = 0;
	for (int i = 0; i < count; i++)
		number = number << 8 | bytes[i];
	return number;
}

static void
record_add(struct buf *out, enum record type, const void *value, size_t len)
{
	number_add(out, type, 1);
	number_add(out, len, 2);
	buf_add(out, value, len);
}

static void
device_add(struct buf *out, uint32_t device, const struct bundle *keys)
{
	struct buf value = { 0 };
	number_add(&value, device, 4);
	buf_add(&value, keys->identity, IDENTITY_LEN);
	number_add(&value, keys->signed_id, 4);
	buf_add(&value, keys->signed_key, PREKEY_PUBLIC_LEN);
	buf_add(&value, keys->signature, SIGNATURE_LEN);
	for (size_t i = 0; i < keys->count; i++) {
		number_add(&value, keys->prekeys[i].id, 4);
		buf_add(&value, keys->prekeys[i].key, PREKEY_PUBLIC_LEN);
	}
	record_add(out, RECORD_DEVICE, value.data, value.len);
	buf_free(&value);
}

void
card_check(const void *bytes, size_t len, uint8_t out[static CARD_CHECK_LEN])
{
	uint8_t hash[SHA256_LEN];
	digest(DIGEST_SHA256, bytes, len, hash);
	memcpy(out, hash, CARD_CHECK_LEN);
}

/* What the signature is over. */
static void
signed_bytes(struct buf *out, const void *bytes, size_t len)
{
	buf_adds(out, context);
	buf_add(out, bytes, len);
}

static bool
card_finish(struct omemo *omemo, struct buf *card)
{
	struct buf text = { 0 };
	uint8_t signature[SIGNATURE_LEN], check[CARD_CHECK_LEN];
	signed_bytes(&text, card->data, card->len);
	bool made = omemo_sign(omemo, text.data, text.len, signature);
	buf_free(&text);
	buf_add(card, signature, SIGNATURE_LEN);
	card_check(card->data, card->len, check);
	buf_add(card, check, CARD_CHECK_LEN);
	return made;
}

enum card_error
card_make(struct db *db, struct omemo *omemo, int64_t account, const char *relay, unsigned prekeys,
	  int64_t now, struct buf *bytes_r)
{
	(void)account;
	return card_make_naming(db, omemo, NULL, 0, relay, prekeys, now, bytes_r);
}

enum card_error
card_make_naming(struct db *db, struct omemo *omemo, const char *const *also, size_t also_count,
		 const char *relay, unsigned prekeys, int64_t now, struct buf *bytes_r)
{
	struct bundle keys;
	db_begin(db);
	bool made = also_count < CARD_JIDS && prekeys <= CARD_PREKEYS && omemo_card_keys(omemo, prekeys, now, &keys);
	if (made) {
		buf_add(bytes_r, CARD_MAGIC, CARD_MAGIC_LEN);
		record_add(bytes_r, RECORD_JID, omemo_jid(omemo), strlen(omemo_jid(omemo)));
		for (size_t i = 0; i < also_count; i++)
			record_add(bytes_r, RECORD_JID, also[i], strlen(also[i]));
		if (relay && relay[0] != '\0')
			record_add(bytes_r, RECORD_RELAY, relay, strlen(relay));
		number_add(bytes_r, RECORD_MADE, 1);
		number_add(bytes_r, 8, 2);
		number_add(bytes_r, (uint64_t)now, 8);
		device_add(bytes_r, omemo_device(omemo), &keys);
		made = card_finish(omemo, bytes_r) && bytes_r->len <= CARD_MAX;
	}
	if (made && db_commit(db, NULL)) /* these keys are on no other card: only then it is given away */
		return CARD_OK;
	if (!made)
		db_rollback(db);
	buf_clear(bytes_r);
	return CARD_FAILED;
}

static bool
jid_read(struct arena *arena, struct card *card, const uint8_t *value, size_t len)
{
	struct jid jid;
	if (card->info.jids == CARD_JIDS || !jid_parse(arena, (const char *)value, len, &jid) ||
	    !jid_is_bare(&jid) || !jid.node)
		return false;
	card->jids[card->info.jids++] = jid_text(arena, &jid);
	return true;
}

static bool
device_read(struct card *card, const uint8_t *value, size_t len)
{
	struct bundle *keys = &card->keys;
	if (card->info.device != 0 || len < DEVICE_FIXED || (len - DEVICE_FIXED) % DEVICE_PREKEY != 0 ||
	    (len - DEVICE_FIXED) / DEVICE_PREKEY > CARD_PREKEYS)
		return false;
	card->info.device = (uint32_t)number_read(value, 4);
	memcpy(keys->identity, value + 4, IDENTITY_LEN);
	memcpy(card->info.identity, keys->identity, IDENTITY_LEN);
	value += 4 + IDENTITY_LEN;
	keys->signed_id = (uint32_t)number_read(value, 4);
	memcpy(keys->signed_key, value + 4, PREKEY_PUBLIC_LEN);
	memcpy(keys->signature, value + 4 + PREKEY_PUBLIC_LEN, SIGNATURE_LEN);
	value += 4 + PREKEY_PUBLIC_LEN + SIGNATURE_LEN;
	for (; keys->count < (len - DEVICE_FIXED) / DEVICE_PREKEY; keys->count++, value += DEVICE_PREKEY) {
		keys->prekeys[keys->count].id = (uint32_t)number_read(value, 4);
		memcpy(keys->prekeys[keys->count].key, value + 4, PREKEY_PUBLIC_LEN);
	}
	card->info.prekeys = keys->count;
	return card->info.device >= 1 && card->info.device <= INT32_MAX;
}

/* One record; CARD_NEWER for one that this program would have to understand. */
static enum card_error
record_read(struct arena *arena, struct card *card, unsigned type, const uint8_t *value, size_t len)
{
	switch (type) {
	case RECORD_JID:
		return jid_read(arena, card, value, len) ? CARD_OK : CARD_DAMAGED;
	case RECORD_RELAY:
		if (len > CARD_TEXT_MAX || memchr(value, '\0', len))
			return CARD_DAMAGED;
		card->info.relay = arena_strndup(arena, (const char *)value, len);
		return jid_domain_valid(card->info.relay) ? CARD_OK : CARD_DAMAGED;
	case RECORD_COURIER:
		return len == SHA256_LEN ? CARD_OK : CARD_DAMAGED;
	case RECORD_MADE:
		card->info.made = len == 8 ? (int64_t)number_read(value, 8) : -1;
		return card->info.made >= 0 ? CARD_OK : CARD_DAMAGED;
	case RECORD_DEVICE:
		return device_read(card, value, len) ? CARD_OK : CARD_DAMAGED;
	}
	return type >= RECORD_OPTIONAL ? CARD_OK : CARD_NEWER;
}

static enum card_error
records_read(struct arena *arena, struct card *card, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		size_t value_len = len >= 3 ? number_read(bytes + 1, 2) : 0;
		if (len < 3 || len - 3 < value_len)
			return CARD_DAMAGED;
		enum card_error error = record_read(arena, card, bytes[0], bytes + 3, value_len);
		if (error != CARD_OK)
			return error;
		bytes += 3 + value_len;
		len -= 3 + value_len;
	}
	return card->info.jids > 0 && card->info.device != 0 ? CARD_OK : CARD_DAMAGED;
}

enum card_error
card_parse(struct arena *arena, const uint8_t *bytes, size_t len, struct card *card_r)
{
	uint8_t check[CARD_CHECK_LEN];
	*card_r = (struct card){ .info = { .relay = "" } };
	if (len < CARD_MAGIC_LEN || memcmp(bytes, CARD_MAGIC, CARD_MAGIC_LEN - 1) != 0)
		return CARD_NOT_A_CARD;
	if (len > CARD_MAX || len < CARD_MAGIC_LEN + SIGNATURE_LEN + CARD_CHECK_LEN)
		return CARD_DAMAGED;
	len -= CARD_CHECK_LEN;
	card_check(bytes, len, check);
	if (memcmp(check, bytes + len, CARD_CHECK_LEN) != 0)
		return CARD_DAMAGED;
	if (bytes[CARD_MAGIC_LEN - 1] != CARD_MAGIC[CARD_MAGIC_LEN - 1])
		return CARD_NEWER;
	len -= SIGNATURE_LEN;
	enum card_error error = records_read(arena, card_r, bytes + CARD_MAGIC_LEN, len - CARD_MAGIC_LEN);
	if (error != CARD_OK)
		return error;
	struct buf text = { 0 };
	signed_bytes(&text, bytes, len);
	bool holds = omemo_signature_holds(card_r->keys.identity, text.data, text.len, bytes + len);
	buf_free(&text);
	return holds ? CARD_OK : CARD_FORGED;
}

/* The parsed card outlives the stack: its info points into it. */
static struct card *
card_load(struct arena *arena, const void *bytes, size_t len, enum card_error *error_r)
{
	struct card *card = arena_alloc(arena, sizeof *card);
	*error_r = card_parse(arena, bytes, len, card);
	card->info.jid = card->info.jids ? card->jids[0] : "";
	card->info.jid_list = card->jids;
	return card;
}

enum card_error
card_read(struct arena *arena, const void *bytes, size_t len, struct card_info *info_r)
{
	enum card_error error;
	*info_r = card_load(arena, bytes, len, &error)->info;
	return error;
}

static enum card_error
card_keep(struct db *db, struct omemo *omemo, struct arena *arena, int64_t account, const struct card *card,
	  bool verified, int64_t now)
{
	const char *jid = card->info.jid;
	contact_add(db, account, jid, NULL, now);
	switch (omemo_take_card(omemo, jid, card->info.device, &card->keys, now)) {
	case OMEMO_CARD_BAD:
		return CARD_FORGED;
	case OMEMO_CARD_CHANGED:
		return CARD_CHANGED_KEY;
	case OMEMO_CARD_OK:
		break;
	}
	struct device device;
	if (verified)
		device_verify(db, account, jid, card->info.device, card->info.identity);
	outbox_keys_came(db, omemo, account, jid, now);
	/* the card's key is the known one, but another was offered since: still stopped */
	if (device_get(db, arena, account, jid, card->info.device, &device) && device.trust == TRUST_CHANGED)
		return CARD_CHANGED_KEY;
	return CARD_OK;
}

static bool
verified_before(struct db *db, struct arena *arena, int64_t account, const struct card *card)
{
	struct device device;
	return device_get(db, arena, account, card->info.jid, card->info.device, &device) &&
	       device.trust == TRUST_VERIFIED && memcmp(device.identity, card->info.identity, IDENTITY_LEN) == 0;
}

/* The further addresses become contacts, with the first one's name. True: there was one. */
static bool
addresses_join(struct db *db, struct omemo *omemo, struct arena *arena, int64_t account,
	       const struct card *card, int64_t now)
{
	struct contact first, other;
	bool any = false;
	contact_get(db, arena, account, card->info.jid, &first);
	for (size_t i = 1; i < card->info.jids; i++) {
		const char *jid = card->jids[i];
		bool known = contact_get(db, arena, account, jid, &other);
		if (strcmp(jid, omemo_jid(omemo)) == 0 || strcmp(jid, first.jid) == 0 || (known && other.blocked))
			continue;
		contact_add(db, account, jid, known && other.name[0] ? NULL : first.name, now);
		contact_join(db, account, first.jid, jid);
		any = true;
	}
	return any;
}

enum card_error
card_import(struct db *db, struct omemo *omemo, struct arena *arena, int64_t account, const void *bytes,
	    size_t len, bool verified, int64_t now, struct card_info *info_r)
{
	enum card_error error;
	struct card *card = card_load(arena, bytes, len, &error);
	*info_r = card->info;
	if (error != CARD_OK)
		return error;
	if (strcmp(card->info.jid, omemo_jid(omemo)) == 0)
		return CARD_OWN;
	db_begin(db);
	bool known = verified_before(db, arena, account, card);
	error = card_keep(db, omemo, arena, account, card, verified, now);
	if (error == CARD_OK && (verified || known))
		info_r->joined = addresses_join(db, omemo, arena, account, card, now);
	if (error == CARD_OK || error == CARD_CHANGED_KEY) /* the stop is kept */
		return db_commit(db, NULL) ? error : CARD_FAILED;
	db_rollback(db);
	return error;
}
