/*
 * peer/outflow.c -- see outflow.h.
 */
#include "config.h"

#include "relay/peer/outflow.h"

#include <stdlib.h>
#include <string.h>
#include "proto/buf.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/net/clock.h"
#include "relay/net/loop.h"
#include "relay/peer/carry.h"
#include "relay/peer/peer-private.h"
#include "relay/route/router.h"
#include "relay/stream/smacks.h"

enum {
	ACK_MS = 90 * 1000,
	PONG_MS = 30 * 1000,
	GOODBYE_MS = 10 * 1000,
	CARRY_MOST = 512 * 1024, /* bytes not yet written; what is held can wait where it is */
};

struct outflow {
	struct peers *peers;
	struct line *line;
	const char *domain;
	struct outflow_terms terms;
	struct timer *timer;
	struct smacks_count count;
	uint64_t before; /* stanzas that went out before both sides counted */
	struct carry carry;
	int64_t asked; /* monotonic: <r/> or a ping was sent; 0: none is under way */
	bool ask_later;
	bool parting; /* our end of the stream is sent, theirs not here */
	bool starved; /* the queue waits for room */
};

/* ---- is it there? ---- */

static int64_t
patience(const struct outflow *out)
{
	return out->terms.managed ? ACK_MS : PONG_MS;
}

static void
arm(struct outflow *out)
{
	int64_t now = now_mono(), at = out->ask_later ? now : out->asked == 0 ? 0 : out->asked + patience(out);

	if (at == 0)
		timer_clear(out->timer);
	else
		timer_set(out->timer, at > now ? (uint64_t)(at - now) : 0);
}

/* The peer has all up to here. */
static void
all_taken(struct outflow *out, uint64_t number)
{
	size_t count = carry_acked(&out->carry, number);

	if (number > out->before)
		out->count.acked = number - out->before;
	if (count > 0)
		queue_acked(router_queue(out->peers->router), out->domain, count);
}

static void
feed_queue(struct outflow *out)
{
	if (!out->starved || line_queued(out->line) > CARRY_MOST / 2)
		return;
	out->starved = false;
	queue_more(router_queue(out->peers->router), out->domain);
}

void
outflow_part(struct outflow *out)
{
	if (out->parting || line_is_closing(out->line))
		return;
	out->parting = true;
	line_goodbye(out->line);
	line_deadline(out->line, GOODBYE_MS);
}

/* Without stream management nothing but what is held is worth a question. */
static void
ping(struct outflow *out)
{
	struct buf bytes = { .data = NULL };

	if (out->carry.count == 0)
		return;
	if (out->terms.mute) {
		outflow_part(out);
		return;
	}
	out->asked = now_mono();
	buf_printf(&bytes, "<iq type='get' id='%s'", carry_ping(&out->carry, out->before + out->count.sent));
	xmlout_attribute(&bytes, "from", out->peers->domain);
	xmlout_attribute(&bytes, "to", out->domain);
	buf_adds(&bytes, "><ping xmlns='" NS_PING "'/></iq>");
	line_write(out->line, bytes.data, bytes.len);
	buf_free(&bytes);
}

static void
ask(struct outflow *out)
{
	out->ask_later = false;
	if (out->asked != 0 || out->parting || (out->count.sent == out->count.acked && out->carry.count == 0))
		return;
	if (!out->terms.managed) {
		ping(out);
		return;
	}
	out->asked = now_mono();
	line_writes(out->line, "<r xmlns='" NS_SM "'/>");
}

static void
overdue(struct outflow *out)
{
	out->asked = 0;
	if (out->terms.managed) {
		line_close(out->line, STREAM_CONNECTION_TIMEOUT, "you acknowledge nothing");
		return;
	}
	out->terms.mute = true;
	outflow_part(out);
}

static void
fired(void *arg)
{
	struct outflow *out = arg;

	if (out->ask_later)
		ask(out);
	if (out->asked != 0 && out->asked + patience(out) <= now_mono())
		overdue(out);
	arm(out);
}

