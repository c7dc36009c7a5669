/*
 * stream/negotiate.c -- stream headers, features and STARTTLS (RFC 6120 sections 4.7, 4.3, 5).
 *
 * Each stream (after connecting, after TLS, after SASL) has a header, an id of 128 random bits and features of its own.
 * DIAGNOSTICS: invalid-namespace, bad-format, improper-addressing, host-unknown, unsupported-version, invalid-from;
 * policy-violation for anything but <starttls/> in clear (attack T2).
 */
#include "config.h"

#include "relay/stream/stream-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/net/io.h"

enum { IDLE_BEFORE = 30 }; /* seconds; XEP-0478 idle-seconds before authentication: the whole phase lasts no longer */

void
negotiate_write_header(struct stream *stream, const char *to)
{
	struct buf out = { .data = NULL };
	char id[ID_LEN + 1];

	random_id(id);
	buf_adds(&out, "<?xml version='1.0'?><stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM
	    "' version='1.0' xml:lang='en' id='");
	buf_adds(&out, id);
	buf_adds(&out, "' from='");
	xmlout_escape(&out, stream->host->domain, strlen(stream->host->domain));
	if (to != NULL) {
		buf_adds(&out, "' to='");
		xmlout_escape(&out, to, strlen(to));
	}
	buf_adds(&out, "'>");
	stream->header_sent = true;
	stream_write(stream, out.data, out.len);
	buf_free(&out);
}

/* RFC 6120 4.7.5: "1.0", compared as two numbers; we speak 1.0 with whoever speaks 1.0 or later. */
static bool
version_fits(const char *version)
{
	char *dot;
	unsigned long major;

	if (version == NULL || *version < '0' || *version > '9')
		return false;
	major = strtoul(version, &dot, 10);
	return major >= 1 && *dot == '.' && dot[1] >= '0' && dot[1] <= '9';
}

/* The header's own words against what we serve; STREAM_OK or the error. */
static enum stream_error
check_names(const struct xml *header)
{
	const char *content = xml_attr(header, "xmlns");

	if (strcmp(header->ns, NS_STREAM) != 0)
		return STREAM_INVALID_NAMESPACE;
	if (strcmp(header->name, "stream") != 0)
		return STREAM_BAD_FORMAT;
	/* RFC 6120 4.8.2: a header may leave the content namespace to each stanza. */
	return content == NULL || strcmp(content, NS_CLIENT) == 0 ? STREAM_OK : STREAM_INVALID_NAMESPACE;
}

/* Where it wants to, and who it says it is. The identity never moves (attack T4). *to_r: what our header answers. */
static enum stream_error
check_addresses(struct stream *stream, struct arena *arena, const struct xml *header, const char **to_r)
{
	const char *from_text = xml_attr(header, "from");
	struct jid to, from = { .domain = NULL };

	*to_r = NULL;
	if (from_text != NULL && jid_parse_text(arena, from_text, &from) &&
	    strcmp(from.domain, stream->host->domain) == 0)
		*to_r = jid_bare_text(arena, &from);
	if (xml_attr(header, "to") == NULL)
		return STREAM_IMPROPER_ADDRESSING;
	if (!jid_parse_text(arena, xml_attr(header, "to"), &to) || to.node != NULL || to.resource != NULL ||
	    strcmp(to.domain, stream->host->domain) != 0)
		return STREAM_HOST_UNKNOWN;
	if (stream->state == STATE_SASL) {
		/* XEP-0388 2.1 asks for this; the node is but a hint until it is proved. */
		if (from.domain != NULL && *to_r == NULL)
			return STREAM_INVALID_FROM;
		free(stream->claimed);
		stream->claimed = *to_r == NULL || from.node == NULL ? NULL : xstrdup(from.node);
	}
	if (stream->node == NULL || from_text == NULL)
		return STREAM_OK;
	return *to_r != NULL && from.node != NULL && strcmp(from.node, stream->node) == 0 ? STREAM_OK
	                                                                                    : STREAM_INVALID_FROM;
}

