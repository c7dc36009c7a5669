/*
 * peer/line.c -- one connection between relays as a stream of XML elements: see line.h.
 *
 *   bytes -> rate -> rest -> xmlin, a small piece at a time -> (held: waiting) -> owner
 */
#include "config.h"

#include "relay/peer/line.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"
#include "relay/conf.h"
#include "relay/net/address.h"
#include "relay/net/clock.h"
#include "relay/net/io.h"
#include "relay/net/loop.h"
#include "relay/peer/peer-private.h"
#include "relay/tally.h"

enum {
	PIECE = 1024, /* bytes given to the parser at a time: bounds how many elements can wait */
	WAIT_HALF_BEFORE = 30 * 1000, /* ms */
	WAIT_HALF = 60 * 1000,
	WAIT_CLOSING = 5 * 1000,
	BURST_SECONDS = 10, /* of reading at the permitted rate */
	BURST_LEAST = 2 * LINE_BYTES,
	SWELL_BEFORE = 2,
};

enum when { WHEN_PHASE, WHEN_HALF, WHEN_RATE, WHEN_KEEPALIVE, WHEN_CLOSED, WHENS };

struct waiting {
	struct waiting *next;
	struct arena *arena;
	struct xml *element;
};

struct line {
	struct peers *peers;
	const struct line_owner *owner;
	void *arg;
	const struct log *log;
	struct io *io;
	struct xmlin *in;
	struct timer *timer;
	struct buf rest; /* bytes not yet given to the parser */
	struct waiting *waiting, **waiting_last;
	int64_t at[WHENS]; /* monotonic ms; 0: none */
	int64_t sent;      /* monotonic: last bytes */
	int64_t tokens, filled;
	size_t most;
	const char *alpn;
	const char *why;
	bool held, feeding, restart, header_sent, said_goodbye, closing, dead, element_in_piece;
};

/* ---- time ---- */

static void
arm(struct line *line)
{
	int64_t nearest = 0, now = now_mono();

	for (int i = 0; i < WHENS; i++)
		if (line->at[i] != 0 && (nearest == 0 || line->at[i] < nearest))
			nearest = line->at[i];
	if (nearest != 0)
		timer_set(line->timer, nearest > now ? (uint64_t)(nearest - now) : 0);
	else
		timer_clear(line->timer);
}

static void
set_when(struct line *line, enum when which, int64_t ms)
{
	line->at[which] = ms < 0 ? 0 : now_mono() + ms;
	arm(line);
}

static void
end_soon(struct line *line, const char *why)
{
	line->why = why;
	set_when(line, WHEN_CLOSED, 0);
}

static void
over_phase(struct line *line)
{
	tally_add(TALLY_OVERDUE, 1);
	if (line->closing || line->said_goodbye)
		end_soon(line, "the peer did not close");
	else
		line_close(line, STREAM_CONNECTION_TIMEOUT, "not authenticated in time");
}

static void
over_half(struct line *line)
{
	tally_add(TALLY_OVERDUE, 1);
	line_close(line, STREAM_CONNECTION_TIMEOUT, "half an element came and no more");
}

static void
keepalive(struct line *line)
{
	int64_t idle = now_mono() - line->sent;

	if (line->closing || !line->header_sent || line->said_goodbye)
		return;
	if (idle >= LINE_IDLE * 1000) {
		line_writes(line, " "); /* RFC 6120 4.6.1 */
		idle = 0;
	}
	set_when(line, WHEN_KEEPALIVE, LINE_IDLE * 1000 - idle);
}

static void pump(struct line *line);

static void
closed(struct line *line)
{
	line->closing = true;
	line->owner->closed(line->arg, line->why);
}

static void
fired(void *arg)
{
	static void (*const over[WHENS])(struct line *) = {
		[WHEN_PHASE] = over_phase, [WHEN_HALF] = over_half, [WHEN_RATE] = pump,
		[WHEN_KEEPALIVE] = keepalive, [WHEN_CLOSED] = closed,
	};
	struct line *line = arg;
	int64_t now = now_mono();

	for (int i = 0; i < WHENS; i++) {
		if (line->at[i] == 0 || line->at[i] > now)
			continue;
		line->at[i] = 0;
		arm(line);
		over[i](line); /* may free it: one a call */
		return;
	}
	arm(line);
}

