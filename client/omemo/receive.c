/*
 * receive.c -- reading a message: the double ratchet's receiving half, over the library's state.
 *
 * The library's own (session_cipher.c) keeps what it passes over inside the record, at most 2000 keys and 5 chains, and
 * gives up on a jump of more than 2000. Here the same steps are done by its public functions, and what is passed over
 * goes into the vault (vault.h). A message is looked for where it can be, in this order:
 *
 *     its key, or the rest of its chain, in the vault
 *     a session that has its chain            step the chain up to it
 *     a session of which it begins a chain    a step of the Diffie-Hellman ratchet, then as above
 *     none, and it brings a session           X3DH, then as above
 *
 * Nothing is changed before its MAC holds: until then all is done on copies, and the keys of a gap are not made.
 */
#include "config.h"
#include "client/omemo/ratchet.h"

#include <assert.h>
#include <string.h>
#include <curve.h>
#include <ratchet.h>
#include <session_record.h>
#include <session_state.h>
#include "client/db/db.h"
#include "client/db/device.h"
#include "client/db/session.h"
#include "client/omemo/ratchet-private.h"
#include "client/omemo/vault.h"
#include "proto/arena.h"
#include "proto/mem.h"

struct reading {
	struct ratchet *ratchet;
	struct arena *arena;
	const char *jid;
	uint32_t device;
	struct ratchet_message *message;
	ec_public_key *key; /* of its chain, borrowed from the message */
	uint32_t counter;
	int64_t chain;
	const void *bytes; /* the text, in the arena */
	size_t len;
};

/* -- one key, one chain ------------------------------------------------------------------------------------ */

/* Authentic, between these two, with these keys? Then its text. */
static enum ratchet_result
open_with(struct reading *reading, const ratchet_message_keys *keys, ec_public_key *theirs, ec_public_key *ours)
{
	signal_message *message = reading->message->message;
	if (!theirs || !ours ||
	    signal_message_verify_mac(message, theirs, ours, keys->mac_key, sizeof keys->mac_key,
				      ratchet_context(reading->ratchet)) != 1)
		return RATCHET_BAD;
	signal_buffer *plain = provider_open(reading->ratchet->provider, keys, signal_message_get_body(message));
	if (!plain)
		return RATCHET_BAD;
	reading->len = signal_buffer_len(plain);
	reading->bytes =
	    arena_strndup(reading->arena, (const char *)signal_buffer_const_data(plain), reading->len);
	signal_buffer_bzero_free(plain);
	return RATCHET_OK;
}

/* From a chain key of that session. *key goes on to behind the message when it is good. */
static enum ratchet_result
open_at(struct reading *reading, session_state *state, struct vault_key *key)
{
	struct ratchet *ratchet = reading->ratchet;
	ratchet_message_keys keys;
	uint32_t from = key->at;
	if (reading->counter - from > 0 && reading->counter - from > vault_reach(ratchet, reading->jid))
		return RATCHET_GAP;
	if (signal_message_get_message_version(reading->message->message) !=
		session_state_get_session_version(state) ||
	    !vault_key_walk(ratchet, key, reading->counter) || !vault_key_message(ratchet, key, &keys))
		return RATCHET_BAD;
	enum ratchet_result result = open_with(reading, &keys, session_state_get_remote_identity_key(state),
					       session_state_get_local_identity_key(state));
	cleanse(&keys, sizeof keys);
	if (result == RATCHET_OK)
		vault_key_walk(ratchet, key, reading->counter + 1);
	else
		ratchet->wasted += reading->counter - from;
	return result;
}

/* The message was good: what was passed over before it is kept. */
static void
keep_gap(struct reading *reading, session_state *state, struct vault_key *from)
{
	uint8_t identity[IDENTITY_LEN];
	const struct store *store = &reading->ratchet->store;
	if (!reading->chain)
		reading->chain = chain_make(store->db, store->account, reading->jid, reading->device,
					    reading->message->wire.ratchet_key);
	if (from->at < reading->counter &&
	    ratchet_public_bytes(session_state_get_remote_identity_key(state), identity))
		vault_keep(reading->ratchet, reading->chain, identity, from, reading->counter);
}

