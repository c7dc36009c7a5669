/*
 * vault.c -- chain keys and message keys outside the library's records: see vault.h.
 *
 * A chain's step is HMAC-SHA-256 over one byte (the double ratchet, 5.2: 1 gives the seed of a message, 2 the next
 * chain key); the library makes a message's keys from the seed by HKDF. Stepping is done here because the library does
 * it with five allocations and three contexts a step, and a gap has many.
 */
#include "config.h"
#include "client/omemo/vault.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <curve.h>
#include <hkdf.h>
#include <ratchet.h>
#include <session_state.h>
#include "client/db/contact.h"
#include "client/db/db.h"
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/mem.h"

enum { LABEL_SEED = 1, LABEL_NEXT = 2 };
enum {
	SESSION_VERSION = 3,
	CHAINS_LOOKED_AT = 64,  /* of a device, newest first; a session has 5 */
	ARCHIVED_MOST = 40,     /* sessions beside the current one that the library keeps */
	GROWTH = 2000,          /* keys between two looks at the bounds */
};
_Static_assert(offsetof(ratchet_message_keys, counter) == SKIPPED_KEYS, "cipher key, MAC key, IV, in this order");

/* -- chain keys -------------------------------------------------------------------------------------------- */

bool
vault_key_of(const ratchet_chain_key *key, struct vault_key *key_r)
{
	signal_buffer *bytes = NULL;
	key_r->at = ratchet_chain_key_get_index(key);
	return ratchet_chain_key_get_key(key, &bytes) == 0 &&
	       ratchet_take_bytes(bytes, key_r->bytes, sizeof key_r->bytes);
}

ratchet_chain_key *
vault_key_library(struct ratchet *ratchet, const struct vault_key *key)
{
	signal_context *context = ratchet_context(ratchet);
	hkdf_context *kdf = NULL;
	ratchet_chain_key *made = NULL;
	if (hkdf_create(&kdf, SESSION_VERSION, context) == 0 &&
	    ratchet_chain_key_create(&made, kdf, key->bytes, sizeof key->bytes, key->at, context) != 0)
		made = NULL;
	SIGNAL_UNREF(kdf);
	return made;
}

bool
vault_key_walk(struct ratchet *ratchet, struct vault_key *key, uint32_t to)
{
	uint8_t next[PROVIDER_CHAIN];
	bool fine = true;
	for (; fine && key->at < to; key->at++) {
		fine = provider_chain(ratchet->provider, key->bytes, LABEL_NEXT, next);
		memcpy(key->bytes, next, sizeof next);
	}
	cleanse(next, sizeof next);
	return fine;
}

static bool
keys_of_seed(struct ratchet *ratchet, const uint8_t seed[static SKIPPED_SEED], ratchet_message_keys *keys)
{
	static const char info[] = "WhisperMessageKeys";
	static const uint8_t salt[SKIPPED_SEED];
	hkdf_context *kdf = NULL;
	uint8_t *made = NULL;
	bool fine = hkdf_create(&kdf, SESSION_VERSION, ratchet_context(ratchet)) == 0 &&
		    hkdf_derive_secrets(kdf, &made, seed, SKIPPED_SEED, salt, sizeof salt, (const uint8_t *)info,
					sizeof info - 1, SKIPPED_KEYS) == SKIPPED_KEYS;
	if (fine)
		memcpy(keys, made, SKIPPED_KEYS);
	if (made)
		cleanse(made, SKIPPED_KEYS);
	free(made);
	SIGNAL_UNREF(kdf);
	return fine;
}

bool
vault_key_message(struct ratchet *ratchet, const struct vault_key *key, ratchet_message_keys *keys_r)
{
	uint8_t seed[SKIPPED_SEED];
	bool fine = provider_chain(ratchet->provider, key->bytes, LABEL_SEED, seed) &&
		    keys_of_seed(ratchet, seed, keys_r);
	keys_r->counter = key->at;
	cleanse(seed, sizeof seed);
	return fine;
}

/* -- bounds ------------------------------------------------------------------------------------------------ */

uint32_t
vault_reach(struct ratchet *ratchet, const char *jid)
{
	const struct store *store = &ratchet->store;
	return ratchet->wasted < VAULT_WASTE && contact_is_known(store->db, store->account, jid) ? VAULT_JUMP
											      : VAULT_JUMP_STRANGER;
}

static struct skipped_owner *
who_has_most(struct skipped_owner *owners, size_t count, bool strangers)
{
	struct skipped_owner *most = NULL;
	for (size_t i = 0; i < count; i++) {
		if (!(strangers && owners[i].known) && (!most || owners[i].keys > most->keys))
			most = &owners[i];
	}
	return most;
}

/* Of all, or of those that we do not know, down to a bound: whoever has most gives half of it, until it is enough. So
 * one who fills it loses his own, not the few of others. */
