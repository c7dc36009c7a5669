/*
 * peer/dialback.c -- see dialback.h.
 */
#include "config.h"

#include "relay/peer/dialback.h"

#include <stddef.h>
#include <string.h>
#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/jid.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlout.h"

static void
add_field(struct buf *out, const char *text)
{
	size_t len = strlen(text);
	const uint8_t size[4] = { (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len };

	buf_add(out, size, sizeof size);
	buf_add(out, text, len);
}

void
dialback_key(const uint8_t secret[static DIALBACK_SECRET], const char *receiving, const char *originating, const char *id,
    char key_r[static DIALBACK_KEY + 1])
{
	struct buf fields = { .data = NULL };
	uint8_t mac[DIGEST_MAX];

	add_field(&fields, receiving);
	add_field(&fields, originating);
	add_field(&fields, id);
	digest_hmac(DIGEST_SHA256, secret, DIALBACK_SECRET, fields.data, fields.len, mac);
	hex_encode(key_r, mac, SHA256_LEN);
	buf_free(&fields);
}

bool
dialback_key_is(const uint8_t secret[static DIALBACK_SECRET], const char *receiving, const char *originating, const char *id,
    const char *key)
{
	char right[DIALBACK_KEY + 1];

	dialback_key(secret, receiving, originating, id, right);
	return strlen(key) == DIALBACK_KEY && same_secret(right, key, DIALBACK_KEY);
}

static void
open_element(struct buf *out, const char *name, const char *from, const char *to, const char *id, const char *type)
{
	buf_printf(out, "<db:%s xmlns:db='" NS_DIALBACK "'", name);
	xmlout_attribute(out, "from", from);
	xmlout_attribute(out, "to", to);
	xmlout_attribute(out, "id", id);
	xmlout_attribute(out, "type", type);
	buf_adds(out, ">");
}

void
dialback_write(struct buf *out, const char *name, const char *from, const char *to, const char *id, const char *type,
    const char *text)
{
	open_element(out, name, from, to, id, type);
	xmlout_escape(out, text, strlen(text));
	buf_printf(out, "</db:%s>", name);
}

void
dialback_write_error(struct buf *out, const char *name, const char *from, const char *to, const char *id, enum stanza_error error)
{
	open_element(out, name, from, to, id, "error");
	buf_printf(out, "<error type='%s'><%s xmlns='" NS_STANZA_ERRORS "'/></error></db:%s>", stanza_error_type(error),
	    stanza_error_name(error), name);
}

static bool
names(struct arena *arena, const char *text, const char *domain)
{
	struct jid jid;

	return text != NULL && jid_parse_text(arena, text, &jid) && jid.node == NULL && jid.resource == NULL &&
	    strcmp(jid.domain, domain) == 0;
}

bool
dialback_is(struct arena *arena, const struct xml *element, const char *name, const char *from, const char *to, const char *id)
{
	const char *said = xml_attr(element, "id");

	return xml_is(element, name, NS_DIALBACK) && names(arena, xml_attr(element, "from"), from) &&
	    names(arena, xml_attr(element, "to"), to) && (id == NULL || (said != NULL && strcmp(said, id) == 0));
}
