/*
 * stream/reading.c -- from bytes to the state's own function: reading of one client's stream.
 *
 *   bytes -> rate -> xmlin -> waits its turn -> negotiate.c, sasl.c, bind.c (-> owner), one stanza at a time
 *
 * What cannot be given on yet waits: first as stanzas (those of one small piece of bytes), behind them as bytes; then
 * reading stops. A new parser is made only after the old one's feed has returned (attack X15).
 */
#include "config.h"

#include "relay/stream/stream-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "relay/net/clock.h"
#include "relay/net/io.h"
#include "relay/net/tls.h"

enum {
	PIECE = 1024,             /* bytes given to the parser at a time: bounds how many stanzas can wait */
	WAIT_STANZA_BEFORE = 30 * 1000, /* ms; for the rest of half a stanza */
	WAIT_STANZA = 60 * 1000,
	WAIT_GOODBYE = 10 * 1000, /* ms; for what came before </stream:stream> to be handled */
	BURST_SECONDS = 10,       /* of reading at the permitted rate */
	BURST_LEAST = 2 * STREAM_BYTES_AFTER,
	SWELL_BEFORE = 2,         /* attack X8: a stranger's half element, its TLS and its parser stay below 64 KiB together */
};

typedef void element_fn(struct stream *stream, struct arena *arena, struct xml *element);
static element_fn *const takes[STREAM_STATES] = {
	[STATE_NEW] = negotiate_clear, [STATE_SASL] = sasl_element, [STATE_BIND] = bind_element, [STATE_READY] = bind_stanza,
};

struct waiting {
	struct waiting *next;
	struct arena *arena;
	struct xml *element;
};

void
reading_init(struct stream *stream)
{
	stream->filled = now_mono();
	stream->tokens = BURST_LEAST;
	stream->waiting_last = &stream->waiting;
}

/* Who has much under way waits while all together have more than is soon written, so that one who says little is heard between a
 * hundred who say all they can. */
static bool
has_its_part(const struct stream *stream)
{
	size_t unhandled = fifo_unhandled(stream->fifo);

	return unhandled >= STREAM_UNHANDLED_MOST || (unhandled >= STREAM_UNHANDLED_LEAST &&
	    stream_shared(stream->host)->unhandled >= STREAM_UNHANDLED_ALL);
}

/* The next stanza must wait for the one before it. */
static bool
is_blocked(const struct stream *stream)
{
	return stream->state >= STATE_AWAY || stream->yielding || stream->resuming[0] != '\0' || stream->restart != RESTART_NONE || stream->holds > 0 ||
	    stream->stopping || stream_queued(stream) > STREAM_QUEUE_PAUSE || sasl_is_busy(stream) ||
	    fifo_is_undecided(stream->fifo) || has_its_part(stream);
}

/* Reading stops while something waits; what was written for a slow reader is bounded elsewhere. */
void
reading_update(struct stream *stream)
{
	bool paused;

	if (stream->io == NULL || stream->state == STATE_CLOSING)
		return;
	paused = stream->peer_closed || stream->waiting != NULL || stream->rest.len > 0 ||
	    stream->at[DEADLINE_RATE] != 0 || is_blocked(stream);
	if (paused == stream->paused)
		return;
	stream->paused = paused;
	if (!paused && stream->at[DEADLINE_STANZA] != 0) /* time in which we did not read is not the peer's */
		stream_set_deadline(stream, DEADLINE_STANZA,
		    stream->state == STATE_READY ? WAIT_STANZA : WAIT_STANZA_BEFORE);
	io_pause(stream->io, paused);
}

static void
charge_rate(struct stream *stream, size_t len)
{
	int64_t rate = stream->host->rate, most = rate * BURST_SECONDS, now = now_mono();

	if (rate <= 0)
		return;
	if (most < BURST_LEAST)
		most = BURST_LEAST;
	stream->tokens += (now - stream->filled) * rate / 1000;
	stream->filled = now;
	if (stream->tokens > most)
		stream->tokens = most;
	stream->tokens -= (int64_t)len;
	if (stream->tokens < 0)
		stream_set_deadline(stream, DEADLINE_RATE, -stream->tokens * 1000 / rate + 1);
}

static void
on_open(void *arg, struct arena *arena, struct xml *header)
{
	struct stream *stream = arg;

	if (stream->state < STATE_CLOSING)
		negotiate_header(stream, arena, header);
	arena_free(&arena);
}

/* Give an element to the state's own function. The client's stream error (RFC 6120 4.9.1.1) ends the stream in any of them. */
static void
take(struct stream *stream, struct arena *arena, struct xml *element)
{
	if (!xml_is(element, "error", NS_STREAM)) {
		takes[stream->state](stream, arena, element);
		return;
	}
	log_info(&stream->log, "the client says: %s",
	    xml_first(element) == NULL ? "an error" : xml_first(element)->name);
	arena_free(&arena);
	stream_close(stream, STREAM_OK, NULL);
}

static void
on_element(void *arg, struct arena *arena, struct xml *element)
{
	struct stream *stream = arg;
	struct waiting *waiting;

	stream->in_stanza = true;
	if (stream->state >= STATE_CLOSING) {
		arena_free(&arena);
	} else if (stream->waiting == NULL && !is_blocked(stream)) {
		take(stream, arena, element);
	} else {
		waiting = xcalloc(1, sizeof *waiting);
		waiting->arena = arena;
		waiting->element = element;
		*stream->waiting_last = waiting;
		stream->waiting_last = &waiting->next;
	}
}

