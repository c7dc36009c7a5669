/*
 * stream/stream.c -- life, state, reading and writing of one client's stream: see stream.h.
 *
 *   bytes -> rate -> xmlin -> the state's own function -> owner, one stanza at a time
 *
 * What cannot be given on yet waits: first as stanzas (those of one small piece of bytes), behind them as bytes; then
 * reading stops. Everything that must not happen inside somebody's callback (freeing, going on, telling the owner
 * that it is over) happens in turn(), in a later turn of the loop.
 *
 * DIAGNOSTICS: one line each for connected, TLS, logged in or refused, bound, closed; a client that does not read 4 MiB
 * is closed with resource-constraint (its messages stay in the mailbox).
 */
#include "config.h"

#include "relay/stream/stream-private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"
#include "relay/net/address.h"
#include "relay/net/clock.h"
#include "relay/net/io.h"
#include "relay/net/loop.h"
#include "relay/net/tls.h"

enum {
	PIECE = 1024,             /* bytes given to the parser at a time: bounds how many stanzas can wait */
	WAIT_TLS = 10 * 1000,     /* ms */
	WAIT_BOUND = 30 * 1000,
	WAIT_STANZA_BEFORE = 30 * 1000,
	WAIT_STANZA = 60 * 1000,
	WAIT_CLOSING = 5 * 1000,
	BURST_SECONDS = 10,       /* of reading at the permitted rate */
	SWELL_BEFORE = 2,         /* attack X8: a stranger's half element, its TLS and its parser stay below 64 KiB together */
	BURST_LEAST = 2 * STREAM_BYTES_AFTER,
	OUT_KEPT = 64 * 1024,
};

#define TO(state) (1U << STATE_##state)
static const unsigned allowed[STREAM_STATES] = {
	[STATE_NEW] = TO(TLS) | TO(CLOSING) | TO(CLOSED),
	[STATE_TLS] = TO(SASL) | TO(CLOSED), /* nothing can be said in the middle of a handshake */
	[STATE_SASL] = TO(BIND) | TO(CLOSING) | TO(CLOSED),
	[STATE_BIND] = TO(READY) | TO(CLOSING) | TO(CLOSED),
	[STATE_READY] = TO(CLOSING) | TO(CLOSED),
	[STATE_CLOSING] = TO(CLOSED),
	[STATE_CLOSED] = 0,
};

