/*
 * link_stream.c -- log in and count stanzas: see link_stream.h.
 *
 * Spec: RFC 6120 sections 5 (STARTTLS), 6 (SASL), 7 (bind); XEP-0198 sections 3, 4; XEP-0368.
 */
#include "config.h"

#include "client/link_stream.h"

#include <stdlib.h>
#include <string.h>

#include "client/clock.h"
#include "client/link.h"
#include "client/link_cert.h"
#include "client/link_register.h"
#include "client/resolve.h"
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/error.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"

enum {
	RESOLVE_MS = 10000,
	CONNECT_MS = 15000,
	TLS_MS = 15000,
	STEP_MS = 20000,     /* any one answer of the negotiation */
	REGISTER_MS = 40000,
	ALL_MS = 120000,     /* the whole login, over all addresses */
	MECHANISMS_MAX = 32,
	SASL_ROUNDS_MAX = 8,
};

struct stream {
	struct link *link;
	struct link_config link_config;
	struct trouble *trouble;
	const struct stream_config *config;
	char *jid;
	char address[RESOLVE_ADDRESS_LEN];
	const char *mechanism; /* constant */
	struct sasl_secret secret;
	bool keeps;
	bool offers_sm;
	bool managed;
	uint32_t sent;
	uint32_t acked;    /* of sent */
	uint32_t received; /* handed out */
	uint32_t handled;  /* of received, what may be told */
};

static uint8_t refused_pin[SHA256_LEN];
static bool refused_pin_seen;

static void
step(const struct stream *stream, const char *name)
{
	if (stream->config->step != NULL)
		stream->config->step(stream->config->arg, name);
}

/* -- elements of the negotiation --------------------------------------------------------------------------- */

/* RFC 6120 4.9.3: what a stream error means to us. */
static bool
stream_error_fault(struct trouble *trouble, const struct xml *error)
{
	const struct xml *condition = xml_first(error);
	enum stream_error code = condition != NULL ? stream_error_by_name(condition->name) : STREAM_UNDEFINED_CONDITION;
	enum fault fault = FAULT_PROTOCOL;

	switch (code) {
	case STREAM_HOST_UNKNOWN:
	case STREAM_HOST_GONE:
		fault = FAULT_HOST;
		break;
	case STREAM_NOT_AUTHORIZED:
	case STREAM_POLICY_VIOLATION:
	case STREAM_CONFLICT:
	case STREAM_SEE_OTHER_HOST:
	case STREAM_UNDEFINED_CONDITION:
		fault = FAULT_REFUSED;
		break;
	case STREAM_RESOURCE_CONSTRAINT:
		fault = FAULT_FULL;
		break;
	case STREAM_CONNECTION_TIMEOUT:
	case STREAM_INTERNAL_SERVER_ERROR:
	case STREAM_SYSTEM_SHUTDOWN:
	case STREAM_RESET:
	case STREAM_REMOTE_CONNECTION_FAILED:
		fault = FAULT_LOST;
		break;
	case STREAM_OK:
	case STREAM_BAD_FORMAT:
	case STREAM_BAD_NAMESPACE_PREFIX:
	case STREAM_IMPROPER_ADDRESSING:
	case STREAM_INVALID_FROM:
	case STREAM_INVALID_NAMESPACE:
	case STREAM_INVALID_XML:
	case STREAM_NOT_WELL_FORMED:
	case STREAM_RESTRICTED_XML:
	case STREAM_UNSUPPORTED_ENCODING:
	case STREAM_UNSUPPORTED_FEATURE:
	case STREAM_UNSUPPORTED_STANZA_TYPE:
	case STREAM_UNSUPPORTED_VERSION:
	case STREAM_ERRORS:
		break;
	}
	return trouble_set(trouble, fault, "stream error %s", condition != NULL ? condition->name : "without a name");
}

/* The next element of the negotiation, which must be `name`, or with name NULL anything. NULL: the trouble says why. */
static struct xml *
expect(struct stream *stream, struct arena **arena_r, const char *name, const char *ns, const char *what)
{
	struct xml *element = NULL;

	*arena_r = NULL;
	switch (link_next(stream->link, now_mono() + STEP_MS, arena_r, &element)) {
	case LINK_ELEMENT:
		break;
	case LINK_TIME_OUT:
		trouble_set(stream->trouble, FAULT_TIMEOUT, "waiting for %s", what);
		return NULL;
	case LINK_WOKEN:
		trouble_set(stream->trouble, FAULT_STOPPED, "waiting for %s", what);
		return NULL;
	case LINK_CLOSED:
		trouble_set(stream->trouble, FAULT_LOST, "waiting for %s", what);
		return NULL;
	}
	if (xml_is(element, "error", NS_STREAM))
		stream_error_fault(stream->trouble, element);
	else if (name == NULL || xml_is(element, name, ns))
		return element;
	else
		trouble_set(stream->trouble, FAULT_PROTOCOL, "<%.40s/> instead of %s", element->name, what);
	arena_free(arena_r);
	return NULL;
}

