/*
 * peer/line_read.c -- what comes in on a line: see line.h.
 *
 *   bytes -> rate -> rest -> xmlin, a small piece at a time -> (held: waiting) -> owner
 *
 * The peer's end of the stream is told behind all that waits; what comes after it is not looked at.
 */
#include "config.h"

#include "relay/peer/line-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "relay/conf.h"
#include "relay/net/clock.h"
#include "relay/net/io.h"
#include "relay/net/loop.h"
#include "relay/peer/pace.h"
#include "relay/peer/peer-private.h"
#include "relay/tally.h"

enum {
	PIECE = 1024, /* bytes given to the parser at a time: bounds how many elements can wait */
	WAIT_HALF_BEFORE = 30 * 1000, /* ms */
	WAIT_HALF = 60 * 1000,
	WAIT_GIVEN = 30 * 1000, /* behind the peer's end: what came before it */
	SWELL_BEFORE = 2,
};

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
	struct arrival *waiting;

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

/* The parser has stopped: what stands behind is dropped, or feed() would take nothing of it for ever. */
static void
on_close(void *arg)
{
	struct line *line = arg;

	line->peer_closed = true;
	if (line->waiting != NULL)
		line_set_when(line, WHEN_PHASE, WAIT_GIVEN);
}

static const struct xmlin_owner xmlin_owner = { .open = on_open, .stanza = on_element, .close = on_close };

void
line_drop_waiting(struct line *line)
{
	struct arrival *waiting;

	while ((waiting = line->waiting) != NULL) {
		line->waiting = waiting->next;
		arena_free(&waiting->arena);
		free(waiting);
	}
	line->waiting_last = &line->waiting;
}

void
line_destroy(struct line *line)
{
	line_drop_waiting(line);
	xmlin_free(&line->in);
	buf_free(&line->rest);
	timer_free(&line->timer);
	pace_leave(&line->pace);
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
void
line_new_parser(struct line *line)
{
	struct xmlin_limits limits = xmlin_limits_default;

	line->restart = false;
	limits.bytes = line->most;
	if (line->most <= LINE_BYTES_BEFORE)
		limits.swell = SWELL_BEFORE;
	if (!is_blank(&line->rest) || line->waiting != NULL || line->peer_closed) { /* no word more: the stream it would be in is over */
		log_info(line->log, "closed: spoke before it heard the answer");
		line->closing = true;
		line_end_soon(line, "spoke before it heard the answer");
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
		line_destroy(line);
		return false;
	}
	unread = xmlin_unread(line->in);
	buf_drop(&line->rest, line->peer_closed ? line->rest.len : len - unread);
	if (line->closing)
		return false;
	if (error != STREAM_OK) {
		line_close(line, error, NULL);
		return false;
	}
	if (line->restart) {
		line_new_parser(line);
		return !line->closing;
	}
	if (!xmlin_mid_stanza(line->in))
		line_set_when(line, WHEN_HALF, -1);
	else if (line->element_in_piece || line->at[WHEN_HALF] == 0)
		line_set_when(line, WHEN_HALF, line->most > LINE_BYTES_BEFORE ? WAIT_HALF : WAIT_HALF_BEFORE);
	return true;
}

/* The first that waits. False: the line has ended. */
static bool
give_waiting(struct line *line)
{
	struct arrival *waiting = line->waiting;

	line->waiting = waiting->next;
	if (line->waiting == NULL)
		line->waiting_last = &line->waiting;
	line->feeding = true;
	line->owner->element(line->arg, waiting->arena, waiting->element);
	line->feeding = false;
	free(waiting);
	if (line->dead) {
		line_destroy(line);
		return false;
	}
	if (line->restart && !line->closing)
		line_new_parser(line);
	return !line->closing;
}

/* All that the peer said before its end has been given. False: the line has ended. */
static bool
give_goodbye(struct line *line)
{
	line->heard_goodbye = true;
	line->feeding = true;
	line->owner->goodbye(line->arg);
	line->feeding = false;
	if (line->dead) {
		line_destroy(line);
		return false;
	}
	return !line->closing;
}

typedef bool line_step(struct line *line);

/* NULL: nothing can be done now. The peer's end needs no answer of the owner's that a held line would wait for. */
static line_step *
next_step(const struct line *line)
{
	if (line->waiting == NULL && line->peer_closed)
		return line->heard_goodbye ? NULL : give_goodbye;
	if (line->held)
		return NULL;
	if (line->waiting != NULL)
		return give_waiting;
	return line->rest.len > 0 && line->at[WHEN_RATE] == 0 ? feed : NULL;
}

void
line_pump(struct line *line)
{
	line_step *step;
	bool stop;

	if (line->feeding || line->closing)
		return;
	while ((step = next_step(line)) != NULL)
		if (!step(line))
			return;
	stop = line->held || line->waiting != NULL || line->rest.len > 0 || line->at[WHEN_RATE] != 0 || line->peer_closed;
	if (!stop && line->rest.data != NULL)
		buf_free(&line->rest);
	if (stop) /* time in which we do not read is not the peer's */
		line_set_when(line, WHEN_HALF, -1);
	io_pause(line->io, stop);
}

static void
charge(struct line *line, size_t len)
{
	int64_t wait = pace_charge(line->pace, line->peers->conf->limit_rate_server, len);

	if (wait > 0)
		line_set_when(line, WHEN_RATE, wait);
}

void
line_on_io(void *arg, enum io_event event, const char *bytes, size_t len)
{
	struct line *line = arg;

	switch (event) {
	case IO_DATA:
		if (line->closing || line->peer_closed)
			return;
		charge(line, len);
		buf_add(&line->rest, bytes, len);
		line_pump(line);
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
		line_closed(line);
		return;
	}
}
