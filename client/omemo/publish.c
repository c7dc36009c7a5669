/*
 * publish.c -- own keys and what others see of them: the device list, the bundle, their upkeep; and what PEP
 * brings of others'.
 *
 * A published one-time prekey may be taken by two senders: used ones are kept 90 days. Signed prekeys are
 * kept for the longest custody (400 days) from when they were replaced, since a first message may have been under way
 * that long. Both are the person's to set. Nothing is forgotten on the word of a clock that has jumped.
 */
#include "config.h"
#include "client/omemo/omemo.h"

#include <assert.h>
#include <string.h>
#include "client/db/account.h"
#include "client/db/bundle.h"
#include "client/db/db.h"
#include "client/db/key.h"
#include "client/omemo/element.h"
#include "client/omemo/omemo-private.h"
#include "client/omemo/ratchet.h"
#include "client/omemo/sign.h"
#include "proto/arena.h"

#define DAY ((int64_t)24 * 60 * 60 * 1000)

enum {
	PREKEYS_PUBLISHED = 100, /* XEP-0384 0.3.0, 4.3: SHOULD */
	PREKEYS_RESERVE = 40,    /* two cards by file */
	USED_DAYS = 90,
	SIGNED_ROTATE_DAYS = 30,
	KEEP_DAYS = 400,
	JUMP_DAYS = 60, /* since the last upkeep: more is a clock that was set, or a long absence */
};

unsigned
omemo_list_due(struct omemo *omemo)
{
	return key_due(omemo->db, omemo->account, KEY_NODE_LIST);
}

unsigned
omemo_bundle_due(struct omemo *omemo)
{
	return key_due(omemo->db, omemo->account, KEY_NODE_BUNDLE);
}

void
omemo_list_published(struct omemo *omemo, unsigned due)
{
	key_published(omemo->db, omemo->account, KEY_NODE_LIST, due);
}

void
omemo_bundle_published(struct omemo *omemo, unsigned due)
{
	key_published(omemo->db, omemo->account, KEY_NODE_BUNDLE, due);
}

void
omemo_publish_again(struct omemo *omemo)
{
	key_changed(omemo->db, omemo->account, KEY_NODE_LIST);
	key_changed(omemo->db, omemo->account, KEY_NODE_BUNDLE);
}

/* Own other devices in the list; `without` is left out. */
static size_t
own_others(struct omemo *omemo, struct arena *arena, uint32_t without, uint32_t ids_r[static ELEMENT_DEVICES])
{
	struct device *devices;
	size_t found = device_list(omemo->db, arena, omemo->account, omemo->jid, &devices), count = 0;
	for (size_t i = 0; i < found && count < ELEMENT_DEVICES - 1; i++) {
		if (devices[i].listed && devices[i].id != omemo->device && devices[i].id != without)
			ids_r[count++] = devices[i].id;
	}
	return count;
}

struct xml *
omemo_list_tree(struct omemo *omemo, struct arena *arena)
{
	uint32_t ids[ELEMENT_DEVICES];
	size_t count = own_others(omemo, arena, 0, ids);
	ids[count++] = omemo->device;
	return element_list(arena, ids, count);
}

void
omemo_remove_own_device(struct omemo *omemo, uint32_t device)
{
	uint32_t ids[ELEMENT_DEVICES];
	struct arena *arena = arena_new();
	size_t count = own_others(omemo, arena, device, ids);
	if (device_set_list(omemo->db, omemo->account, omemo->jid, ids, count, 0))
		key_changed(omemo->db, omemo->account, KEY_NODE_LIST);
	arena_free(&arena);
}

/* Public halves of the given one-time prekeys. */
static void
bundle_fill(struct omemo *omemo, const uint32_t *ids, size_t count, struct bundle *bundle)
{
	int64_t created;
	uint32_t newest = key_signed_newest(omemo->db, omemo->account, &created);
	memset(bundle, 0, sizeof *bundle);
	memcpy(bundle->identity, omemo->identity, IDENTITY_LEN);
	if (!ratchet_signed_public(omemo->ratchet, newest, bundle))
		return;
	for (size_t i = 0; i < count && bundle->count < BUNDLE_PREKEYS; i++) {
		struct bundle_prekey *prekey = &bundle->prekeys[bundle->count];
		prekey->id = ids[i];
		if (ratchet_prekey_public(omemo->ratchet, ids[i], prekey->key))
			bundle->count++;
	}
}

struct xml *
omemo_bundle_tree(struct omemo *omemo, struct arena *arena)
{
	struct bundle *bundle = arena_alloc(arena, sizeof *bundle);
	uint32_t *ids;
	size_t count =
	    key_prekey_list(omemo->db, arena, omemo->account, PREKEY_PUBLISHED, PREKEYS_PUBLISHED, &ids);
	bundle_fill(omemo, ids, count, bundle);
	return element_bundle(arena, bundle);
}

