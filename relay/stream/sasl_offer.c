/*
 * stream/sasl_offer.c -- what a client can log in by on its stream: mechanisms (RFC 6120 6.4.1, XEP-0388 2.1), channel bindings
 * (XEP-0440), and the text of both that SCRAM protects from being edited on the way (XEP-0474).
 *
 * A login that comes back is to be short (design: 2 kB), so nothing is said here that no client has a use for: SHA-1 is for RFC 6120
 * alone, and a token without channel binding (HT-SHA-256-NONE, which XEP-0484 3.1 would have beside) for nobody: what a client
 * sends by it is the same at each login, so that one who reads it once, by a certificate that an authority gave to the wrong hands
 * (attack T5), has the account for as long as the token lives. Who cannot bind has SCRAM.
 *
 * tls-unique is taken and not announced. RFC 5802 6.1 asks for it under TLS 1.2. Under TLS 1.3 no RFC defines it, but clients built on
 * Python's ssl (slixmpp to 1.8.4, poezio) know no other and answer with the client's Finished: a hash under this session's keys
 * over its whole handshake, which nobody in the middle can have on both his sides. Refused, they would go on to say `y`, which must
 * be refused, and have no way in at all. Who knows a better one is told of those alone.
 * Depends on the TLS session and the configuration alone: never on who the client says it is (XEP-0388, security considerations).
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/net/io.h"
#include "relay/stream/sasl-private.h"

#define SCRAM .kind = KIND_SCRAM, .first = scram_begin, .ask = keys_ask, .keyed = scram_keyed, .last = scram_end
#define TOKEN .kind = KIND_TOKEN, .digest = DIGEST_SHA256, .first = token_begin, .ask = token_ask

const struct mechanism sasl_mechanisms[MECHANISMS] = {
	{ "HT-SHA-256-EXPR", TOKEN, .bound = BOUND_EXPORTER },
	{ "HT-SHA-256-ENDP", TOKEN, .bound = BOUND_END_POINT },
	{ "SCRAM-SHA-256-PLUS", SCRAM, .digest = DIGEST_SHA256, .bound = BOUND_ANY },
	{ "SCRAM-SHA-1-PLUS", SCRAM, .digest = DIGEST_SHA1, .bound = BOUND_ANY, .legacy = true },
	{ "SCRAM-SHA-256", SCRAM, .digest = DIGEST_SHA256 },
	{ "SCRAM-SHA-1", SCRAM, .digest = DIGEST_SHA1, .legacy = true },
	{ "PLAIN", .kind = KIND_PLAIN, .first = plain_begin, .ask = keys_ask, .keyed = plain_keyed },
};

/* Which types of channel binding this connection has. Their bytes are computed only for a client that binds. */
struct bindings {
	bool exporter, end_point;
};

static struct bindings
bindings_of(const struct stream *stream)
{
	uint8_t hash[64];

	return (struct bindings){ .exporter = io_tls_has_exporter(stream->io),
				  .end_point = io_tls_end_point(stream->io, hash) > 0 };
}

bool
sasl_offers_binding(const struct stream *stream)
{
	struct bindings has = bindings_of(stream);

	return has.exporter || has.end_point;
}

struct scram_binding
sasl_binding(const struct stream *stream)
{
	struct scram_binding binding = { .exporter_len = 0 };

	if (io_tls_exporter(stream->io, binding.exporter))
		binding.exporter_len = sizeof binding.exporter;
	binding.end_point_len = io_tls_end_point(stream->io, binding.end_point);
	binding.unique_len = io_tls_unique(stream->io, binding.unique);
	return binding;
}

static bool
is_offered(const struct stream *stream, const struct sasl_profile *profile, const struct mechanism *mechanism,
    const struct bindings *has)
{
	if (profile == &sasl_profile_1 ? mechanism->kind == KIND_TOKEN : mechanism->legacy)
		return false;
	switch (mechanism->bound) {
	case BOUND_NONE:
		return mechanism->kind != KIND_PLAIN || stream->host->plain;
	case BOUND_ANY:
		return has->exporter || has->end_point;
	case BOUND_EXPORTER:
		return has->exporter;
	case BOUND_END_POINT:
		return has->end_point;
	}
	return false;
}

const struct mechanism *
sasl_mechanism_find(const struct stream *stream, const struct sasl_profile *profile, const char *name)
{
	struct bindings has = bindings_of(stream);

	for (int i = 0; name != NULL && i < MECHANISMS; i++)
		if (strcmp(name, sasl_mechanisms[i].name) == 0 && is_offered(stream, profile, &sasl_mechanisms[i], &has))
			return &sasl_mechanisms[i];
	return NULL;
}

static void
add_mechanisms(const struct stream *stream, const struct sasl_profile *profile, const struct bindings *has, bool tokens,
    struct arena *arena, struct xml *list)
{
	for (int i = 0; i < MECHANISMS; i++)
		if ((sasl_mechanisms[i].kind == KIND_TOKEN) == tokens &&
		    is_offered(stream, profile, &sasl_mechanisms[i], has))
			xml_add_leaf(arena, list, "mechanism", NULL, sasl_mechanisms[i].name);
}

void
sasl_features(struct stream *stream, struct arena *arena, struct xml *features)
{
	struct bindings has = bindings_of(stream);
	struct xml *list = xml_add(arena, features, "authentication", NS_SASL2), *types;

	add_mechanisms(stream, &sasl_profile_2, &has, false, arena, list);
	list = xml_add(arena, list, "inline", NULL);
	bind2_offer(stream, arena, list);
	add_mechanisms(stream, &sasl_profile_2, &has, true, arena, xml_add(arena, list, "fast", NS_FAST));
	add_mechanisms(stream, &sasl_profile_1, &has, false, arena, xml_add(arena, features, "mechanisms", NS_SASL));
	if (!has.exporter && !has.end_point)
		return;
	types = xml_add(arena, features, "sasl-channel-binding", NS_SASL_CB); /* XEP-0440 */
	if (has.exporter)
		xml_set(arena, xml_add(arena, types, "channel-binding", NULL), "type", "tls-exporter");
	if (has.end_point)
		xml_set(arena, xml_add(arena, types, "channel-binding", NULL), "type", "tls-server-end-point");
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* XEP-0474 4.1: of the profile that is used. Channel binding types are two, in their order. */
const char *
sasl_offer_text(const struct stream *stream, const struct sasl_profile *profile, struct arena *arena)
{
	struct bindings has = bindings_of(stream);
	const char *names[MECHANISMS], *text = "";
	size_t count = 0;

	for (int i = 0; i < MECHANISMS; i++)
		if (sasl_mechanisms[i].kind != KIND_TOKEN && is_offered(stream, profile, &sasl_mechanisms[i], &has))
			names[count++] = sasl_mechanisms[i].name;
	qsort(names, count, sizeof *names, compare);
	for (size_t i = 0; i < count; i++)
		text = arena_printf(arena, "%s%s%s", text, i == 0 ? "" : "\x1e", names[i]);
	if (!has.exporter && !has.end_point)
		return text;
	return arena_printf(arena, "%s\x1f%s%s%s", text, has.exporter ? "tls-exporter" : "",
	    has.exporter && has.end_point ? "\x1e" : "",
	    has.end_point ? "tls-server-end-point" : "");
}