/* Milliseconds that a state may last; 0: for ever, -1: as begun with the state before. */
static const int phase_ms[STREAM_STATES] = {
	[STATE_NEW] = WAIT_TLS, [STATE_TLS] = -1, [STATE_SASL] = WAIT_BOUND, [STATE_BIND] = -1,
	[STATE_READY] = 0, [STATE_CLOSING] = WAIT_CLOSING, [STATE_CLOSED] = 0,
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

static void read_bytes(struct stream *stream, const char *bytes, size_t len);

void
stream_enter(struct stream *stream, enum stream_state next)
{
	assert(allowed[stream->state] & 1U << next);
	stream->state = next;
	if (phase_ms[next] >= 0)
		stream_set_deadline(stream, DEADLINE_PHASE, phase_ms[next] == 0 ? -1 : phase_ms[next]);
	if (next == STATE_READY)
		stream_set_deadline(stream, DEADLINE_KEEPALIVE, STREAM_IDLE * 1000);
}

/* ---- time: one timer, set to the nearest of a few deadlines ---- */

static void
arm(struct stream *stream)
{
	int64_t nearest = 0, now;

	for (int i = 0; i < STREAM_DEADLINES; i++)
		if (stream->at[i] != 0 && (nearest == 0 || stream->at[i] < nearest))
			nearest = stream->at[i];
	/* A timer that fires too early only comes here again. */
	if (nearest == 0 || (stream->armed != 0 && stream->armed <= nearest))
		return;
	now = now_mono();
	stream->armed = nearest;
	timer_set(stream->timer, nearest > now ? (uint64_t)(nearest - now) : 0);
}

void
stream_set_deadline(struct stream *stream, enum stream_deadline which, int64_t ms)
{
	stream->at[which] = ms < 0 ? 0 : now_mono() + ms;
	arm(stream);
}

static void
phase_over(struct stream *stream)
{
	if (stream->state == STATE_TLS || stream->state == STATE_CLOSING) {
		log_info(&stream->log, stream->state == STATE_TLS ? "closed: no TLS in time" : "closed: the peer did not");
		stream_drop(stream);
	} else {
		stream_close(stream, STREAM_CONNECTION_TIMEOUT, "Not logged in in time.");
	}
}

static void
stanza_over(struct stream *stream)
{
	stream_close(stream, STREAM_CONNECTION_TIMEOUT, "Half a stanza came and no more.");
}

static void
keepalive(struct stream *stream)
{
	int64_t idle = now_mono() - stream->sent;

	if (stream->state != STATE_READY)
		return;
	if (idle >= STREAM_IDLE * 1000) {
		stream_writes(stream, " "); /* RFC 6120 4.6.1 */
		idle = 0;
	}
	stream_set_deadline(stream, DEADLINE_KEEPALIVE, STREAM_IDLE * 1000 - idle);
}

static void
on_timer(void *arg)
{
	static void (*const over[STREAM_DEADLINES])(struct stream *) = {
		[DEADLINE_PHASE] = phase_over, [DEADLINE_STANZA] = stanza_over, [DEADLINE_RATE] = stream_later,
		[DEADLINE_LOGIN] = sasl_waited, [DEADLINE_KEEPALIVE] = keepalive,
	};
	struct stream *stream = arg;
	int64_t now = now_mono();

	stream->armed = 0;
	for (int i = 0; i < STREAM_DEADLINES; i++) {
		if (stream->at[i] == 0 || stream->at[i] > now)
			continue;
		stream->at[i] = 0;
		over[i](stream);
	}
	if (stream->state != STATE_CLOSED)
		arm(stream);
}

/* ---- reading ---- */

/* The next stanza must wait for the one before it. */
static bool
is_blocked(const struct stream *stream)
{
	return stream->state >= STATE_CLOSING || stream->restart != RESTART_NONE || stream->holds > 0 ||
	    stream->stopping || stream_queued(stream) > STREAM_QUEUE_PAUSE || sasl_is_busy(stream) ||
	    fifo_is_undecided(stream->fifo) ||
	    fifo_unhandled(stream->fifo) >= STREAM_UNHANDLED_MOST;
}

/* Reading stops while something waits; what was written for a slow reader is bounded elsewhere. */
static void
update_reading(struct stream *stream)
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
	stream_later(stream);
}

static const struct xmlin_owner xmlin_owner = { .open = on_open, .stanza = on_element, .close = on_close };

static void
new_parser(struct stream *stream)
{
	struct xmlin_limits limits = xmlin_limits_default;

	limits.bytes = stream->state < STATE_BIND ? STREAM_BYTES_BEFORE : STREAM_BYTES_AFTER;
	if (stream->state < STATE_BIND)
		limits.swell = SWELL_BEFORE;
	xmlin_free(&stream->in);
	stream->in = xmlin_new(&xmlin_owner, stream, &limits);
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
		new_parser(stream);
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
	update_reading(stream);
}

/* Give on what waited, as far as it can be. */
static void
go_on(struct stream *stream)
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

/* ---- the end ---- */

static void
drop_unread(struct stream *stream)
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

/* The owner hears of the end; only the connection may still be there, to end politely. */
static void
release(struct stream *stream)
{
	void *session = stream->session;

	if (stream->released)
		return;
	stream->released = true;
	drop_unread(stream);
	sasl_leave(stream);
	stream->session = NULL;
	if (session != NULL)
		stream->host->owner->closed(session);
	fifo_leave(&stream->fifo);
}