static struct xml *
open_and_expect_features(struct stream *stream, struct arena **arena_r)
{
	*arena_r = NULL;
	if (!link_open_stream(stream->link))
		return NULL;
	return expect(stream, arena_r, "features", NS_STREAM, "stream features");
}

static void
send_element(struct stream *stream, const char *name, const char *ns, const char *text)
{
	struct arena *arena = arena_new();
	struct xml *element = xml_new(arena, name, ns);

	if (text != NULL)
		xml_add_text(arena, element, text, strlen(text));
	link_send(stream->link, element);
	arena_free(&arena);
}

/* RFC 6120 5.4. Never goes on without TLS. */
static bool
start_tls(struct stream *stream)
{
	struct arena *arena;
	struct xml *element = open_and_expect_features(stream, &arena);
	bool offered = element != NULL && xml_find(element, "starttls", NS_TLS) != NULL;

	arena_free(&arena);
	if (element == NULL)
		return false;
	if (!offered)
		return trouble_set(stream->trouble, FAULT_NO_TLS, "no <starttls/> in the features");
	step(stream, "tls");
	send_element(stream, "starttls", NS_TLS, NULL);
	element = expect(stream, &arena, NULL, NULL, "<proceed/>");
	offered = element != NULL && xml_is(element, "proceed", NS_TLS);
	arena_free(&arena);
	if (element == NULL)
		return false;
	if (!offered)
		return trouble_set(stream->trouble, FAULT_NO_TLS, "no <proceed/>");
	return link_start_tls(stream->link, now_mono() + TLS_MS);
}

/* -- SASL -------------------------------------------------------------------------------------------------- */

/* RFC 6120 6.5. */
static bool
sasl_failure(struct stream *stream, struct arena *arena, const struct xml *failure)
{
	static const struct {
		const char *name;
		enum fault fault;
	} known[] = {
		{ "not-authorized", FAULT_PASSWORD },       { "account-disabled", FAULT_DISABLED },
		{ "credentials-expired", FAULT_DISABLED },  { "temporary-auth-failure", FAULT_FULL },
		{ "mechanism-too-weak", FAULT_MECHANISM },  { "invalid-mechanism", FAULT_MECHANISM },
		{ "encryption-required", FAULT_MECHANISM }, { "invalid-authzid", FAULT_PASSWORD },
	};
	const char *text = xml_child_text(arena, failure, "text", NS_SASL);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (xml_find(failure, known[i].name, NS_SASL) != NULL)
			return trouble_set(stream->trouble, known[i].fault, "%s%s%.200s", known[i].name,
			    text != NULL ? ": " : "", text != NULL ? text : "");
	return trouble_set(stream->trouble, FAULT_REFUSED, "login failed%s%.200s", text != NULL ? ": " : "",
	    text != NULL ? text : "");
}

static void
send_sasl(struct stream *stream, const char *name, const char *mechanism, char *text)
{
	struct arena *arena = arena_new();
	struct xml *element = xml_new(arena, name, NS_SASL);

	if (mechanism != NULL)
		xml_set(arena, element, "mechanism", mechanism);
	/* An empty initial response is "=" (RFC 6120 6.4.2). */
	if (mechanism != NULL && text[0] == '\0')
		xml_add_text(arena, element, "=", 1);
	else
		xml_add_text(arena, element, text, strlen(text));
	link_send(stream->link, element);
	arena_free(&arena);
	cleanse(text, strlen(text));
	free(text);
}

enum sasl_turn { SASL_TURN_AGAIN, SASL_TURN_DONE, SASL_TURN_FAILED };

