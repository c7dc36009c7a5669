/*
 * stream/sasl2.c -- the extensible SASL profile (XEP-0388): <authenticate/> with all that the client wants, answered at once.
 *
 *   <authenticate/> -> as in sasl.c -> proved -> tokens settled (sasl_token.c) -> bound (bind2.c) -> <success/>, features
 *
 * No new stream begins behind it. Nothing of what was asked for inside is done before the client has proved itself. Anything that
 * comes in the middle of a login and does not belong to it ends the stream (2.4), white space excepted.
 * Tasks (<continue/>) are never asked for.
 * DIAGNOSTICS: malformed-request, invalid-mechanism, invalid-authzid (the stream's `from` is another); policy-violation.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stamp.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "relay/net/loop.h"
#include "relay/stream/sasl-private.h"

/* ---- what was asked ---- */

/* Any UUID, as text of its usual form, in lower case. False: not one. */
static bool
read_client(const char *text, char out[static TOKEN_CLIENT_MAX + 1])
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (text == NULL || strlen(text) != TOKEN_CLIENT_MAX)
		return false;
	for (int i = 0; i < TOKEN_CLIENT_MAX; i++) {
		int c = text[i] >= 'A' && text[i] <= 'F' ? text[i] - 'A' + 'a' : text[i];
		bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');

		if (form[i] == '-' ? c != '-' : !digit)
			return false;
		out[i] = (char)c;
	}
	out[TOKEN_CLIENT_MAX] = '\0';
	return true;
}

/* xs:boolean. */
static bool
is_true(const char *text)
{
	return text != NULL && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0);
}

/* A number from 1 to 9,999,999,999. */
static bool
read_count(const char *text, int64_t *count_r)
{
	size_t len = strlen(text);

	if (len == 0 || len > 10 || strspn(text, "0123456789") != len)
		return false;
	*count_r = strtoll(text, NULL, 10);
	return *count_r > 0;
}

/* One child of <authenticate/> each: its place tells that a second one is a fault (attack R4). */
enum part { PART_RESPONSE, PART_AGENT, PART_BIND, PART_RESUME, PART_TOKEN, PART_FAST, PART_BRIEF, PARTS };
static const struct {
	const char *name, *ns;
} part_names[PARTS] = {
	[PART_RESPONSE] = { "initial-response", NS_SASL2 },
	[PART_AGENT] = { "user-agent", NS_SASL2 },
	[PART_BIND] = { "bind", NS_BIND2 },
	[PART_RESUME] = { "resume", NS_SM },
	[PART_TOKEN] = { "request-token", NS_FAST },
	[PART_FAST] = { "fast", NS_FAST },
	[PART_BRIEF] = { "brief", NS_BRIEF },
};

/* False: one came twice. What nobody here knows is not looked at. */
static bool
sort_parts(const struct xml *authenticate, const struct xml *parts[static PARTS])
{
	for (const struct xml *at = xml_first(authenticate); at != NULL; at = xml_next(at, NULL, NULL)) {
		for (int i = 0; i < PARTS; i++) {
			if (!xml_is(at, part_names[i].name, part_names[i].ns))
				continue;
			if (parts[i] != NULL)
				return false;
			parts[i] = at;
		}
	}
	return true;
}

static bool
read_request(const struct stream *stream, const struct xml *const parts[static PARTS], struct inline_request *want)
{
	const struct xml *fast = parts[PART_FAST];
	const struct mechanism *token;

	*want = (struct inline_request){ .bind = parts[PART_BIND], .resume = parts[PART_RESUME], .fast = fast != NULL,
		.brief = parts[PART_BRIEF] != NULL };
	if (parts[PART_AGENT] != NULL && !read_client(xml_attr(parts[PART_AGENT], "id"), want->client))
		want->client[0] = '\0';
	if (parts[PART_TOKEN] != NULL) {
		token = sasl_mechanism_find(stream, &sasl_profile_2, xml_attr(parts[PART_TOKEN], "mechanism"));
		want->token = token != NULL && token->kind == KIND_TOKEN ? token : NULL;
	}
	if (fast == NULL)
		return true;
	want->invalidate = is_true(xml_attr(fast, "invalidate"));
	return xml_attr(fast, "count") == NULL || read_count(xml_attr(fast, "count"), &want->count);
}

/* ---- what was proved ---- */

/* Did more come than belongs to the login? */
static bool
is_disturbed(struct sasl *sasl)
{
	if (!reading_has_more(sasl->stream))
		return false;
	stream_close(sasl->stream, STREAM_POLICY_VIOLATION, "Something else came in the middle of a login.");
	return true;
}

static void
go_on(void *arg)
{
	struct sasl *sasl = arg;

	if (sasl_came_back(sasl) && !is_disturbed(sasl))
		token_settle(sasl);
}

