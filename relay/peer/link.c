/*
 * peer/link.c -- the stream to one other domain: found, opened, proven, used (RFC 6120, XEP-0178, 0198, 0368, 0478).
 *
 *   IDLE -> FINDING -> CONNECTING -> CLEAR -> TLS -> AUTH -> PROVING -> FEATURES (-> ENABLING) -> READY -> IDLE
 *
 * What is held (queue/queue.h) goes out as long as the peer keeps up, and is the peer's when it says so: by XEP-0198, else by
 * the answer to a ping behind it, which comes on a stream of theirs, else by the end of their stream in reply to the end of ours
 * (design 3.4).
 * The other's certificate is judged as soon as TLS is there, before anything is said inside it, against the domain and not
 * against the host that DNS gave. An address whose relay cannot prove itself is left for the next one. Opening a stream is tried once
 * for what waits; after a failure the next try waits 2 s, doubling to 60 s, and what is asked meanwhile fails at once. The queue
 * has a clock of its own.
 * With stream management one <r/> is under way while anything is unacknowledged; no answer in 90 s ends the stream.
 * Never: takes a stanza on a stream that we began; waits longer than 30 s with an iq or presence.
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
#include "relay/conf.h"
#include "relay/net/address.h"
#include "relay/net/clock.h"
#include "relay/net/connect.h"
#include "relay/net/loop.h"
#include "relay/net/resolver.h"
#include "relay/peer/border.h"
#include "relay/peer/carry.h"
#include "relay/route/router.h"
#include "relay/stream/smacks.h"

enum {
	HELD_MS = 30 * 1000, /* design 3.4: iq and presence never wait longer */
	HELD_MOST = 500,     /* stanzas that wait for one stream */
	HELD_BYTES = 1024 * 1024,
	PAUSE_FIRST = 2 * 1000, /* ms after a failure */
	PAUSE_MOST = 60 * 1000,
	ACK_MS = 90 * 1000,
	PONG_MS = 30 * 1000,
	GOODBYE_MS = 10 * 1000,
	CARRY_MOST = 512 * 1024, /* bytes not yet written; what is held can wait where it is */
	BYTES_LEAST = 10000, /* RFC 6120 13.12: whoever says less is not believed */
};

enum state { IDLE, FINDING, CONNECTING, CLEAR, SECURING, AUTH, PROVING, FEATURES, ENABLING, READY };

/* A stanza that waits for the stream. */
struct held {
	struct held *next;
	struct arena *arena; /* its own */
	struct xml *stub;    /* an iq request's addresses and id; NULL: nobody waits for an answer */
	const char *bytes;
	size_t len;
	int64_t until; /* monotonic */
};

struct link {
	struct link *next, **back;
	struct peers *peers;
	char *domain;
	char ascii[JID_PART_MAX + 1];
	struct search *search;
	struct connecting *connecting;
	struct line *line;
	struct endpoint endpoints[ENDPOINTS_MOST]; /* those not yet tried */
	size_t endpoint_count;
	struct timer *timer;   /* what waits has waited long enough; the answer to <r/> */
	struct held *held, **held_last;
	size_t held_count, held_bytes;
	int64_t not_before, pause;
	enum stanza_error failed; /* why, until then */
	size_t max_bytes; /* 0: not told */
	struct smacks_count count;
	struct carry carry;
	int64_t asked; /* monotonic: <r/> or a ping was sent; 0: none is under way */
	enum state state;
	bool managed, custody, ask_later, direct;
	bool mute;    /* it does not answer pings */
	bool parting; /* our end of the stream is sent, theirs not here */
	bool starved; /* the queue waits for room */
	bool missed;  /* something that was to be sent was not, or nobody knows */
	struct log log;
};

static void begin(struct link *link);
static void fail(struct link *link, enum stanza_error error, enum queue_reason reason, const char *why);

/* ---- what waits ---- */

static void
answer(struct link *link, const struct xml *stub, enum stanza_error error, const char *why)
{
	struct arena *arena = arena_new();
	const struct xml *reply = stub == NULL ? NULL : stanza_error(arena, stub, error, why, false);

	link->missed = true;
	if (reply != NULL)
		router_send(link->peers->router, reply);
	arena_free(&arena);
}

