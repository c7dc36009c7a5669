/*
 * peer/inbound_auth.c -- who a relay is that has begun a stream: its header, what it is offered, and its certificate (RFC 6120 4.7, 6,
 * 13.7, XEP-0178 section 3).
 */
#include "config.h"

#include "relay/peer/inbound-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/jid.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/conf.h"
#include "relay/peer/opening.h"

/* ---- headers and features ---- */

static enum stream_error
check_header(struct inbound *in, struct arena *arena, const struct xml *header, const char **from_r)
{
	const char *content = xml_attr(header, "xmlns"), *from = xml_attr(header, "from"), *version;
	struct jid jid;

	*from_r = NULL;
	if (strcmp(header->ns, NS_STREAM) != 0)
		return STREAM_INVALID_NAMESPACE;
	if (strcmp(header->name, "stream") != 0)
		return STREAM_BAD_FORMAT;
	if (content != NULL && strcmp(content, NS_SERVER) != 0)
		return STREAM_INVALID_NAMESPACE;
	if (xml_attr(header, "to") == NULL)
		return STREAM_IMPROPER_ADDRESSING;
	if (!jid_parse_text(arena, xml_attr(header, "to"), &jid) || jid.node != NULL || jid.resource != NULL ||
	    strcmp(jid.domain, in->peers->domain) != 0)
		return STREAM_HOST_UNKNOWN;
	if (from != NULL && (!jid_parse_text(arena, from, &jid) || jid.node != NULL || jid.resource != NULL ||
	    strcmp(jid.domain, in->peers->domain) == 0))
		return STREAM_INVALID_FROM;
	if (from != NULL)
		*from_r = jid.domain;
	if (in->state == INBOUND_READY && from != NULL && strcmp(*from_r, in->domain) != 0)
		return STREAM_INVALID_FROM; /* the identity never moves */
	version = xml_attr(header, "version");
	return version != NULL && version[0] >= '1' && version[0] <= '9' ? STREAM_OK : STREAM_UNSUPPORTED_VERSION;
}

static bool
is_proven(const struct inbound *in, const char **why_r)
{
	*why_r = "you do not say who you are";
	return in->domain != NULL && line_proves(in->line, in->domain, peers_pin_of(in->peers, in->domain), why_r);
}

static void
write_limits(struct buf *out, int bytes, int idle)
{
	buf_printf(out, "<limits xmlns='" NS_LIMITS "'><max-bytes>%d</max-bytes><idle-seconds>%d</idle-seconds></limits>",
	    bytes, idle);
}

/* The namespace is declared for each, as some compare it. Behind a dialback key no features come: what holds then is said now. */
static void
write_features(struct inbound *in, bool proven, bool dialback)
{
	bool ready = in->state == INBOUND_READY;
	struct buf out = { .data = NULL };

	buf_adds(&out, "<stream:features>");
	if (in->state == INBOUND_CLEAR)
		buf_adds(&out, "<starttls xmlns='" NS_TLS "'><required/></starttls>");
	if (in->state == INBOUND_AUTH && proven)
		buf_adds(&out, "<mechanisms xmlns='" NS_SASL "'><mechanism>EXTERNAL</mechanism></mechanisms>");
	if (in->state == INBOUND_AUTH && (proven || dialback))
		buf_adds(&out, "<bidi xmlns='" NS_BIDI_FEATURE "'/>"); /* XEP-0288 section 2 */
	if (in->state == INBOUND_AUTH && dialback)
		buf_adds(&out, "<dialback xmlns='" NS_DIALBACK_FEATURE "'><errors/></dialback>"); /* XEP-0220 2.4.2 */
	if (ready)
		buf_adds(&out, "<sm xmlns='" NS_SM "'/><custody xmlns='" NS_CUSTODY "'/>"); /* proto/spec/custody.md 9 */
	if (ready && in->proven)
		buf_adds(&out, "<courier xmlns='" NS_COURIER "'/>"); /* proto/spec/courier.md 4.1 */
	write_limits(&out, ready || (dialback && !proven) ? LINE_BYTES : LINE_BYTES_BEFORE,
	    ready ? LINE_IDLE : WAIT_READY / 1000);
	buf_adds(&out, "</stream:features>");
	line_write(in->line, out.data, out.len);
	buf_free(&out);
}

