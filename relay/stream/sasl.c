/*
 * stream/sasl.c -- authentication (RFC 6120 section 6): SCRAM by stream/scram.c, PLAIN if configured.
 *
 *   <auth/> -> user known -> waits its turn (limit.h) -> keys asked of the store -> challenge or PBKDF2 -> success
 *                                                                                 \-> failure, told after a delay
 *
 * While an attempt is busy the stream reads nothing more, so elements are taken one by one (attack S12). Whether an account
 * exists changes neither answers nor their time (S8). Three tries a connection (RFC 6120 6.4.5), never a lock (S10).
 * The user's name is prepared by SASLprep and then by nodeprep; a name that either refuses is like an unknown one.
 */
#include "config.h"

#include "relay/stream/stream-private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <gsasl.h>
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/utf8.h"
#include "proto/xml.h"
#include "relay/net/clock.h"
#include "relay/net/io.h"
#include "relay/store/read.h"
#include "relay/stream/limit.h"
#include "relay/stream/pool.h"
#include "relay/stream/scram.h"
#include "relay/tally.h"

enum sasl_step {
	STEP_INITIAL, /* the client's first message is wanted */
	STEP_BUSY,    /* something is waited for that is not the client */
	STEP_FINAL,   /* the client's last message is wanted */
};

struct sasl {
	struct stream *stream; /* NULL: gone; freed when nothing is under way */
	const struct mechanism *mechanism;
	struct arena *arena;
	struct scram *scram;
	enum sasl_step step;
	const char *node; /* prepared, or the raw name that cannot be prepared */
	bool legal;       /* it was prepared */
	bool known, right;
	char *password;   /* PLAIN; NULL otherwise */
	struct scram_keys keys;
	unsigned under_way;             /* callbacks to come */
	void (*then)(struct sasl *sasl); /* after DEADLINE_LOGIN */
	enum sasl_error error;           /* to tell */
};

struct mechanism {
	const char *name;
	enum digest kind;
	bool plus;
	bool plain;
	enum sasl_error (*first)(struct sasl *sasl, const char *text, size_t len); /* ends in ask_keys() */
	void (*keyed)(struct sasl *sasl);                                          /* `keys` are there */
};

static enum sasl_error scram_begin(struct sasl *sasl, const char *text, size_t len);
static enum sasl_error plain_begin(struct sasl *sasl, const char *text, size_t len);
static void scram_keyed(struct sasl *sasl);
static void plain_keyed(struct sasl *sasl);

/* Best first. */
static const struct mechanism mechanisms[] = {
	{ "SCRAM-SHA-256-PLUS", .kind = DIGEST_SHA256, .plus = true, .first = scram_begin, .keyed = scram_keyed },
	{ "SCRAM-SHA-1-PLUS", .kind = DIGEST_SHA1, .plus = true, .first = scram_begin, .keyed = scram_keyed },
	{ "SCRAM-SHA-256", .kind = DIGEST_SHA256, .first = scram_begin, .keyed = scram_keyed },
	{ "SCRAM-SHA-1", .kind = DIGEST_SHA1, .first = scram_begin, .keyed = scram_keyed },
	{ "PLAIN", .plain = true, .first = plain_begin, .keyed = plain_keyed },
};
enum { MECHANISMS = sizeof mechanisms / sizeof *mechanisms };

static struct scram_binding
binding_of(const struct stream *stream)
{
	struct scram_binding binding = { .exporter_len = 0 };

	if (io_tls_exporter(stream->io, binding.exporter))
		binding.exporter_len = sizeof binding.exporter;
	binding.end_point_len = io_tls_end_point(stream->io, binding.end_point);
	return binding;
}

static bool
is_offered(const struct stream *stream, const struct mechanism *mechanism, const struct scram_binding *binding)
{
	if (mechanism->plain)
		return stream->host->plain;
	return !mechanism->plus || binding->exporter_len > 0 || binding->end_point_len > 0;
}

void
sasl_features(struct stream *stream, struct arena *arena, struct xml *features)
{
	struct scram_binding binding = binding_of(stream);
	struct xml *list = xml_add(arena, features, "mechanisms", NS_SASL), *types;

	for (int i = 0; i < MECHANISMS; i++)
		if (is_offered(stream, &mechanisms[i], &binding))
			xml_add_leaf(arena, list, "mechanism", NULL, mechanisms[i].name);
	if (binding.exporter_len == 0 && binding.end_point_len == 0)
		return;
	types = xml_add(arena, features, "sasl-channel-binding", NS_SASL_CB); /* XEP-0440 */
	if (binding.exporter_len > 0)
		xml_set(arena, xml_add(arena, types, "channel-binding", NULL), "type", "tls-exporter");
	if (binding.end_point_len > 0)
		xml_set(arena, xml_add(arena, types, "channel-binding", NULL), "type", "tls-server-end-point");
}