/* The oldest. */
static struct held *
take_held(struct link *link)
{
	struct held *held = link->held;

	link->held = held->next;
	if (link->held == NULL)
		link->held_last = &link->held;
	link->held_count--;
	link->held_bytes -= held->len;
	return held;
}

static void
held_free(struct held *held)
{
	arena_free(&held->arena);
	free(held);
}

static void
refuse_held(struct link *link, enum stanza_error error, const char *why)
{
	struct held *held = take_held(link);

	answer(link, held->stub, error, why);
	held_free(held);
}

static void
arm(struct link *link)
{
	int64_t at = link->asked == 0 ? 0 : link->asked + (link->managed ? ACK_MS : PONG_MS), now = now_mono();

	if (link->ask_later)
		at = now;
	if (link->held != NULL && (at == 0 || link->held->until < at))
		at = link->held->until;
	if (at == 0)
		timer_clear(link->timer);
	else
		timer_set(link->timer, at > now ? (uint64_t)(at - now) : 0);
}

/* The peer has all up to here. */
static void
all_taken(struct link *link, uint64_t number)
{
	size_t count = carry_acked(&link->carry, number);

	link->count.acked = number;
	if (count > 0)
		queue_acked(router_queue(link->peers->router), link->domain, count);
}

static void
part(struct link *link)
{
	if (link->parting || line_is_closing(link->line))
		return;
	link->parting = true;
	line_goodbye(link->line);
	line_deadline(link->line, GOODBYE_MS);
}

/* Without stream management nothing but what is held is worth a question. */
static void
ping(struct link *link)
{
	struct buf out = { .data = NULL };

	if (link->carry.count == 0)
		return;
	if (link->mute) {
		part(link);
		return;
	}
	link->asked = now_mono();
	buf_printf(&out, "<iq type='get' id='%s' from='", carry_ping(&link->carry, link->count.sent));
	xmlout_escape(&out, link->peers->domain, strlen(link->peers->domain));
	buf_adds(&out, "' to='");
	xmlout_escape(&out, link->domain, strlen(link->domain));
	buf_adds(&out, "'><ping xmlns='" NS_PING "'/></iq>");
	line_write(link->line, out.data, out.len);
	buf_free(&out);
}

static void
ask(struct link *link)
{
	link->ask_later = false;
	if (link->state != READY || link->asked != 0 || link->parting || link->count.sent == link->count.acked)
		return;
	if (!link->managed) {
		ping(link);
		return;
	}
	link->asked = now_mono();
	line_writes(link->line, "<r xmlns='" NS_SM "'/>");
}

static void
overdue(struct link *link)
{
	link->asked = 0;
	if (link->managed) {
		line_close(link->line, STREAM_CONNECTION_TIMEOUT, "you acknowledge nothing");
		return;
	}
	link->mute = true;
	part(link);
}

static void
fired(void *arg)
{
	struct link *link = arg;
	int64_t now = now_mono();

	while (link->held != NULL && link->held->until <= now)
		refuse_held(link, STANZA_REMOTE_SERVER_TIMEOUT, "the other relay could not be reached in time");
	if (link->ask_later)
		ask(link);
	if (link->asked != 0 && link->asked + (link->managed ? ACK_MS : PONG_MS) <= now)
		overdue(link);
	arm(link);
}

/* ---- sending ---- */

static void
write_now(struct link *link, const char *bytes, size_t len)
{
	line_write(link->line, bytes, len);
	link->count.sent++;
	if (link->asked == 0 && !link->ask_later && (link->managed || link->carry.count > 0)) { /* behind all of this turn */
		link->ask_later = true;
		arm(link);
	}
}

/* What is held is not here. Of the moment, as that somebody types, is no loss. */
static bool
is_missed(const struct xml *stanza)
{
	enum message_type type;

	if (stanza_kind(stanza) != STANZA_MESSAGE)
		return stanza_kind(stanza) == STANZA_IQ;
	type = message_type(stanza);
	return type == MESSAGE_GROUPCHAT || ((type == MESSAGE_CHAT || type == MESSAGE_NORMAL) && xml_find(stanza, "body", NULL) != NULL);
}

