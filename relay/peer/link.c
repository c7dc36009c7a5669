/*
 * peer/link.c -- the way to one domain: a stream of ours, or one of theirs that takes both directions (XEP-0288).
 *
 *   IDLE -> DIALING (dial.h) -> OPENING (opening.h) -> READY (outflow.h) -> IDLE
 *     `------------ a stream of theirs is there ---------^
 *
 * What is held is the queue's and comes through link_carry(); what cannot be held waits (waiting.h) for 30 s at most. An address whose
 * relay cannot prove itself is left for the next one. Opening a stream is tried once for what waits; after a failure the next try
 * waits 2 s, doubling to 60 s, and what is asked meanwhile fails at once. The queue has a clock of its own. A domain with
 * `peer.keep` is dialed whenever there is no stream, so that it can reach us where we cannot be dialed.
 * Never: takes a stanza on a stream of ours unless both sides have agreed and the other has proven itself by certificate.
 */
#include "config.h"

#include "relay/peer/link-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/buf.h"
#include "proto/mem.h"
#include "relay/conf.h"
#include "relay/net/clock.h"
#include "relay/net/loop.h"
#include "relay/peer/border.h"
#include "relay/peer/intake.h"
#include "relay/peer/opening.h"
#include "relay/peer/outflow.h"
#include "relay/route/router.h"

enum {
	PAUSE_FIRST = 2 * 1000, /* ms after a failure */
	PAUSE_MOST = 60 * 1000,
};

static const char too_large[] = "larger than the other relay takes";

/* ---- what does not go ---- */

/* The oldest that waits. */
static void
refuse(struct link *link, enum stanza_error error, const char *text)
{
	link->missed = true;
	waiting_refuse(&link->waiting, link->peers->router, error, text);
}

static void
answer(struct link *link, const struct xml *stanza, enum stanza_error error, const char *text)
{
	link->missed = true;
	waiting_answer(link->peers->router, stanza, error, text);
}

/* ---- time ---- */

static bool
is_kept(const struct link *link)
{
	const struct conf_peer *conf = peers_conf_of(link->peers, link->domain);

	return conf != NULL && conf->keep && !link->peers->stopping;
}

static void
arm(struct link *link)
{
	int64_t at = waiting_until(&link->waiting), now = now_mono();
	int64_t redial = link->not_before > link->redial ? link->not_before : link->redial;

	if (link->state == LINK_IDLE && is_kept(link) && (at == 0 || redial < at))
		at = redial > now ? redial : now;
	if (at == 0)
		timer_clear(link->timer);
	else
		timer_set(link->timer, at > now ? (uint64_t)(at - now) : 0);
}

static void
fired(void *arg)
{
	struct link *link = arg;
	int64_t now = now_mono();

	while (link->waiting.first != NULL && waiting_until(&link->waiting) <= now)
		refuse(link, STANZA_REMOTE_SERVER_TIMEOUT, "the other relay could not be reached in time");
	if (link->state == LINK_IDLE && is_kept(link) && link->not_before <= now && link->redial <= now)
		link_begin(link);
	arm(link);
}

/* ---- sending ---- */

void
link_send(struct link *link, const struct xml *stanza)
{
	enum outflow_sent sent = OUTFLOW_FULL;
	struct buf bytes = { .data = NULL };

	border_out(&bytes, stanza);
	if (link->state == LINK_READY && link->waiting.first == NULL)
		sent = outflow_send(link->out, bytes.data, bytes.len);
	if (sent == OUTFLOW_TOO_LARGE)
		answer(link, stanza, STANZA_POLICY_VIOLATION, too_large);
	else if (sent == OUTFLOW_FULL && link->state == LINK_IDLE && now_mono() < link->not_before)
		answer(link, stanza, link->failed, "the other relay could not be reached");
	else if (sent == OUTFLOW_FULL && !waiting_add(&link->waiting, stanza, &bytes))
		answer(link, stanza, STANZA_RESOURCE_CONSTRAINT, "too much waits for the other relay");
	if (link->state == LINK_IDLE && link->waiting.first != NULL)
		link_begin(link);
	arm(link);
	buf_free(&bytes);
}

enum queue_taken
link_carry(struct link *link, const char *bytes, size_t len)
{
	return link->state == LINK_READY ? outflow_carry(link->out, bytes, len) : QUEUE_NOT_NOW;
}

/* What waits, as far as the stream takes it. */
void
link_flush(struct link *link)
{
	const char *bytes;
	size_t len;

	while (link->state == LINK_READY && (bytes = waiting_peek(&link->waiting, &len)) != NULL)
		switch (outflow_send(link->out, bytes, len)) {
		case OUTFLOW_SENT:
			waiting_drop(&link->waiting);
			break;
		case OUTFLOW_TOO_LARGE:
			refuse(link, STANZA_POLICY_VIOLATION, too_large);
			break;
		case OUTFLOW_FULL:
			return;
		}
}

/* It is there: whoever keeps no messages but a state says it again. */
static void
meet(struct link *link)
{
	bool missed = link->missed;

	link->missed = false;
	router_peer_up(link->peers->router, link->domain, missed);
}

/* There is a stream: what waits goes, then what is held. */
void
link_ready(struct link *link, struct outflow *out)
{
	link->state = LINK_READY;
	link->out = out;
	link->pause = link->not_before = 0;
	link_flush(link);
	arm(link);
	queue_up(router_queue(link->peers->router), link->domain, outflow_deduplicates(out));
	meet(link);
}

/* ---- losing it ---- */