/* ---- reading ---- */

static void
on_open(void *arg, struct arena *arena, struct xml *header)
{
	struct line *line = arg;

	if (!line->closing && !line->dead)
		line->owner->header(line->arg, arena, header);
	arena_free(&arena);
}

static void
on_element(void *arg, struct arena *arena, struct xml *element)
{
	struct line *line = arg;
	struct waiting *waiting;

	line->element_in_piece = true;
	if (line->closing || line->dead || line->restart) {
		arena_free(&arena);
	} else if (line->waiting == NULL && !line->held) {
		line->owner->element(line->arg, arena, element);
	} else {
		waiting = xcalloc(1, sizeof *waiting);
		waiting->arena = arena;
		waiting->element = element;
		*line->waiting_last = waiting;
		line->waiting_last = &waiting->next;
	}
}

static void
on_close(void *arg)
{
	struct line *line = arg;

	if (!line->closing && !line->dead)
		line->owner->goodbye(line->arg);
}

static const struct xmlin_owner xmlin_owner = { .open = on_open, .stanza = on_element, .close = on_close };

static void
drop_waiting(struct line *line)
{
	struct waiting *waiting;

	while ((waiting = line->waiting) != NULL) {
		line->waiting = waiting->next;
		arena_free(&waiting->arena);
		free(waiting);
	}
	line->waiting_last = &line->waiting;
}

static void
destroy(struct line *line)
{
	drop_waiting(line);
	xmlin_free(&line->in);
	buf_free(&line->rest);
	timer_free(&line->timer);
	free(line);
}

static bool
is_blank(const struct buf *buf)
{
	for (size_t i = 0; i < buf->len; i++)
		if (memchr(" \t\r\n", buf->data[i], 4) == NULL)
			return false;
	return true;
}

/* Once the old parser's feed has returned. */
static void
new_parser(struct line *line)
{
	struct xmlin_limits limits = xmlin_limits_default;

	line->restart = false;
	limits.bytes = line->most;
	if (line->most <= LINE_BYTES_BEFORE)
		limits.swell = SWELL_BEFORE;
	if (!is_blank(&line->rest)) { /* no word more: the stream it would be in is over */
		log_info(line->log, "closed: spoke before it heard the answer");
		line->closing = true;
		end_soon(line, "spoke before it heard the answer");
		return;
	}
	buf_free(&line->rest);
	xmlin_free(&line->in);
	line->in = xmlin_new(&xmlin_owner, line, &limits);
}

/* One small piece. False: the line has ended. */
static bool
feed(struct line *line)
{
	size_t len = line->rest.len < PIECE ? line->rest.len : PIECE, unread;
	enum stream_error error;

	line->feeding = true;
	line->element_in_piece = false;
	error = xmlin_feed(line->in, line->rest.data, len);
	line->feeding = false;
	if (line->dead) {
		destroy(line);
		return false;
	}
	unread = xmlin_unread(line->in);
	buf_drop(&line->rest, len - unread);
	if (line->closing)
		return false;
	if (error != STREAM_OK) {
		line_close(line, error, NULL);
		return false;
	}
	if (line->restart) {
		new_parser(line);
		return !line->closing;
	}
	if (!xmlin_mid_stanza(line->in))
		set_when(line, WHEN_HALF, -1);
	else if (line->element_in_piece || line->at[WHEN_HALF] == 0)
		set_when(line, WHEN_HALF, line->most > LINE_BYTES_BEFORE ? WAIT_HALF : WAIT_HALF_BEFORE);
	return true;
}