static void
trim_to(struct ratchet *ratchet, struct skipped_owner *owners, size_t count, bool strangers, int64_t bound)
{
	struct store *store = &ratchet->store;
	struct skipped_owner *most;
	int64_t all = 0;
	for (size_t i = 0; i < count; i++)
		all += strangers && owners[i].known ? 0 : owners[i].keys;
	while (all > bound && (most = who_has_most(owners, count, strangers)) && most->keys > 0) {
		int64_t drop = all - bound < most->keys / 2 + 1 ? all - bound : most->keys / 2 + 1;
		skipped_drop(store->db, store->account, most->jid, drop);
		all -= drop;
		most->keys -= drop;
	}
}

void
vault_trim(struct ratchet *ratchet)
{
	struct store *store = &ratchet->store;
	struct arena *arena = arena_new();
	struct skipped_owner *owners;
	size_t count = skipped_owners(store->db, arena, store->account, &owners);
	for (size_t i = 0; i < count; i++) {
		owners[i].known = contact_is_known(store->db, store->account, owners[i].jid);
		if (owners[i].keys <= VAULT_PERSON)
			continue;
		skipped_drop(store->db, store->account, owners[i].jid, owners[i].keys - VAULT_PERSON);
		owners[i].keys = VAULT_PERSON;
	}
	trim_to(ratchet, owners, count, true, VAULT_STRANGERS);
	trim_to(ratchet, owners, count, false, VAULT_ALL);
	ratchet->grown = 0;
	arena_free(&arena);
}

static void
grow(struct ratchet *ratchet, int64_t count)
{
	ratchet->grown += count;
	if (ratchet->grown > GROWTH)
		vault_trim(ratchet);
}

/* -- keys -------------------------------------------------------------------------------------------------- */

void
vault_keep(struct ratchet *ratchet, int64_t chain, const uint8_t identity[static IDENTITY_LEN],
	   struct vault_key *from, uint32_t to)
{
	struct store *store = &ratchet->store;
	struct skipped_chain row = { .closed = false };
	uint8_t seed[SKIPPED_SEED];
	int64_t count = 0;
	if (!skipped_chain_get(store->db, chain, &row)) {
		memcpy(row.identity, identity, IDENTITY_LEN);
		skipped_chain_put(store->db, chain, &row, store->now);
	}
	while (from->at < to && provider_chain(ratchet->provider, from->bytes, LABEL_SEED, seed)) {
		count += skipped_add(store->db, chain, from->at, seed, sizeof seed, store->now);
		vault_key_walk(ratchet, from, from->at + 1);
	}
	cleanse(seed, sizeof seed);
	cleanse(&row, sizeof row);
	skipped_added(store->db, chain, count);
	grow(ratchet, count);
}

static enum vault_found
find_single(struct ratchet *ratchet, const uint8_t *bytes, size_t len, uint32_t counter, struct vault_slot *slot)
{
	bool fine = true;
	slot->single = true;
	if (len == SKIPPED_KEYS)
		memcpy(&slot->keys, bytes, SKIPPED_KEYS);
	else
		fine = keys_of_seed(ratchet, bytes, &slot->keys);
	slot->keys.counter = counter;
	return fine ? VAULT_FOUND : VAULT_SPENT;
}

enum vault_found
vault_find(struct ratchet *ratchet, const char *jid, int64_t chain, uint32_t counter, struct vault_slot *slot_r)
{
	uint8_t bytes[SKIPPED_KEYS];
	enum vault_found found = VAULT_FOUND;
	*slot_r = (struct vault_slot){ .single = false };
	if (!chain || !skipped_chain_get(ratchet->store.db, chain, &slot_r->row))
		return VAULT_ELSEWHERE;
	size_t len = skipped_get(ratchet->store.db, chain, counter, bytes);
	if (len > 0)
		found = find_single(ratchet, bytes, len, counter, slot_r);
	cleanse(bytes, sizeof bytes);
	if (len > 0)
		return found;
	if (!slot_r->row.closed)
		return VAULT_ELSEWHERE;
	if (counter < slot_r->row.next)
		return VAULT_SPENT;
	if (counter >= slot_r->row.ends)
		return VAULT_NEVER;
	if (counter - slot_r->row.next > vault_reach(ratchet, jid))
		return VAULT_FAR;
	slot_r->after.at = slot_r->row.next;
	memcpy(slot_r->after.bytes, slot_r->row.key, sizeof slot_r->after.bytes);
	if (!vault_key_walk(ratchet, &slot_r->after, counter) ||
	    !vault_key_message(ratchet, &slot_r->after, &slot_r->keys))
		return VAULT_SPENT;
	return VAULT_FOUND;
}

void
vault_spend(struct ratchet *ratchet, int64_t chain, uint32_t counter, struct vault_slot *slot)
{
	struct store *store = &ratchet->store;
	struct skipped_chain *row = &slot->row;
	struct vault_key from = { .at = row->next };
	if (slot->single) {
		skipped_spend(store->db, chain, counter);
		return;
	}
	memcpy(from.bytes, row->key, sizeof from.bytes);
	if (from.at < counter)
		vault_keep(ratchet, chain, row->identity, &from, counter);
	cleanse(&from, sizeof from);
	vault_key_walk(ratchet, &slot->after, counter + 1);
	row->next = counter + 1;
	memcpy(row->key, slot->after.bytes, sizeof row->key);
	if (row->next < row->ends)
		skipped_chain_put(store->db, chain, row, store->now);
	else
		skipped_chain_over(store->db, chain);
}