static void
destroy(struct stream *stream)
{
	struct stream_host *host = stream->host;

	*stream->back = stream->next;
	if (stream->next != NULL)
		stream->next->back = stream->back;
	if (stream->on_gone != NULL)
		stream->on_gone(stream->gone_arg, stream->peer);
	timer_free(&stream->timer);
	free(stream->node);
	free(stream->who);
	free(stream->lang);
	free(stream);
	host_stream_gone(host);
}

static void
turn(void *arg)
{
	struct stream *stream = arg;
	bool over;

	stream->later = false;
	if (stream->state < STATE_CLOSING)
		go_on(stream);
	over = stream->waiting == NULL && stream->rest.len == 0;
	if (stream->state < STATE_CLOSING && fifo_unhandled(stream->fifo) == 0 && (over || stream->stopping)) {
		if (stream->stopping)
			stream_close(stream, STREAM_SYSTEM_SHUTDOWN, NULL);
		else if (stream->peer_closed)
			stream_close(stream, STREAM_OK, NULL);
	}
	if (stream->state >= STATE_CLOSING)
		release(stream);
	if (stream->state != STATE_CLOSED)
		update_reading(stream);
	else if (!stream->later)
		destroy(stream);
}

void
stream_later(struct stream *stream)
{
	if (stream->later)
		return;
	stream->later = true;
	loop_defer(stream->host->loop, turn, stream);
}

void
stream_drop(struct stream *stream)
{
	if (stream->state == STATE_CLOSED)
		return;
	io_free(&stream->io);
	stream_enter(stream, STATE_CLOSED);
	timer_clear(stream->timer);
	if (stream->feeding)
		xmlin_stop(stream->in);
	stream_later(stream);
}

static void
write_error(struct stream *stream, enum stream_error error, const char *text)
{
	struct buf out = { .data = NULL };

	buf_printf(&out, "<stream:error><%s xmlns='" NS_STREAM_ERRORS "'/>", stream_error_name(error));
	if (text != NULL) {
		buf_adds(&out, "<text xmlns='" NS_STREAM_ERRORS "' xml:lang='en'>");
		xmlout_escape(&out, text, strlen(text));
		buf_adds(&out, "</text>");
	}
	buf_adds(&out, "</stream:error>");
	stream_write(stream, out.data, out.len);
	buf_free(&out);
}

void
stream_close(struct stream *stream, enum stream_error error, const char *text)
{
	if (stream->state >= STATE_CLOSING)
		return;
	log_info(&stream->log, "closed: %s%s%s", error == STREAM_OK ? "goodbye" : stream_error_name(error),
	    text == NULL ? "" : ": ", text == NULL ? "" : text);
	if (stream->state == STATE_TLS) {
		stream_drop(stream);
		return;
	}
	if (!stream->header_sent) /* RFC 6120 4.9.1.2: an error comes inside a stream */
		negotiate_write_header(stream, NULL);
	if (error != STREAM_OK)
		write_error(stream, error, text);
	stream_writes(stream, "</stream:stream>");
	stream_enter(stream, STATE_CLOSING);
	stream_set_deadline(stream, DEADLINE_STANZA, -1);
	if (stream->feeding)
		xmlin_stop(stream->in);
	io_pause(stream->io, false); /* to see the peer's end */
	io_shutdown(stream->io);
	stream_later(stream);
}

/* ---- writing ---- */

void
stream_write(struct stream *stream, const char *bytes, size_t len)
{
	if (stream->io == NULL || stream->state >= STATE_CLOSING)
		return;
	io_write(stream->io, bytes, len);
	stream->sent = now_mono();
}

void
stream_writes(struct stream *stream, const char *text)
{
	stream_write(stream, text, strlen(text));
}

void
stream_send_bytes(struct stream *stream, const char *bytes, size_t len)
{
	stream_write(stream, bytes, len);
	if (stream_queued(stream) > STREAM_QUEUE_MOST)
		stream_close(stream, STREAM_RESOURCE_CONSTRAINT, "What was sent is not being read.");
}