/* The first that waits. False: the line has ended. */
static bool
give_waiting(struct line *line)
{
	struct waiting *waiting = line->waiting;

	line->waiting = waiting->next;
	if (line->waiting == NULL)
		line->waiting_last = &line->waiting;
	line->feeding = true;
	line->owner->element(line->arg, waiting->arena, waiting->element);
	line->feeding = false;
	free(waiting);
	if (line->dead) {
		destroy(line);
		return false;
	}
	if (line->restart && !line->closing)
		new_parser(line);
	return !line->closing;
}

static void
pump(struct line *line)
{
	bool stop;

	if (line->feeding || line->closing)
		return;
	while (!line->held && (line->waiting != NULL || (line->rest.len > 0 && line->at[WHEN_RATE] == 0)))
		if (!(line->waiting != NULL ? give_waiting(line) : feed(line)))
			return;
	stop = line->held || line->waiting != NULL || line->rest.len > 0 || line->at[WHEN_RATE] != 0;
	if (!stop && line->rest.data != NULL)
		buf_free(&line->rest);
	if (stop) /* time in which we do not read is not the peer's */
		set_when(line, WHEN_HALF, -1);
	io_pause(line->io, stop);
}

static void
charge(struct line *line, size_t len)
{
	int64_t rate = line->peers->conf->limit_rate_server, most = rate * BURST_SECONDS, now = now_mono();

	if (rate <= 0)
		return;
	if (most < BURST_LEAST)
		most = BURST_LEAST;
	line->tokens += (now - line->filled) * rate / 1000;
	line->filled = now;
	if (line->tokens > most)
		line->tokens = most;
	line->tokens -= (int64_t)len;
	if (line->tokens < 0)
		set_when(line, WHEN_RATE, -line->tokens * 1000 / rate + 1);
}

static void
on_io(void *arg, enum io_event event, const char *bytes, size_t len)
{
	struct line *line = arg;

	switch (event) {
	case IO_DATA:
		if (line->closing)
			return;
		charge(line, len);
		buf_add(&line->rest, bytes, len);
		pump(line);
		return;
	case IO_TLS_READY:
		tally_add(TALLY_TLS, 1);
		line->owner->secure(line->arg);
		return;
	case IO_DRAINED:
		if (line->owner->drained != NULL && !line->closing)
			line->owner->drained(line->arg);
		return;
	case IO_CLOSED:
		line->why = bytes;
		closed(line);
		return;
	}
}

/* ---- the owner's side ---- */

struct line *
line_new(struct peers *peers, int fd, const struct line_owner *owner, void *arg, const struct log *log)
{
	struct line *line = xcalloc(1, sizeof *line);

	line->peers = peers;
	line->owner = owner;
	line->arg = arg;
	line->log = log;
	line->waiting_last = &line->waiting;
	line->most = LINE_BYTES_BEFORE;
	line->filled = line->sent = now_mono();
	line->tokens = BURST_LEAST;
	line->why = "";
	line->timer = timer_new(peers->loop, fired, line);
	line->io = io_new(peers->loop, fd, on_io, line);
	if (line->io == NULL) {
		timer_free(&line->timer);
		free(line);
		return NULL;
	}
	new_parser(line);
	return line;
}

void
line_free(struct line **line_p)
{
	struct line *line = *line_p;

	*line_p = NULL;
	if (line == NULL)
		return;
	io_free(&line->io);
	timer_clear(line->timer);
	line->dead = true;
	if (line->feeding)
		xmlin_stop(line->in);
	else
		destroy(line);
}

void
line_restart(struct line *line, size_t most)
{
	line->most = most;
	line->restart = true;
	line->header_sent = false;
	if (line->feeding)
		xmlin_stop(line->in);
	else
		new_parser(line);
}

static void
add_attribute(struct buf *out, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_printf(out, " %s='", name);
	xmlout_escape(out, value, strlen(value));
	buf_adds(out, "'");
}

