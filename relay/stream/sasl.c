/*
 * stream/sasl.c -- an attempt to log in: from the client's first message to success or failure, whatever the mechanism and however
 * it is written on the wire (sasl-private.h names the other files).
 *
 *   first message -> user known -> waits its turn (limit.h) -> keys asked of the store -> challenge or PBKDF2 -> success
 *                                                                                     \-> failure, told after a delay
 *
 * While an attempt is busy the stream reads nothing more, so elements are taken one by one (attack S12). Whether an account
 * exists changes neither answers nor their time (S8). Three tries a connection (RFC 6120 6.4.5), never a lock (S10).
 * The user's name is prepared by SASLprep and then by nodeprep; a name that either refuses is like an unknown one.
 */
#include "config.h"

#include "relay/stream/sasl-private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <gsasl.h>
#include "proto/arena.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/net/clock.h"
#include "relay/net/io.h"
#include "relay/store/read.h"
#include "relay/stream/limit.h"
#include "relay/tally.h"

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
sasl_begin(struct stream *stream, const struct sasl_profile *profile, const struct mechanism *mechanism,
    const struct inline_request *want, struct arena *arena)
{
	struct sasl *sasl = xcalloc(1, sizeof *sasl);

	assert(stream->sasl == NULL);
	sasl->stream = stream;
	sasl->profile = profile;
	sasl->mechanism = mechanism;
	sasl->want = *want;
	sasl->arena = arena;
	stream->sasl = sasl;
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

/* When the stream is gone, the attempt is freed with its last callback. */
bool
sasl_came_back(struct sasl *sasl)
{
	sasl->under_way--;
	if (sasl->stream != NULL)
		return sasl->stream->state == STATE_SASL || sasl->stream->state == STATE_BIND;
	if (sasl->under_way == 0)
		sasl_free(sasl);
	return false;
}

/* <name>base64</name>; no data at all: an empty element. RFC 6120 6.4.2: data of no length is "=". */
void
sasl_write_data(struct stream *stream, const struct sasl_profile *profile, const char *name, const char *data)
{
	size_t len = data == NULL ? 0 : strlen(data);
	struct buf out = { .data = NULL };
	char *encoded = xmalloc(base64_encoded_len(len) + 1);

	base64_encode(encoded, data == NULL ? "" : data, len);
	buf_printf(&out, "<%s xmlns='%s'>%s</%s>", name, profile->ns, encoded, name);
	stream_write(stream, out.data, out.len);
	buf_free(&out);
	free(encoded);
}

/* XEP-0388 2.6.2: its conditions are those of RFC 6120. */
void
sasl_tell_failure(struct stream *stream, const struct sasl_profile *profile, enum sasl_error error)
{
	struct buf out = { .data = NULL };

	buf_printf(&out, "<failure xmlns='%s'><%s%s/></failure>", profile->ns, sasl_error_name(error),
	    profile == &sasl_profile_1 ? "" : " xmlns='" NS_SASL "'");
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
	sasl_tell_failure(sasl->stream, sasl->profile, sasl->error);
}

void
sasl_wait(struct sasl *sasl, int64_t ms, void (*then)(struct sasl *sasl))
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

void
sasl_fail(struct sasl *sasl, enum sasl_error error)
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
	sasl_wait(sasl, delay, tell_failure_now);
}

void
sasl_succeed(struct sasl *sasl, const void *data, size_t len)
{
	struct stream *stream = sasl->stream;

	assert(sasl->legal && sasl->known);
	limiter_passed(stream_shared(stream->host)->limiter, stream->peer, sasl->node, now_mono());
	sasl->profile->passed(sasl, data, len);
}

void
sasl_known(struct sasl *sasl)
{
	struct stream *stream = sasl->stream;

	stream->node = xstrdup(sasl->node);
	memcpy(&stream->password, sasl->keys.salt, sizeof stream->password);
	stream_who(stream, xasprintf("%s@%s", stream->node, stream->host->domain));
	log_info(&stream->log, "logged in from %s, %s, %s", stream->peer, sasl->mechanism->name,
	    io_tls_version(stream->io));
	stream_enter(stream, STATE_BIND);
}

/* ---- the way to what the account knows, common to all mechanisms ---- */

static void
on_keys(void *arg, bool failed, bool exists, const struct scram_keys *keys)
{
	struct sasl *sasl = arg;

	if (!sasl_came_back(sasl))
		return;
	if (failed) {
		sasl_fail(sasl, SASL_TEMPORARY_AUTH_FAILURE);
		return;
	}
	scram_fake_keys(stream_shared(sasl->stream->host)->secret, sasl->node, &sasl->keys);
	sasl->known = exists && sasl->legal;
	if (sasl->known)
		sasl->keys = *keys;
	sasl->mechanism->keyed(sasl);
}

void
keys_ask(struct sasl *sasl)
{
	sasl->under_way++;
	read_keys(sasl->stream->host->store, sasl->node, on_keys, sasl);
}

void
sasl_ask_keys(struct sasl *sasl, const char *user)
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
	/* XEP-0388 2.3: the stream's `from` and the login must be of one mind. In RFC 6120 the next header tells. */
	if (sasl->profile == &sasl_profile_2 && stream->claimed != NULL && strcmp(stream->claimed, sasl->node) != 0) {
		sasl_fail(sasl, SASL_INVALID_AUTHZID);
		return;
	}
	sasl_wait(sasl, limiter_attempt(stream_shared(stream->host)->limiter, stream->peer, sasl->node, now_mono()),
	    sasl->mechanism->ask);
}

/* ---- what the client sends ---- */

/* The client's message, decoded; cleansed by the caller. */
struct decoded {
	char *data; /* NUL-terminated behind len */
	size_t len;
};

static enum sasl_error
decode(const char *text, struct decoded *out)
{
	size_t len = strlen(text);
	long got = 0;

	out->data = xcalloc(1, len + 4);
	if (len > 0 && strcmp(text, "=") != 0)
		got = base64_decode((uint8_t *)out->data, text, len);
	if (got < 0)
		return SASL_INCORRECT_ENCODING;
	out->data[got] = '\0';
	out->len = (size_t)got;
	return SASL_OK;
}

/* Give it to the step that waits for it. */
void
sasl_message(struct sasl *sasl, const char *text)
{
	struct decoded decoded = { .data = NULL };
	enum sasl_error error = decode(text, &decoded);

	if (error != SASL_OK) {
		sasl_fail(sasl, error);
	} else if (sasl->step == STEP_FINAL) {
		sasl->mechanism->last(sasl, decoded.data, decoded.len);
	} else {
		error = sasl->mechanism->first(sasl, decoded.data, decoded.len);
		if (error != SASL_OK)
			sasl_fail(sasl, error);
	}
	cleanse(decoded.data, decoded.len);
	free(decoded.data);
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
	if (stream->sasl != NULL && strcmp(element->ns, stream->sasl->profile->ns) != 0) {
		arena_free(&arena);
		stream_close(stream, STREAM_NOT_AUTHORIZED, "Something else came in the middle of a login.");
		return;
	}
	if (!sasl1_element(stream, &arena, element) && !sasl2_element(stream, &arena, element))
		on_stanza(stream, arena, element);
}