static struct xml *
stub_of(struct arena *arena, const struct xml *stanza)
{
	if (!is_missed(stanza))
		return NULL;
	return stanza_new(arena, stanza->name, xml_attr(stanza, "from"), xml_attr(stanza, "to"), xml_attr(stanza, "type"),
	    xml_attr(stanza, "id"));
}

static void
hold(struct link *link, const struct xml *stanza, const struct buf *bytes)
{
	struct held *held = xcalloc(1, sizeof *held);

	held->arena = arena_new();
	held->stub = stub_of(held->arena, stanza);
	held->bytes = arena_strndup(held->arena, bytes->data, bytes->len);
	held->len = bytes->len;
	held->until = now_mono() + HELD_MS;
	*link->held_last = held;
	link->held_last = &held->next;
	link->held_count++;
	link->held_bytes += held->len;
	if (link->held == held)
		arm(link);
}

static bool
is_too_large(const struct link *link, size_t len)
{
	return link->max_bytes != 0 && len > link->max_bytes;
}

static bool
is_usable(const struct link *link)
{
	return link->state == READY && !link->parting && !line_is_closing(link->line);
}

void
link_send(struct link *link, const struct xml *stanza)
{
	struct arena *arena = arena_new();
	const struct xml *stub = stub_of(arena, stanza);
	struct buf bytes = { .data = NULL };

	border_out(&bytes, stanza);
	if (link->state == READY && is_too_large(link, bytes.len)) /* XEP-0478: not sent at all */
		answer(link, stub, STANZA_POLICY_VIOLATION, "larger than the other relay takes");
	else if (is_usable(link) && line_queued(link->line) < LINE_QUEUE_MOST)
		write_now(link, bytes.data, bytes.len);
	else if (link->state == IDLE && now_mono() < link->not_before)
		answer(link, stub, link->failed, "the other relay could not be reached");
	else if (link->held_count >= HELD_MOST || link->held_bytes + bytes.len > HELD_BYTES)
		answer(link, stub, STANZA_RESOURCE_CONSTRAINT, "too much waits for the other relay");
	else
		hold(link, stanza, &bytes);
	if (link->state == IDLE && link->held != NULL)
		begin(link);
	buf_free(&bytes);
	arena_free(&arena);
}

enum queue_taken
link_carry(struct link *link, const char *bytes, size_t len)
{
	if (link->state == READY && is_too_large(link, len))
		return QUEUE_TOO_LARGE;
	if (!is_usable(link) || !carry_has_room(&link->carry) || line_queued(link->line) > CARRY_MOST) {
		link->starved = true;
		return QUEUE_NOT_NOW;
	}
	carry_sent(&link->carry, link->count.sent + 1);
	write_now(link, bytes, len);
	return QUEUE_TAKEN;
}

static void
feed_queue(struct link *link)
{
	if (!link->starved || line_queued(link->line) > CARRY_MOST / 2)
		return;
	link->starved = false;
	queue_more(router_queue(link->peers->router), link->domain);
}

/* It is there: whoever keeps no messages but a state says it again. */
static void
meet(struct link *link)
{
	bool missed = link->missed;

	link->missed = false;
	router_peer_up(link->peers->router, link->domain, missed);
}

static void
ready(struct link *link)
{
	struct held *held;

	link->state = READY;
	link->pause = 0;
	line_deadline(link->line, -1);
	log_info(&link->log, "reached%s", link->managed ? "" : ", without stream management");
	while (link->held != NULL) {
		if (is_too_large(link, link->held->len)) {
			refuse_held(link, STANZA_POLICY_VIOLATION, "larger than the other relay takes");
			continue;
		}
		held = take_held(link);
		write_now(link, held->bytes, held->len);
		held_free(held);
	}
	arm(link);
	queue_up(router_queue(link->peers->router), link->domain, link->managed && link->custody);
	meet(link);
}