void
line_header(struct line *line, const char *to, const char *id)
{
	struct buf out = { .data = NULL };

	buf_adds(&out, "<?xml version='1.0'?><stream:stream xmlns='" NS_SERVER "' xmlns:stream='" NS_STREAM "' version='1.0'");
	add_attribute(&out, "from", line->peers->domain);
	add_attribute(&out, "to", to);
	add_attribute(&out, "id", id);
	buf_adds(&out, ">");
	line->header_sent = true;
	line_write(line, out.data, out.len);
	buf_free(&out);
	if (line->at[WHEN_KEEPALIVE] == 0)
		set_when(line, WHEN_KEEPALIVE, LINE_IDLE * 1000);
}

void
line_write(struct line *line, const char *bytes, size_t len)
{
	if (line->closing || line->dead || line->said_goodbye)
		return;
	io_write(line->io, bytes, len);
	line->sent = now_mono();
}

void
line_writes(struct line *line, const char *text)
{
	line_write(line, text, strlen(text));
}

bool
line_start_tls(struct line *line, const char *name, bool direct)
{
	const char *alpn = direct ? "xmpp-server" : NULL;
	bool begun = name == NULL ? io_start_tls(line->io, line->peers->tls, alpn)
				  : io_start_tls_client(line->io, line->peers->tls, name, alpn);

	line->header_sent = false;
	if (!begun) {
		line->closing = true;
		end_soon(line, "spoke in clear behind STARTTLS");
	}
	return begun;
}

bool
line_is_tls(const struct line *line)
{
	return io_is_tls(line->io);
}

bool
line_proves(const struct line *line, const char *domain, const char *pin, const char **why_r)
{
	return io_tls_proves(line->io, domain, pin, why_r);
}

const char *
line_tls_version(const struct line *line)
{
	return io_tls_version(line->io);
}

void
line_hold(struct line *line, bool held)
{
	bool before = line->held;

	line->held = held;
	if (before && !held && !line->closing && !line->feeding)
		set_when(line, WHEN_RATE, 0); /* look again in a later turn */
}

void
line_deadline(struct line *line, int64_t ms)
{
	set_when(line, WHEN_PHASE, ms);
}

size_t
line_queued(const struct line *line)
{
	return io_queued(line->io);
}

bool
line_is_closing(const struct line *line)
{
	return line->closing;
}

const char *
line_peer(const struct line *line)
{
	return io_peer(line->io);
}

static void
write_error(struct line *line, enum stream_error error, const char *text)
{
	struct buf out = { .data = NULL };

	buf_printf(&out, "<stream:error><%s xmlns='" NS_STREAM_ERRORS "'/>", stream_error_name(error));
	if (text != NULL) {
		buf_adds(&out, "<text xmlns='" NS_STREAM_ERRORS "' xml:lang='en'>");
		xmlout_escape(&out, text, strlen(text));
		buf_adds(&out, "</text>");
	}
	buf_adds(&out, "</stream:error>");
	line_write(line, out.data, out.len);
	buf_free(&out);
}

void
line_goodbye(struct line *line)
{
	line_writes(line, "</stream:stream>");
	line->said_goodbye = true;
}

void
line_close(struct line *line, enum stream_error error, const char *text)
{
	char id[ID_LEN + 1];

	if (line->closing || line->dead)
		return;
	log_info(line->log, "closed: %s%s%s", error == STREAM_OK ? "goodbye" : stream_error_name(error),
	    text == NULL ? "" : ": ", text == NULL ? "" : text);
	tally_add(TALLY_STREAM_ERRORS, error != STREAM_OK);
	if (!line->header_sent) { /* RFC 6120 4.9.1.2: an error comes inside a stream */
		random_id(id);
		line_header(line, NULL, id);
	}
	if (error != STREAM_OK)
		write_error(line, error, text);
	line_goodbye(line);
	line->closing = true;
	for (int i = 0; i < WHENS; i++)
		line->at[i] = 0;
	if (line->feeding)
		xmlin_stop(line->in);
	drop_waiting(line);
	io_pause(line->io, false); /* to see the peer's end */
	io_shutdown(line->io);
	set_when(line, WHEN_PHASE, WAIT_CLOSING);
}