/* Kept for stanzas without a language of their own (RFC 6120 8.1.5). Letters, digits and hyphens, as in BCP 47. */
static void
keep_lang(struct stream *stream, const struct xml *header)
{
	const char *lang = xml_attr_ns(header, "lang", NS_XML);
	size_t len = lang == NULL ? 0 : strlen(lang);

	free(stream->lang);
	stream->lang = NULL;
	if (len == 0 || len > STREAM_LANG_MAX ||
	    strspn(lang, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != len)
		return;
	stream->lang = xstrdup(lang);
}

static void
add_limits(struct arena *arena, struct xml *features, int bytes, int idle)
{
	struct xml *limits = xml_add(arena, features, "limits", NS_LIMITS);

	xml_add_leaf(arena, limits, "max-bytes", NULL, arena_printf(arena, "%d", bytes));
	xml_add_leaf(arena, limits, "idle-seconds", NULL, arena_printf(arena, "%d", idle));
}

static void
clear_features(struct stream *stream, struct arena *arena, struct xml *features)
{
	struct xml *starttls = xml_add(arena, features, "starttls", NS_TLS);

	(void)stream;
	xml_add(arena, starttls, "required", NULL);
	add_limits(arena, features, STREAM_BYTES_BEFORE, IDLE_BEFORE);
}

static void
login_features(struct stream *stream, struct arena *arena, struct xml *features)
{
	sasl_features(stream, arena, features);
	stream->host->owner->features(stream->host->arg, arena, features, false);
}

static void
bind_features(struct stream *stream, struct arena *arena, struct xml *features)
{
	struct xml *session;

	xml_add(arena, features, "bind", NS_BIND);
	session = xml_add(arena, features, "session", NS_SESSION); /* RFC 3921; a no-op that old clients want */
	xml_add(arena, session, "optional", NULL);
	add_limits(arena, features, STREAM_BYTES_AFTER, STREAM_IDLE);
	stream->host->owner->features(stream->host->arg, arena, features, true);
}

/* Bound together with the login (XEP-0386): nothing is left to negotiate but what the owner still has. */
static void
ready_features(struct stream *stream, struct arena *arena, struct xml *features)
{
	struct xml *sm;

	add_limits(arena, features, STREAM_BYTES_AFTER, STREAM_IDLE);
	stream->host->owner->features(stream->host->arg, arena, features, true);
	sm = xml_find(features, "sm", NS_SM);
	if (sm != NULL && stream->smacks != NULL)
		xml_remove(features, sm);
}

/* With the prefix that every client has seen before: some compare it. */
void
negotiate_features(struct stream *stream, struct arena *arena, struct buf *out)
{
	static void (*const add[STREAM_STATES])(struct stream *, struct arena *, struct xml *) = {
		[STATE_NEW] = clear_features, [STATE_SASL] = login_features, [STATE_BIND] = bind_features,
		[STATE_READY] = ready_features,
	};
	struct xml *features = xml_new(arena, "features", NS_STREAM);

	add[stream->state](stream, arena, features);
	buf_adds(out, "<stream:features>");
	for (const struct xml *feature = features->first; feature != NULL; feature = feature->next)
		xmlout(out, feature, NS_CLIENT);
	buf_adds(out, "</stream:features>");
}

void
negotiate_header(struct stream *stream, struct arena *arena, struct xml *header)
{
	struct buf out = { .data = NULL };
	const char *to = NULL;
	enum stream_error error = check_names(header);

	if (error == STREAM_OK)
		error = check_addresses(stream, arena, header, &to);
	if (error == STREAM_OK && !version_fits(xml_attr(header, "version")))
		error = STREAM_UNSUPPORTED_VERSION;
	negotiate_write_header(stream, to);
	if (error != STREAM_OK) {
		stream_close(stream, error, NULL);
		return;
	}
	keep_lang(stream, header);
	negotiate_features(stream, arena, &out);
	stream_write(stream, out.data, out.len);
	buf_free(&out);
}

void
negotiate_clear(struct stream *stream, struct arena *arena, struct xml *element)
{
	bool starttls = xml_is(element, "starttls", NS_TLS);

	arena_free(&arena);
	if (!starttls) {
		stream_close(stream, STREAM_POLICY_VIOLATION, "Use STARTTLS first.");
		return;
	}
	stream_writes(stream, "<proceed xmlns='" NS_TLS "'/>");
	stream_restart(stream, RESTART_TLS);
}
