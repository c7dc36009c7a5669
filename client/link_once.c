/*
 * link_once.c -- logging in with everything at once: SASL2 (XEP-0388) with a resource and stream management inside (XEP-0386,
 * XEP-0198 section 9), by a token where one is kept (XEP-0484), else by SCRAM, which brings a token for the next time.
 *
 * A token that the relay refuses is forgotten, and SCRAM follows on the same connection under the same rules as ever
 * (link_sasl.h): a token never leads to a weaker mechanism. It is bound to the channel (RFC 9266, RFC 5929), and the relay
 * must show that it knows it too; one that says success without that is refused.
 */
#include "config.h"

#include "client/link_stream-private.h"

#include <stdlib.h>
#include <string.h>

#include "client/clock.h"
#include "client/link_channel.h"
#include "client/link_offer.h"
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stamp.h"
#include "proto/xml.h"

enum { ROUNDS_MAX = 8, ROLE_LEN = 9 };

/* Best first. */
static const struct {
	const char *name;
	bool exporter;
} tokens[] = { { "HT-SHA-256-EXPR", true }, { "HT-SHA-256-ENDP", false } };

/* The channel's bytes for a mechanism of ours; 0: none, or not ours. */
static size_t
bound_to(const char *mechanism, uint8_t out[static 64])
{
	struct channel channel = channel_last();

	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		if (strcmp(tokens[i].name, mechanism) != 0)
			continue;
		memcpy(out, tokens[i].exporter ? channel.exporter : channel.end_point,
		    tokens[i].exporter ? channel.exporter_len : channel.end_point_len);
		return tokens[i].exporter ? channel.exporter_len : channel.end_point_len;
	}
	return 0;
}

/* For which mechanism to ask for a token; NULL: none. */
static const char *
token_wanted(const struct offer *offer)
{
	uint8_t bound[64];

	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		if (offer_has_token(offer, tokens[i].name) && bound_to(tokens[i].name, bound) > 0)
			return tokens[i].name;
	return NULL;
}

/* -- what is asked ----------------------------------------------------------------------------------------- */

static struct xml *
new_request(struct arena *arena, const struct stream *stream, const struct offer *offer, const char *mechanism, const char *first)
{
	struct xml *request = xml_new(arena, "authenticate", NS_SASL2), *bind;

	xml_set(arena, request, "mechanism", mechanism);
	if (first[0] != '\0')
		xml_add_leaf(arena, request, "initial-response", NULL, first);
	if (stream->config->client != NULL)
		xml_set(arena, xml_add(arena, request, "user-agent", NULL), "id", stream->config->client);
	if (stream->config->give_back)
		return request;
	bind = xml_add(arena, request, "bind", NS_BIND2);
	xml_add_leaf(arena, bind, "tag", NULL, "lazo");
	if (offer->sm)
		xml_add(arena, bind, "enable", NS_SM);
	xml_add(arena, request, "brief", NS_BRIEF); /* a relay that knows it leaves out what we do not look at */
	return request;
}

/* -- what is answered -------------------------------------------------------------------------------------- */

static void
take_token(struct stream *stream, const struct xml *success, const char *mechanism)
{
	const struct xml *token = xml_find(success, "token", NS_FAST);
	const char *text = token != NULL ? xml_attr(token, "token") : NULL;
	const char *expiry = token != NULL ? xml_attr(token, "expiry") : NULL;
	struct sasl_token *kept = &stream->token;

	if (text == NULL || expiry == NULL || mechanism == NULL || strlen(text) > SASL_TOKEN_MAX || strcspn(text, " \n") == 0 ||
	    text[strcspn(text, " \n")] != '\0' || !stamp_parse(expiry, &kept->expires))
		return;
	memcpy(kept->text, text, strlen(text) + 1);
	memcpy(kept->mechanism, mechanism, strlen(mechanism) + 1);
}