/* -- chains ------------------------------------------------------------------------------------------------ */

/* Keys that the library had passed over by itself, in a record of an earlier version. */
static void
move_passed_over(struct ratchet *ratchet, int64_t chain, session_state *state, ec_public_key *key, uint32_t at)
{
	struct store *store = &ratchet->store;
	struct skipped_chain row = { .held = 0 };
	ratchet_message_keys keys;
	bool have = skipped_chain_get(store->db, chain, &row);
	int64_t missing = (int64_t)at - read_count(store->db, chain) - row.held, moved = 0;
	for (uint32_t counter = 0; counter < at && moved < missing; counter++) {
		if (session_state_remove_message_keys(state, &keys, key, counter) != 1)
			continue;
		if (!have) {
			ratchet_public_bytes(session_state_get_remote_identity_key(state), row.identity);
			skipped_chain_put(store->db, chain, &row, store->now);
			have = true;
		}
		moved += skipped_add(store->db, chain, counter, &keys, SKIPPED_KEYS, store->now);
	}
	cleanse(&keys, sizeof keys);
	cleanse(&row, sizeof row);
	if (moved > 0)
		skipped_added(store->db, chain, moved);
	grow(ratchet, moved);
}

/* In the record, from which the library takes no chain out, it stands where everything is behind it, with a key that
 * nobody knows: what anybody knows, anybody can write with. */
static void
forget_chain_key(struct ratchet *ratchet, session_state *state, ec_public_key *key)
{
	struct vault_key nobodys = { .at = VAULT_CLOSED_AT };
	random_bytes(nobodys.bytes, sizeof nobodys.bytes);
	ratchet_chain_key *closed = vault_key_library(ratchet, &nobodys);
	cleanse(&nobodys, sizeof nobodys);
	if (closed)
		session_state_set_receiver_chain_key(state, key, closed);
	SIGNAL_UNREF(closed);
}

static void
close_chain(struct ratchet *ratchet, int64_t chain, session_state *state, ec_public_key *key,
	    const struct vault_key *at, uint32_t ends)
{
	struct store *store = &ratchet->store;
	struct skipped_chain row = { .held = 0 };
	move_passed_over(ratchet, chain, state, key, at->at);
	if (at->at < ends) {
		if (!skipped_chain_get(store->db, chain, &row))
			ratchet_public_bytes(session_state_get_remote_identity_key(state), row.identity);
		row.closed = true;
		row.next = at->at;
		row.ends = ends;
		memcpy(row.key, at->bytes, sizeof row.key);
		skipped_chain_put(store->db, chain, &row, store->now);
		cleanse(&row, sizeof row);
		grow(ratchet, 1);
	}
	forget_chain_key(ratchet, state, key);
}

/* The library counts the last place, others may count the messages: one place more does no harm. A count that is less
 * than what we have seen is none. */
static uint32_t
end_of_chain(bool said, uint32_t previous, uint32_t at)
{
	return said && previous < SKIPPED_NO_END && previous + 1 >= at ? previous + 1 : SKIPPED_NO_END;
}

void
vault_close_session(struct ratchet *ratchet, const char *jid, uint32_t device, session_state *state, bool said,
		    uint32_t previous)
{
	const struct store *store = &ratchet->store;
	struct chain_row rows[CHAINS_LOOKED_AT];
	struct vault_key at = { .at = 0 };
	size_t count = chain_newest(store->db, store->account, jid, device, CHAINS_LOOKED_AT, rows);
	for (size_t i = 0; i < count && at.at != VAULT_CLOSED_AT; i++) { /* behind a closed one all are */
		ec_public_key *key = NULL;
		ratchet_chain_key *chain = NULL;
		if (curve_decode_point(&key, rows[i].ratchet, RATCHET_KEY_LEN, ratchet_context(ratchet)) == 0)
			chain = session_state_get_receiver_chain_key(state, key);
		if (chain && vault_key_of(chain, &at) && at.at != VAULT_CLOSED_AT) {
			close_chain(ratchet, rows[i].id, state, key, &at, end_of_chain(said, previous, at.at));
			said = false; /* it was about the newest */
		}
		SIGNAL_UNREF(key);
	}
	cleanse(&at, sizeof at);
}

void
vault_close_last(struct ratchet *ratchet, const char *jid, uint32_t device, session_record *record)
{
	const session_record_state_node *last = NULL;
	size_t count = 0;
	for (session_record_state_node *node = session_record_get_previous_states_head(record); node;
	     node = session_record_get_previous_states_next(node)) {
		last = node;
		count++;
	}
	if (count >= ARCHIVED_MOST)
		vault_close_session(ratchet, jid, device, session_record_get_previous_states_element(last), false, 0);
}