static enum sasl_turn
sasl_turn(struct stream *stream, struct sasl *sasl)
{
	struct arena *arena;
	struct xml *element = expect(stream, &arena, NULL, NULL, "the answer to the login");
	enum sasl_turn turn = SASL_TURN_FAILED;
	char *answer;

	if (element == NULL)
		return SASL_TURN_FAILED;
	if (xml_is(element, "challenge", NS_SASL)) {
		answer = sasl_step(sasl, xml_text(arena, element));
		if (answer != NULL) {
			send_sasl(stream, "response", NULL, answer);
			turn = SASL_TURN_AGAIN;
		}
	} else if (xml_is(element, "success", NS_SASL)) {
		if (sasl_succeed(sasl, xml_text(arena, element)))
			turn = SASL_TURN_DONE;
	} else if (xml_is(element, "failure", NS_SASL)) {
		sasl_failure(stream, arena, element);
	} else {
		trouble_set(stream->trouble, FAULT_PROTOCOL, "<%.40s/> during the login", element->name);
	}
	arena_free(&arena);
	return turn;
}

static bool
authenticate(struct stream *stream, struct arena *arena, const struct xml *features)
{
	const struct stream_config *config = stream->config;
	struct sasl_config how = { .user = config->user, .password = config->password, .kept = config->kept,
		.least = config->least, .plain = config->plain };
	const struct xml *list = xml_find(features, "mechanisms", NS_SASL);
	const char *offered[MECHANISMS_MAX];
	size_t count = 0;
	enum sasl_turn turn = SASL_TURN_AGAIN;
	struct sasl *sasl;
	char *first;

	for (const struct xml *at = list != NULL ? xml_find(list, "mechanism", NS_SASL) : NULL;
	     at != NULL && count < MECHANISMS_MAX; at = xml_next(at, "mechanism", NS_SASL))
		offered[count++] = xml_text(arena, at);
	sasl = sasl_new(&how, offered, count, stream->trouble);
	if (sasl == NULL)
		return false;
	step(stream, "login");
	first = sasl_start(sasl);
	if (first == NULL)
		turn = SASL_TURN_FAILED;
	else
		send_sasl(stream, "auth", sasl_mechanism(sasl), first);
	for (int i = 0; i < SASL_ROUNDS_MAX && turn == SASL_TURN_AGAIN; i++)
		turn = sasl_turn(stream, sasl);
	if (turn == SASL_TURN_AGAIN)
		trouble_set(stream->trouble, FAULT_PROTOCOL, "a login without end");
	if (turn == SASL_TURN_DONE) {
		stream->mechanism = sasl_mechanism(sasl);
		stream->keeps = sasl_keep(sasl, &stream->secret);
	}
	sasl_free(&sasl);
	return turn == SASL_TURN_DONE;
}

static bool
log_in(struct stream *stream)
{
	const struct stream_config *config = stream->config;
	struct arena *arena;
	struct xml *features = open_and_expect_features(stream, &arena);
	bool fine = features != NULL;

	if (fine && config->enroll)
		fine = register_account(stream->link, config->domain, config->user, config->password, config->token,
		    now_mono() + REGISTER_MS, stream->trouble);
	fine = fine && authenticate(stream, arena, features);
	arena_free(&arena);
	return fine;
}

/* -- bind and stream management ---------------------------------------------------------------------------- */

static bool
bind_failed(struct stream *stream, const struct xml *iq)
{
	enum stanza_error error = iq_type(iq) == IQ_ERROR ? stanza_error_of(iq) : STANZA_OK;

	return trouble_set(stream->trouble, error == STANZA_RESOURCE_CONSTRAINT ? FAULT_FULL : FAULT_REFUSED,
	    "bind: %s", error != STANZA_OK ? stanza_error_name(error) : "no address in the answer");
}

/* RFC 6120 section 7. The node and domain must be ours: a relay that gives another identity is refused. */
static bool
take_bound(struct stream *stream, struct arena *arena, const struct xml *iq)
{
	const struct xml *bind = xml_find(iq, "bind", NS_BIND);
	const char *jid = bind != NULL ? xml_child_text(arena, bind, "jid", NS_BIND) : NULL;
	size_t user = strlen(stream->config->user), domain = strlen(stream->config->domain);

	if (iq_type(iq) != IQ_RESULT || jid == NULL)
		return bind_failed(stream, iq);
	if (strncmp(jid, stream->config->user, user) != 0 || jid[user] != '@' ||
	    strncmp(jid + user + 1, stream->config->domain, domain) != 0 || jid[user + 1 + domain] != '/')
		return trouble_set(stream->trouble, FAULT_PROTOCOL, "bound as %.200s", jid);
	stream->jid = xstrdup(jid);
	return true;
}