/* ---- the attempt and its end ---- */

static void
forget_password(struct sasl *sasl)
{
	if (sasl->password == NULL)
		return;
	cleanse(sasl->password, strlen(sasl->password));
	free(sasl->password);
	sasl->password = NULL;
}

static void
sasl_free(struct sasl *sasl)
{
	scram_free(&sasl->scram);
	arena_free(&sasl->arena);
	forget_password(sasl);
	cleanse(sasl, sizeof *sasl);
	free(sasl);
}

void
sasl_leave(struct stream *stream)
{
	struct sasl *sasl = stream->sasl;

	stream->sasl = NULL;
	if (sasl == NULL)
		return;
	sasl->stream = NULL;
	if (sasl->under_way == 0)
		sasl_free(sasl);
}

bool
sasl_is_busy(const struct stream *stream)
{
	return stream->sasl != NULL && stream->sasl->step == STEP_BUSY;
}

/* A callback has come. False: the stream is gone (then the attempt is freed with its last callback), or about to go. */
static bool
came_back(struct sasl *sasl)
{
	sasl->under_way--;
	if (sasl->stream != NULL)
		return sasl->stream->state == STATE_SASL;
	if (sasl->under_way == 0)
		sasl_free(sasl);
	return false;
}

/* <name>base64</name>; no data at all: an empty element. RFC 6120 6.4.2: data of no length is "=". */
static void
write_data(struct stream *stream, const char *name, const char *data)
{
	size_t len = data == NULL ? 0 : strlen(data);
	struct buf out = { .data = NULL };
	char *encoded = xmalloc(base64_encoded_len(len) + 1);

	base64_encode(encoded, data == NULL ? "" : data, len);
	buf_printf(&out, "<%s xmlns='" NS_SASL "'>%s</%s>", name, encoded, name);
	stream_write(stream, out.data, out.len);
	buf_free(&out);
	free(encoded);
}

static void
tell_failure(struct stream *stream, enum sasl_error error)
{
	struct buf out = { .data = NULL };

	buf_printf(&out, "<failure xmlns='" NS_SASL "'><%s/></failure>", sasl_error_name(error));
	stream_write(stream, out.data, out.len);
	buf_free(&out);
	sasl_leave(stream);
	if (++stream->tries >= STREAM_TRIES)
		stream_close(stream, STREAM_POLICY_VIOLATION, "Too many attempts.");
	else
		stream_later(stream);
}

static void
tell_failure_now(struct sasl *sasl)
{
	tell_failure(sasl->stream, sasl->error);
}

static void
wait_then(struct sasl *sasl, int64_t ms, void (*then)(struct sasl *sasl))
{
	sasl->step = STEP_BUSY;
	sasl->then = then;
	if (ms == 0)
		then(sasl);
	else
		stream_set_deadline(sasl->stream, DEADLINE_LOGIN, ms);
}

void
sasl_waited(struct stream *stream)
{
	if (stream->sasl != NULL && stream->state == STATE_SASL)
		stream->sasl->then(stream->sasl);
}

static void
fail(struct sasl *sasl, enum sasl_error error)
{
	struct stream *stream = sasl->stream;
	int64_t delay = 0;

	tally_add(TALLY_LOGINS_REFUSED, 1);
	log_info(&stream->log, "login refused: %s, %s as %s", sasl_error_name(error), sasl->mechanism->name,
	    sasl->node == NULL ? "nobody" : sasl->node);
	if (error == SASL_NOT_AUTHORIZED)
		delay = limiter_failed(stream_shared(stream->host)->limiter, stream->peer,
		    sasl->node == NULL ? "" : sasl->node, now_mono());
	sasl->error = error;
	wait_then(sasl, delay, tell_failure_now);
}

static void
succeed(struct sasl *sasl, const char *data)
{
	struct stream *stream = sasl->stream;

	assert(sasl->legal && sasl->known);
	limiter_passed(stream_shared(stream->host)->limiter, stream->peer, sasl->node, now_mono());
	stream->node = xstrdup(sasl->node);
	memcpy(&stream->password, sasl->keys.salt, sizeof stream->password);
	stream_who(stream, xasprintf("%s@%s", stream->node, stream->host->domain));
	log_info(&stream->log, "logged in from %s, %s, %s", stream->peer, sasl->mechanism->name,
	    io_tls_version(stream->io));
	write_data(stream, "success", data);
	sasl_leave(stream);
	stream_enter(stream, STATE_BIND);
	stream_restart(stream, RESTART_SASL);
}

