/*
 * stream/stream.c -- life, state, end and writing of one client's stream: see stream.h. Reading is in reading.c, time in deadline.c.
 *
 * Everything that must not happen inside somebody's callback (freeing, going on, telling the owner that it is over) happens in
 * turn(), in a later turn of the loop.
 *
 * DIAGNOSTICS: one line each for connected, TLS, logged in or refused, bound, closed; a client that does not read 4 MiB
 * is closed with resource-constraint (its messages stay in the mailbox).
 */
#include "config.h"

#include "relay/stream/stream-private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "proto/digest.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"
#include "relay/net/address.h"
#include "relay/net/clock.h"
#include "relay/net/io.h"
#include "relay/net/loop.h"
#include "relay/net/tls.h"
#include "relay/tally.h"

enum {
	WAIT_TLS = 10 * 1000, /* ms */
	WAIT_BOUND = 30 * 1000,
	WAIT_CLOSING = 5 * 1000,
	OUT_KEPT = 64 * 1024,
};

#define TO(state) (1U << STATE_##state)
static const unsigned allowed[STREAM_STATES] = {
	[STATE_NEW] = TO(TLS) | TO(CLOSING) | TO(CLOSED),
	[STATE_TLS] = TO(SASL) | TO(CLOSED), /* nothing can be said in the middle of a handshake */
	[STATE_SASL] = TO(BIND) | TO(CLOSING) | TO(CLOSED),
	[STATE_BIND] = TO(READY) | TO(CLOSING) | TO(CLOSED),
	[STATE_READY] = TO(AWAY) | TO(CLOSING) | TO(CLOSED),
	[STATE_AWAY] = TO(CLOSED),
	[STATE_CLOSING] = TO(CLOSED),
	[STATE_CLOSED] = 0,
};

/* Milliseconds that a state may last; 0: for ever, -1: as begun with the state before. */
static const int phase_ms[STREAM_STATES] = {
	[STATE_NEW] = WAIT_TLS, [STATE_TLS] = -1, [STATE_SASL] = WAIT_BOUND, [STATE_BIND] = -1,
	[STATE_READY] = 0, [STATE_AWAY] = -1, [STATE_CLOSING] = WAIT_CLOSING, [STATE_CLOSED] = 0,
};

void
stream_enter(struct stream *stream, enum stream_state next)
{
	assert(allowed[stream->state] & 1U << next);
	stream->state = next;
	if (phase_ms[next] >= 0)
		stream_set_deadline(stream, DEADLINE_PHASE, phase_ms[next] == 0 ? -1 : phase_ms[next]);
	if (next == STATE_BIND)
		tally_add(TALLY_LOGINS, 1);
	if (next == STATE_READY)
		stream_set_deadline(stream, DEADLINE_KEEPALIVE, STREAM_IDLE * 1000);
}

/* ---- the end ---- */

/* The owner hears of the end; only the connection may still be there, to end politely. */
static void
release(struct stream *stream)
{
	void *session = stream->session;

	if (stream->released)
		return;
	stream->released = true;
	resume_leave(stream);
	if (session != NULL)
		resume_lost(stream);
	reading_drop(stream);
	sasl_leave(stream);
	stream->session = NULL;
	if (session != NULL)
		stream->host->owner->closed(session);
	if (stream->fifo != NULL) /* NULL: another stream has taken it over */
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
	free(stream->claimed);
	free(stream->node);
	free(stream->client);
	free(stream->who);
	free(stream->lang);
	smacks_free(stream);
	free(stream);
	host_stream_gone(host);
}

