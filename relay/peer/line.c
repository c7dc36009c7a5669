/*
 * peer/line.c -- one connection between relays as a stream of XML elements: its life, its time limits, and what we say on it. See line.h;
 * line_read.c reads.
 */
#include "config.h"

#include "relay/peer/line-private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/buf.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xmlin.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/conf.h"
#include "relay/net/clock.h"
#include "relay/net/io.h"
#include "relay/net/loop.h"
#include "relay/peer/pace.h"
#include "relay/peer/peer-private.h"
#include "relay/tally.h"

enum { WAIT_CLOSING = 5 * 1000 /* ms */ };

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

void
line_set_when(struct line *line, enum when which, int64_t ms)
{
	line->at[which] = ms < 0 ? 0 : now_mono() + ms;
	arm(line);
}

void
line_end_soon(struct line *line, const char *why)
{
	line->why = why;
	line_set_when(line, WHEN_CLOSED, 0);
}

static void
over_phase(struct line *line)
{
	tally_add(TALLY_OVERDUE, 1);
	if (line->closing || line->said_goodbye)
		line_end_soon(line, "the peer did not close");
	else if (line->peer_closed) /* a bare end would say that we have it */
		line_close(line, STREAM_RESOURCE_CONSTRAINT, "what you sent cannot be kept now");
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
	line_set_when(line, WHEN_KEEPALIVE, LINE_IDLE * 1000 - idle);
}

void
line_closed(struct line *line)
{
	char said[LINE_SAID];

	line->closing = true;
	snprintf(said, sizeof said, "%s", line->said); /* the owner frees the line */
	line->owner->closed(line->arg, said[0] != '\0' ? said : line->why);
}

static void
fired(void *arg)
{
	static void (*const over[WHENS])(struct line *) = {
		[WHEN_PHASE] = over_phase, [WHEN_HALF] = over_half, [WHEN_RATE] = line_pump, [WHEN_TURN] = line_pump,
		[WHEN_KEEPALIVE] = keepalive, [WHEN_CLOSED] = line_closed,
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
	line->sent = now_mono();
	line->pace = pace_alone();
	line->why = "";
	line->timer = timer_new(peers->loop, fired, line);
	line->io = io_new(peers->loop, fd, line_on_io, line);
	if (line->io == NULL) {
		timer_free(&line->timer);
		pace_leave(&line->pace);
		free(line);
		return NULL;
	}
	line_new_parser(line);
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
		line_destroy(line);
}

void
line_give(struct line *line, const struct line_owner *owner, void *arg)
{
	line->owner = owner;
	line->arg = arg;
}

void
line_proven(struct line *line, const char *domain)
{
	pace_leave(&line->pace);
	line->pace = pace_of(&line->peers->paces, domain);
}

void
line_raise(struct line *line, size_t most)
{
	line->most = most;
	xmlin_set_bytes(line->in, most);
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
		line_new_parser(line);
}

void
line_header(struct line *line, const char *to, const char *id)
{
	struct buf out = { .data = NULL };

	buf_adds(&out, "<?xml version='1.0'?><stream:stream xmlns='" NS_SERVER "' xmlns:stream='" NS_STREAM "' version='1.0'");
	if (line->peers->conf->dialback) /* XEP-0220 2.4.1 */
		buf_adds(&out, " xmlns:db='" NS_DIALBACK "'");
	xmlout_attribute(&out, "from", line->peers->domain);
	xmlout_attribute(&out, "to", to);
	xmlout_attribute(&out, "id", id);
	buf_adds(&out, ">");
	line->header_sent = true;
	line_write(line, out.data, out.len);
	buf_free(&out);
	if (line->at[WHEN_KEEPALIVE] == 0)
		line_set_when(line, WHEN_KEEPALIVE, LINE_IDLE * 1000);
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
		line_end_soon(line, "spoke in clear behind STARTTLS");
	}
	return begun;
}

bool
line_is_tls(const struct line *line)
{
	return io_is_tls(line->io);
}

/* Shown to people: what is no condition of RFC 6120 is not repeated. */
void
line_note_error(struct line *line, const struct xml *condition)
{
	bool named = condition != NULL && condition->name[strspn(condition->name, "abcdefghijklmnopqrstuvwxyz-")] == '\0';

	snprintf(line->said, sizeof line->said, "%s", named ? condition->name : "undefined-condition");
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
		line_set_when(line, WHEN_TURN, 0); /* look again in a later turn; the pace's wait stands */
}

void
line_deadline(struct line *line, int64_t ms)
{
	line_set_when(line, WHEN_PHASE, ms);
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
	line_drop_waiting(line);
	io_pause(line->io, false); /* to see the peer's end */
	io_shutdown(line->io);
	line_set_when(line, WHEN_PHASE, WAIT_CLOSING);
}
