/*
 * store.c -- session, prekey, signed prekey and identity store of libsignal-protocol-c, over client/db.
 *
 * is_trusted_identity always says yes: trust is decided before the library is asked (XEP-0384 0.3.0,
 * implementation notes). remove_pre_key marks the key as used and keeps it (key.h). A database that failed
 * answers SG_ERR_UNKNOWN.
 */
#include "config.h"
#include "client/omemo/store.h"

#include <assert.h>
#include <string.h>
#include "client/db/db.h"
#include "client/db/key.h"
#include "client/db/session.h"
#include "proto/arena.h"
#include "proto/mem.h"

/* Our addresses are NUL-terminated bare JIDs. */
static const char *
address_jid(const signal_protocol_address *address)
{
	assert(address->name[address->name_len] == '\0');
	return address->name;
}

static int
store_result(const struct store *store)
{
	return db_error(store->db) ? SG_ERR_UNKNOWN : SG_SUCCESS;
}

/* 1: there; 0: not there; negative: failed. */
static int
load_session(signal_buffer **record, signal_buffer **user_record, const signal_protocol_address *address,
	     void *user_data)
{
	struct store *store = user_data;
	struct arena *arena = arena_new_secret();
	size_t len;
	const void *bytes = session_get(store->db, arena, store->account, address_jid(address),
					(uint32_t)address->device_id, &len);
	*user_record = NULL;
	*record = bytes ? signal_buffer_create(bytes, len) : NULL;
	arena_free(&arena);
	if (store_result(store) != SG_SUCCESS)
		return SG_ERR_UNKNOWN;
	return *record ? 1 : 0;
}

static int
get_sub_devices(signal_int_list **sessions, const char *name, size_t name_len, void *user_data)
{
	(void)name;
	(void)name_len;
	(void)user_data;
	*sessions = signal_int_list_alloc(); /* the cipher never asks */
	return *sessions ? 0 : SG_ERR_NOMEM;
}

static int
store_session(const signal_protocol_address *address, uint8_t *record, size_t record_len,
	      uint8_t *user_record, size_t user_record_len, void *user_data)
{
	struct store *store = user_data;
	(void)user_record;
	(void)user_record_len;
	session_put(store->db, store->account, address_jid(address), (uint32_t)address->device_id, record,
		    record_len);
	return store_result(store);
}

static int
contains_session(const signal_protocol_address *address, void *user_data)
{
	struct store *store = user_data;
	return session_exists(store->db, store->account, address_jid(address), (uint32_t)address->device_id);
}

static int
delete_session(const signal_protocol_address *address, void *user_data)
{
	struct store *store = user_data;
	session_delete(store->db, store->account, address_jid(address), (uint32_t)address->device_id);
	return store_result(store) == SG_SUCCESS ? 1 : SG_ERR_UNKNOWN;
}

static int
delete_all_sessions(const char *name, size_t name_len, void *user_data)
{
	(void)name;
	(void)name_len;
	(void)user_data;
	return 0; /* the cipher never asks */
}

static int
load_pre_key(signal_buffer **record, uint32_t id, void *user_data)
{
	struct store *store = user_data;
	struct arena *arena = arena_new_secret();
	size_t len;
	const void *bytes = key_prekey_get(store->db, arena, store->account, id, &len);
	*record = bytes ? signal_buffer_create(bytes, len) : NULL;
	arena_free(&arena);
	return *record ? SG_SUCCESS : SG_ERR_INVALID_KEY_ID;
}

static int
store_pre_key(uint32_t id, uint8_t *record, size_t record_len, void *user_data)
{
	struct store *store = user_data;
	key_prekey_put(store->db, store->account, id, PREKEY_PUBLISHED, record, record_len, store->now);
	return store_result(store);
}

static int
contains_pre_key(uint32_t id, void *user_data)
{
	signal_buffer *record = NULL;
	int result = load_pre_key(&record, id, user_data);
	signal_buffer_bzero_free(record);
	return result == SG_SUCCESS;
}

static int
remove_pre_key(uint32_t id, void *user_data)
{
	struct store *store = user_data;
	if (key_prekey_use(store->db, store->account, id, store->now)) {
		store->prekey_used = true;
		key_changed(store->db, store->account, KEY_NODE_BUNDLE);
	}
	return store_result(store);
}