static void
on_close(void *arg)
{
	struct stream *stream = arg;

	stream->peer_closed = true;
	if (stream->state == STATE_READY)
		stream_set_deadline(stream, DEADLINE_PHASE, WAIT_GOODBYE);
	stream_later(stream);
}

static const struct xmlin_owner xmlin_owner = { .open = on_open, .stanza = on_element, .close = on_close };

void
reading_begin(struct stream *stream)
{
	struct xmlin_limits limits = xmlin_limits_default;

	limits.bytes = stream->state < STATE_BIND ? STREAM_BYTES_BEFORE : STREAM_BYTES_AFTER;
	if (stream->state < STATE_BIND)
		limits.swell = SWELL_BEFORE;
	xmlin_free(&stream->in);
	stream->in = xmlin_new(&xmlin_owner, stream, &limits);
	xmlin_keep(stream->in, stream_shared(stream->host)->parsers);
	stream->header_sent = false;
}

void
stream_restart(struct stream *stream, enum stream_restart kind)
{
	stream->restart = kind;
	if (stream->feeding)
		xmlin_stop(stream->in);
	else
		stream_later(stream);
}

static bool
is_blank(const char *bytes, size_t len)
{
	while (len > 0 && strchr(" \t\r\n", *bytes) != NULL && *bytes != '\0') {
		bytes++;
		len--;
	}
	return len == 0;
}

bool
reading_has_more(const struct stream *stream)
{
	return stream->waiting != NULL || !is_blank(stream->rest.data, stream->rest.len) || xmlin_mid_stanza(stream->in);
}

/* Nothing the client sent before it heard our answer may be taken for part of the new stream (attacks T1, X15). White space
 * may stand behind any element (RFC 6120 4.4): go-xmpp ends its lines. It is dropped. */
static void
do_restart(struct stream *stream, const char *unread, size_t len)
{
	enum stream_restart kind = stream->restart;

	if (!is_blank(unread, len) || !is_blank(stream->rest.data, stream->rest.len) || stream->waiting != NULL ||
	    xmlin_mid_stanza(stream->in)) {
		stream->restart = RESTART_NONE;
		stream_close(stream, STREAM_POLICY_VIOLATION, "Bytes came before the answer that they depend on.");
		return;
	}
	stream->restart = RESTART_NONE;
	buf_free(&stream->rest);
	if (kind == RESTART_SASL) {
		reading_begin(stream);
		return;
	}
	xmlin_free(&stream->in);
	stream_enter(stream, STATE_TLS);
	if (!io_start_tls(stream->io, stream->host->tls, NULL)) {
		log_warn(&stream->log, "closed: it sent more in clear after <starttls/>");
		stream_drop(stream);
	}
}

/* How long half a stanza may last: from its first bytes, not anew with each further one (attack X14). */
static void
watch_half_stanza(struct stream *stream)
{
	if (stream->in == NULL || !xmlin_mid_stanza(stream->in))
		stream->at[DEADLINE_STANZA] = 0;
	else if (stream->in_stanza || stream->at[DEADLINE_STANZA] == 0)
		stream_set_deadline(stream, DEADLINE_STANZA,
		    stream->state == STATE_READY ? WAIT_STANZA : WAIT_STANZA_BEFORE);
}

static void
read_bytes(struct stream *stream, const char *bytes, size_t len)
{
	enum stream_error error;
	size_t piece;

	stream->in_stanza = false;
	while (len > 0 && stream->in != NULL && stream->state < STATE_CLOSING && !stream->peer_closed) {
		if (stream->waiting != NULL || is_blocked(stream)) {
			buf_add(&stream->rest, bytes, len);
			break;
		}
		piece = len < PIECE ? len : PIECE;
		stream->feeding = true;
		error = xmlin_feed(stream->in, bytes, piece);
		stream->feeding = false;
		bytes += piece;
		len -= piece;
		if (error != STREAM_OK)
			stream_close(stream, error, NULL);
		else if (stream->restart != RESTART_NONE && stream->state < STATE_CLOSING) {
			piece = xmlin_unread(stream->in);
			do_restart(stream, bytes - piece, piece + len);
			break;
		}
	}
	if (stream->state < STATE_CLOSING)
		watch_half_stanza(stream);
	reading_update(stream);
}

void
reading_bytes(struct stream *stream, const char *bytes, size_t len)
{
	charge_rate(stream, len);
	read_bytes(stream, bytes, len);
}

/* Give on what waited, as far as it can be. */
void
reading_go_on(struct stream *stream)
{
	struct waiting *waiting;
	struct buf rest;

	while ((waiting = stream->waiting) != NULL && !is_blocked(stream)) {
		stream->waiting = waiting->next;
		if (stream->waiting == NULL)
			stream->waiting_last = &stream->waiting;
		take(stream, waiting->arena, waiting->element);
		free(waiting);
	}
	if (stream->state < STATE_CLOSING && stream->restart != RESTART_NONE)
		do_restart(stream, NULL, 0);
	if (stream->waiting == NULL && stream->rest.len > 0 && !is_blocked(stream)) {
		rest = stream->rest;
		stream->rest = (struct buf){ .data = NULL };
		read_bytes(stream, rest.data, rest.len);
		buf_free(&rest);
	}
}

void
reading_drop(struct stream *stream)
{
	struct waiting *waiting;

	while ((waiting = stream->waiting) != NULL) {
		stream->waiting = waiting->next;
		arena_free(&waiting->arena);
		free(waiting);
	}
	stream->waiting_last = &stream->waiting;
	buf_free(&stream->rest);
	xmlin_free(&stream->in);
}