/* -- in the vault ------------------------------------------------------------------------------------------ */

/* What was kept of a key that the device does not have any more says nothing in its name. */
static bool
identity_left(const struct reading *reading, const struct vault_slot *slot)
{
	const struct store *store = &reading->ratchet->store;
	struct device device;
	return device_get(store->db, reading->arena, store->account, reading->jid, reading->device, &device) &&
	       device.known_identity && memcmp(device.identity, slot->row.identity, IDENTITY_LEN) != 0;
}

static enum ratchet_result
open_slot(struct reading *reading, struct vault_slot *slot)
{
	if (identity_left(reading, slot))
		return RATCHET_KEY_GONE;
	ec_public_key *theirs = NULL;
	ratchet_identity_key_pair *own = ratchet_own_pair(reading->ratchet);
	enum ratchet_result result = RATCHET_BAD;
	if (own && curve_decode_point(&theirs, slot->row.identity, IDENTITY_LEN,
				      ratchet_context(reading->ratchet)) == 0)
		result = open_with(reading, &slot->keys, theirs, ratchet_identity_key_pair_get_public(own));
	SIGNAL_UNREF(theirs);
	SIGNAL_UNREF(own);
	if (result == RATCHET_OK) {
		reading->ratchet->late = slot->row.closed;
		vault_spend(reading->ratchet, reading->chain, reading->counter, slot);
	} else if (!slot->single) {
		reading->ratchet->wasted += reading->counter - slot->row.next;
	}
	return result;
}

/* False: nothing of that chain is in it, or not that message. */
static bool
read_from_vault(struct reading *reading, enum ratchet_result *result_r)
{
	struct vault_slot slot;
	enum vault_found found =
	    vault_find(reading->ratchet, reading->jid, reading->chain, reading->counter, &slot);
	switch (found) {
	case VAULT_ELSEWHERE:
		return false;
	case VAULT_FOUND:
		*result_r = open_slot(reading, &slot);
		break;
	case VAULT_SPENT:
		*result_r = RATCHET_KEY_GONE;
		break;
	case VAULT_NEVER:
		*result_r = RATCHET_BAD;
		break;
	case VAULT_FAR:
		*result_r = RATCHET_GAP;
		break;
	}
	cleanse(&slot, sizeof slot);
	return true;
}

/* -- in a session ------------------------------------------------------------------------------------------ */

/* Behind the chain's place: a key that the library passed over, in a record of an earlier version. */
static enum ratchet_result
read_behind(struct reading *reading, session_state *state)
{
	ratchet_message_keys keys;
	if (session_state_remove_message_keys(state, &keys, reading->key, reading->counter) != 1)
		return RATCHET_KEY_GONE;
	enum ratchet_result result = open_with(reading, &keys, session_state_get_remote_identity_key(state),
					       session_state_get_local_identity_key(state));
	cleanse(&keys, sizeof keys);
	return result;
}

/* The session has that chain. */
static enum ratchet_result
read_known(struct reading *reading, session_state *state)
{
	struct vault_key from, key;
	if (!vault_key_of(session_state_get_receiver_chain_key(state, reading->key), &from))
		return RATCHET_BAD;
	if (reading->counter < from.at)
		return read_behind(reading, state);
	if (from.at == VAULT_CLOSED_AT)
		return RATCHET_KEY_GONE; /* what stands there is no key; in records of earlier versions it is zeros */
	key = from;
	enum ratchet_result result = open_at(reading, state, &key);
	if (result == RATCHET_OK) {
		ratchet_chain_key *next = vault_key_library(reading->ratchet, &key);
		keep_gap(reading, state, &from);
		if (!next || session_state_set_receiver_chain_key(state, reading->key, next) != 0)
			result = RATCHET_BAD;
		SIGNAL_UNREF(next);
	}
	cleanse(&from, sizeof from);
	cleanse(&key, sizeof key);
	return result;
}