/* How many were made. */
static int64_t
prekeys_refill(struct omemo *omemo, enum prekey_state state, int64_t most)
{
	int64_t made = 0;
	for (int64_t have = key_prekey_count(omemo->db, omemo->account, state); have + made < most; made++) {
		if (!ratchet_new_prekey(omemo->ratchet, state))
			break;
	}
	return made;
}

bool
omemo_first_keys(struct omemo *omemo, int64_t now)
{
	ratchet_set_now(omemo->ratchet, now);
	if (key_prekey_count(omemo->db, omemo->account, PREKEY_PUBLISHED) > 0)
		return true;
	account_set_int(omemo->db, omemo->account, "maintained", now);
	return ratchet_new_signed(omemo->ratchet) &&
	       prekeys_refill(omemo, PREKEY_PUBLISHED, PREKEYS_PUBLISHED) > 0 &&
	       prekeys_refill(omemo, PREKEY_RESERVE, PREKEYS_RESERVE) > 0 && !db_error(omemo->db);
}

static int
days_within(int64_t days)
{
	return days < 1 ? 1 : days > OMEMO_KEEP_MOST ? OMEMO_KEEP_MOST : (int)days;
}

struct omemo_keep
omemo_keep(struct db *db, int64_t account)
{
	return (struct omemo_keep){
		.late = days_within(account_get_int(db, account, "keep.late", KEEP_DAYS)),
		.first = days_within(account_get_int(db, account, "keep.first", USED_DAYS)),
	};
}

void
omemo_set_keep(struct db *db, int64_t account, const struct omemo_keep *keep)
{
	account_set_int(db, account, "keep.late", keep->late);
	account_set_int(db, account, "keep.first", keep->first);
}

int64_t
omemo_agreed_time(struct db *db, int64_t account, int64_t now)
{
	int64_t agreed = account_get_int(db, account, "maintained", now);
	return now < agreed ? now : agreed;
}

/* Does the clock go on from where it was at the last upkeep? After a jump it has to be where it jumped to for a day:
 * a machine without a battery, or a mistyped year, must not cost what is kept for a year. */
static void
agree_on_time(struct omemo *omemo, int64_t now)
{
	int64_t before = account_get_int(omemo->db, omemo->account, "maintained", now);
	int64_t jumped = account_get_int(omemo->db, omemo->account, "maintained.jumped", 0);
	bool flows = now >= before && now - before <= JUMP_DAYS * DAY;
	bool stays = jumped > 0 && now - jumped >= DAY && now - jumped <= JUMP_DAYS * DAY;
	if (flows || stays)
		account_set_int(omemo->db, omemo->account, "maintained", now);
	if ((flows || stays) && jumped > 0)
		account_set_int(omemo->db, omemo->account, "maintained.jumped", 0);
	else if (!flows && (jumped <= 0 || now < jumped || now - jumped > JUMP_DAYS * DAY))
		account_set_int(omemo->db, omemo->account, "maintained.jumped", now);
}

void
omemo_maintain(struct omemo *omemo, int64_t now)
{
	int64_t created;
	assert(db_active(omemo->db));
	ratchet_set_now(omemo->ratchet, now);
	key_signed_newest(omemo->db, omemo->account, &created);
	agree_on_time(omemo, now);
	int64_t agreed = omemo_agreed_time(omemo->db, omemo->account, now);
	bool changed = false;
	if (created < agreed - SIGNED_ROTATE_DAYS * DAY)
		changed = ratchet_new_signed(omemo->ratchet);
	struct omemo_keep keep = omemo_keep(omemo->db, omemo->account);
	key_prekey_forget(omemo->db, omemo->account, agreed - keep.first * DAY);
	key_signed_forget(omemo->db, omemo->account, agreed - keep.late * DAY);
	ratchet_forget(omemo->ratchet, agreed - keep.late * DAY);
	changed = prekeys_refill(omemo, PREKEY_PUBLISHED, PREKEYS_PUBLISHED) > 0 || changed;
	prekeys_refill(omemo, PREKEY_RESERVE, PREKEYS_RESERVE);
	if (changed)
		key_changed(omemo->db, omemo->account, KEY_NODE_BUNDLE);
}

/* Our own list: we must be in it. */
static enum omemo_list
take_own_list(struct omemo *omemo, const uint32_t *ids, size_t count, int64_t now)
{
	uint32_t others[ELEMENT_DEVICES];
	size_t other_count = 0;
	bool in_it = false;
	for (size_t i = 0; i < count; i++) {
		if (ids[i] == omemo->device)
			in_it = true;
		else
			others[other_count++] = ids[i];
	}
	bool changed = device_set_list(omemo->db, omemo->account, omemo->jid, others, other_count, now);
	if (!in_it && omemo_list_due(omemo) == 0)
		key_changed(omemo->db, omemo->account, KEY_NODE_LIST);
	return changed || !in_it ? OMEMO_LIST_CHANGED : OMEMO_LIST_SAME;
}

