/*
 * element.h -- OMEMO's XML (XEP-0384 0.3.0, sections 4.2 to 4.5): device lists, bundles, encrypted messages,
 * to and from structs.
 *
 * Everything that comes from outside is bounded here: entries looked at, sizes of keys, of the payload. Knows
 * no database, no trust, no ratchet.
 */
#ifndef CLIENT_OMEMO_ELEMENT_H
#define CLIENT_OMEMO_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/db/bundle.h"
#include "client/omemo/payload.h"

struct arena;
struct xml;

enum {
	ELEMENT_DEVICES = 128,  /* of one person at most; what is beyond is not looked at */
	ELEMENT_KEYS = 1000,    /* key elements in a message */
	ELEMENT_KEY_MAX = 4096, /* bytes of one ratchet message */
	ELEMENT_PAYLOAD_MAX = 192 * 1024,
};

/* How many device ids; -1: not a <list/>. Entries that are not ids, and repeated ones, are passed over. */
int element_read_list(const struct xml *list, uint32_t ids_r[static ELEMENT_DEVICES]);
struct xml *element_list(struct arena *arena, const uint32_t *ids, size_t count);

/* False: not a whole bundle. Keys have the right length; whether they are points and the signature holds is
 * not said. */
bool element_read_bundle(struct arena *arena, const struct xml *bundle, struct bundle *bundle_r);
struct xml *element_bundle(struct arena *arena, const struct bundle *bundle);

struct element_key {
	uint32_t rid;
	bool prekey;
	const void *bytes;
	size_t len;
};
struct element_message {
	uint32_t sid;
	uint8_t iv[PAYLOAD_IV_OLD];
	size_t iv_len;
	bool has_payload;
	const uint8_t *payload;
	size_t payload_len;
	struct element_key key; /* the one for us */
};
enum element_result { ELEMENT_OK, ELEMENT_NOT_FOR_US, ELEMENT_MALFORMED };
/* The sender's device id is set whatever the result, 0 when it cannot be read. */
enum element_result element_read_message(struct arena *arena, const struct xml *encrypted,
					 uint32_t own_device, struct element_message *message_r);
/* The key alone, as element_read_message() finds it. False: none, or malformed. */
bool element_read_key(struct arena *arena, const struct xml *encrypted, uint32_t own_device,
		      struct element_key *key_r);
/* payload NULL: key transport. */
struct xml *element_message(struct arena *arena, uint32_t sid, const struct element_key *keys, size_t count,
			    const uint8_t iv[static PAYLOAD_IV], const uint8_t *payload, size_t payload_len);

#endif
