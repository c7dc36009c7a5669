/*
 * peer/link_ours.c -- a stream to a domain that we began: dialed, opened, then going one way or both (XEP-0288).
 */
#include "config.h"

#include "relay/peer/link-private.h"

#include <string.h>
#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/peer/intake.h"
#include "relay/peer/opening.h"
#include "relay/peer/outflow.h"
#include "relay/route/router.h"

/* This address is of no use: the next, unless they have come to us meanwhile. */
static void
give_up(struct link *link, const char *why)
{
	log_info(&link->log, "%s: %s", line_peer(link->line), why);
	opening_free(&link->opening);
	intake_free(&link->intake); /* of what came early: it writes to the line */
	line_free(&link->line);
	if (link->peers->stopping) {
		link_drop(link);
		return;
	}
	if (link_use_theirs(link))
		return;
	link->state = LINK_DIALING;
	dial_next(link->dial, why);
}

static struct intake *
their_intake(struct link *link)
{
	if (link->intake == NULL)
		link->intake = intake_new(link->peers, link->line, link->domain);
	return link->intake;
}

static void
take_sm(struct link *link, const struct xml *element)
{
	if (strcmp(element->name, "a") == 0)
		(void)outflow_take_a(link->own, element);
	else if (strcmp(element->name, "r") == 0 && link->intake != NULL)
		intake_take_r(link->intake);
	else if (strcmp(element->name, "r") == 0)
		line_writes(link->line, "<a xmlns='" NS_SM "' h='0'/>");
}

/* Who has proven nothing to us as a sender is not listened to (attack F7). */
static void
on_element(void *arg, struct arena *arena, struct xml *element)
{
	struct link *link = arg;

	if (link->intake != NULL && strcmp(element->ns, NS_SERVER) == 0 && stanza_kind(element) != STANZA_OTHER) {
		intake_take(link->intake, arena, element);
		return;
	}
	if (xml_is(element, "error", NS_STREAM))
		peers_hear_error(link->line, &link->log, arena, element);
	else if (strcmp(element->ns, NS_SM) == 0)
		take_sm(link, element);
	arena_free(&arena);
}

static void
on_header(void *arg, struct arena *arena, struct xml *header)
{
	struct link *link = arg;

	(void)arena;
	(void)header;
	line_close(link->line, STREAM_BAD_FORMAT, NULL);
}

static void
on_secure(void *arg)
{
	(void)arg;
}

static void
on_goodbye(void *arg)
{
	struct link *link = arg;

	outflow_take_goodbye(link->own);
	if (link->intake != NULL)
		intake_leave(link->intake);
	else
		line_close(link->line, STREAM_OK, NULL);
}

static void
on_drained(void *arg)
{
	struct link *link = arg;

	link_flush(link);
	outflow_drained(link->own);
}

static void
on_closed(void *arg, const char *why)
{
	struct link *link = arg;
	struct peers *peers = link->peers;

	log_info(&link->log, "gone: %s", why);
	link_lost(link, why);
	peers_gone(peers);
}

static const struct line_owner line_owner = {
	.header = on_header, .element = on_element, .secure = on_secure, .goodbye = on_goodbye, .drained = on_drained,
	.closed = on_closed,
};

static void
on_opened(void *arg, const struct outflow_terms *terms, bool bidi)
{
	struct link *link = arg;
	struct outflow_terms known = *terms;

	known.mute = link->mute;
	opening_free(&link->opening); /* and with it what terms points to */
	line_give(link->line, &line_owner, link);
	line_proven(link->line, link->domain);
	line_deadline(link->line, -1);
	log_info(&link->log, "reached%s%s", known.managed ? "" : ", without stream management", bidi ? ", both ways" : "");
	link->own = outflow_new(link->peers, link->line, link->domain, &known);
	if (bidi && known.managed)
		intake_manage(their_intake(link));
	else if (bidi)
		(void)their_intake(link);
	if (bidi && known.courier) {
		intake_prove(their_intake(link));
		intake_ask_key(link->intake, link->own);
	}
	link_ready(link, link->own);
	if (bidi)
		queue_seen(router_queue(link->peers->router), link->domain);
}

static void
on_early(void *arg, struct arena *arena, struct xml *stanza)
{
	struct link *link = arg;

	intake_take(their_intake(link), arena, stanza);
}

static void
on_ended(void *arg, const char *why)
{
	struct link *link = arg;
	struct peers *peers = link->peers;

	give_up(link, why);
	peers_gone(peers);
}

static const struct opening_owner opening_owner = { .opened = on_opened, .early = on_early, .ended = on_ended };

static void
on_secured(void *arg, struct line *line)
{
	struct link *link = arg;
	const char *why;

	link->line = line;
	link->state = LINK_OPENING;
	link->opening = opening_new(link->peers, line, link->domain, &link->log, &opening_owner, link, &why);
	if (link->opening != NULL)
		return;
	log_warn(&link->log, "%s is not trusted: %s", line_peer(line), why);
	give_up(link, why);
}

static void
on_failed(void *arg, enum queue_reason reason, const char *why)
{
	struct link *link = arg;
	struct peers *peers = link->peers;

	if (!link_use_theirs(link))
		link_fail(link, reason, why);
	peers_gone(peers);
}

const struct dial_owner link_dial_owner = { .secured = on_secured, .failed = on_failed };
