/*
 * peer/opening.c -- see opening.h.
 */
#include "config.h"

#include "relay/peer/opening.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/peer/dialback.h"
#include "relay/peer/peer-private.h"

enum state { AUTH, PROVING, KEY, FEATURES, ENABLING };

enum { BYTES_LEAST = 10000 /* RFC 6120 13.12: whoever says less is not believed */ };

struct opening {
	struct peers *peers;
	struct line *line;
	const char *domain;
	const struct log *log;
	const struct opening_owner *owner;
	void *arg;
	char *id; /* of the stream, as the other names it */
	struct outflow_terms terms;
	enum state state;
	bool proven, bidi;
};

static void
ready(struct opening *opening)
{
	opening->owner->opened(opening->arg, &opening->terms, opening->bidi);
}

static void
on_header(void *arg, struct arena *arena, struct xml *header)
{
	struct opening *opening = arg;
	const char *id = xml_attr(header, "id");
	enum stream_error error = peers_check_header(arena, header, opening->domain);

	free(opening->id);
	opening->id = xstrdup(id == NULL ? "" : id);
	if (error != STREAM_OK)
		line_close(opening->line, error, NULL);
}

/* ---- proof ---- */

static bool
offers_external(struct arena *arena, const struct xml *features)
{
	const struct xml *list = xml_find(features, "mechanisms", NS_SASL), *one;

	for (one = list == NULL ? NULL : xml_find(list, "mechanism", NS_SASL); one != NULL; one = xml_next(one, "mechanism", NS_SASL))
		if (strcmp(xml_text(arena, one), "EXTERNAL") == 0)
			return true;
	return false;
}

size_t
opening_max_bytes(struct arena *arena, const struct xml *features)
{
	const struct xml *limits = xml_find(features, "limits", NS_LIMITS);
	const char *text = limits == NULL ? NULL : xml_child_text(arena, limits, "max-bytes", NS_LIMITS);
	unsigned long long value = text == NULL ? 0 : strtoull(text, NULL, 10);

	return value == 0 ? 0 : value < BYTES_LEAST ? BYTES_LEAST : (size_t)value;
}

static void
prove(struct opening *opening)
{
	size_t len = strlen(opening->peers->domain);
	char *text = xmalloc(base64_encoded_len(len) + 1);
	struct buf out = { .data = NULL };

	base64_encode(text, opening->peers->domain, len);
	buf_printf(&out, "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>%s</auth>", text);
	line_write(opening->line, out.data, out.len);
	opening->state = PROVING;
	buf_free(&out);
	free(text);
}

static void
send_key(struct opening *opening)
{
	uint8_t secret[DIALBACK_SECRET];
	char key[DIALBACK_KEY + 1];
	struct buf out = { .data = NULL };

	peers_dialback_secret(opening->peers, secret);
	dialback_key(secret, opening->domain, opening->peers->domain, opening->id, key);
	dialback_write(&out, "result", opening->peers->domain, opening->domain, NULL, NULL, key);
	line_write(opening->line, out.data, out.len);
	opening->state = KEY;
	buf_free(&out);
}

/* XEP-0288 section 2: behind TLS, before authentication. The other hears no features of ours: what it must know is in here (XEP-0478
 * section 2.3, proto/spec/custody.md 9, courier.md 4.1). */
static void
ask_both_ways(struct opening *opening)
{
	struct buf out = { .data = NULL };

	buf_printf(&out, "<bidi xmlns='" NS_BIDI "'><limits xmlns='" NS_LIMITS "'><max-bytes>%d</max-bytes><idle-seconds>%d</idle-seconds>"
	    "</limits><custody xmlns='" NS_CUSTODY "'/><courier xmlns='" NS_COURIER "'/></bidi>", LINE_BYTES, LINE_IDLE);
	line_write(opening->line, out.data, out.len);
	buf_free(&out);
	opening->bidi = true;
}

static void
take_auth_features(struct opening *opening, struct arena *arena, const struct xml *features)
{
	bool external = offers_external(arena, features);

	if (!external && !peers_allow_dialback(opening->peers, opening->domain)) {
		line_close(opening->line, STREAM_UNSUPPORTED_FEATURE, "you do not take our certificate");
		return;
	}
	if (opening->proven && xml_find(features, "bidi", NS_BIDI_FEATURE) != NULL)
		ask_both_ways(opening);
	opening->terms.max_bytes = opening_max_bytes(arena, features);
	if (external)
		prove(opening);
	else
		send_key(opening);
}