static bool
bind_resource(struct stream *stream)
{
	struct arena *arena, *answer_arena;
	struct xml *features = open_and_expect_features(stream, &arena), *iq, *answer, *bind;
	char id[ID_LEN + 1];
	bool fine;

	if (features == NULL)
		return false;
	stream->offers_sm = xml_find(features, "sm", NS_SM) != NULL;
	step(stream, "bind");
	random_id(id);
	iq = stanza_new(arena, "iq", NULL, NULL, "set", id);
	bind = xml_add(arena, iq, "bind", NS_BIND);
	if (stream->config->resource != NULL)
		xml_add_leaf(arena, bind, "resource", NULL, stream->config->resource);
	link_send(stream->link, iq);
	answer = expect(stream, &answer_arena, "iq", NS_CLIENT, "the bound address");
	fine = answer != NULL && take_bound(stream, answer_arena, answer);
	arena_free(&answer_arena);
	arena_free(&arena);
	return fine;
}

static bool
enable_sm(struct stream *stream)
{
	struct arena *arena;
	struct xml *answer;

	if (!stream->offers_sm)
		return true;
	send_element(stream, "enable", NS_SM, NULL);
	answer = expect(stream, &arena, NULL, NULL, "<enabled/>");
	if (answer == NULL)
		return false;
	stream->managed = xml_is(answer, "enabled", NS_SM);
	if (!stream->managed && !xml_is(answer, "failed", NS_SM))
		trouble_set(stream->trouble, FAULT_PROTOCOL, "<%.40s/> instead of <enabled/>", answer->name);
	arena_free(&arena);
	return stream->trouble->fault == FAULT_NONE;
}

/* -- life -------------------------------------------------------------------------------------------------- */

/* One address from TCP to ready. */
static bool
try_endpoint(struct stream *stream, const struct endpoint *end)
{
	link_free(&stream->link);
	stream->link = link_new(&stream->link_config, stream->trouble);
	memcpy(stream->address, end->address, sizeof(stream->address));
	if (!link_connect(stream->link, end->address, end->port, end->direct, now_mono() + CONNECT_MS))
		return false;
	return (end->direct || start_tls(stream)) && log_in(stream) && bind_resource(stream) && enable_sm(stream);
}

/* Only where no answer came is another address worth a try: what a relay said counts for all. */
static bool
worth_another(const struct trouble *trouble)
{
	return trouble->fault == FAULT_NETWORK || trouble->fault == FAULT_LOST || trouble->fault == FAULT_TIMEOUT ||
	    trouble->fault == FAULT_HANDSHAKE || trouble->fault == FAULT_FULL;
}

static bool
try_all(struct stream *stream, struct endpoint *list, size_t count)
{
	int64_t deadline = now_mono() + ALL_MS;
	int index;

	while ((index = resolve_race(list, count, deadline)) >= 0 && now_mono() < deadline) {
		trouble_clear(stream->trouble);
		list[index].tried = true;
		if (try_endpoint(stream, &list[index]))
			return true;
		if (!worth_another(stream->trouble))
			return false;
	}
	return trouble_set(stream->trouble, FAULT_NETWORK, "%s port %u and %zu more addresses: no answer",
	    list[0].address, list[0].port, count - 1);
}

struct stream *
stream_login(const struct stream_config *config, struct trouble *trouble)
{
	struct stream *stream = xcalloc(1, sizeof(*stream));
	struct endpoint list[RESOLVE_MAX];
	size_t count;

	trouble_clear(trouble);
	refused_pin_seen = false;
	stream->trouble = trouble;
	stream->config = config;
	stream->link_config = (struct link_config){ .domain = config->domain, .ca_file = config->ca_file,
		.pin = config->pin };
	step(stream, "connect");
	count = resolve_find(config->domain, config->server, now_mono() + RESOLVE_MS, list, trouble);
	if (count == 0 || !try_all(stream, list, count)) {
		refused_pin_seen = stream->link != NULL && link_peer_pin(stream->link, refused_pin);
		stream_free(&stream);
	}
	return stream;
}

void
stream_free(struct stream **stream)
{
	struct stream *dead = *stream;

	if (dead == NULL)
		return;
	*stream = NULL;
	link_free(&dead->link);
	free(dead->jid);
	cleanse(dead, sizeof(*dead));
	free(dead);
}

bool
stream_close(struct stream *stream, int64_t deadline)
{
	return link_close(stream->link, deadline);
}

const char *
stream_jid(const struct stream *stream)
{
	return stream->jid;
}

const char *
stream_mechanism(const struct stream *stream)
{
	return stream->mechanism;
}

const char *
stream_address(const struct stream *stream)
{
	return stream->address;
}