/* ---- sending ---- */

static void
write_now(struct outflow *out, const char *bytes, size_t len)
{
	line_write(out->line, bytes, len);
	out->count.sent++;
	if (out->asked == 0 && !out->ask_later && (out->terms.managed || out->carry.count > 0)) { /* behind all of this turn */
		out->ask_later = true;
		arm(out);
	}
}

/* XEP-0478: such a stanza is not sent at all. */
static bool
is_too_large(const struct outflow *out, size_t len)
{
	return out->terms.max_bytes != 0 && len > out->terms.max_bytes;
}

enum outflow_sent
outflow_send(struct outflow *out, const char *bytes, size_t len)
{
	if (is_too_large(out, len))
		return OUTFLOW_TOO_LARGE;
	if (!outflow_is_usable(out) || line_queued(out->line) >= LINE_QUEUE_MOST)
		return OUTFLOW_FULL;
	write_now(out, bytes, len);
	return OUTFLOW_SENT;
}

enum queue_taken
outflow_carry(struct outflow *out, const char *bytes, size_t len)
{
	if (is_too_large(out, len))
		return QUEUE_TOO_LARGE;
	if (!outflow_is_usable(out) || !carry_has_room(&out->carry) || line_queued(out->line) > CARRY_MOST) {
		out->starved = true;
		return QUEUE_NOT_NOW;
	}
	carry_sent(&out->carry, out->before + out->count.sent + 1);
	write_now(out, bytes, len);
	return QUEUE_TAKEN;
}

/* ---- what the peer says ---- */

void
outflow_manage(struct outflow *out)
{
	out->terms.managed = true;
	out->before += out->count.sent;
	out->count = (struct smacks_count){ .sent = 0 };
	out->asked = 0;
	out->ask_later = out->carry.count > 0;
	arm(out);
}

static void
go_on(struct outflow *out, uint64_t taken)
{
	out->asked = 0;
	all_taken(out, taken);
	feed_queue(out);
	ask(out);
	arm(out);
}

bool
outflow_take_a(struct outflow *out, const struct xml *element)
{
	uint32_t h;

	if (!smacks_parse_h(xml_attr(element, "h"), &h) || !smacks_count_acked(&out->count, h)) {
		line_close(out->line, STREAM_UNDEFINED_CONDITION, "that many stanzas were not sent");
		return false;
	}
	go_on(out, out->before + out->count.acked);
	return true;
}

bool
outflow_take_pong(struct outflow *out, const char *id)
{
	if (!carry_is_pong(&out->carry, id))
		return false;
	go_on(out, out->carry.pinged);
	return true;
}

void
outflow_take_goodbye(struct outflow *out)
{
	if (out->parting && !out->terms.managed) /* with stream management it has said itself what it took */
		all_taken(out, out->before + out->count.sent);
}

void
outflow_drained(struct outflow *out)
{
	feed_queue(out);
}

/* ---- life ---- */

bool
outflow_is_usable(const struct outflow *out)
{
	return !out->parting && !line_is_closing(out->line);
}

bool
outflow_is_mute(const struct outflow *out)
{
	return out->terms.mute;
}

bool
outflow_deduplicates(const struct outflow *out)
{
	return out->terms.managed && out->terms.custody;
}

struct outflow *
outflow_new(struct peers *peers, struct line *line, const char *domain, const struct outflow_terms *terms)
{
	struct outflow *out = xcalloc(1, sizeof *out);

	out->peers = peers;
	out->line = line;
	out->domain = domain;
	out->terms = *terms;
	out->timer = timer_new(peers->loop, fired, out);
	return out;
}

void
outflow_free(struct outflow **out)
{
	struct outflow *gone = *out;

	*out = NULL;
	if (gone == NULL)
		return;
	timer_free(&gone->timer);
	free(gone);
}