/* ---- opening ---- */

static void
drop(struct link *link)
{
	resolver_cancel(&link->search);
	connect_cancel(&link->connecting);
	line_free(&link->line);
	link->state = IDLE;
	link->managed = link->custody = link->ask_later = link->parting = link->starved = false;
	carry_clear(&link->carry);
	link->asked = 0;
	link->max_bytes = 0;
	link->count = (struct smacks_count){ .sent = 0 };
	arm(link);
}

/* Nothing more is tried for what waits. */
static void
fail(struct link *link, enum stanza_error error, enum queue_reason reason, const char *why)
{
	log_info(&link->log, "not reached: %s", why);
	drop(link);
	link->pause = link->pause == 0 ? PAUSE_FIRST : link->pause * 2 < PAUSE_MOST ? link->pause * 2 : PAUSE_MOST;
	link->not_before = now_mono() + link->pause;
	link->failed = error;
	for (size_t left = link->held_count; left > 0 && link->held != NULL; left--)
		refuse_held(link, error, NULL);
	arm(link);
	queue_down(router_queue(link->peers->router), link->domain, reason, why);
}

static void on_connected(void *arg, int fd, size_t index, const char *why);

static void
connect_to_rest(struct link *link, const char *why)
{
	if (link->endpoint_count == 0) {
		fail(link, STANZA_REMOTE_SERVER_TIMEOUT, QUEUE_UNREACHED, why);
		return;
	}
	drop(link);
	link->state = CONNECTING;
	link->connecting = connect_begin(link->peers->loop, link->endpoints, link->endpoint_count, on_connected, link);
}

static void
on_found(void *arg, enum resolver_result result, const struct endpoint *list, size_t count)
{
	struct link *link = arg;

	link->search = NULL;
	switch (result) {
	case RESOLVER_NO_DOMAIN:
		fail(link, STANZA_REMOTE_SERVER_NOT_FOUND, QUEUE_NO_DOMAIN, "there is no such domain");
		return;
	case RESOLVER_NO_SERVICE:
		fail(link, STANZA_REMOTE_SERVER_NOT_FOUND, QUEUE_NO_SERVICE, "no relay under that name");
		return;
	case RESOLVER_FAILED:
		fail(link, STANZA_REMOTE_SERVER_TIMEOUT, QUEUE_UNREACHED, "DNS does not answer");
		return;
	case RESOLVER_FOUND:
		memcpy(link->endpoints, list, count * sizeof *list);
		link->endpoint_count = count;
		connect_to_rest(link, "");
		return;
	}
}

/* What the configuration says, if it says where. */
static bool
use_conf(struct link *link)
{
	const struct conf_peer *conf = peers_conf_of(link->peers, link->domain);
	struct endpoint *end = &link->endpoints[0];
	bool any;

	if (conf == NULL || conf->address == NULL || conf->address[0] == '\0')
		return false;
	*end = (struct endpoint){ .direct = conf->tls != NULL && strcmp(conf->tls, "direct") == 0 };
	if (!address_parse(conf->address, &end->address, &end->len, &any) || any) {
		log_error(&link->log, "the address \"%s\" configured for it is none; asking DNS", conf->address);
		return false;
	}
	link->endpoint_count = 1;
	return true;
}

static void
begin(struct link *link)
{
	if (link->peers->stopping)
		return;
	link->state = FINDING;
	if (use_conf(link)) {
		connect_to_rest(link, "");
		return;
	}
	link->search = resolver_find(link->peers->resolver, link->ascii, on_found, link);
}

static const struct line_owner line_owner;

static void
say_hello(struct link *link)
{
	line_header(link->line, link->domain, NULL);
}

