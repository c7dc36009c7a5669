/*
 * peer/inbound.c -- streams that other relays begin: who they are, and what they may say (RFC 6120, XEP-0178, 0198, 0368, 0478).
 *
 *   CLEAR -- <starttls/> --> AUTH -- EXTERNAL --> READY        (direct TLS begins at AUTH)
 *
 * Before TLS nothing but <starttls/>, before authentication nothing but <auth/>. Each stanza must come from the very domain that was
 * proven, in whatever form it is written, and be for us (attacks F4, F6); its addresses go on in canonical form. A stanza counts
 * as handled when it and all before it are committed (stream/fifo.h), so that <a/> moves custody.
 * DIAGNOSTICS: host-unknown, improper-addressing, invalid-from, not-authorized with what is missing in the certificate.
 */
#include "config.h"

#include "relay/peer/peer-private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/net/address.h"
#include "relay/net/loop.h"
#include "relay/peer/border.h"
#include "relay/route/router.h"
#include "relay/store/store.h"
#include "relay/stream/fifo.h"
#include "relay/tally.h"

enum state { CLEAR, AUTH, READY };

struct inbound {
	struct inbound *next, **back;
	struct peers *peers;
	struct line *line;
	struct fifo *fifo;
	char *domain; /* whom it says it is; in READY: proven. NULL: has not said */
	void (*on_gone)(void *arg, const char *peer);
	void *gone_arg;
	uint32_t handled; /* XEP-0198's h */
	size_t before;    /* stanzas from before <enable/> */
	size_t asked;     /* places whose <a/> is owed */
	enum state state;
	bool direct, managed, due, leaving, for_room;
	struct log log;
	char peer[ADDRESS_TEXT];
};

/* ---- life ---- */

/* stream/fifo.h carries the pointer only; owner.foreign keeps it from being taken for a client's stream. */
static struct inbound *
of_stream(struct stream *stream)
{
	return (struct inbound *)(void *)stream;
}

static void
no_reply(struct stream *stream, const char *bytes, size_t len)
{
	(void)stream; /* answers go out on a stream of ours */
	(void)bytes;
	(void)len;
}

static void
write_a(struct inbound *in)
{
	struct buf out = { .data = NULL };

	buf_printf(&out, "<a xmlns='" NS_SM "' h='%" PRIu32 "'/>", in->handled);
	line_write(in->line, out.data, out.len);
	buf_free(&out);
}

static void
on_handled(struct stream *stream, bool asked)
{
	struct inbound *in = of_stream(stream);

	if (!in->managed)
		return;
	if (in->before > 0)
		in->before--;
	else
		in->handled++; /* after 2^32-1 comes 0 (section 4) */
	if (asked && in->asked > 0) {
		in->asked--;
		in->due = true;
	}
}

static bool
is_held(const struct inbound *in)
{
	size_t unhandled = fifo_unhandled(in->fifo);

	return fifo_is_undecided(in->fifo) || in->for_room || in->leaving || unhandled >= UNHANDLED_MOST ||
	    (unhandled >= UNHANDLED_LEAST && in->peers->unhandled >= UNHANDLED_ALL);
}

static void
leave_if_done(struct inbound *in)
{
	if (!in->leaving || fifo_unhandled(in->fifo) > 0)
		return;
	if (in->managed)
		write_a(in);
	line_close(in->line, STREAM_OK, NULL);
}

static void
on_moved(struct stream *stream)
{
	struct inbound *in = of_stream(stream);

	if (in->due) {
		in->due = false;
		write_a(in);
	}
	leave_if_done(in);
	line_hold(in->line, is_held(in));
}

static const struct fifo_owner fifo_owner = {
	.reply = no_reply, .handled = on_handled, .moved = on_moved, .foreign = true,
};

void
inbound_free(struct inbound *in)
{
	*in->back = in->next;
	if (in->next != NULL)
		in->next->back = in->back;
	in->peers->inbound_count--;
	line_free(&in->line);
	fifo_leave(&in->fifo);
	if (in->on_gone != NULL)
		in->on_gone(in->gone_arg, in->peer);
	free(in->domain);
	free(in);
}

static void
on_closed(void *arg, const char *why)
{
	struct inbound *in = arg;
	struct peers *peers = in->peers;

	log_info(&in->log, "gone: %s", why);
	inbound_free(in);
	peers_gone(peers);
}

/* </stream:stream>: what came before it is handled first. */
static void
on_goodbye(void *arg)
{
	struct inbound *in = arg;

	in->leaving = true;
	line_deadline(in->line, WAIT_TLS);
	leave_if_done(in);
}

void
inbound_close(struct inbound *in, enum stream_error error)
{
	if (in->managed && !line_is_closing(in->line))
		write_a(in);
	line_close(in->line, error, NULL);
}

void
inbound_go_on(struct inbound *in)
{
	in->for_room = false;
	if (!line_is_closing(in->line))
		line_hold(in->line, is_held(in));
}

