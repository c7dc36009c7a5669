/*
 * ratchet.c -- keys, bundles, beginning a session and encrypting, with libsignal-protocol-c 2.3.3. Reading: receive.c.
 *
 * Its objects are reference-counted; each function here releases what it took on its one way out. The library keeps 40
 * sessions of a device beside the present one; before a further one pushes the oldest out, what may still come of it
 * goes into the vault.
 */
#include "config.h"
#include "client/omemo/ratchet.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <curve.h>
#include <key_helper.h>
#include <protocol.h>
#include <ratchet.h>
#include <session_builder.h>
#include <session_cipher.h>
#include <session_pre_key.h>
#include <session_record.h>
#include <session_state.h>
#include <signal_protocol.h>
#include "client/db/db.h"
#include "client/db/key.h"
#include "client/omemo/ratchet-private.h"
#include "client/omemo/vault.h"
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/mem.h"

signal_context *
ratchet_context(struct ratchet *ratchet)
{
	return provider_context(ratchet->provider);
}

struct ratchet *
ratchet_open(struct db *db, int64_t account)
{
	struct ratchet *ratchet = xcalloc(1, sizeof *ratchet);
	ratchet->provider = provider_new();
	if (!ratchet->provider || !store_open(&ratchet->store, db, account, ratchet_context(ratchet)))
		ratchet_close(&ratchet);
	return ratchet;
}

void
ratchet_close(struct ratchet **ratchet)
{
	if (!*ratchet)
		return;
	store_close(&(*ratchet)->store);
	provider_free(&(*ratchet)->provider);
	free(*ratchet);
	*ratchet = NULL;
}

void
ratchet_set_now(struct ratchet *ratchet, int64_t now)
{
	ratchet->store.now = now;
}

signal_protocol_address
ratchet_address(const char *jid, uint32_t device)
{
	return (
	    signal_protocol_address){ .name = jid, .name_len = strlen(jid), .device_id = (int32_t)device };
}

enum ratchet_result
ratchet_result_of(const struct ratchet *ratchet, int code)
{
	if (db_error(ratchet->store.db))
		return RATCHET_FAILED;
	switch (code) {
	case SG_SUCCESS:
		return RATCHET_OK;
	case SG_ERR_NO_SESSION:
		return RATCHET_NO_SESSION;
	case SG_ERR_INVALID_KEY_ID:
		return RATCHET_KEY_GONE;
	case SG_ERR_INVALID_PROTO_BUF:
	case SG_ERR_INVALID_VERSION:
	case SG_ERR_LEGACY_MESSAGE:
		return RATCHET_MALFORMED;
	}
	return RATCHET_BAD;
}

/* Copy a buffer's bytes and forget it. False: not of that length. */
bool
ratchet_take_bytes(signal_buffer *buffer, uint8_t *out, size_t len)
{
	bool fits = buffer && signal_buffer_len(buffer) == len;
	if (fits)
		memcpy(out, signal_buffer_const_data(buffer), len);
	signal_buffer_bzero_free(buffer);
	return fits;
}

bool
ratchet_public_bytes(const ec_public_key *key, uint8_t out[static IDENTITY_LEN])
{
	signal_buffer *buffer = NULL;
	return key && ec_public_key_serialize(&buffer, key) == SG_SUCCESS &&
	       ratchet_take_bytes(buffer, out, IDENTITY_LEN);
}

bool
ratchet_new_identity(struct ratchet *ratchet, struct key_own *own_r)
{
	ratchet_identity_key_pair *pair = NULL;
	signal_buffer *secret = NULL;
	bool made = signal_protocol_key_helper_generate_registration_id(&own_r->registration, 0,
									ratchet_context(ratchet)) == 0 &&
		    signal_protocol_key_helper_generate_identity_key_pair(&pair, ratchet_context(ratchet)) == 0 &&
		    ratchet_public_bytes(ratchet_identity_key_pair_get_public(pair), own_r->identity) &&
		    ec_private_key_serialize(&secret, ratchet_identity_key_pair_get_private(pair)) == 0 &&
		    ratchet_take_bytes(secret, own_r->secret, PRIVATE_LEN);
	SIGNAL_UNREF(pair);
	return made;
}

bool
ratchet_new_prekey(struct ratchet *ratchet, enum prekey_state state)
{
	struct store *store = &ratchet->store;
	ec_key_pair *pair = NULL;
	session_pre_key *prekey = NULL;
	signal_buffer *record = NULL;
	uint32_t id = key_next_id(store->db, store->account, false);
	bool made = curve_generate_key_pair(ratchet_context(ratchet), &pair) == 0 &&
		    session_pre_key_create(&prekey, id, pair) == 0 &&
		    session_pre_key_serialize(&record, prekey) == 0;
	if (made)
		key_prekey_put(store->db, store->account, id, state, signal_buffer_const_data(record),
			       signal_buffer_len(record), store->now);
	signal_buffer_bzero_free(record);
	SIGNAL_UNREF(prekey);
	SIGNAL_UNREF(pair);
	return made;
}