/* ---- the way to the keys, common to all mechanisms ---- */

static void
on_keys(void *arg, bool failed, bool exists, const struct scram_keys *keys)
{
	struct sasl *sasl = arg;

	if (!came_back(sasl))
		return;
	if (failed) {
		fail(sasl, SASL_TEMPORARY_AUTH_FAILURE);
		return;
	}
	scram_fake_keys(stream_shared(sasl->stream->host)->secret, sasl->node, &sasl->keys);
	sasl->known = exists && sasl->legal;
	if (sasl->known)
		sasl->keys = *keys;
	sasl->mechanism->keyed(sasl);
}

static void
read_them(struct sasl *sasl)
{
	sasl->under_way++;
	read_keys(sasl->stream->host->store, sasl->node, on_keys, sasl);
}

static void
ask_keys(struct sasl *sasl, const char *user)
{
	struct stream *stream = sasl->stream;
	char *prepared = NULL;
	struct jid jid;

	sasl->node = user;
	if (gsasl_saslprep(user, 0, &prepared, NULL) == GSASL_OK &&
	    jid_make(sasl->arena, prepared, stream->host->domain, NULL, &jid)) {
		sasl->node = jid.node;
		sasl->legal = true;
	}
	gsasl_free(prepared);
	wait_then(sasl, limiter_attempt(stream_shared(stream->host)->limiter, stream->peer, sasl->node, now_mono()),
	    read_them);
}

/* ---- SCRAM ---- */

static enum sasl_error
scram_begin(struct sasl *sasl, const char *text, size_t len)
{
	struct scram_binding binding = binding_of(sasl->stream);
	bool offered_plus = binding.exporter_len > 0 || binding.end_point_len > 0;
	const char *user;
	enum sasl_error error;

	sasl->scram = scram_new(sasl->mechanism->kind, sasl->mechanism->plus, offered_plus, &binding);
	error = scram_first(sasl->scram, text, len, sasl->stream->host->domain, &user);
	if (error == SASL_OK)
		ask_keys(sasl, user);
	return error;
}

static void
scram_keyed(struct sasl *sasl)
{
	write_data(sasl->stream, "challenge", scram_challenge(sasl->scram, &sasl->keys, sasl->known));
	sasl->step = STEP_FINAL;
	stream_later(sasl->stream);
}

static void
scram_end(struct sasl *sasl, const char *text, size_t len)
{
	const char *final;
	enum sasl_error error = scram_final(sasl->scram, text, len, &final);

	if (error == SASL_OK)
		succeed(sasl, final);
	else
		fail(sasl, error);
}

/* ---- PLAIN (RFC 4616) ---- */

/* [authzid] NUL authcid NUL password, exactly two NULs. */
static enum sasl_error
plain_begin(struct sasl *sasl, const char *text, size_t len)
{
	const char *end = text + len, *authcid, *password;
	struct jid wanted, own;

	authcid = memchr(text, '\0', len);
	password = authcid == NULL ? NULL : memchr(authcid + 1, '\0', (size_t)(end - authcid - 1));
	if (!utf8_valid(text, len) || password == NULL || password == authcid + 1 || password + 1 == end ||
	    memchr(password + 1, '\0', (size_t)(end - password - 1)) != NULL)
		return SASL_MALFORMED_REQUEST;
	if (authcid != text &&
	    (!jid_parse_text(sasl->arena, text, &wanted) || !jid_is_bare(&wanted) ||
	        !jid_make(sasl->arena, authcid + 1, sasl->stream->host->domain, NULL, &own) || !jid_equal(&wanted, &own)))
		return SASL_INVALID_AUTHZID;
	sasl->password = xstrndup(password + 1, (size_t)(end - password - 1));
	ask_keys(sasl, arena_strdup(sasl->arena, authcid + 1));
	return SASL_OK;
}

static void
plain_work(void *arg)
{
	struct sasl *sasl = arg;

	sasl->right = scram_check_password(sasl->password, &sasl->keys);
}

static void
plain_done(void *arg)
{
	struct sasl *sasl = arg;

	forget_password(sasl);
	if (!came_back(sasl))
		return;
	if (sasl->right & sasl->known)
		succeed(sasl, NULL);
	else
		fail(sasl, SASL_NOT_AUTHORIZED);
}

static void
plain_keyed(struct sasl *sasl)
{
	sasl->under_way++;
	pool_run(stream_shared(sasl->stream->host)->pool, plain_work, plain_done, sasl);
}