void
link_drop(struct link *link)
{
	if (link->out != NULL)
		link->mute = outflow_is_mute(link->out);
	dial_stop(link->dial);
	opening_free(&link->opening);
	outflow_free(&link->own);
	intake_free(&link->intake);
	line_free(&link->line);
	link->out = NULL;
	link->via = NULL;
	link->state = LINK_IDLE;
}

/* Nothing more is tried for what waits. */
void
link_fail(struct link *link, enum queue_reason reason, const char *why)
{
	log_info(&link->log, "not reached: %s", why);
	link->pause = link->pause == 0 ? PAUSE_FIRST : link->pause * 2 < PAUSE_MOST ? link->pause * 2 : PAUSE_MOST;
	link->not_before = now_mono() + link->pause;
	link->failed = reason == QUEUE_UNREACHED ? STANZA_REMOTE_SERVER_TIMEOUT : STANZA_REMOTE_SERVER_NOT_FOUND;
	link_drop(link);
	for (size_t left = link->waiting.count; left > 0 && link->waiting.first != NULL; left--)
		refuse(link, link->failed, NULL);
	queue_down(router_queue(link->peers->router), link->domain, reason, why);
	arm(link);
}

void
link_lost(struct link *link, const char *why)
{
	link->missed = true;
	link_drop(link);
	link->redial = now_mono() + PAUSE_FIRST;
	queue_down(router_queue(link->peers->router), link->domain, QUEUE_UNREACHED, why);
	if (link->waiting.first != NULL)
		link_begin(link);
	arm(link);
}

/* ---- a stream of theirs ---- */

bool
link_use_theirs(struct link *link)
{
	struct inbound *in = inbound_both_ways(link->peers, link->domain);

	if (in == NULL)
		return false;
	link_drop(link);
	link->via = in;
	log_debug(&link->log, "reached by a stream of theirs");
	link_ready(link, inbound_outflow(in));
	return true;
}

void
link_there(struct link *link)
{
	/* one of ours that somebody has answered goes on: else both sides could each give up theirs for the other's */
	if (link->state == LINK_IDLE || (link->state == LINK_DIALING && !dial_is_heard(link->dial)))
		(void)link_use_theirs(link);
}

void
link_gone(struct link *link, const struct inbound *in, const char *why)
{
	if (link->via == in)
		link_lost(link, why);
}

void
link_drained(struct link *link, const struct inbound *in)
{
	if (link->via != in)
		return;
	link_flush(link);
	outflow_drained(link->out);
}

void
link_begin(struct link *link)
{
	if (link->peers->stopping || link_use_theirs(link))
		return;
	link->state = LINK_DIALING;
	dial_begin(link->dial);
}

/* ---- what others ask ---- */

void
link_want(struct link *link)
{
	if (link->state == LINK_READY)
		queue_up(router_queue(link->peers->router), link->domain, outflow_deduplicates(link->out));
	else if (link->state == LINK_IDLE)
		link_begin(link);
}

void
link_seen(struct link *link)
{
	link->mute = false;
	link->not_before = link->pause = 0;
	arm(link);
	if (link->state == LINK_IDLE)
		meet(link);
}

bool
link_pong(struct link *link, const char *id)
{
	return link->state == LINK_READY && outflow_take_pong(link->out, id);
}

bool
link_is_open(const struct link *link)
{
	return link->line != NULL || dial_is_heard(link->dial);
}

void
link_keep(struct link *link)
{
	arm(link);
}

/* Of no use now, so that strangers' domains do not fill the table. */
static bool
is_idle(const struct link *link)
{
	return link->state == LINK_IDLE && link->waiting.first == NULL && link->not_before <= now_mono() && !is_kept(link);
}

void
link_close(struct link *link)
{
	if (link->state == LINK_READY && link->own != NULL)
		outflow_part(link->own); /* what is under way may yet be acknowledged */
	else if (link->state == LINK_OPENING)
		line_close(link->line, STREAM_OK, NULL);
	else
		link_drop(link);
}

/* ---- life ---- */

static struct link *
link_new(struct peers *peers, const char *domain)
{
	struct link *link = xcalloc(1, sizeof *link);

	link->peers = peers;
	link->domain = xstrdup(domain);
	link->dial = dial_new(peers, link->domain, &link->log, &link_dial_owner, link);
	if (link->dial == NULL) {
		free(link->domain);
		free(link);
		return NULL;
	}
	waiting_init(&link->waiting);
	peers_name_log(&link->log, link->domain);
	link->timer = timer_new(peers->loop, fired, link);
	link->next = peers->links;
	link->back = &peers->links;
	if (link->next != NULL)
		link->next->back = &link->next;
	peers->links = link;
	peers->link_count++;
	return link;
}

void
link_free(struct link *link)
{
	link_drop(link);
	while (link->waiting.first != NULL)
		waiting_drop(&link->waiting);
	*link->back = link->next;
	if (link->next != NULL)
		link->next->back = link->back;
	link->peers->link_count--;
	timer_free(&link->timer);
	dial_free(&link->dial);
	free(link->domain);
	free(link);
}

struct link *
link_find(const struct peers *peers, const char *domain)
{
	for (struct link *link = peers->links; link != NULL; link = link->next)
		if (strcmp(link->domain, domain) == 0)
			return link;
	return NULL;
}

struct link *
link_to(struct peers *peers, const char *domain)
{
	struct link *link = link_find(peers, domain), *idle = peers->links;

	if (link != NULL)
		return link;
	while (peers->link_count >= LINKS_MOST && idle != NULL && !is_idle(idle))
		idle = idle->next;
	if (peers->link_count >= LINKS_MOST && idle != NULL)
		link_free(idle);
	return peers->link_count >= LINKS_MOST ? NULL : link_new(peers, domain);
}

struct link *
link_next(struct link *link)
{
	return link->next;
}
