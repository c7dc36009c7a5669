/*
 * element.c -- device lists, bundles and encrypted messages as XML (XEP-0384 0.3.0).
 *
 * Lenient where deployed clients differ: children in any order, prekey='true' or '1', white space inside
 * base64. Strict in sizes: a key that has not its length is no key; one key for us, not two.
 */
#include "config.h"
#include "client/omemo/element.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/ns.h"
#include "proto/xml.h"

/* A decimal number from 1 to most; 0: not one. */
static uint32_t
id_parse(const char *text, uint32_t most)
{
	uint64_t id = 0;
	if (!text || text[0] == '\0' || strlen(text) > 10)
		return 0;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return 0;
		id = id * 10 + (uint64_t)(*text - '0');
	}
	return id <= most ? (uint32_t)id : 0;
}

/* The text of a node as bytes; NULL: not base64, empty, or more than `most`. */
static const uint8_t *
base64_of(struct arena *arena, const struct xml *node, size_t most, size_t *len_r)
{
	const char *text = node ? xml_text(arena, node) : "";
	size_t len = strlen(text), packed = 0;
	if (len == 0 || len > most * 2 + 64)
		return NULL;
	char *tight = arena_alloc(arena, len + 1);
	for (size_t i = 0; i < len; i++) {
		if (!strchr(" \t\r\n", text[i]))
			tight[packed++] = text[i];
	}
	uint8_t *bytes = arena_alloc(arena, packed / 4 * 3 + 3);
	long decoded = base64_decode(bytes, tight, packed);
	if (decoded <= 0 || (size_t)decoded > most)
		return NULL;
	*len_r = (size_t)decoded;
	return bytes;
}

/* A key of exactly this length. */
static bool
base64_key(struct arena *arena, const struct xml *node, uint8_t *out, size_t len)
{
	size_t got = 0;
	const uint8_t *bytes = base64_of(arena, node, len, &got);
	if (!bytes || got != len)
		return false;
	memcpy(out, bytes, len);
	return true;
}

static void
base64_leaf(struct arena *arena, struct xml *parent, const char *name, const void *bytes, size_t len)
{
	char *text = arena_alloc(arena, base64_encoded_len(len) + 1);
	base64_encode(text, bytes, len);
	xml_add_leaf(arena, parent, name, NULL, text);
}

int
element_read_list(const struct xml *list, uint32_t ids_r[static ELEMENT_DEVICES])
{
	int count = 0;
	if (!list || !xml_is(list, "list", NS_OMEMO))
		return -1;
	for (const struct xml *device = xml_find(list, "device", NS_OMEMO); device && count < ELEMENT_DEVICES;
	     device = xml_next(device, "device", NS_OMEMO)) {
		uint32_t id = id_parse(xml_attr(device, "id"), INT32_MAX);
		bool known = id == 0;
		for (int i = 0; i < count && !known; i++)
			known = ids_r[i] == id;
		if (!known)
			ids_r[count++] = id;
	}
	return count;
}

struct xml *
element_list(struct arena *arena, const uint32_t *ids, size_t count)
{
	struct xml *list = xml_new(arena, "list", NS_OMEMO);
	for (size_t i = 0; i < count; i++)
		xml_setf(arena, xml_add(arena, list, "device", NULL), "id", "%u", (unsigned)ids[i]);
	return list;
}

bool
element_read_bundle(struct arena *arena, const struct xml *bundle, struct bundle *bundle_r)
{
	*bundle_r = (struct bundle){ 0 };
	if (!bundle || !xml_is(bundle, "bundle", NS_OMEMO))
		return false;
	const struct xml *signed_key = xml_find(bundle, "signedPreKeyPublic", NS_OMEMO);
	const char *signed_id = signed_key ? xml_attr(signed_key, "signedPreKeyId") : NULL;
	bundle_r->signed_id = id_parse(signed_id, INT32_MAX);
	if (!signed_id || (bundle_r->signed_id == 0 && strcmp(signed_id, "0") != 0) ||
	    !base64_key(arena, signed_key, bundle_r->signed_key, PREKEY_PUBLIC_LEN) ||
	    !base64_key(arena, xml_find(bundle, "signedPreKeySignature", NS_OMEMO), bundle_r->signature,
			SIGNATURE_LEN) ||
	    !base64_key(arena, xml_find(bundle, "identityKey", NS_OMEMO), bundle_r->identity, IDENTITY_LEN))
		return false;
	const struct xml *prekeys = xml_find(bundle, "prekeys", NS_OMEMO);
	const struct xml *prekey = prekeys ? xml_find(prekeys, "preKeyPublic", NS_OMEMO) : NULL;
	for (int seen = 0; prekey && seen < ELEMENT_KEYS && bundle_r->count < BUNDLE_PREKEYS; seen++) {
		struct bundle_prekey *kept = &bundle_r->prekeys[bundle_r->count];
		kept->id = id_parse(xml_attr(prekey, "preKeyId"), INT32_MAX);
		if (kept->id != 0 && base64_key(arena, prekey, kept->key, PREKEY_PUBLIC_LEN))
			bundle_r->count++;
		prekey = xml_next(prekey, "preKeyPublic", NS_OMEMO);
	}
	return true;
}