ratchet_identity_key_pair *
ratchet_own_pair(struct ratchet *ratchet)
{
	ratchet_identity_key_pair *pair = NULL;
	if (signal_protocol_identity_get_key_pair(ratchet->store.context, &pair) != 0)
		return NULL;
	return pair;
}

bool
ratchet_new_signed(struct ratchet *ratchet)
{
	struct store *store = &ratchet->store;
	session_signed_pre_key *prekey = NULL;
	signal_buffer *record = NULL;
	uint32_t id = key_next_id(store->db, store->account, true);
	ratchet_identity_key_pair *pair = ratchet_own_pair(ratchet);
	bool made = pair &&
		    signal_protocol_key_helper_generate_signed_pre_key(
			&prekey, pair, id, (uint64_t)store->now, ratchet_context(ratchet)) == 0 &&
		    session_signed_pre_key_serialize(&record, prekey) == 0;
	if (made)
		key_signed_put(store->db, store->account, id, signal_buffer_const_data(record),
			       signal_buffer_len(record), store->now);
	signal_buffer_bzero_free(record);
	SIGNAL_UNREF(prekey);
	SIGNAL_UNREF(pair);
	return made;
}

bool
ratchet_prekey_public(struct ratchet *ratchet, uint32_t id, uint8_t key_r[static PREKEY_PUBLIC_LEN])
{
	session_pre_key *prekey = NULL;
	bool found = signal_protocol_pre_key_load_key(ratchet->store.context, &prekey, id) == 0 &&
		     ratchet_public_bytes(ec_key_pair_get_public(session_pre_key_get_key_pair(prekey)), key_r);
	SIGNAL_UNREF(prekey);
	return found;
}

bool
ratchet_signed_public(struct ratchet *ratchet, uint32_t id, struct bundle *bundle_r)
{
	session_signed_pre_key *prekey = NULL;
	bool found = signal_protocol_signed_pre_key_load_key(ratchet->store.context, &prekey, id) == 0 &&
		     ratchet_public_bytes(ec_key_pair_get_public(session_signed_pre_key_get_key_pair(prekey)),
				  bundle_r->signed_key) &&
		     session_signed_pre_key_get_signature_len(prekey) == SIGNATURE_LEN;
	if (found) {
		bundle_r->signed_id = id;
		memcpy(bundle_r->signature, session_signed_pre_key_get_signature(prekey), SIGNATURE_LEN);
	}
	SIGNAL_UNREF(prekey);
	return found;
}

bool
ratchet_sign(struct ratchet *ratchet, const void *bytes, size_t len,
	     uint8_t signature_r[static SIGNATURE_LEN])
{
	signal_buffer *signature = NULL;
	ratchet_identity_key_pair *pair = ratchet_own_pair(ratchet);
	bool made = pair &&
		    curve_calculate_signature(ratchet_context(ratchet), &signature,
					      ratchet_identity_key_pair_get_private(pair), bytes, len) == 0 &&
		    ratchet_take_bytes(signature, signature_r, SIGNATURE_LEN);
	SIGNAL_UNREF(pair);
	return made;
}

bool
ratchet_holds(struct ratchet *ratchet, const uint8_t identity[static IDENTITY_LEN], const void *bytes,
	      size_t len, const uint8_t signature[static SIGNATURE_LEN])
{
	ec_public_key *key = NULL;
	bool holds = curve_decode_point(&key, identity, IDENTITY_LEN, ratchet_context(ratchet)) == 0 &&
		     curve_verify_signature(key, bytes, len, signature, SIGNATURE_LEN) == 1;
	SIGNAL_UNREF(key);
	return holds;
}

bool
ratchet_is_key(struct ratchet *ratchet, const uint8_t key[static IDENTITY_LEN])
{
	ec_public_key *point = NULL;
	bool is = curve_decode_point(&point, key, IDENTITY_LEN, ratchet_context(ratchet)) == 0;
	SIGNAL_UNREF(point);
	return is;
}

/* The library's form of a bundle; NULL: a key in it is not one. */
static session_pre_key_bundle *
bundle_of(struct ratchet *ratchet, uint32_t device, const struct bundle *bundle,
	  const struct bundle_prekey *prekey)
{
	signal_context *context = ratchet_context(ratchet);
	ec_public_key *identity = NULL, *signed_key = NULL, *one_time = NULL;
	session_pre_key_bundle *made = NULL;
	if (curve_decode_point(&identity, bundle->identity, IDENTITY_LEN, context) == 0 &&
	    curve_decode_point(&signed_key, bundle->signed_key, PREKEY_PUBLIC_LEN, context) == 0 &&
	    (!prekey || curve_decode_point(&one_time, prekey->key, PREKEY_PUBLIC_LEN, context) == 0))
		session_pre_key_bundle_create(&made, 0, (int)device, prekey ? prekey->id : 0, one_time,
					      bundle->signed_id, signed_key, bundle->signature, SIGNATURE_LEN,
					      identity);
	SIGNAL_UNREF(identity);
	SIGNAL_UNREF(signed_key);
	SIGNAL_UNREF(one_time);
	return made;
}

