/*
 * stream/sasl1.c -- SASL as RFC 6120 section 6 writes it: <auth/>, then a new stream, then binding.
 *
 * DIAGNOSTICS: malformed-request for what comes out of order (attack S12), invalid-mechanism.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/stream/sasl-private.h"

static void
passed(struct sasl *sasl, const void *data, size_t len)
{
	struct stream *stream = sasl->stream;
	char *text = data == NULL ? NULL : xstrndup(data, len);

	sasl_known(sasl);
	sasl_write_data(stream, sasl->profile, "success", text);
	free(text);
	sasl_leave(stream);
	stream_restart(stream, RESTART_SASL);
}

const struct sasl_profile sasl_profile_1 = { .ns = NS_SASL, .passed = passed };

static void
give(struct sasl *sasl, struct arena *arena, const struct xml *element)
{
	if (xml_first(element) != NULL)
		sasl_fail(sasl, SASL_MALFORMED_REQUEST);
	else
		sasl_message(sasl, xml_text(arena, element));
}

static void
on_auth(struct stream *stream, struct arena *arena, const struct xml *auth)
{
	const struct mechanism *mechanism = sasl_mechanism_find(stream, &sasl_profile_1, xml_attr(auth, "mechanism"));

	if (stream->sasl != NULL) { /* a second one in the middle of the first */
		sasl_fail(stream->sasl, SASL_MALFORMED_REQUEST);
		return;
	}
	if (mechanism == NULL) {
		sasl_tell_failure(stream, &sasl_profile_1, SASL_INVALID_MECHANISM);
		return;
	}
	sasl_begin(stream, &sasl_profile_1, mechanism, &(struct inline_request){ .count = 0 }, arena_new());
	if (*xml_text(arena, auth) == '\0' && xml_first(auth) == NULL)
		sasl_write_data(stream, &sasl_profile_1, "challenge", NULL); /* RFC 6120 6.4.2: it comes next */
	else
		give(stream->sasl, arena, auth);
}

static void
on_response(struct stream *stream, struct arena *arena, const struct xml *response)
{
	if (stream->sasl == NULL)
		sasl_tell_failure(stream, &sasl_profile_1, SASL_MALFORMED_REQUEST);
	else
		give(stream->sasl, arena, response);
}

static void
on_abort(struct stream *stream, struct arena *arena, const struct xml *element)
{
	(void)arena;
	(void)element;
	sasl_tell_failure(stream, &sasl_profile_1, SASL_ABORTED);
}

bool
sasl1_element(struct stream *stream, struct arena **arena, struct xml *element)
{
	static const struct {
		const char *name;
		void (*fn)(struct stream *stream, struct arena *arena, const struct xml *element);
	} table[] = { { "auth", on_auth }, { "response", on_response }, { "abort", on_abort } };

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (!xml_is(element, table[i].name, NS_SASL))
			continue;
		table[i].fn(stream, *arena, element);
		arena_free(arena);
		return true;
	}
	return false;
}