struct xml *
element_bundle(struct arena *arena, const struct bundle *bundle)
{
	struct xml *node = xml_new(arena, "bundle", NS_OMEMO);
	base64_leaf(arena, node, "signedPreKeyPublic", bundle->signed_key, PREKEY_PUBLIC_LEN);
	xml_setf(arena, node->last, "signedPreKeyId", "%u", (unsigned)bundle->signed_id);
	base64_leaf(arena, node, "signedPreKeySignature", bundle->signature, SIGNATURE_LEN);
	base64_leaf(arena, node, "identityKey", bundle->identity, IDENTITY_LEN);
	struct xml *prekeys = xml_add(arena, node, "prekeys", NULL);
	for (size_t i = 0; i < bundle->count; i++) {
		base64_leaf(arena, prekeys, "preKeyPublic", bundle->prekeys[i].key, PREKEY_PUBLIC_LEN);
		xml_setf(arena, prekeys->last, "preKeyId", "%u", (unsigned)bundle->prekeys[i].id);
	}
	return node;
}

/* The key with our id. Two of them, or one that cannot be read, is malformed; none: not for us. */
static enum element_result
find_key(struct arena *arena, const struct xml *header, uint32_t own_device, struct element_key *key_r)
{
	const struct xml *ours = NULL;
	int seen = 0;
	for (const struct xml *key = xml_find(header, "key", NS_OMEMO); key;
	     key = xml_next(key, "key", NS_OMEMO)) {
		if (++seen > ELEMENT_KEYS)
			return ELEMENT_MALFORMED;
		if (id_parse(xml_attr(key, "rid"), INT32_MAX) != own_device)
			continue;
		if (ours)
			return ELEMENT_MALFORMED;
		ours = key;
	}
	if (!ours)
		return ELEMENT_NOT_FOR_US;
	const char *prekey = xml_attr(ours, "prekey");
	key_r->rid = own_device;
	key_r->prekey = prekey && (strcmp(prekey, "true") == 0 || strcmp(prekey, "1") == 0);
	key_r->bytes = base64_of(arena, ours, ELEMENT_KEY_MAX, &key_r->len);
	return key_r->bytes ? ELEMENT_OK : ELEMENT_MALFORMED;
}

/* An empty <payload/> is a message without text; an absent one is a key transport. */
static bool
read_payload(struct arena *arena, const struct xml *encrypted, struct element_message *message_r)
{
	const struct xml *payload = xml_find(encrypted, "payload", NS_OMEMO);
	message_r->has_payload = payload;
	if (!payload)
		return true;
	message_r->payload = base64_of(arena, payload, ELEMENT_PAYLOAD_MAX, &message_r->payload_len);
	if (!message_r->payload && xml_text(arena, payload)[0] != '\0')
		return false;
	return !xml_next(payload, "payload", NS_OMEMO);
}

enum element_result
element_read_message(struct arena *arena, const struct xml *encrypted, uint32_t own_device,
		     struct element_message *message_r)
{
	*message_r = (struct element_message){ 0 };
	const struct xml *header = xml_find(encrypted, "header", NS_OMEMO);
	if (!header)
		return ELEMENT_MALFORMED;
	message_r->sid = id_parse(xml_attr(header, "sid"), INT32_MAX);
	size_t iv_len = 0;
	const uint8_t *iv = base64_of(arena, xml_find(header, "iv", NS_OMEMO), PAYLOAD_IV_OLD, &iv_len);
	if (message_r->sid == 0 || !iv || (iv_len != PAYLOAD_IV && iv_len != PAYLOAD_IV_OLD))
		return ELEMENT_MALFORMED;
	memcpy(message_r->iv, iv, iv_len);
	message_r->iv_len = iv_len;
	if (!read_payload(arena, encrypted, message_r))
		return ELEMENT_MALFORMED;
	return find_key(arena, header, own_device, &message_r->key);
}

bool
element_read_key(struct arena *arena, const struct xml *encrypted, uint32_t own_device, struct element_key *key_r)
{
	const struct xml *header = xml_find(encrypted, "header", NS_OMEMO);
	*key_r = (struct element_key){ 0 };
	return header && find_key(arena, header, own_device, key_r) == ELEMENT_OK;
}

struct xml *
element_message(struct arena *arena, uint32_t sid, const struct element_key *keys, size_t count,
		const uint8_t iv[static PAYLOAD_IV], const uint8_t *payload, size_t payload_len)
{
	struct xml *encrypted = xml_new(arena, "encrypted", NS_OMEMO);
	struct xml *header = xml_add(arena, encrypted, "header", NULL);
	xml_setf(arena, header, "sid", "%u", (unsigned)sid);
	for (size_t i = 0; i < count; i++) {
		base64_leaf(arena, header, "key", keys[i].bytes, keys[i].len);
		xml_setf(arena, header->last, "rid", "%u", (unsigned)keys[i].rid);
		if (keys[i].prekey)
			xml_set(arena, header->last, "prekey", "true");
	}
	base64_leaf(arena, header, "iv", iv, PAYLOAD_IV);
	if (payload)
		base64_leaf(arena, encrypted, "payload", payload, payload_len);
	return encrypted;
}