/* What follows a message that begins a chain: we shall answer with a new key of our own (double ratchet, 3.4). */
static bool
turn(struct reading *reading, session_state *state, ratchet_root_key *root, const struct vault_key *key)
{
	struct ratchet *ratchet = reading->ratchet;
	ec_key_pair *pair = NULL;
	ratchet_root_key *next_root = NULL;
	ratchet_chain_key *sending = NULL, *receiving = vault_key_library(ratchet, key);
	ratchet_chain_key *before = session_state_get_sender_chain_key(state);
	bool made = receiving && before && curve_generate_key_pair(ratchet_context(ratchet), &pair) == 0 &&
		    ratchet_root_key_create_chain(root, &next_root, &sending, reading->key,
						  ec_key_pair_get_private(pair)) == 0;
	if (made) {
		uint32_t sent = ratchet_chain_key_get_index(before);
		vault_close_session(ratchet, reading->jid, reading->device, state,
				    reading->message->wire.has_previous, reading->message->wire.previous);
		session_state_set_root_key(state, next_root);
		made = session_state_add_receiver_chain(state, reading->key, receiving) == 0;
		session_state_set_previous_counter(state, sent > 0 ? sent - 1 : 0);
		session_state_set_sender_chain(state, pair, sending);
	}
	SIGNAL_UNREF(pair);
	SIGNAL_UNREF(next_root);
	SIGNAL_UNREF(sending);
	SIGNAL_UNREF(receiving);
	return made;
}

/* It may begin a chain of that session. */
static enum ratchet_result
read_new(struct reading *reading, session_state *state)
{
	ratchet_root_key *root = session_state_get_root_key(state), *next_root = NULL;
	ec_key_pair *own = session_state_get_sender_ratchet_key_pair(state);
	ratchet_chain_key *chain = NULL;
	struct vault_key from = { .at = 0 }, key;
	if (reading->counter > vault_reach(reading->ratchet, reading->jid))
		return RATCHET_GAP; /* before the Diffie-Hellman, which costs more than all else here */
	if (!session_state_has_sender_chain(state) || !root || !own ||
	    ratchet_root_key_create_chain(root, &next_root, &chain, reading->key,
					  ec_key_pair_get_private(own)) != 0)
		return RATCHET_BAD;
	enum ratchet_result result = vault_key_of(chain, &from) ? RATCHET_OK : RATCHET_BAD;
	key = from;
	if (result == RATCHET_OK)
		result = open_at(reading, state, &key);
	if (result == RATCHET_OK && !turn(reading, state, next_root, &key))
		result = RATCHET_BAD;
	if (result == RATCHET_OK)
		keep_gap(reading, state, &from);
	cleanse(&from, sizeof from);
	cleanse(&key, sizeof key);
	SIGNAL_UNREF(chain);
	SIGNAL_UNREF(next_root);
	return result;
}

/* -- all sessions of a device ------------------------------------------------------------------------------ */

/* An earlier session becomes the one that answers are written in. */
static void
promote(session_record *record, session_record_state_node *node)
{
	session_state *state = session_record_get_previous_states_element(node);
	SIGNAL_REF(state);
	session_record_get_previous_states_remove(record, node);
	session_record_promote_state(record, state);
	SIGNAL_UNREF(state);
}

typedef enum ratchet_result read_in(struct reading *reading, session_state *state);

/* The present one first, then the earlier ones, until it can be read; `owner`: only in the one that has its chain. */
static enum ratchet_result
read_in_one(struct reading *reading, session_record *record, read_in *read, bool owner, bool *found_r)
{
	session_state *state = session_record_get_state(record);
	session_record_state_node *node = session_record_get_previous_states_head(record), *at = NULL;
	enum ratchet_result result = RATCHET_BAD;
	*found_r = false;
	while (state) {
		if (!owner || session_state_get_receiver_chain_key(state, reading->key)) {
			enum ratchet_result one = read(reading, state);
			result = one == RATCHET_BAD ? result : one;
			*found_r = true;
		}
		if (result == RATCHET_OK) {
			session_state_clear_unacknowledged_pre_key_message(state);
			if (at)
				promote(record, at);
			return RATCHET_OK;
		}
		at = node;
		state = at ? session_record_get_previous_states_element(at) : NULL;
		node = at ? session_record_get_previous_states_next(at) : NULL;
	}
	return result;
}

