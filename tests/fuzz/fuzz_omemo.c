/*
 * fuzz_omemo.c -- what other people's devices send: device lists, bundles and encrypted messages as XML, and the ratchet
 * messages inside (protobuf, read by the ratchet library before anything is authentic: attack O7; and by wire.c, which must
 * agree with it).
 *
 * The first byte chooses: XML, a prekey message, a message, decrypted bytes as text. Promises: ids are 1..2^31-1 and
 * different; sizes are within bounds; text is legal in XML and stays as it is when made so twice.
 */
#include "config.h"

#include "fuzz.h"

#include <stdbool.h>
#include <string.h>

#include "client/omemo/element.h"
#include "client/omemo/payload.h"
#include "client/omemo/ratchet.h"
#include "client/omemo/wire.h"
#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"

enum { OWN = 5 };

static void
check_list(struct arena *arena, const struct xml *list)
{
	uint32_t ids[ELEMENT_DEVICES], again[ELEMENT_DEVICES];
	int count = element_read_list(list, ids);

	PROMISE(count <= ELEMENT_DEVICES);
	for (int i = 0; i < count; i++) {
		PROMISE(ids[i] >= 1 && ids[i] <= INT32_MAX);
		for (int j = 0; j < i; j++)
			PROMISE(ids[j] != ids[i]);
	}
	if (count >= 0) {
		PROMISE(element_read_list(element_list(arena, ids, (size_t)count), again) == count);
		PROMISE(memcmp(ids, again, (size_t)count * sizeof(*ids)) == 0);
	}
}

static void
check_bundle(struct arena *arena, const struct xml *node)
{
	static struct bundle bundle, again;

	if (!element_read_bundle(arena, node, &bundle))
		return;
	PROMISE(bundle.count <= BUNDLE_PREKEYS);
	PROMISE(element_read_bundle(arena, element_bundle(arena, &bundle), &again));
	PROMISE(again.count == bundle.count && again.signed_id == bundle.signed_id);
	PROMISE(memcmp(again.identity, bundle.identity, IDENTITY_LEN) == 0);
}

static void
check_message(struct arena *arena, const struct xml *node)
{
	struct element_message message;

	if (element_read_message(arena, node, OWN, &message) != ELEMENT_OK)
		return;
	PROMISE(message.sid >= 1 && message.sid <= INT32_MAX && message.key.rid == OWN);
	PROMISE(message.iv_len == PAYLOAD_IV || message.iv_len == PAYLOAD_IV_OLD);
	PROMISE(message.key.bytes != NULL && message.key.len <= ELEMENT_KEY_MAX);
	PROMISE(message.payload_len <= ELEMENT_PAYLOAD_MAX);
}

static void
check_xml(struct arena *arena, const uint8_t *data, size_t size)
{
	enum stream_error error;
	struct xml *node = xmlin_parse(arena, (const char *)data, size, &xmlin_limits_default, &error);

	if (node == NULL)
		return;
	check_list(arena, node);
	check_bundle(arena, node);
	check_message(arena, node);
}

static void
check_ratchet(const uint8_t *data, size_t size, bool prekey)
{
	static struct ratchet *ratchet;
	struct ratchet_header header;

	if (ratchet == NULL)
		ratchet = ratchet_open(NULL, 0);
	struct wire_header wire;
	struct ratchet_message *message = ratchet_read(ratchet, data, size, prekey, &header);
	bool read = wire_read(data, size, prekey, &wire);

	PROMISE(message == NULL || header.prekey == prekey);
	/* what a backlog is sorted by is what the ratchet goes by */
	PROMISE(message == NULL || (read && wire.counter == header.counter &&
	    memcmp(wire.ratchet_key, header.ratchet_key, sizeof(wire.ratchet_key)) == 0));
	ratchet_message_free(&message);
}

static void
check_text(struct arena *arena, const uint8_t *data, size_t size)
{
	const char *text = payload_text(arena, data, size);

	PROMISE(payload_is_text(text));
	PROMISE(strcmp(text, payload_text(arena, (const uint8_t *)text, strlen(text))) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();

	if (size > 0 && data[0] == 'p')
		check_ratchet(data + 1, size - 1, true);
	else if (size > 0 && data[0] == 'm')
		check_ratchet(data + 1, size - 1, false);
	else if (size > 0 && data[0] == 't')
		check_text(arena, data + 1, size - 1);
	else
		check_xml(arena, data, size);
	arena_free(&arena);
	return 0;
}
