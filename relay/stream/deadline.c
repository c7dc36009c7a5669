/*
 * stream/deadline.c -- the time limits of one client's stream, by one timer set to the nearest of them (a timer each would cost
 * more memory than all else of an idle stream).
 *
 * DIAGNOSTICS: connection-timeout for who does not log in in time or sends half a stanza.
 */
#include "config.h"

#include "relay/stream/stream-private.h"

#include "relay/net/clock.h"
#include "relay/net/loop.h"
#include "relay/tally.h"

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
	tally_add(TALLY_OVERDUE, 1);
	if (stream->state == STATE_TLS || stream->state == STATE_CLOSING) {
		log_info(&stream->log, stream->state == STATE_TLS ? "closed: no TLS in time" : "closed: the peer did not");
		stream_drop(stream);
	} else if (stream->state == STATE_AWAY) {
		log_info(&stream->log, "closed: did not come back in time");
		stream_drop(stream);
	} else if (stream->peer_closed) { /* what is still unhandled does not keep it */
		stream_close(stream, STREAM_OK, NULL);
	} else {
		stream_close(stream, STREAM_CONNECTION_TIMEOUT, "Not logged in in time.");
	}
}

static void
stanza_over(struct stream *stream)
{
	tally_add(TALLY_OVERDUE, 1);
	if (!resume_away(stream))
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

void
deadline_fired(void *arg)
{
	static void (*const over[STREAM_DEADLINES])(struct stream *) = {
		[DEADLINE_PHASE] = phase_over, [DEADLINE_STANZA] = stanza_over, [DEADLINE_RATE] = stream_later,
		[DEADLINE_LOGIN] = sasl_waited, [DEADLINE_KEEPALIVE] = keepalive,
		[DEADLINE_ACK] = smacks_waited, [DEADLINE_ASK] = resume_waited,
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
