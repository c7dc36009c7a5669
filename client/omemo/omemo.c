/*
 * omemo.c -- this device's life, and writing to others: who may be written to, and the ciphertext for all of
 * them.
 *
 * Who gets a key (attack O11): exactly the devices that are in the present list of the recipient or of
 * ourselves, that trust lets through, and that keys are here for. Computed from the database at the moment of
 * sending.
 */
#include "config.h"
#include "client/omemo/omemo.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "client/db/account.h"
#include "client/db/bundle.h"
#include "client/db/db.h"
#include "client/db/key.h"
#include "client/db/session.h"
#include "client/omemo/element.h"
#include "client/omemo/omemo-private.h"
#include "client/omemo/payload.h"
#include "client/omemo/ratchet.h"
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/mem.h"

static bool
identity_make(struct omemo *omemo, int64_t now, char **error_r)
{
	struct key_own own = { 0 };
	if (!ratchet_new_identity(omemo->ratchet, &own)) {
		*error_r = xstrdup("cannot make keys: OpenSSL failed");
		return false;
	}
	while (own.device == 0) {
		random_bytes(&own.device, sizeof own.device);
		own.device &= INT32_MAX; /* 1..2^31-1 (XEP-0384 0.3.0, 4.2) */
	}
	db_begin(omemo->db);
	if (!key_own_get(omemo->db, omemo->account,
			 &(struct key_own){ 0 })) /* another process may have been faster */
		key_own_set(omemo->db, omemo->account, &own);
	cleanse(&own, sizeof own);
	bool made = omemo_first_keys(omemo, now);
	if (made)
		return db_commit(omemo->db, error_r);
	db_rollback(omemo->db);
	*error_r = xstrdup("cannot make keys: OpenSSL or the database failed");
	return false;
}

static bool
identity_load(struct omemo *omemo)
{
	struct key_own own;
	bool have = key_own_get(omemo->db, omemo->account, &own);
	omemo->device = own.device;
	memcpy(omemo->identity, own.identity, IDENTITY_LEN);
	cleanse(&own, sizeof own);
	return have;
}

static char *
account_jid(struct db *db, int64_t id)
{
	struct arena *arena = arena_new();
	struct account account;
	char *jid = account_by_id(db, arena, id, &account) ? xstrdup(account.jid) : NULL;
	arena_free(&arena);
	return jid;
}

struct omemo *
omemo_open(struct db *db, int64_t account, int64_t now, char **error_r)
{
	struct omemo *omemo = xcalloc(1, sizeof *omemo);
	*error_r = NULL;
	omemo->db = db;
	omemo->account = account;
	omemo->jid = account_jid(db, account);
	omemo->ratchet = ratchet_open(db, account);
	if (omemo->jid && omemo->ratchet) {
		ratchet_set_now(omemo->ratchet, now);
		if (identity_load(omemo) ||
		    (!db_error(db) && identity_make(omemo, now, error_r) && identity_load(omemo)))
			return omemo;
	}
	if (!*error_r)
		*error_r = xstrdup(db_error(db) ? db_error(db)
				   : omemo->jid ? "OpenSSL lacks what is needed"
						: "no such account");
	omemo_close(&omemo);
	return NULL;
}

void
omemo_close(struct omemo **omemo)
{
	if (!*omemo)
		return;
	ratchet_close(&(*omemo)->ratchet);
	free((*omemo)->jid);
	free(*omemo);
	*omemo = NULL;
}

uint32_t
omemo_device(const struct omemo *omemo)
{
	return omemo->device;
}

const char *
omemo_jid(const struct omemo *omemo)
{
	return omemo->jid;
}

void
omemo_identity(const struct omemo *omemo, uint8_t identity_r[static IDENTITY_LEN])
{
	memcpy(identity_r, omemo->identity, IDENTITY_LEN);
}

const char *
omemo_ready_word(enum omemo_ready ready)
{
	static const char *const words[OMEMO_READIES] = {
		[OMEMO_READY] = "",
		[OMEMO_NO_LIST] = "no-device-list",
		[OMEMO_NO_DEVICES] = "no-omemo",
		[OMEMO_NO_BUNDLES] = "no-keys",
		[OMEMO_NO_TRUSTED] = "untrusted",
		[OMEMO_CHANGED] = "changed-key",
	};
	return ready < OMEMO_READIES ? words[ready] : "";
}

static bool
trusted(const struct device *device)
{
	return device->trust == TRUST_BLIND || device->trust == TRUST_VERIFIED;
}

static bool
is_self(const struct omemo *omemo, const struct device *device)
{
	return device->id == omemo->device && strcmp(device->jid, omemo->jid) == 0;
}

static enum omemo_ready
ready_of(struct omemo *omemo, const char *jid, const struct device *devices, size_t count)
{
	size_t listed = 0, trustworthy = 0, usable = 0;
	for (size_t i = 0; i < count; i++) {
		if (!devices[i].listed || is_self(omemo, &devices[i]))
			continue;
		if (devices[i].trust == TRUST_CHANGED)
			return OMEMO_CHANGED;
		listed++;
		trustworthy += trusted(&devices[i]);
		usable += trusted(&devices[i]) && (devices[i].session || devices[i].bundle);
	}
	if (listed == 0)
		return device_list_known(omemo->db, omemo->account, jid) ? OMEMO_NO_DEVICES : OMEMO_NO_LIST;
	if (trustworthy == 0)
		return OMEMO_NO_TRUSTED;
	return usable == 0 ? OMEMO_NO_BUNDLES : OMEMO_READY;
}