void
stream_send(struct stream *stream, const struct xml *stanza)
{
	struct buf *out = &stream_shared(stream->host)->out;

	if (stream->state >= STATE_CLOSING)
		return;
	buf_clear(out);
	xmlout(out, stanza, NS_CLIENT);
	stream_send_bytes(stream, out->data, out->len);
	if (out->cap > OUT_KEPT)
		buf_free(out);
}

size_t
stream_queued(const struct stream *stream)
{
	return stream->io == NULL ? 0 : io_queued(stream->io);
}

void
stream_hold(struct stream *stream, bool held)
{
	assert(held || stream->holds > 0);
	stream->holds += held ? 1U : -1U;
	stream_later(stream);
}

void
stream_barrier(struct stream *stream, bool raised)
{
	if (stream->fifo != NULL)
		fifo_hold(stream->fifo, raised);
}

/* ---- the beginning ---- */

static void
tls_ready(struct stream *stream)
{
	log_info(&stream->log, "%s", io_tls_version(stream->io));
	stream_enter(stream, STATE_SASL);
	new_parser(stream);
}

static void
on_io(void *arg, enum io_event event, const char *bytes, size_t len)
{
	struct stream *stream = arg;

	switch (event) {
	case IO_DATA:
		if (stream->state >= STATE_CLOSING)
			break;
		charge_rate(stream, len);
		read_bytes(stream, bytes, len);
		break;
	case IO_TLS_READY:
		tls_ready(stream);
		break;
	case IO_DRAINED:
		if (stream->paused || stream->waiting != NULL || stream->rest.len > 0)
			stream_later(stream); /* it may have waited for this */
		break;
	case IO_CLOSED:
		if (stream->state < STATE_CLOSING)
			log_info(&stream->log, "closed: %s", bytes);
		stream_drop(stream);
		break;
	}
}

static void
name_for_logs(struct stream *stream)
{
	uint8_t random[4];

	random_bytes(random, sizeof random);
	hex_encode(stream->log.id, random, sizeof random);
}

static const struct fifo_owner fifo_owner = { .reply = stream_send_bytes, .moved = stream_later };

static void
add_to_host(struct stream *stream)
{
	struct stream_host *host = stream->host;

	stream->next = host->streams;
	stream->back = &host->streams;
	if (stream->next != NULL)
		stream->next->back = &stream->next;
	host->streams = stream;
}

void
stream_accept(struct stream_host *host, int fd, bool direct, void (*on_gone)(void *arg, const char *peer), void *arg)
{
	struct stream *stream = xcalloc(1, sizeof *stream);

	stream->host = host;
	stream->direct = direct;
	stream->on_gone = on_gone;
	stream->gone_arg = arg;
	stream->since = now_wall();
	stream->filled = now_mono();
	stream->tokens = BURST_LEAST;
	stream->waiting_last = &stream->waiting;
	stream->timer = timer_new(host->loop, on_timer, stream);
	stream->fifo = fifo_new(&fifo_owner, stream);
	name_for_logs(stream);
	address_of_peer(fd, stream->peer);
	add_to_host(stream);
	stream->io = io_new(host->loop, fd, on_io, stream);
	if (stream->io == NULL || stream_shared(host)->stopping) {
		stream_drop(stream);
		return;
	}
	stream_who(stream, xstrdup(stream->peer));
	log_info(&stream->log, "connected%s", direct ? ", TLS at once" : "");
	stream_set_deadline(stream, DEADLINE_PHASE, WAIT_TLS);
	if (!direct) {
		new_parser(stream);
		return;
	}
	stream_enter(stream, STATE_TLS);
	if (!io_start_tls(stream->io, host->tls, "xmpp-client"))
		stream_drop(stream);
}

void
stream_who(struct stream *stream, char *who)
{
	free(stream->who);
	stream->who = who;
	stream->log.who = who;
}

const char *
stream_peer(const struct stream *stream)
{
	return stream->peer;
}

const char *
stream_id(const struct stream *stream)
{
	return stream->log.id;
}

bool
stream_is_direct(const struct stream *stream)
{
	return stream->direct;
}

int64_t
stream_since(const struct stream *stream)
{
	return stream->since;
}