/* What is about to fall out of the record. */
static void
make_room(struct ratchet *ratchet, const char *jid, uint32_t device)
{
	signal_protocol_address address = ratchet_address(jid, device);
	session_record *record = NULL;
	if (signal_protocol_session_load_session(ratchet->store.context, &record, &address) == 0)
		vault_close_last(ratchet, jid, device, record);
	SIGNAL_UNREF(record);
}

enum ratchet_result
ratchet_start(struct ratchet *ratchet, const char *jid, uint32_t device, const struct bundle *bundle,
	      const struct bundle_prekey *prekey)
{
	signal_protocol_address address = ratchet_address(jid, device);
	session_builder *builder = NULL;
	session_pre_key_bundle *made = bundle_of(ratchet, device, bundle, prekey);
	int code = SG_ERR_INVALID_KEY;
	if (made)
		code =
		    session_builder_create(&builder, ratchet->store.context, &address, ratchet_context(ratchet));
	if (code == SG_SUCCESS)
		make_room(ratchet, jid, device);
	if (code == SG_SUCCESS)
		code = session_builder_process_pre_key_bundle(builder, made);
	if (builder)
		session_builder_free(builder);
	SIGNAL_UNREF(made);
	return ratchet_result_of(ratchet, code);
}

enum ratchet_result
ratchet_session_of(struct ratchet *ratchet, pre_key_signal_message *message, session_state **state_r)
{
	signal_context *context = ratchet_context(ratchet);
	signal_protocol_store_context *keys = ratchet->store.context;
	session_signed_pre_key *signed_key = NULL;
	session_pre_key *one_time = NULL;
	bob_signal_protocol_parameters *parameters = NULL;
	ratchet_identity_key_pair *own = ratchet_own_pair(ratchet);
	uint32_t registration = 0;
	int code = signal_protocol_signed_pre_key_load_key(
	    keys, &signed_key, pre_key_signal_message_get_signed_pre_key_id(message));
	if (code == 0 && pre_key_signal_message_has_pre_key_id(message))
		code = signal_protocol_pre_key_load_key(keys, &one_time,
							pre_key_signal_message_get_pre_key_id(message));
	if (code == 0) {
		ec_key_pair *pair = session_signed_pre_key_get_key_pair(signed_key);
		code = own ? bob_signal_protocol_parameters_create(
				 &parameters, own, pair,
				 one_time ? session_pre_key_get_key_pair(one_time) : NULL, pair,
				 pre_key_signal_message_get_identity_key(message),
				 pre_key_signal_message_get_base_key(message))
			   : SG_ERR_UNKNOWN;
	}
	if (code == 0)
		code = session_state_create(state_r, context);
	if (code == 0)
		code = ratcheting_session_bob_initialize(*state_r, parameters, context);
	if (code == 0)
		code = signal_protocol_identity_get_local_registration_id(keys, &registration);
	if (code == 0) {
		session_state_set_local_registration_id(*state_r, registration);
		session_state_set_remote_registration_id(*state_r,
							 pre_key_signal_message_get_registration_id(message));
		session_state_set_alice_base_key(*state_r, pre_key_signal_message_get_base_key(message));
	}
	SIGNAL_UNREF(parameters);
	SIGNAL_UNREF(own);
	SIGNAL_UNREF(one_time);
	SIGNAL_UNREF(signed_key);
	return ratchet_result_of(ratchet, code);
}

enum ratchet_result
ratchet_encrypt(struct ratchet *ratchet, struct arena *arena, const char *jid, uint32_t device,
		const void *bytes, size_t len, const void **bytes_r, size_t *len_r, bool *prekey_r)
{
	signal_protocol_address address = ratchet_address(jid, device);
	session_cipher *cipher = NULL;
	ciphertext_message *message = NULL;
	assert(db_active(ratchet->store.db));
	int code = session_cipher_create(&cipher, ratchet->store.context, &address, ratchet_context(ratchet));
	if (code == SG_SUCCESS)
		code = session_cipher_encrypt(cipher, bytes, len, &message);
	if (code == SG_SUCCESS) {
		signal_buffer *serialized = ciphertext_message_get_serialized(message);
		*len_r = signal_buffer_len(serialized);
		*bytes_r = arena_strndup(arena, (const char *)signal_buffer_const_data(serialized), *len_r);
		*prekey_r = ciphertext_message_get_type(message) == CIPHERTEXT_PREKEY_TYPE;
	}
	SIGNAL_UNREF(message);
	if (cipher)
		session_cipher_free(cipher);
	return ratchet_result_of(ratchet, code);
}

void
ratchet_forget(struct ratchet *ratchet, int64_t before)
{
	skipped_expire(ratchet->store.db, ratchet->store.account, before);
	vault_trim(ratchet);
}