enum omemo_list
omemo_take_list(struct omemo *omemo, const char *jid, const struct xml *list, int64_t now)
{
	uint32_t ids[ELEMENT_DEVICES];
	assert(db_active(omemo->db));
	int count = list ? element_read_list(list, ids) : 0;
	if (count < 0)
		return OMEMO_LIST_MALFORMED;
	if (strcmp(jid, omemo->jid) == 0)
		return take_own_list(omemo, ids, (size_t)count, now);
	return device_set_list(omemo->db, omemo->account, jid, ids, (size_t)count, now) ? OMEMO_LIST_CHANGED
											: OMEMO_LIST_SAME;
}

/* All keys are keys, and the identity key has signed the signed prekey. */
static bool
bundle_holds(struct omemo *omemo, const struct bundle *bundle)
{
	return ratchet_is_key(omemo->ratchet, bundle->identity) &&
	       ratchet_is_key(omemo->ratchet, bundle->signed_key) &&
	       ratchet_holds(omemo->ratchet, bundle->identity, bundle->signed_key, PREKEY_PUBLIC_LEN,
			     bundle->signature);
}

enum omemo_bundle
omemo_take_bundle(struct omemo *omemo, const char *jid, uint32_t device, const struct xml *bundle,
		  int64_t now)
{
	struct arena *arena = arena_new();
	struct bundle *read = arena_alloc(arena, sizeof *read);
	enum omemo_bundle outcome = OMEMO_BUNDLE_OK;
	assert(db_active(omemo->db));
	if (!element_read_bundle(arena, bundle, read) || !bundle_holds(omemo, read)) {
		outcome = OMEMO_BUNDLE_MALFORMED;
		device_fetch_failed(omemo->db, omemo->account, jid, device, true, now);
	} else if (!device_identify(omemo->db, omemo->account, jid, device, read->identity, now)) {
		outcome = OMEMO_BUNDLE_CHANGED;
		device_fetch_failed(omemo->db, omemo->account, jid, device, true, now);
	} else {
		read->source = BUNDLE_PUBLISHED;
		read->fetched = now;
		bundle_put(omemo->db, omemo->account, jid, device, read);
	}
	arena_free(&arena);
	return outcome;
}

enum omemo_card
omemo_take_card(struct omemo *omemo, const char *jid, uint32_t device, const struct bundle *bundle,
		int64_t now)
{
	assert(db_active(omemo->db));
	for (size_t i = 0; i < bundle->count; i++) {
		if (!ratchet_is_key(omemo->ratchet, bundle->prekeys[i].key))
			return OMEMO_CARD_BAD;
	}
	if (!bundle_holds(omemo, bundle))
		return OMEMO_CARD_BAD;
	if (!device_identify(omemo->db, omemo->account, jid, device, bundle->identity, now))
		return OMEMO_CARD_CHANGED;
	struct bundle kept = *bundle;
	kept.source = BUNDLE_CARD;
	kept.fetched = now;
	bundle_put(omemo->db, omemo->account, jid, device, &kept);
	device_assume_listed(omemo->db, omemo->account, jid, device);
	return OMEMO_CARD_OK;
}

bool
omemo_card_keys(struct omemo *omemo, size_t count, int64_t now, struct bundle *bundle_r)
{
	struct arena *arena = arena_new();
	uint32_t *ids;
	assert(db_active(omemo->db));
	ratchet_set_now(omemo->ratchet, now);
	prekeys_refill(omemo, PREKEY_RESERVE, (int64_t)count);
	size_t found = key_prekey_list(omemo->db, arena, omemo->account, PREKEY_RESERVE, count, &ids);
	bundle_fill(omemo, ids, found, bundle_r);
	for (size_t i = 0; i < found; i++)
		key_prekey_set(omemo->db, omemo->account, ids[i], PREKEY_CARD, now);
	arena_free(&arena);
	return bundle_r->count == count && !db_error(omemo->db);
}

bool
omemo_sign(struct omemo *omemo, const void *bytes, size_t len, uint8_t signature_r[static SIGNATURE_LEN])
{
	return ratchet_sign(omemo->ratchet, bytes, len, signature_r);
}

bool
omemo_signature_holds(const uint8_t identity[static IDENTITY_LEN], const void *bytes, size_t len,
		      const uint8_t signature[static SIGNATURE_LEN])
{
	struct ratchet *ratchet = ratchet_open(NULL, 0);
	bool holds = ratchet && ratchet_holds(ratchet, identity, bytes, len, signature);
	ratchet_close(&ratchet);
	return holds;
}
