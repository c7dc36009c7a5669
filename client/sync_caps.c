/*
 * sync_caps.c -- what this client understands: service discovery (XEP-0030 section 3) and entity capabilities
 * (XEP-0115 section 5). "+notify" makes the relay push changed device lists of contacts (XEP-0163 section 3).
 */
#include "config.h"

#include "client/sync-private.h"

#include "proto/buf.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"

#define CAPS_NODE "urn:lazo:client"
#define IDENTITY  "client/console//lazo<"

/* In the order of XEP-0115 5.1: by octets. */
static const char *const features[] = {
	NS_OMEMO_DEVICES "+notify",
	NS_CAPS,
	NS_DISCO_INFO,
	NS_MARKERS,
	NS_PING,
	NS_RECEIPTS,
};

enum { FEATURES = sizeof(features) / sizeof(features[0]) };

static void
verification(char out[static SHA1_LEN * 2])
{
	struct buf text = { 0 };
	uint8_t hash[SHA1_LEN];

	buf_adds(&text, IDENTITY);
	for (size_t i = 0; i < FEATURES; i++)
		buf_printf(&text, "%s<", features[i]);
	digest(DIGEST_SHA1, text.data, text.len, hash);
	base64_encode(out, hash, sizeof(hash));
	buf_free(&text);
}

void
sync_add_caps(struct arena *arena, struct xml *presence)
{
	struct xml *c = xml_add(arena, presence, "c", NS_CAPS);
	char ver[SHA1_LEN * 2];

	verification(ver);
	xml_set(arena, c, "hash", "sha-1");
	xml_set(arena, c, "node", CAPS_NODE);
	xml_set(arena, c, "ver", ver);
}

void
sync_answer_info(struct sync *sync, struct arena *arena, const struct xml *iq)
{
	const struct xml *asked = xml_find(iq, "query", NS_DISCO_INFO);
	struct xml *answer = iq_result(arena, iq);
	struct xml *query = xml_add(arena, answer, "query", NS_DISCO_INFO), *identity;

	if (xml_attr(asked, "node") != NULL)
		xml_set(arena, query, "node", xml_attr(asked, "node"));
	identity = xml_add(arena, query, "identity", NULL);
	xml_set(arena, identity, "category", "client");
	xml_set(arena, identity, "type", "console");
	xml_set(arena, identity, "name", "lazo");
	for (size_t i = 0; i < FEATURES; i++)
		xml_set(arena, xml_add(arena, query, "feature", NULL), "var", features[i]);
	stream_send(sync->stream, answer);
}