bool
stream_keep(const struct stream *stream, struct sasl_secret *secret_r)
{
	if (stream->keeps)
		*secret_r = stream->secret;
	return stream->keeps;
}

bool
stream_pin(const struct stream *stream, uint8_t pin_r[32])
{
	return link_peer_pin(stream->link, pin_r);
}

bool
stream_refused_pin(uint8_t pin_r[32])
{
	if (refused_pin_seen)
		memcpy(pin_r, refused_pin, SHA256_LEN);
	return refused_pin_seen;
}

bool
stream_managed(const struct stream *stream)
{
	return stream->managed;
}

void
stream_bytes(const struct stream *stream, uint64_t *sent_r, uint64_t *received_r)
{
	link_bytes(stream->link, sent_r, received_r);
}

/* -- stanzas and their numbers ----------------------------------------------------------------------------- */

uint32_t
stream_send(struct stream *stream, const struct xml *stanza)
{
	if (stream->trouble->fault != FAULT_NONE)
		return 0;
	link_send(stream->link, stanza);
	return ++stream->sent;
}

void
stream_want_ack(struct stream *stream)
{
	if (stream->managed)
		send_element(stream, "r", NS_SM, NULL);
}

uint32_t
stream_acked(const struct stream *stream)
{
	return stream->acked;
}

uint32_t
stream_sent(const struct stream *stream)
{
	return stream->sent;
}

static void
send_a(struct stream *stream)
{
	struct arena *arena = arena_new();
	struct xml *a = xml_new(arena, "a", NS_SM);

	xml_setf(arena, a, "h", "%u", (unsigned)stream->handled);
	link_send(stream->link, a);
	arena_free(&arena);
}

/* A decimal number below 2^32 and nothing else (attack M2). */
static bool
parse_h(const char *text, uint32_t *h_r)
{
	uint64_t value = 0;

	if (text == NULL || *text == '\0' || strlen(text) > 10)
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	*h_r = (uint32_t)value;
	return value <= UINT32_MAX;
}

/* True: the count grew. */
static bool
take_a(struct stream *stream, const struct xml *a)
{
	uint32_t h, more;

	if (!parse_h(xml_attr(a, "h"), &h))
		return trouble_set(stream->trouble, FAULT_PROTOCOL, "<a/> without a count");
	more = h - stream->acked;
	if (more > stream->sent - stream->acked)
		return trouble_set(stream->trouble, FAULT_PROTOCOL, "it acknowledges %u of %u stanzas", h, stream->sent);
	stream->acked = h;
	return more > 0;
}

/* What one element of the ready stream is. True: *got_r to hand out; false: looked after here. */
static bool
sort_out(struct stream *stream, struct xml *element, enum stream_got *got_r)
{
	*got_r = STREAM_CLOSED;
	if (stanza_kind(element) != STANZA_OTHER) {
		stream->received++;
		*got_r = STREAM_STANZA;
		return true;
	}
	if (xml_is(element, "error", NS_STREAM)) {
		stream_error_fault(stream->trouble, element);
		return true;
	}
	if (stream->managed && xml_is(element, "r", NS_SM)) {
		send_a(stream);
		return false;
	}
	if (stream->managed && xml_is(element, "a", NS_SM)) {
		if (take_a(stream, element))
			*got_r = STREAM_ACK;
		return *got_r == STREAM_ACK || stream->trouble->fault != FAULT_NONE;
	}
	trouble_set(stream->trouble, FAULT_PROTOCOL, "<%.40s/> is no stanza", element->name);
	return true;
}

enum stream_got
stream_next(struct stream *stream, int64_t deadline, struct arena **arena_r, struct xml **stanza_r)
{
	enum stream_got got;

	for (;;) {
		switch (link_next(stream->link, deadline, arena_r, stanza_r)) {
		case LINK_ELEMENT:
			break;
		case LINK_TIME_OUT:
			return STREAM_TIME_OUT;
		case LINK_WOKEN:
			return STREAM_WOKEN;
		case LINK_CLOSED:
			return STREAM_CLOSED;
		}
		if (!sort_out(stream, *stanza_r, &got)) {
			arena_free(arena_r);
			if (now_mono() > deadline) /* a flood of <r/> is no answer */
				return STREAM_TIME_OUT;
			continue;
		}
		if (got != STREAM_STANZA)
			arena_free(arena_r);
		return got;
	}
}

void
stream_handled(struct stream *stream, bool tell)
{
	bool news = stream->handled != stream->received;

	stream->handled = stream->received;
	if (tell && news && stream->managed)
		send_a(stream);
}
