/*
 * uri.c -- xmpp: URIs that name a person's devices and their keys, for verifying by QR code or by paste.
 */
#include "config.h"
#include "client/omemo/uri.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/jid.h"

static const char scheme[] = "xmpp:";
static const char parameter[] = "omemo-sid-";

/* RFC 5122: what may stand in the path as it is; the rest is %XX. */
static bool
plain(char c)
{
	return isalnum((unsigned char)c) || strchr("-._~@!$'()*+,:", c);
}

const char *
omemo_uri_make(struct arena *arena, const struct omemo_uri *uri)
{
	struct buf out = { 0 };
	buf_adds(&out, scheme);
	for (const char *c = uri->jid; *c; c++) {
		if (plain(*c))
			buf_add(&out, c, 1);
		else
			buf_printf(&out, "%%%02X", (unsigned)(unsigned char)*c);
	}
	for (size_t i = 0; i < uri->count; i++) {
		char fingerprint[FINGERPRINT_LEN + 1];
		device_fingerprint(fingerprint, uri->devices[i].identity);
		buf_printf(&out, "%c%s%u=%s", i == 0 ? '?' : ';', parameter, (unsigned)uri->devices[i].device,
			   fingerprint);
	}
	const char *text = arena_strndup(arena, out.data, out.len);
	buf_free(&out);
	return text;
}

/* Undo %XX in place. False: not two hex digits, or a NUL. */
static bool
percent_decode(char *text)
{
	char *out = text;
	for (; *text; text++) {
		uint8_t byte = (uint8_t)*text;
		if (*text == '%') {
			char digits[3] = { text[1], text[1] ? text[2] : '\0', '\0' };
			if (!hex_decode(&byte, digits, 1) || byte == 0)
				return false;
			text += 2;
		}
		*out++ = (char)byte;
	}
	*out = '\0';
	return true;
}

/* One "omemo-sid-<id>=<64 hex>"; anything else is passed over. False: one of ours, but wrong. */
static bool
parameter_parse(char *text, struct omemo_uri *uri)
{
	char hex[FINGERPRINT_LEN + 1];
	size_t prefix = strlen(parameter), digits = 0;
	if (strncasecmp(text, parameter, prefix) != 0)
		return true;
	char *end;
	unsigned long id = strtoul(text + prefix, &end, 10);
	if (!isdigit((unsigned char)text[prefix]) || *end != '=' || id == 0 || id > INT32_MAX ||
	    strlen(end + 1) != FINGERPRINT_LEN || uri->count == OMEMO_URI_DEVICES)
		return false;
	for (; digits < FINGERPRINT_LEN; digits++)
		hex[digits] = (char)tolower((unsigned char)end[1 + digits]);
	hex[digits] = '\0';
	uri->devices[uri->count].device = (uint32_t)id;
	uri->devices[uri->count].identity[0] = 5; /* Curve25519, as the ratchet library writes it */
	if (!hex_decode(uri->devices[uri->count].identity + 1, hex, IDENTITY_LEN - 1))
		return false;
	uri->count++;
	return true;
}

bool
omemo_uri_parse(struct arena *arena, const char *text, struct omemo_uri *uri_r)
{
	struct jid jid;
	*uri_r = (struct omemo_uri){ 0 };
	text += strspn(text, " \t\r\n");
	if (strncasecmp(text, scheme, strlen(scheme)) != 0)
		return false;
	char *copy = arena_strdup(arena, text + strlen(scheme));
	copy[strcspn(copy, " \t\r\n")] = '\0';
	char *query = copy + strcspn(copy, "?");
	char *next = *query ? query + 1 : query;
	*query = '\0';
	if (!percent_decode(copy) || !jid_parse_text(arena, copy, &jid) || !jid_is_bare(&jid))
		return false;
	uri_r->jid = jid_text(arena, &jid);
	while (*next) {
		char *one = next;
		next += strcspn(next, ";&");
		if (*next)
			*next++ = '\0';
		if (!parameter_parse(one, uri_r))
			return false;
	}
	return uri_r->count > 0;
}