static int
load_signed_pre_key(signal_buffer **record, uint32_t id, void *user_data)
{
	struct store *store = user_data;
	struct arena *arena = arena_new_secret();
	size_t len;
	const void *bytes = key_signed_get(store->db, arena, store->account, id, &len);
	*record = bytes ? signal_buffer_create(bytes, len) : NULL;
	arena_free(&arena);
	return *record ? SG_SUCCESS : SG_ERR_INVALID_KEY_ID;
}

static int
store_signed_pre_key(uint32_t id, uint8_t *record, size_t record_len, void *user_data)
{
	struct store *store = user_data;
	key_signed_put(store->db, store->account, id, record, record_len, store->now);
	return store_result(store);
}

static int
contains_signed_pre_key(uint32_t id, void *user_data)
{
	signal_buffer *record = NULL;
	int result = load_signed_pre_key(&record, id, user_data);
	signal_buffer_bzero_free(record);
	return result == SG_SUCCESS;
}

static int
remove_signed_pre_key(uint32_t id, void *user_data)
{
	(void)id;
	(void)user_data;
	return SG_SUCCESS; /* by age only: omemo_maintain() */
}

static int
get_identity_key_pair(signal_buffer **public_data, signal_buffer **private_data, void *user_data)
{
	struct store *store = user_data;
	struct key_own own;
	if (!key_own_get(store->db, store->account, &own))
		return SG_ERR_UNKNOWN;
	*public_data = signal_buffer_create(own.identity, IDENTITY_LEN);
	*private_data = signal_buffer_create(own.secret, PRIVATE_LEN);
	cleanse(&own, sizeof own);
	return SG_SUCCESS;
}

static int
get_local_registration_id(void *user_data, uint32_t *registration_id)
{
	struct store *store = user_data;
	struct key_own own;
	bool have = key_own_get(store->db, store->account, &own);
	*registration_id = own.registration;
	cleanse(&own, sizeof own);
	return have ? SG_SUCCESS : SG_ERR_UNKNOWN;
}

static int
save_identity(const signal_protocol_address *address, uint8_t *key_data, size_t key_len, void *user_data)
{
	(void)address;
	(void)key_data;
	(void)key_len;
	(void)user_data;
	return SG_SUCCESS; /* device_identify() has done it */
}

static int
is_trusted_identity(const signal_protocol_address *address, uint8_t *key_data, size_t key_len,
		    void *user_data)
{
	(void)address;
	(void)key_data;
	(void)key_len;
	(void)user_data;
	return 1;
}

bool
store_open(struct store *store, struct db *db, int64_t account, signal_context *context)
{
	const signal_protocol_session_store sessions = {
		.load_session_func = load_session,
		.get_sub_device_sessions_func = get_sub_devices,
		.store_session_func = store_session,
		.contains_session_func = contains_session,
		.delete_session_func = delete_session,
		.delete_all_sessions_func = delete_all_sessions,
		.user_data = store,
	};
	const signal_protocol_pre_key_store prekeys = {
		.load_pre_key = load_pre_key,
		.store_pre_key = store_pre_key,
		.contains_pre_key = contains_pre_key,
		.remove_pre_key = remove_pre_key,
		.user_data = store,
	};
	const signal_protocol_signed_pre_key_store signed_prekeys = {
		.load_signed_pre_key = load_signed_pre_key,
		.store_signed_pre_key = store_signed_pre_key,
		.contains_signed_pre_key = contains_signed_pre_key,
		.remove_signed_pre_key = remove_signed_pre_key,
		.user_data = store,
	};
	const signal_protocol_identity_key_store identities = {
		.get_identity_key_pair = get_identity_key_pair,
		.get_local_registration_id = get_local_registration_id,
		.save_identity = save_identity,
		.is_trusted_identity = is_trusted_identity,
		.user_data = store,
	};
	*store = (struct store){ .db = db, .account = account };
	return signal_protocol_store_context_create(&store->context, context) == SG_SUCCESS &&
	       signal_protocol_store_context_set_session_store(store->context, &sessions) == SG_SUCCESS &&
	       signal_protocol_store_context_set_pre_key_store(store->context, &prekeys) == SG_SUCCESS &&
	       signal_protocol_store_context_set_signed_pre_key_store(store->context, &signed_prekeys) ==
		   SG_SUCCESS &&
	       signal_protocol_store_context_set_identity_key_store(store->context, &identities) ==
		   SG_SUCCESS;
}

void
store_close(struct store *store)
{
	if (store->context)
		signal_protocol_store_context_destroy(store->context);
	store->context = NULL;
}
