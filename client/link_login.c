/*
 * link_login.c -- negotiation of a stream: STARTTLS, registration, SASL, bind. See link_stream.h.
 *
 * Nothing is believed before TLS, and no identity but our own after bind.
 * Spec: RFC 6120 sections 5 (STARTTLS), 6 (SASL), 7 (bind).
 */
#include "config.h"

#include "client/link_stream-private.h"

#include <stdlib.h>
#include <string.h>

#include "client/clock.h"
#include "client/link_offer.h"
#include "client/link_register.h"
#include "proto/arena.h"
#include "proto/error.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"

enum {
	TLS_MS = 15000,
	STEP_MS = 20000, /* any one answer of the negotiation */
	REGISTER_MS = 40000,
	SASL_ROUNDS_MAX = 8,
};

void
stream_step(const struct stream *stream, const char *name)
{
	if (stream->config->step != NULL)
		stream->config->step(stream->config->arg, name);
}

/* -- elements of the negotiation --------------------------------------------------------------------------- */

bool
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

struct xml *
stream_expect(struct stream *stream, struct arena **arena_r, const char *name, const char *ns, const char *what)
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
	return stream_expect(stream, arena_r, "features", NS_STREAM, "stream features");
}

void
stream_send_element(struct stream *stream, const char *name, const char *ns, const char *text)
{
	struct arena *arena = arena_new_secret();
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
	stream_step(stream, "tls");
	stream_send_element(stream, "starttls", NS_TLS, NULL);
	element = stream_expect(stream, &arena, NULL, NULL, "<proceed/>");
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
bool
stream_sasl_failure(struct stream *stream, struct arena *arena, const struct xml *failure)
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
	const char *text = xml_child_text(arena, failure, "text", NULL);

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
	struct arena *arena = arena_new_secret();
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
	struct xml *element = stream_expect(stream, &arena, NULL, NULL, "the answer to the login");
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
		stream_sasl_failure(stream, arena, element);
	} else {
		trouble_set(stream->trouble, FAULT_PROTOCOL, "<%.40s/> during the login", element->name);
	}
	arena_free(&arena);
	return turn;
}

struct sasl *
stream_new_sasl(struct stream *stream, const struct offer *offer)
{
	const struct stream_config *config = stream->config;
	struct sasl_config how = { .user = config->user, .password = config->password, .kept = config->kept,
		.least = config->least, .offer = offer->text, .plain = config->plain };

	return sasl_new(&how, offer->mechanisms, offer->count, stream->trouble);
}

void
stream_keep_sasl(struct stream *stream, const struct sasl *sasl, bool done)
{
	if (!done)
		return;
	stream->mechanism = sasl_mechanism(sasl);
	stream->keeps = sasl_keep(sasl, &stream->secret);
}

static bool
authenticate(struct stream *stream, const struct offer *offer)
{
	enum sasl_turn turn = SASL_TURN_AGAIN;
	struct sasl *sasl = stream_new_sasl(stream, offer);
	char *first;

	if (sasl == NULL)
		return false;
	stream_step(stream, "login");
	first = sasl_start(sasl);
	if (first == NULL)
		turn = SASL_TURN_FAILED;
	else
		send_sasl(stream, "auth", sasl_mechanism(sasl), first);
	for (int i = 0; i < SASL_ROUNDS_MAX && turn == SASL_TURN_AGAIN; i++)
		turn = sasl_turn(stream, sasl);
	if (turn == SASL_TURN_AGAIN)
		trouble_set(stream->trouble, FAULT_PROTOCOL, "a login without end");
	stream_keep_sasl(stream, sasl, turn == SASL_TURN_DONE);
	sasl_free(&sasl);
	return turn == SASL_TURN_DONE;
}

/* *bound_r: everything was done at once. */
static bool
log_in(struct stream *stream, bool *bound_r)
{
	const struct stream_config *config = stream->config;
	struct arena *arena;
	struct xml *features = open_and_expect_features(stream, &arena);
	bool fine = features != NULL;
	struct offer offer;

	*bound_r = false;
	if (fine)
		offer_read(arena, features, &offer);
	if (fine && config->enroll)
		fine = register_account(stream->link, config->domain, config->user, config->password, config->token,
		    now_mono() + REGISTER_MS, stream->trouble);
	*bound_r = fine && offer.at_once;
	if (*bound_r)
		fine = stream_log_in_at_once(stream, &offer) == ONCE_DONE;
	else
		fine = fine && !config->give_back && authenticate(stream, &offer);
	arena_free(&arena);
	return fine;
}

/* -- bind ------------------------------------------------------------------------------------------------- */

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

	if (iq_type(iq) != IQ_RESULT || jid == NULL)
		return bind_failed(stream, iq);
	return stream_take_address(stream, jid);
}

bool
stream_take_address(struct stream *stream, const char *jid)
{
	size_t user = strlen(stream->config->user), domain = strlen(stream->config->domain);

	if (jid == NULL || strncmp(jid, stream->config->user, user) != 0 || jid[user] != '@' ||
	    strncmp(jid + user + 1, stream->config->domain, domain) != 0 || jid[user + 1 + domain] != '/')
		return trouble_set(stream->trouble, FAULT_PROTOCOL, "bound as %.200s", jid != NULL ? jid : "nobody");
	stream->jid = xstrdup(jid);
	return true;
}

bool
stream_bind(struct stream *stream)
{
	struct arena *arena = arena_new(), *answer_arena;
	struct xml *iq, *answer, *bind;
	char id[ID_LEN + 1];
	bool fine;

	stream_step(stream, "bind");
	random_id(id);
	iq = stanza_new(arena, "iq", NULL, NULL, "set", id);
	bind = xml_add(arena, iq, "bind", NS_BIND);
	if (stream->config->resource != NULL)
		xml_add_leaf(arena, bind, "resource", NULL, stream->config->resource);
	link_send(stream->link, iq);
	answer = stream_expect(stream, &answer_arena, "iq", NS_CLIENT, "the bound address");
	fine = answer != NULL && take_bound(stream, answer_arena, answer);
	arena_free(&answer_arena);
	arena_free(&arena);
	return fine;
}

static bool
bind_behind_login(struct stream *stream)
{
	struct arena *arena;
	struct xml *features = open_and_expect_features(stream, &arena);

	if (features == NULL)
		return false;
	stream->offers_sm = xml_find(features, "sm", NS_SM) != NULL;
	arena_free(&arena);
	return stream_bind(stream);
}

bool
stream_negotiate(struct stream *stream, bool direct)
{
	bool bound;

	return (direct || start_tls(stream)) && log_in(stream, &bound) && (bound || bind_behind_login(stream));
}