/* <success/>, and the features that follow it. */
static bool
take_success(struct stream *stream, struct arena *arena, const struct xml *success, const char *mechanism)
{
	const struct xml *bound = xml_find(success, "bound", NS_BIND2);
	const char *jid = xml_child_text(arena, success, "authorization-identifier", NS_SASL2);
	struct arena *more = NULL;
	struct xml *features;
	bool fine;

	take_token(stream, success, mechanism);
	if (stream->config->give_back)
		return true;
	features = stream_expect(stream, &more, "features", NS_STREAM, "stream features");
	if (features == NULL)
		return false;
	stream->offers_sm = xml_find(features, "sm", NS_SM) != NULL;
	if (bound == NULL) {
		fine = stream_bind(stream);
	} else {
		stream->managed = xml_find(bound, "enabled", NS_SM) != NULL;
		fine = stream_take_address(stream, jid);
	}
	arena_free(&more);
	return fine;
}

/* -- by a token -------------------------------------------------------------------------------------------- */

static void
token_hash(const char *token, const char role[static ROLE_LEN], const uint8_t *bound, size_t bound_len,
    uint8_t out[static SHA256_LEN])
{
	uint8_t text[ROLE_LEN + 64];

	memcpy(text, role, ROLE_LEN);
	memcpy(text + ROLE_LEN, bound, bound_len);
	digest_hmac(DIGEST_SHA256, token, strlen(token), text, ROLE_LEN + bound_len, out);
}

static void
send_token(struct stream *stream, const struct offer *offer, const uint8_t *bound, size_t bound_len)
{
	const struct sasl_token *token = stream->config->fast;
	size_t user = strlen(stream->config->user);
	struct arena *arena = arena_new_secret();
	uint8_t *first = arena_alloc(arena, user + 1 + SHA256_LEN);
	char *text = arena_alloc(arena, base64_encoded_len(user + 1 + SHA256_LEN) + 1);
	struct xml *request, *fast;

	memcpy(first, stream->config->user, user + 1);
	token_hash(token->text, "Initiator", bound, bound_len, first + user + 1);
	base64_encode(text, first, user + 1 + SHA256_LEN);
	request = new_request(arena, stream, offer, token->mechanism, text);
	fast = xml_add(arena, request, "fast", NS_FAST);
	if (stream->config->give_back)
		xml_set(arena, fast, "invalidate", "true");
	link_send(stream->link, request);
	arena_free(&arena);
}

/* The relay's side of it: that it knows the token as well. */
static bool
token_proved(struct stream *stream, struct arena *arena, const struct xml *success, const uint8_t *bound, size_t bound_len)
{
	const char *text = xml_child_text(arena, success, "additional-data", NS_SASL2);
	uint8_t want[SHA256_LEN], got[SHA256_LEN + 4];
	bool same;

	token_hash(stream->config->fast->text, "Responder", bound, bound_len, want);
	same = text != NULL && strlen(text) == base64_encoded_len(SHA256_LEN) &&
	    base64_decode(got, text, strlen(text)) == SHA256_LEN && same_secret(got, want, SHA256_LEN);
	cleanse(want, sizeof(want));
	return same || trouble_set(stream->trouble, FAULT_PROOF, "it says success without knowing the token");
}

static enum once
by_token(struct stream *stream, const struct offer *offer, const uint8_t *bound, size_t bound_len)
{
	struct arena *arena;
	struct xml *answer;
	enum once outcome = ONCE_FAILED;

	send_token(stream, offer, bound, bound_len);
	answer = stream_expect(stream, &arena, NULL, NULL, "the answer to the login");
	if (answer == NULL)
		return ONCE_FAILED;
	if (xml_is(answer, "failure", NS_SASL2)) {
		stream->token_refused = true;
		outcome = ONCE_REFUSED;
	} else if (!xml_is(answer, "success", NS_SASL2)) {
		trouble_set(stream->trouble, FAULT_PROTOCOL, "<%.40s/> during the login", answer->name);
	} else if (token_proved(stream, arena, answer, bound, bound_len) &&
	    take_success(stream, arena, answer, stream->config->fast->mechanism)) {
		stream->by_token = true;
		stream->mechanism = stream->config->fast->mechanism;
		outcome = ONCE_DONE;
	}
	arena_free(&arena);
	return outcome;
}