/* In a later turn: by then the bytes that came with the client's last message have been looked at. */
static void
passed(struct sasl *sasl, const void *data, size_t len)
{
	if (data != NULL)
		sasl->data = arena_strndup(sasl->arena, data, len);
	sasl->data_len = len;
	sasl->step = STEP_BUSY;
	sasl->under_way++;
	loop_defer(sasl->stream->host->loop, go_on, sasl);
}

const struct sasl_profile sasl_profile_2 = { .ns = NS_SASL2, .passed = passed };

void
sasl2_settled(struct sasl *sasl)
{
	struct stream *stream = sasl->stream;

	if (is_disturbed(sasl))
		return;
	sasl_known(sasl);
	xmlin_set_bytes(stream->in, STREAM_BYTES_AFTER);
	if (sasl->want.client[0] != '\0')
		stream->client = xstrdup(sasl->want.client);
	bind2_begin(sasl);
}

/* XEP-0484 4.3. */
static void
add_token(const struct sasl *sasl, struct xml *success)
{
	struct xml *token = xml_add(sasl->arena, success, "token", NS_FAST);
	char stamp[STAMP_LEN + 1];

	stamp_format(stamp, sasl->issued_until);
	xml_set(sasl->arena, token, "expiry", stamp);
	xml_set(sasl->arena, token, "token", sasl->issued);
}

struct xml *
sasl2_success(struct sasl *sasl)
{
	struct xml *success = xml_new(sasl->arena, "success", NS_SASL2);
	char *encoded;

	if (sasl->data != NULL) {
		encoded = arena_alloc(sasl->arena, base64_encoded_len(sasl->data_len) + 1);
		base64_encode(encoded, sasl->data, sasl->data_len);
		xml_add_leaf(sasl->arena, success, "additional-data", NULL, encoded);
	}
	/* Bare until a resource is bound; then its full address is what logs know it by. */
	xml_add_leaf(sasl->arena, success, "authorization-identifier", NULL, sasl->stream->who);
	if (sasl->issued[0] != '\0')
		add_token(sasl, success);
	return success;
}

/* ---- elements ---- */

static void
on_authenticate(struct stream *stream, struct arena **arena, const struct xml *element)
{
	const struct mechanism *mechanism = sasl_mechanism_find(stream, &sasl_profile_2, xml_attr(element, "mechanism"));
	const struct xml *parts[PARTS] = { NULL };
	struct inline_request want;
	struct arena *own = *arena;

	if (mechanism == NULL) {
		sasl_tell_failure(stream, &sasl_profile_2, SASL_INVALID_MECHANISM);
		return;
	}
	if (!sort_parts(element, parts) || !read_request(stream, parts, &want) ||
	    (want.fast && mechanism->kind != KIND_TOKEN)) {
		sasl_tell_failure(stream, &sasl_profile_2, SASL_MALFORMED_REQUEST);
		return;
	}
	*arena = NULL; /* the attempt's: `want` lies in it */
	sasl_begin(stream, &sasl_profile_2, mechanism, &want, own);
	if (parts[PART_RESPONSE] == NULL)
		sasl_write_data(stream, &sasl_profile_2, "challenge", NULL); /* RFC 4422 5.1: it comes next */
	else if (xml_first(parts[PART_RESPONSE]) != NULL)
		sasl_fail(stream->sasl, SASL_MALFORMED_REQUEST);
	else
		sasl_message(stream->sasl, xml_text(own, parts[PART_RESPONSE]));
}

static void
on_response(struct stream *stream, struct arena **arena, const struct xml *element)
{
	if (stream->sasl == NULL)
		sasl_tell_failure(stream, &sasl_profile_2, SASL_MALFORMED_REQUEST);
	else if (xml_first(element) != NULL)
		sasl_fail(stream->sasl, SASL_MALFORMED_REQUEST);
	else
		sasl_message(stream->sasl, xml_text(*arena, element));
}

static void
on_abort(struct stream *stream, struct arena **arena, const struct xml *element)
{
	(void)arena;
	(void)element;
	sasl_tell_failure(stream, &sasl_profile_2, SASL_ABORTED);
}

bool
sasl2_element(struct stream *stream, struct arena **arena, struct xml *element)
{
	static const struct {
		const char *name;
		bool begins;
		void (*fn)(struct stream *stream, struct arena **arena, const struct xml *element);
	} table[] = { { "authenticate", true, on_authenticate }, { "response", false, on_response }, { "abort", false, on_abort } };

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (!xml_is(element, table[i].name, NS_SASL2))
			continue;
		if (table[i].begins && stream->sasl != NULL)
			stream_close(stream, STREAM_POLICY_VIOLATION, "A second login in the middle of the first.");
		else
			table[i].fn(stream, arena, element);
		arena_free(arena);
		return true;
	}
	return false;
}