static void
take_features(struct opening *opening, struct arena *arena, struct xml *features)
{
	if (!xml_is(features, "features", NS_STREAM)) {
		line_close(opening->line, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
		return;
	}
	if (opening->state == AUTH) {
		take_auth_features(opening, arena, features);
		return;
	}
	opening->terms.max_bytes = opening_max_bytes(arena, features);
	opening->terms.custody = xml_find(features, "custody", NS_CUSTODY) != NULL; /* proto/spec/custody.md 9 */
	/* Behind EXTERNAL: ours is proven; courier.md 4.1. */
	opening->terms.courier = opening->proven && xml_find(features, "courier", NS_COURIER) != NULL;
	if (xml_find(features, "sm", NS_SM) == NULL) {
		ready(opening);
		return;
	}
	line_writes(opening->line, "<enable xmlns='" NS_SM "'/>");
	opening->state = ENABLING;
}

static void
take_verdict(struct opening *opening, struct arena *arena, struct xml *element)
{
	const struct xml *reason = xml_first(element);

	(void)arena;
	if (xml_is(element, "success", NS_SASL)) {
		opening->state = FEATURES;
		line_restart(opening->line, LINE_BYTES);
		line_header(opening->line, opening->domain, NULL);
		return;
	}
	log_warn(opening->log, "does not take our certificate: %s", reason == NULL ? element->name : reason->name);
	line_close(opening->line, STREAM_OK, NULL);
}

/* Only what answers our question counts (attack F1). */
static void
take_key_verdict(struct opening *opening, struct arena *arena, struct xml *element)
{
	const char *type = xml_attr(element, "type");

	if (type == NULL || !dialback_is(arena, element, "result", opening->domain, opening->peers->domain, NULL)) {
		line_close(opening->line, STREAM_POLICY_VIOLATION, "that was not asked");
	} else if (strcmp(type, "valid") == 0) {
		line_raise(opening->line, LINE_BYTES);
		ready(opening);
	} else {
		log_warn(opening->log, "does not take our dialback key: %s", type);
		line_close(opening->line, STREAM_OK, NULL);
	}
}

static void
take_enabled(struct opening *opening, struct arena *arena, struct xml *element)
{
	(void)arena;
	if (strcmp(element->ns, NS_SM) != 0) {
		line_close(opening->line, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
		return;
	}
	opening->terms.managed = strcmp(element->name, "enabled") == 0;
	ready(opening);
}

static void
on_element(void *arg, struct arena *arena, struct xml *element)
{
	static void (*const takes[])(struct opening *, struct arena *, struct xml *) = {
		[AUTH] = take_features, [PROVING] = take_verdict, [KEY] = take_key_verdict, [FEATURES] = take_features,
		[ENABLING] = take_enabled,
	};
	struct opening *opening = arg;

	if (opening->bidi && opening->state >= FEATURES && strcmp(element->ns, NS_SERVER) == 0 && stanza_kind(element) != STANZA_OTHER) {
		opening->owner->early(opening->arg, arena, element);
		return;
	}
	if (xml_is(element, "error", NS_STREAM))
		peers_hear_error(opening->line, opening->log, arena, element);
	else
		takes[opening->state](opening, arena, element); /* may free it */
	arena_free(&arena);
}

static void
on_secure(void *arg)
{
	(void)arg; /* it is, since before we had the line */
}

static void
on_goodbye(void *arg)
{
	struct opening *opening = arg;

	line_close(opening->line, STREAM_OK, NULL);
}

static void
on_closed(void *arg, const char *why)
{
	struct opening *opening = arg;

	opening->owner->ended(opening->arg, why);
}

static const struct line_owner line_owner = {
	.header = on_header, .element = on_element, .secure = on_secure, .goodbye = on_goodbye, .closed = on_closed,
};

struct opening *
opening_new(struct peers *peers, struct line *line, const char *domain, const struct log *log, const struct opening_owner *owner,
    void *arg, const char **why_r)
{
	struct opening *opening;
	bool proven = line_proves(line, domain, peers_pin_of(peers, domain), why_r);

	if (!proven && !peers_allow_dialback(peers, domain))
		return NULL;
	opening = xcalloc(1, sizeof *opening);
	opening->peers = peers;
	opening->line = line;
	opening->domain = domain;
	opening->log = log;
	opening->owner = owner;
	opening->arg = arg;
	opening->proven = proven;
	line_give(line, &line_owner, opening);
	line_header(line, domain, NULL);
	return opening;
}

void
opening_free(struct opening **opening)
{
	struct opening *gone = *opening;

	*opening = NULL;
	if (gone == NULL)
		return;
	free(gone->id);
	free(gone);
}