static void
turn(void *arg)
{
	struct stream *stream = arg;
	bool over;

	stream->later = false;
	resume_go_on(stream);
	if (stream->state == STATE_AWAY)
		reading_drop(stream); /* what was not taken is not counted: the client says it again */
	else if (stream->state < STATE_CLOSING)
		reading_go_on(stream);
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
		reading_update(stream);
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
write_error(struct stream *stream, enum stream_error error, const char *more, const char *text)
{
	struct buf out = { .data = NULL };

	buf_printf(&out, "<stream:error><%s xmlns='" NS_STREAM_ERRORS "'/>%s", stream_error_name(error), more);
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
	stream_close_with(stream, error, "", text);
}

void
stream_close_with(struct stream *stream, enum stream_error error, const char *more, const char *text)
{
	if (stream->state >= STATE_CLOSING)
		return;
	log_info(&stream->log, "closed: %s%s%s", error == STREAM_OK ? "goodbye" : stream_error_name(error),
	    text == NULL ? "" : ": ", text == NULL ? "" : text);
	if (stream->state == STATE_TLS || stream->state == STATE_AWAY) {
		stream_drop(stream);
		return;
	}
	if (!stream->header_sent) /* RFC 6120 4.9.1.2: an error comes inside a stream */
		negotiate_write_header(stream, NULL);
	smacks_goodbye(stream);
	tally_add(TALLY_STREAM_ERRORS, error != STREAM_OK);
	if (error != STREAM_OK)
		write_error(stream, error, more, text);
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

/* Many who do not read would together fill the memory that one alone may not. Those with more than an equal part of what there is
 * for all are ended first; what was sent to them waits in the mailbox. */
static size_t
queue_most(const struct stream *stream)
{
	size_t part = STREAM_QUEUES_ALL / stream_shared(stream->host)->count;

	if (part > STREAM_QUEUE_MOST || io_queued_all(stream->host->loop) <= STREAM_QUEUES_ALL)
		return STREAM_QUEUE_MOST;
	return part;
}

void
stream_send_counted(struct stream *stream, const char *bytes, size_t len)
{
	stream_write(stream, bytes, len);
	if (stream_queued(stream) <= queue_most(stream) || stream->state >= STATE_CLOSING)
		return;
	tally_add(TALLY_UNREAD, 1);
	stream_close(stream, STREAM_RESOURCE_CONSTRAINT, "What was sent is not being read.");
}

void
stream_send_row(struct stream *stream, const char *bytes, size_t len)
{
	(void)stream_take_place(stream);
	smacks_sent(stream);
	stream_send_counted(stream, bytes, len);
}

void
stream_send_bytes(struct stream *stream, const char *bytes, size_t len)
{
	if (!resume_keep(stream, bytes, len))
		return;
	smacks_sent(stream);
	stream_send_counted(stream, bytes, len);
	resume_sent(stream);
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
	tally_add(TALLY_TLS, 1);
	log_info(&stream->log, "%s", io_tls_version(stream->io));
	stream_enter(stream, STATE_SASL);
	reading_begin(stream);
}

static void
on_io(void *arg, enum io_event event, const char *bytes, size_t len)
{
	struct stream *stream = arg;

	switch (event) {
	case IO_DATA:
		if (stream->state >= STATE_CLOSING)
			break;
		reading_bytes(stream, bytes, len);
		break;
	case IO_TLS_READY:
		tls_ready(stream);
		break;
	case IO_DRAINED:
		if (stream->paused || stream->waiting != NULL || stream->rest.len > 0)
			stream_later(stream); /* it may have waited for this */
		break;
	case IO_CLOSED:
		if (resume_away(stream))
			break;
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

static void
moved(struct stream *stream)
{
	smacks_moved(stream);
	stream_later(stream);
}

static const struct fifo_owner fifo_owner = { .reply = stream_send_bytes, .handled = smacks_handled, .moved = moved };

static void
add_to_host(struct stream *stream)
{
	struct stream_host *host = stream->host;

	stream->next = host->streams;
	stream->back = &host->streams;
	if (stream->next != NULL)
		stream->next->back = &stream->next;
	host->streams = stream;
	stream_shared(host)->count++;
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
	reading_init(stream);
	stream->timer = timer_new(host->loop, deadline_fired, stream);
	stream->fifo = fifo_new(&fifo_owner, stream, &stream_shared(host)->unhandled);
	name_for_logs(stream);
	address_of_peer(fd, stream->peer);
	add_to_host(stream);
	stream->io = io_new(host->loop, fd, on_io, stream);
	if (stream->io == NULL || stream_shared(host)->stopping) {
		stream_drop(stream);
		return;
	}
	stream_who(stream, xstrdup(stream->peer));
	tally_add(TALLY_CONNECTIONS, 1);
	log_info(&stream->log, "connected%s", direct ? ", TLS at once" : "");
	stream_set_deadline(stream, DEADLINE_PHASE, WAIT_TLS);
	if (!direct) {
		reading_begin(stream);
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

const char *
stream_client(const struct stream *stream)
{
	return stream->client;
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