static void
on_connected(void *arg, int fd, size_t index, const char *why)
{
	struct link *link = arg;

	link->connecting = NULL;
	if (fd < 0) {
		fail(link, STANZA_REMOTE_SERVER_TIMEOUT, QUEUE_UNREACHED, why);
		return;
	}
	link->direct = link->endpoints[index].direct;
	link->endpoint_count--;
	memmove(&link->endpoints[index], &link->endpoints[index + 1],
	    (link->endpoint_count - index) * sizeof link->endpoints[0]);
	link->line = line_new(link->peers, fd, &line_owner, link, &link->log);
	if (link->line == NULL) {
		fail(link, STANZA_REMOTE_SERVER_TIMEOUT, QUEUE_UNREACHED, "the system cannot watch the connection");
		return;
	}
	line_deadline(link->line, WAIT_READY);
	log_debug(&link->log, "connected to %s", line_peer(link->line));
	link->state = link->direct ? SECURING : CLEAR;
	if (link->direct)
		(void)line_start_tls(link->line, link->ascii, true);
	else
		say_hello(link);
}

/* ---- negotiation ---- */

/* This address is of no use. Never from inside a callback of the line that goes on using it. */
static void
give_up(struct link *link, const char *why)
{
	log_info(&link->log, "%s: %s", line_peer(link->line), why);
	connect_to_rest(link, why);
}

static void
on_secure(void *arg)
{
	struct link *link = arg;
	const char *why;

	if (!line_proves(link->line, link->domain, peers_pin_of(link->peers, link->domain), &why)) {
		log_warn(&link->log, "%s is not trusted: %s", line_peer(link->line), why);
		give_up(link, why);
		return;
	}
	link->state = AUTH;
	say_hello(link);
}

static void
on_header(void *arg, struct arena *arena, struct xml *header)
{
	struct link *link = arg;
	const char *from = xml_attr(header, "from"), *content = xml_attr(header, "xmlns");
	struct jid jid;

	if (strcmp(header->ns, NS_STREAM) != 0 || strcmp(header->name, "stream") != 0 ||
	    (content != NULL && strcmp(content, NS_SERVER) != 0))
		line_close(link->line, STREAM_INVALID_NAMESPACE, NULL);
	else if (from != NULL && (!jid_parse_text(arena, from, &jid) || strcmp(jid.domain, link->domain) != 0))
		line_close(link->line, STREAM_INVALID_FROM, NULL);
}

static void
begin_proof(struct link *link)
{
	size_t len = strlen(link->peers->domain);
	char *text = xmalloc(base64_encoded_len(len) + 1);
	struct buf out = { .data = NULL };

	base64_encode(text, link->peers->domain, len);
	buf_printf(&out, "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>%s</auth>", text);
	line_write(link->line, out.data, out.len);
	link->state = PROVING;
	buf_free(&out);
	free(text);
}

static bool
offers_external(struct arena *arena, const struct xml *features)
{
	const struct xml *list = xml_find(features, "mechanisms", NS_SASL), *one;

	for (one = list == NULL ? NULL : xml_find(list, "mechanism", NS_SASL); one != NULL; one = xml_next(one, "mechanism", NS_SASL))
		if (strcmp(xml_text(arena, one), "EXTERNAL") == 0)
			return true;
	return false;
}

/* XEP-0478 section 3. */
static size_t
max_bytes_of(struct arena *arena, const struct xml *features)
{
	const struct xml *limits = xml_find(features, "limits", NS_LIMITS);
	const char *text = limits == NULL ? NULL : xml_child_text(arena, limits, "max-bytes", NS_LIMITS);
	unsigned long long value = text == NULL ? 0 : strtoull(text, NULL, 10);

	return value == 0 ? 0 : value < BYTES_LEAST ? BYTES_LEAST : (size_t)value;
}