enum omemo_ready
omemo_ready(struct omemo *omemo, const char *jid)
{
	struct arena *arena = arena_new();
	struct device *devices;
	size_t count = device_list(omemo->db, arena, omemo->account, jid, &devices);
	enum omemo_ready ready = ready_of(omemo, jid, devices, count);
	arena_free(&arena);
	return ready;
}

/* A message being written: its key elements so far, and whom they are for. */
struct letter {
	struct omemo *omemo;
	struct arena *arena;
	const uint8_t *secret;
	struct element_key *keys;
	struct omemo_target *targets;
	size_t count;
	size_t room;
};

/* There is a session afterwards. */
static bool
session_have(struct omemo *omemo, const struct device *device)
{
	struct bundle bundle;
	struct bundle_prekey prekey;
	bool has;
	if (device->session)
		return true;
	if (!bundle_choose(omemo->db, omemo->account, device->jid, device->id, &bundle, &has, &prekey))
		return false;
	if (!device->known_identity || memcmp(bundle.identity, device->identity, IDENTITY_LEN) != 0)
		return false;
	if (ratchet_start(omemo->ratchet, device->jid, device->id, &bundle, has ? &prekey : NULL) !=
	    RATCHET_OK)
		return false;
	device_renewed(omemo->db, omemo->account, device->jid, device->id);
	return true;
}

static void
letter_add(struct letter *letter, const struct device *device)
{
	struct omemo *omemo = letter->omemo;
	struct element_key key = { .rid = device->id };
	if (letter->count == letter->room || !session_have(omemo, device) ||
	    ratchet_encrypt(omemo->ratchet, letter->arena, device->jid, device->id, letter->secret,
			    PAYLOAD_SECRET, &key.bytes, &key.len, &key.prekey) != RATCHET_OK)
		return;
	device_set_answer(omemo->db, omemo->account, device->jid, device->id, false);
	letter->keys[letter->count] = key;
	letter->targets[letter->count++] = (struct omemo_target){ .jid = device->jid, .device = device->id };
}

static bool
wanted(const struct device *device, const struct omemo_target *only, size_t only_count)
{
	for (size_t i = 0; i < only_count; i++) {
		if (only[i].device == device->id && strcmp(only[i].jid, device->jid) == 0)
			return true;
	}
	return !only;
}

static void
letter_add_all(struct letter *letter, const struct device *devices, size_t count,
	       const struct omemo_target *only, size_t only_count)
{
	for (size_t i = 0; i < count; i++) {
		if (devices[i].listed && trusted(&devices[i]) && !is_self(letter->omemo, &devices[i]) &&
		    wanted(&devices[i], only, only_count))
			letter_add(letter, &devices[i]);
	}
}

enum omemo_ready
omemo_encrypt(struct omemo *omemo, struct arena *arena, const char *jid, const char *text,
	      const struct omemo_target *only, size_t only_count, int64_t now, struct xml **encrypted_r,
	      struct omemo_target **targets_r, size_t *count_r)
{
	uint8_t secret[PAYLOAD_SECRET], iv[PAYLOAD_IV];
	struct device *devices, *own = NULL;
	size_t count = device_list(omemo->db, arena, omemo->account, jid, &devices), own_count = 0;
	size_t len = text ? strlen(text) : 0;
	uint8_t *payload = text ? arena_alloc(arena, len + 1) : NULL;
	assert(db_active(omemo->db));
	ratchet_set_now(omemo->ratchet, now);
	enum omemo_ready ready = ready_of(omemo, jid, devices, count);
	if (ready != OMEMO_READY)
		return ready;
	if (strcmp(jid, omemo->jid) != 0)
		own_count = device_list(omemo->db, arena, omemo->account, omemo->jid, &own);
	if (text && !payload_seal(text, len, payload, iv, secret))
		return OMEMO_NO_BUNDLES;
	if (!text)
		payload_empty(iv, secret);
	struct letter letter = {
		.omemo = omemo, .arena = arena, .secret = secret, .room = count + own_count
	};
	letter.keys = arena_alloc(arena, letter.room * sizeof *letter.keys);
	letter.targets = arena_alloc(arena, letter.room * sizeof *letter.targets);
	letter_add_all(&letter, devices, count, only, only_count);
	size_t theirs = letter.count;
	letter_add_all(&letter, own, own_count, only, only_count);
	cleanse(secret, sizeof secret);
	if (theirs == 0)
		return OMEMO_NO_BUNDLES; /* their bundles were bad: the caller rolls back */
	*encrypted_r = element_message(arena, omemo->device, letter.keys, letter.count, iv, payload, len);
	*targets_r = letter.targets;
	*count_r = letter.count;
	return OMEMO_READY;
}