void
inbound_take_header(struct inbound *in, struct arena *arena, const struct xml *header)
{
	const char *from, *why = NULL;
	enum stream_error error = check_header(in, arena, header, &from);
	bool proven = false, dialback = false;

	random_id(in->id);
	line_header(in->line, error == STREAM_OK ? from : NULL, in->id);
	if (error != STREAM_OK) {
		line_close(in->line, error, NULL);
		return;
	}
	if (in->state != INBOUND_READY && from != NULL)
		inbound_claim(in, from);
	if (in->state == INBOUND_AUTH) {
		proven = is_proven(in, &why);
		dialback = in->domain == NULL ? in->peers->conf->dialback : peers_allow_dialback(in->peers, in->domain);
	}
	write_features(in, proven, dialback);
	if (in->state == INBOUND_AUTH && !proven && !dialback && in->domain != NULL) /* XEP-0178 section 3: nothing else is offered */
		line_close(in->line, STREAM_NOT_AUTHORIZED, why);
}

/* ---- before READY ---- */

void
inbound_take_clear(struct inbound *in, struct arena *arena, struct xml *element)
{
	bool starttls = xml_is(element, "starttls", NS_TLS);

	arena_free(&arena);
	if (!starttls) {
		line_close(in->line, STREAM_POLICY_VIOLATION, "use STARTTLS first");
		return;
	}
	line_writes(in->line, "<proceed xmlns='" NS_TLS "'/>");
	line_restart(in->line, LINE_BYTES_BEFORE);
	line_start_tls(in->line, NULL, false);
}

/* Empty ("="), or the domain itself in base64 (XEP-0178 section 3, step 10). False: neither. */
static bool
read_authzid(struct inbound *in, struct arena *arena, const struct xml *auth)
{
	const char *text = xml_text(arena, auth);
	size_t len = strlen(text);
	uint8_t *raw;
	struct jid jid;
	long got;

	if (len == 0 || strcmp(text, "=") == 0)
		return in->domain != NULL;
	raw = arena_alloc(arena, len / 4 * 3 + 1);
	got = base64_decode(raw, text, len);
	if (got <= 0 || !jid_parse(arena, (const char *)raw, (size_t)got, &jid) || jid.node != NULL || jid.resource != NULL)
		return false;
	if (in->domain != NULL)
		return strcmp(in->domain, jid.domain) == 0;
	inbound_claim(in, jid.domain);
	return true;
}

static void
refuse_auth(struct inbound *in, enum sasl_error error)
{
	struct buf out = { .data = NULL };

	buf_printf(&out, "<failure xmlns='" NS_SASL "'><%s/></failure>", sasl_error_name(error));
	line_write(in->line, out.data, out.len);
	buf_free(&out);
	line_close(in->line, STREAM_OK, NULL);
}

static void
take_external(struct inbound *in, struct arena *arena, const struct xml *auth)
{
	const char *mechanism = xml_attr(auth, "mechanism"), *why;

	if (mechanism == NULL || strcmp(mechanism, "EXTERNAL") != 0) {
		refuse_auth(in, SASL_INVALID_MECHANISM);
	} else if (!read_authzid(in, arena, auth)) {
		refuse_auth(in, SASL_INVALID_AUTHZID);
	} else if (strcmp(in->domain, in->peers->domain) == 0 || !is_proven(in, &why)) {
		log_info(&in->log, "refused: %s", strcmp(in->domain, in->peers->domain) == 0 ? "that is us" : why);
		refuse_auth(in, SASL_NOT_AUTHORIZED);
	} else if (!inbound_make_room(in->peers, in->domain)) {
		line_close(in->line, STREAM_RESOURCE_CONSTRAINT, "you open streams too fast");
	} else {
		line_writes(in->line, "<success xmlns='" NS_SASL "'/>");
		line_restart(in->line, LINE_BYTES);
		in->proven = true;
		inbound_ready(in, "certificate");
	}
}

/* It gives nothing before they have proven themselves (attack F7). */
static void
take_bidi(struct inbound *in, struct arena *arena, const struct xml *bidi)
{
	in->bidi = true;
	in->terms.max_bytes = opening_max_bytes(arena, bidi);
	in->terms.custody = xml_find(bidi, "custody", NS_CUSTODY) != NULL;
	in->terms.courier = xml_find(bidi, "courier", NS_COURIER) != NULL; /* counts when it is `proven` */
}

void
inbound_take_auth(struct inbound *in, struct arena *arena, struct xml *element)
{
	if (xml_is(element, "auth", NS_SASL))
		take_external(in, arena, element);
	else if (xml_is(element, "bidi", NS_BIDI))
		take_bidi(in, arena, element);
	else if (!inbound_take_dialback(in, arena, element))
		line_close(in->line, STREAM_NOT_AUTHORIZED, NULL);
	arena_free(&arena);
}