static void
take_features(struct link *link, struct arena *arena, struct xml *features)
{
	if (!xml_is(features, "features", NS_STREAM)) {
		line_close(link->line, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
	} else if (link->state == CLEAR && xml_find(features, "starttls", NS_TLS) == NULL) {
		line_close(link->line, STREAM_POLICY_VIOLATION, "TLS is wanted here");
	} else if (link->state == CLEAR) {
		line_writes(link->line, "<starttls xmlns='" NS_TLS "'/>");
		link->state = SECURING;
	} else if (link->state == AUTH && offers_external(arena, features)) {
		begin_proof(link);
	} else if (link->state == AUTH) { /* it closes, or says dialback alone */
		line_close(link->line, STREAM_UNSUPPORTED_FEATURE, "you do not take our certificate");
	} else {
		link->max_bytes = max_bytes_of(arena, features);
		link->custody = xml_find(features, "custody", NS_CUSTODY) != NULL; /* proto/spec/custody.md 9 */
		if (xml_find(features, "sm", NS_SM) == NULL) {
			ready(link);
			return;
		}
		line_writes(link->line, "<enable xmlns='" NS_SM "'/>");
		link->state = ENABLING;
	}
}

static void
take_proceed(struct link *link, struct arena *arena, struct xml *element)
{
	(void)arena;
	if (!xml_is(element, "proceed", NS_TLS) || line_is_tls(link->line)) {
		line_close(link->line, STREAM_POLICY_VIOLATION, "TLS is wanted here");
		return;
	}
	line_restart(link->line, LINE_BYTES_BEFORE);
	(void)line_start_tls(link->line, link->ascii, false);
}

static void
take_verdict(struct link *link, struct arena *arena, struct xml *element)
{
	const struct xml *reason = xml_first(element);

	(void)arena;
	if (xml_is(element, "success", NS_SASL)) {
		link->state = FEATURES;
		line_restart(link->line, LINE_BYTES);
		say_hello(link);
		return;
	}
	log_warn(&link->log, "does not take our certificate: %s", reason == NULL ? element->name : reason->name);
	line_close(link->line, STREAM_OK, NULL);
}

static void
take_enabled(struct link *link, struct arena *arena, struct xml *element)
{
	(void)arena;
	if (strcmp(element->ns, NS_SM) != 0) {
		line_close(link->line, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
		return;
	}
	link->managed = strcmp(element->name, "enabled") == 0;
	ready(link);
}

static void
take_a(struct link *link, const struct xml *element)
{
	uint32_t h;

	if (!smacks_parse_h(xml_attr(element, "h"), &h) || !smacks_count_acked(&link->count, h)) {
		line_close(link->line, STREAM_UNDEFINED_CONDITION, "that many stanzas were not sent");
		return;
	}
	link->asked = 0;
	all_taken(link, link->count.acked);
	feed_queue(link);
	ask(link);
	arm(link);
}

/* Stanzas come on streams that others began (RFC 6120 4.5): what comes here is from nobody who has proven anything to us as a
 * sender, and is thrown away (attack F7). */
static void
take_ready(struct link *link, struct arena *arena, struct xml *element)
{
	(void)arena;
	if (xml_is(element, "a", NS_SM) && link->managed)
		take_a(link, element);
	else if (xml_is(element, "r", NS_SM) && link->managed)
		line_writes(link->line, "<a xmlns='" NS_SM "' h='0'/>");
}

static void
take_nothing(struct link *link, struct arena *arena, struct xml *element)
{
	(void)arena;
	(void)element;
	line_close(link->line, STREAM_POLICY_VIOLATION, NULL);
}

static void
on_element(void *arg, struct arena *arena, struct xml *element)
{
	static void (*const takes[])(struct link *, struct arena *, struct xml *) = {
		[IDLE] = take_nothing, [FINDING] = take_nothing, [CONNECTING] = take_nothing,
		[CLEAR] = take_features, [SECURING] = take_proceed, [AUTH] = take_features, [PROVING] = take_verdict,
		[FEATURES] = take_features, [ENABLING] = take_enabled, [READY] = take_ready,
	};
	struct link *link = arg;
	const char *text;

	if (xml_is(element, "error", NS_STREAM)) {
		text = xml_child_text(arena, element, "text", NS_STREAM_ERRORS);
		log_info(&link->log, "says: %s%s%s", xml_first(element) == NULL ? "an error" : xml_first(element)->name,
		    text == NULL ? "" : ": ", text == NULL ? "" : text);
		line_close(link->line, STREAM_OK, NULL);
	} else {
		takes[link->state](link, arena, element);
	}
	arena_free(&arena);
}

/* In reply to ours: the peer has read all. With stream management it has said itself what it took. */
static void
on_goodbye(void *arg)
{
	struct link *link = arg;

	if (link->parting && link->state == READY && !link->managed)
		all_taken(link, link->count.sent);
	line_close(link->line, STREAM_OK, NULL);
}

static void
on_drained(void *arg)
{
	feed_queue(arg);
}

static void
on_closed(void *arg, const char *why)
{
	struct link *link = arg;
	struct peers *peers = link->peers;

	if (link->state == READY) {
		log_info(&link->log, "gone: %s", why);
		link->missed = true;
		drop(link);
		queue_down(router_queue(peers->router), link->domain, QUEUE_UNREACHED, why);
		if (link->held != NULL)
			begin(link);
	} else {
		give_up(link, why);
	}
	peers_gone(peers);
}

static const struct line_owner line_owner = {
	.header = on_header, .element = on_element, .secure = on_secure, .goodbye = on_goodbye, .closed = on_closed,
	.drained = on_drained,
};

/* ---- all of them ---- */

static struct link *
link_new(struct peers *peers, const char *domain)
{
	struct link *link = xcalloc(1, sizeof *link);
	char id[ID_LEN + 1];

	if (!jid_domain_ascii(domain, link->ascii)) {
		free(link);
		return NULL;
	}
	link->peers = peers;
	link->domain = xstrdup(domain);
	link->held_last = &link->held;
	random_id(id);
	memcpy(link->log.id, id, 4);
	link->log.who = link->domain;
	link->timer = timer_new(peers->loop, fired, link);
	link->next = peers->links;
	link->back = &peers->links;
	if (link->next != NULL)
		link->next->back = &link->next;
	peers->links = link;
	peers->link_count++;
	return link;
}

/* One that is of no use now, so that strangers' domains do not fill the table. */
static struct link *
find_idle(const struct peers *peers)
{
	for (struct link *link = peers->links; link != NULL; link = link->next)
		if (link->state == IDLE && link->held == NULL && link->not_before <= now_mono())
			return link;
	return NULL;
}

struct link *
link_find(const struct peers *peers, const char *domain)
{
	for (struct link *link = peers->links; link != NULL; link = link->next)
		if (strcmp(link->domain, domain) == 0)
			return link;
	return NULL;
}

struct link *
link_to(struct peers *peers, const char *domain)
{
	struct link *link = link_find(peers, domain), *idle;

	if (link != NULL)
		return link;
	if (peers->link_count >= LINKS_MOST && (idle = find_idle(peers)) != NULL)
		link_free(idle);
	return peers->link_count >= LINKS_MOST ? NULL : link_new(peers, domain);
}

struct link *
link_next(struct link *link)
{
	return link->next;
}

bool
link_is_open(const struct link *link)
{
	return link->line != NULL;
}

void
link_want(struct link *link)
{
	struct queue *queue = router_queue(link->peers->router);

	if (link->state == READY)
		queue_up(queue, link->domain, link->managed && link->custody);
	else if (link->state == IDLE)
		begin(link);
}

void
link_seen(struct link *link)
{
	link->mute = false;
	link->not_before = link->pause = 0;
	if (link->state == IDLE)
		meet(link);
}

bool
link_pong(struct link *link, const char *id)
{
	if (link->state != READY || link->managed || !carry_is_pong(&link->carry, id))
		return false;
	link->asked = 0;
	all_taken(link, link->carry.pinged);
	feed_queue(link);
	ask(link);
	arm(link);
	return true;
}

void
link_close(struct link *link)
{
	if (link->state == READY)
		part(link); /* what is under way may yet be acknowledged */
	else if (link->line != NULL && (link->state == CLEAR || link->state == AUTH))
		line_close(link->line, STREAM_OK, NULL);
	else
		drop(link);
}

void
link_free(struct link *link)
{
	drop(link);
	while (link->held != NULL)
		held_free(take_held(link));
	*link->back = link->next;
	if (link->next != NULL)
		link->next->back = link->back;
	link->peers->link_count--;
	timer_free(&link->timer);
	free(link->domain);
	free(link);
}