struct inbound *
inbound_next(struct inbound *in)
{
	return in->next;
}

size_t
inbound_of(const struct peers *peers, const char *domain)
{
	size_t count = 0;

	for (const struct inbound *in = peers->inbounds; in != NULL; in = in->next)
		count += in->state == READY && strcmp(in->domain, domain) == 0;
	return count;
}

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
	if (in->state == READY && from != NULL && strcmp(*from_r, in->domain) != 0)
		return STREAM_INVALID_FROM; /* the identity never moves */
	version = xml_attr(header, "version");
	return version != NULL && version[0] >= '1' && version[0] <= '9' ? STREAM_OK : STREAM_UNSUPPORTED_VERSION;
}

/* The domain they say is theirs, and whether their certificate says so too. */
static void
claim(struct inbound *in, const char *from)
{
	if (in->state == READY || from == NULL)
		return;
	free(in->domain);
	in->domain = xstrdup(from);
	in->log.who = in->domain;
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

/* In READY, stream management; the namespace is declared for each, as some compare it. */
static void
write_features(struct inbound *in, bool proven)
{
	struct buf out = { .data = NULL };

	buf_adds(&out, "<stream:features>");
	if (in->state == CLEAR)
		buf_adds(&out, "<starttls xmlns='" NS_TLS "'><required/></starttls>");
	if (in->state == AUTH && proven)
		buf_adds(&out, "<mechanisms xmlns='" NS_SASL "'><mechanism>EXTERNAL</mechanism></mechanisms>");
	if (in->state == READY)
		buf_adds(&out, "<sm xmlns='" NS_SM "'/><custody xmlns='" NS_CUSTODY "'/>"); /* proto/spec/custody.md 9 */
	write_limits(&out, in->state == READY ? LINE_BYTES : LINE_BYTES_BEFORE, in->state == READY ? LINE_IDLE : WAIT_READY / 1000);
	buf_adds(&out, "</stream:features>");
	line_write(in->line, out.data, out.len);
	buf_free(&out);
}

static void
on_header(void *arg, struct arena *arena, struct xml *header)
{
	struct inbound *in = arg;
	const char *from, *why = NULL;
	enum stream_error error = check_header(in, arena, header, &from);
	bool proven = false;
	char id[ID_LEN + 1];

	random_id(id);
	line_header(in->line, error == STREAM_OK ? from : NULL, id);
	if (error != STREAM_OK) {
		line_close(in->line, error, NULL);
		return;
	}
	claim(in, from);
	if (in->state == AUTH)
		proven = is_proven(in, &why);
	write_features(in, proven);
	if (in->state == AUTH && !proven && in->domain != NULL) /* XEP-0178 section 3: nothing else is offered */
		line_close(in->line, STREAM_NOT_AUTHORIZED, why);
}

static void
on_secure(void *arg)
{
	struct inbound *in = arg;

	in->state = AUTH;
	log_debug(&in->log, "private by %s", line_tls_version(in->line));
	line_deadline(in->line, WAIT_READY);
}

/* ---- before READY ---- */

static void
take_clear(struct inbound *in, struct arena *arena, struct xml *element)
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
	claim(in, jid.domain);
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
take_auth(struct inbound *in, struct arena *arena, struct xml *element)
{
	const char *mechanism = xml_attr(element, "mechanism"), *why;

	if (!xml_is(element, "auth", NS_SASL)) {
		line_close(in->line, STREAM_NOT_AUTHORIZED, NULL);
	} else if (mechanism == NULL || strcmp(mechanism, "EXTERNAL") != 0) {
		refuse_auth(in, SASL_INVALID_MECHANISM);
	} else if (!read_authzid(in, arena, element)) {
		refuse_auth(in, SASL_INVALID_AUTHZID);
	} else if (strcmp(in->domain, in->peers->domain) == 0 || !is_proven(in, &why)) {
		log_info(&in->log, "refused: %s", strcmp(in->domain, in->peers->domain) == 0 ? "that is us" : why);
		refuse_auth(in, SASL_NOT_AUTHORIZED);
	} else if (inbound_of(in->peers, in->domain) >= INBOUND_OF_ONE) {
		line_close(in->line, STREAM_RESOURCE_CONSTRAINT, "you have enough streams");
	} else {
		in->state = READY;
		log_info(&in->log, "is here, by certificate");
		line_writes(in->line, "<success xmlns='" NS_SASL "'/>");
		line_restart(in->line, LINE_BYTES);
		line_deadline(in->line, -1);
		peers_seen(in->peers, in->domain);
	}
	arena_free(&arena);
}

/* ---- READY: stanzas ---- */

/* STREAM_OK, and the addresses are canonical now. A stanza must have both (RFC 6120 8.1.1.2, 8.1.2.2). */
static enum stream_error
check_addresses(struct inbound *in, struct arena *arena, struct xml *stanza)
{
	struct jid from, to;

	if (xml_attr(stanza, "from") == NULL || xml_attr(stanza, "to") == NULL)
		return STREAM_IMPROPER_ADDRESSING;
	if (!jid_parse_text(arena, xml_attr(stanza, "from"), &from) || strcmp(from.domain, in->domain) != 0)
		return STREAM_INVALID_FROM;
	if (!jid_parse_text(arena, xml_attr(stanza, "to"), &to))
		return STREAM_IMPROPER_ADDRESSING;
	if (strcmp(to.domain, in->peers->domain) != 0)
		return STREAM_HOST_UNKNOWN;
	xml_set(arena, stanza, "from", jid_text(arena, &from));
	xml_set(arena, stanza, "to", jid_text(arena, &to));
	return STREAM_OK;
}

static void
take_stanza(struct inbound *in, struct arena *arena, struct xml *stanza)
{
	enum stream_error error = check_addresses(in, arena, stanza);

	if (error != STREAM_OK) {
		line_close(in->line, error, NULL);
		arena_free(&arena);
		return;
	}
	border_in(stanza);
	if (peers_pong(in->peers, in->domain, stanza)) {
		struct slot *slot = fifo_add(in->fifo);
		slot_done(&slot);
		arena_free(&arena);
		return;
	}
	router_receive(in->peers->router, fifo_add(in->fifo), arena, stanza);
	if (!in->for_room && store_is_full(router_store(in->peers->router))) {
		in->for_room = true;
		router_wait_for_room(in->peers->router);
	}
	line_hold(in->line, is_held(in));
}

static void
take_sm(struct inbound *in, struct xml *element)
{
	if (strcmp(element->name, "enable") == 0 && !in->managed) {
		in->managed = true;
		in->before = fifo_unhandled(in->fifo);
		line_writes(in->line, "<enabled xmlns='" NS_SM "'/>");
	} else if (strcmp(element->name, "resume") == 0) {
		line_writes(in->line, "<failed xmlns='" NS_SM "'><item-not-found xmlns='" NS_STANZA_ERRORS "'/></failed>");
	} else if (in->managed && strcmp(element->name, "r") == 0) {
		switch (fifo_ask(in->fifo)) {
		case FIFO_NOTHING:
			write_a(in);
			break;
		case FIFO_ASKED:
			in->asked++;
			break;
		case FIFO_ASKED_AGAIN:
			break;
		}
	} else if (!in->managed || strcmp(element->name, "a") != 0) { /* we send no stanza here that it could be about */
		line_close(in->line, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
	}
}

static void
take_ready(struct inbound *in, struct arena *arena, struct xml *element)
{
	if (strcmp(element->ns, NS_SERVER) == 0 && stanza_kind(element) != STANZA_OTHER) {
		take_stanza(in, arena, element);
		return;
	}
	if (strcmp(element->ns, NS_SM) == 0)
		take_sm(in, element);
	else
		line_close(in->line, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
	arena_free(&arena);
}

static void
on_element(void *arg, struct arena *arena, struct xml *element)
{
	static void (*const takes[])(struct inbound *, struct arena *, struct xml *) = {
		[CLEAR] = take_clear, [AUTH] = take_auth, [READY] = take_ready,
	};
	struct inbound *in = arg;

	if (!xml_is(element, "error", NS_STREAM)) {
		takes[in->state](in, arena, element);
		return;
	}
	log_info(&in->log, "says: %s", xml_first(element) == NULL ? "an error" : xml_first(element)->name);
	line_close(in->line, STREAM_OK, NULL);
	arena_free(&arena);
}

static const struct line_owner line_owner = {
	.header = on_header, .element = on_element, .secure = on_secure, .goodbye = on_goodbye, .closed = on_closed,
};

static void
name_log(struct inbound *in)
{
	char id[ID_LEN + 1];

	random_id(id);
	memcpy(in->log.id, id, 4);
	in->log.who = in->peer;
}

void
inbound_accept(struct peers *peers, int fd, bool direct, void (*on_gone)(void *arg, const char *peer), void *arg)
{
	struct inbound *in = xcalloc(1, sizeof *in);

	in->peers = peers;
	in->direct = direct;
	in->on_gone = on_gone;
	in->gone_arg = arg;
	address_of_peer(fd, in->peer);
	name_log(in);
	in->fifo = fifo_new(&fifo_owner, (struct stream *)(void *)in, &peers->unhandled);
	in->next = peers->inbounds;
	in->back = &peers->inbounds;
	if (in->next != NULL)
		in->next->back = &in->next;
	peers->inbounds = in;
	peers->inbound_count++;
	in->line = line_new(peers, fd, &line_owner, in, &in->log);
	if (in->line == NULL) {
		inbound_free(in);
		return;
	}
	tally_add(TALLY_CONNECTIONS, 1);
	line_deadline(in->line, WAIT_TLS);
	if (peers->inbound_count > INBOUND_MOST && !direct)
		line_close(in->line, STREAM_RESOURCE_CONSTRAINT, "too many streams");
	else if (direct)
		line_start_tls(in->line, NULL, true);
}