/* -- by a password ----------------------------------------------------------------------------------------- */

static void
send_response(struct stream *stream, char *text)
{
	struct arena *arena = arena_new_secret();
	struct xml *element = xml_new(arena, "response", NS_SASL2);

	xml_add_text(arena, element, text, strlen(text));
	link_send(stream->link, element);
	arena_free(&arena);
	cleanse(text, strlen(text));
	free(text);
}

enum turn { TURN_AGAIN, TURN_DONE, TURN_FAILED };

static enum turn
take_turn(struct stream *stream, struct sasl *sasl, const char *wanted)
{
	struct arena *arena;
	struct xml *element = stream_expect(stream, &arena, NULL, NULL, "the answer to the login");
	enum turn turn = TURN_FAILED;
	const char *data;
	char *answer;

	if (element == NULL)
		return TURN_FAILED;
	if (xml_is(element, "challenge", NS_SASL2)) {
		answer = sasl_step(sasl, xml_text(arena, element));
		if (answer != NULL) {
			send_response(stream, answer);
			turn = TURN_AGAIN;
		}
	} else if (xml_is(element, "success", NS_SASL2)) {
		data = xml_child_text(arena, element, "additional-data", NS_SASL2);
		if (sasl_succeed(sasl, data != NULL ? data : "") && take_success(stream, arena, element, wanted))
			turn = TURN_DONE;
	} else if (xml_is(element, "failure", NS_SASL2)) {
		stream_sasl_failure(stream, arena, element);
	} else {
		trouble_set(stream->trouble, FAULT_PROTOCOL, "<%.40s/> during the login", element->name);
	}
	arena_free(&arena);
	return turn;
}

static enum once
by_password(struct stream *stream, const struct offer *offer)
{
	const char *wanted = stream->config->client != NULL ? token_wanted(offer) : NULL;
	struct sasl *sasl = stream_new_sasl(stream, offer);
	enum turn turn = TURN_AGAIN;
	struct arena *arena;
	struct xml *request;
	char *first = sasl != NULL ? sasl_start(sasl) : NULL;

	if (first == NULL) {
		sasl_free(&sasl);
		return ONCE_FAILED;
	}
	arena = arena_new_secret();
	request = new_request(arena, stream, offer, sasl_mechanism(sasl), first);
	if (wanted != NULL)
		xml_set(arena, xml_add(arena, request, "request-token", NS_FAST), "mechanism", wanted);
	link_send(stream->link, request);
	arena_free(&arena);
	cleanse(first, strlen(first));
	free(first);
	for (int i = 0; i < ROUNDS_MAX && turn == TURN_AGAIN; i++)
		turn = take_turn(stream, sasl, wanted);
	if (turn == TURN_AGAIN)
		trouble_set(stream->trouble, FAULT_PROTOCOL, "a login without end");
	stream_keep_sasl(stream, sasl, turn == TURN_DONE);
	sasl_free(&sasl);
	return turn == TURN_DONE ? ONCE_DONE : ONCE_FAILED;
}

enum once
stream_log_in_at_once(struct stream *stream, const struct offer *offer)
{
	const struct stream_config *config = stream->config;
	const struct sasl_token *token = config->fast;
	uint8_t bound[64];
	size_t bound_len = token == NULL ? 0 : bound_to(token->mechanism, bound);
	enum once outcome = ONCE_REFUSED;

	stream_step(stream, "login");
	if (bound_len > 0 && config->client != NULL && token->expires > now_wall() && offer_has_token(offer, token->mechanism))
		outcome = by_token(stream, offer, bound, bound_len);
	if (outcome == ONCE_REFUSED && !config->give_back)
		outcome = by_password(stream, offer);
	return outcome;
}