/* ---- what the client sends ---- */

/* The text of <auth/> or <response/>: NULL when there is none; its decoding is cleansed by the caller. */
struct decoded {
	char *data; /* NUL-terminated behind len */
	size_t len;
	bool given;
};

static enum sasl_error
decode(struct arena *arena, const struct xml *element, struct decoded *out)
{
	const char *text = xml_text(arena, element);
	size_t len = strlen(text);
	long got = 0;

	*out = (struct decoded){ .given = len > 0 };
	if (xml_first(element) != NULL)
		return SASL_MALFORMED_REQUEST;
	out->data = xcalloc(1, len + 4);
	if (len > 0 && strcmp(text, "=") != 0)
		got = base64_decode((uint8_t *)out->data, text, len);
	if (got < 0)
		return SASL_INCORRECT_ENCODING;
	out->data[got] = '\0';
	out->len = (size_t)got;
	return SASL_OK;
}

static void
decoded_free(struct decoded *decoded)
{
	if (decoded->data == NULL)
		return;
	cleanse(decoded->data, decoded->len);
	free(decoded->data);
}

/* Give the client's message to the step that waits for it. */
static void
message(struct sasl *sasl, struct arena *arena, const struct xml *element)
{
	struct decoded decoded;
	enum sasl_error error = decode(arena, element, &decoded);

	if (error != SASL_OK) {
		fail(sasl, error);
	} else if (sasl->step == STEP_FINAL) {
		scram_end(sasl, decoded.data, decoded.len);
	} else {
		error = sasl->mechanism->first(sasl, decoded.data, decoded.len);
		if (error != SASL_OK)
			fail(sasl, error);
	}
	decoded_free(&decoded);
}

static void
on_auth(struct stream *stream, struct arena *arena, const struct xml *auth)
{
	struct scram_binding binding = binding_of(stream);
	const char *name = xml_attr(auth, "mechanism");
	const struct mechanism *mechanism = NULL;
	struct sasl *sasl;

	if (stream->sasl != NULL) { /* a second one in the middle of the first */
		fail(stream->sasl, SASL_MALFORMED_REQUEST);
		return;
	}
	for (int i = 0; name != NULL && i < MECHANISMS; i++)
		if (strcmp(name, mechanisms[i].name) == 0 && is_offered(stream, &mechanisms[i], &binding))
			mechanism = &mechanisms[i];
	if (mechanism == NULL) {
		tell_failure(stream, SASL_INVALID_MECHANISM);
		return;
	}
	sasl = xcalloc(1, sizeof *sasl);
	sasl->stream = stream;
	sasl->mechanism = mechanism;
	sasl->arena = arena_new();
	stream->sasl = sasl;
	if (*xml_text(arena, auth) == '\0' && xml_first(auth) == NULL)
		write_data(stream, "challenge", NULL); /* RFC 6120 6.4.2: no initial response; it comes next */
	else
		message(sasl, arena, auth);
}

static void
on_response(struct stream *stream, struct arena *arena, const struct xml *response)
{
	if (stream->sasl == NULL)
		tell_failure(stream, SASL_MALFORMED_REQUEST);
	else
		message(stream->sasl, arena, response);
}

static void
on_abort(struct stream *stream, struct arena *arena, const struct xml *element)
{
	(void)arena;
	(void)element;
	tell_failure(stream, SASL_ABORTED);
}

/* Before authentication: an iq that the owner takes (XEP-0077), and nothing else. */
static void
on_stanza(struct stream *stream, struct arena *arena, struct xml *element)
{
	struct slot *slot;

	if (stanza_kind(element) == STANZA_IQ && strcmp(element->ns, NS_CLIENT) == 0 && stream->sasl == NULL) {
		slot = fifo_add(stream->fifo);
		if (stream->host->owner->unauthenticated(stream->host->arg, stream, slot, arena, element))
			return;
		slot_done(&slot);
	}
	arena_free(&arena);
	stream_close(stream, STREAM_NOT_AUTHORIZED, "Log in first.");
}

void
sasl_element(struct stream *stream, struct arena *arena, struct xml *element)
{
	static const struct {
		const char *name;
		void (*fn)(struct stream *stream, struct arena *arena, const struct xml *element);
	} table[] = { { "auth", on_auth }, { "response", on_response }, { "abort", on_abort } };

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (!xml_is(element, table[i].name, NS_SASL))
			continue;
		table[i].fn(stream, arena, element);
		arena_free(&arena);
		return;
	}
	on_stanza(stream, arena, element);
}