static enum ratchet_result
read_first(struct reading *reading, session_record *record)
{
	session_state *state = NULL;
	enum ratchet_result result =
	    ratchet_session_of(reading->ratchet, reading->message->prekey, &state);
	if (result == RATCHET_OK)
		result = read_new(reading, state);
	if (result == RATCHET_OK && !session_record_is_fresh(record)) {
		vault_close_last(reading->ratchet, reading->jid, reading->device, record);
		if (session_record_archive_current_state(record) != 0)
			result = RATCHET_BAD;
	}
	if (result == RATCHET_OK) {
		session_record_set_state(record, state);
		if (pre_key_signal_message_has_pre_key_id(reading->message->prekey))
			signal_protocol_pre_key_remove_key(
			    reading->ratchet->store.context,
			    pre_key_signal_message_get_pre_key_id(reading->message->prekey));
	}
	SIGNAL_UNREF(state);
	return result;
}

static enum ratchet_result
read_in_record(struct reading *reading, session_record *record)
{
	pre_key_signal_message *prekey = reading->message->prekey;
	bool fresh = session_record_is_fresh(record), found;
	if (prekey && (fresh || !session_record_has_session_state(record,
								  pre_key_signal_message_get_message_version(prekey),
								  pre_key_signal_message_get_base_key(prekey)))) {
		if (reading->chain)
			return RATCHET_KEY_GONE; /* of a session that we had: who begins one makes a new ratchet key */
		return read_first(reading, record);
	}
	if (fresh)
		return RATCHET_NO_SESSION;
	enum ratchet_result result = read_in_one(reading, record, read_known, true, &found);
	if (found)
		return result;
	if (reading->chain)
		return RATCHET_KEY_GONE; /* we had that chain once: it is complete, or too long ago */
	return read_in_one(reading, record, read_new, false, &found);
}

static enum ratchet_result
read_from_session(struct reading *reading)
{
	struct ratchet *ratchet = reading->ratchet;
	signal_protocol_address address = ratchet_address(reading->jid, reading->device);
	session_record *record = NULL;
	int code = signal_protocol_session_load_session(ratchet->store.context, &record, &address);
	if (code < 0)
		return ratchet_result_of(ratchet, code);
	enum ratchet_result result = read_in_record(reading, record);
	if (result == RATCHET_OK)
		result = ratchet_result_of(
		    ratchet, signal_protocol_session_store_session(ratchet->store.context, &address, record));
	SIGNAL_UNREF(record);
	return result;
}

enum ratchet_result
ratchet_decrypt(struct ratchet *ratchet, struct arena *arena, const char *jid, uint32_t device,
		struct ratchet_message *message, int64_t *chain, const void **bytes_r, size_t *len_r)
{
	struct reading reading = {
		.ratchet = ratchet,
		.arena = arena,
		.jid = jid,
		.device = device,
		.message = message,
		.key = signal_message_get_sender_ratchet_key(message->message),
		.counter = signal_message_get_counter(message->message),
		.chain = *chain,
	};
	enum ratchet_result result = RATCHET_BAD;
	assert(db_active(ratchet->store.db));
	ratchet->store.prekey_used = false;
	ratchet->late = false;
	if (!read_from_vault(&reading, &result))
		result = read_from_session(&reading);
	if (db_error(ratchet->store.db))
		result = RATCHET_FAILED;
	*chain = reading.chain;
	*bytes_r = reading.bytes;
	*len_r = reading.len;
	return result;
}

bool
ratchet_prekey_used(struct ratchet *ratchet)
{
	return ratchet->store.prekey_used;
}

bool
ratchet_late(struct ratchet *ratchet)
{
	return ratchet->late;
}
