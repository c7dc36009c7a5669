/*
 * peer/inbound.c -- streams that other relays begin (RFC 6120, XEP-0178, 0198, 0220, 0288, 0368, 0478).
 *
 *   CLEAR -- <starttls/> --> AUTH -- EXTERNAL, or a dialback key --> READY        (direct TLS begins at AUTH)
 *
 * Before TLS nothing but <starttls/>, before authentication nothing but what serves it. Then stanzas come (intake.h), and go if they have
 * asked for both ways: from the first thing they say on, since most agree first that both sides count.
 * DIAGNOSTICS: host-unknown, invalid-from, not-authorized with what is missing in the certificate.
 */
#include "config.h"

#include "relay/peer/inbound-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/peer/intake.h"
#include "relay/peer/outflow.h"
#include "relay/peer/verify.h"
#include "relay/tally.h"

/* ---- life ---- */

void
inbound_claim(struct inbound *in, const char *domain)
{
	char *copy = xstrdup(domain);

	free(in->domain);
	in->domain = copy;
	in->log.who = in->domain;
}

void
inbound_ready(struct inbound *in, const char *by)
{
	in->state = INBOUND_READY;
	in->intake = intake_new(in->peers, in->line, in->domain);
	in->terms.courier = in->terms.courier && in->proven;
	if (in->terms.courier)
		intake_prove(in->intake);
	line_proven(in->line, in->domain);
	line_deadline(in->line, -1);
	log_info(&in->log, "is here, by %s%s", by, in->bidi ? ", both ways" : "");
	if (!in->bidi) /* else one that goes both ways is worth waiting for: what it says next */
		peers_seen(in->peers, in->domain);
}

/* Theirs to write to from here on. */
static void
go_both_ways(struct inbound *in)
{
	if (!in->bidi || in->out != NULL)
		return;
	in->out = outflow_new(in->peers, in->line, in->domain, &in->terms);
	if (in->terms.courier)
		intake_ask_key(in->intake, in->out);
	peers_there(in->peers, in->domain);
}

void
inbound_free(struct inbound *in)
{
	*in->back = in->next;
	if (in->next != NULL)
		in->next->back = in->back;
	in->peers->inbound_count--;
	verify_cancel(&in->verify);
	outflow_free(&in->out);
	intake_free(&in->intake);
	line_free(&in->line);
	if (in->on_gone != NULL)
		in->on_gone(in->gone_arg, in->peer);
	free(in->domain);
	free(in);
}

static void
on_closed(void *arg, const char *why)
{
	struct inbound *in = arg;
	struct peers *peers = in->peers;
	char *domain = in->out == NULL ? NULL : xstrdup(in->domain);

	log_info(&in->log, "gone: %s", why);
	if (domain != NULL)
		peers_left(peers, in, domain, why);
	inbound_free(in);
	free(domain);
	peers_gone(peers);
}

/* </stream:stream>: what came before it is handled first. */
static void
on_goodbye(void *arg)
{
	struct inbound *in = arg;

	if (in->out != NULL)
		outflow_take_goodbye(in->out);
	if (in->intake != NULL)
		intake_leave(in->intake);
	else
		line_close(in->line, STREAM_OK, NULL);
}

void
inbound_close(struct inbound *in, enum stream_error error)
{
	if (in->intake != NULL)
		intake_say_last(in->intake);
	line_close(in->line, error, NULL);
}

void
inbound_go_on(struct inbound *in)
{
	if (in->intake != NULL)
		intake_go_on(in->intake);
}

struct inbound *
inbound_next(struct inbound *in)
{
	return in->next;
}

bool
inbound_make_room(struct peers *peers, const char *domain)
{
	size_t all = 0, open = 0;
	struct inbound *oldest = NULL;

	for (struct inbound *in = peers->inbounds; in != NULL; in = in->next) { /* the newest first */
		if (in->state != INBOUND_READY || strcmp(in->domain, domain) != 0)
			continue;
		all++;
		if (line_is_closing(in->line))
			continue;
		open++;
		oldest = in;
	}
	if (all >= 2 * INBOUND_OF_ONE)
		return false;
	if (open >= INBOUND_OF_ONE)
		inbound_close(oldest, STREAM_CONFLICT); /* RFC 6120 4.9.3.3 */
	return true;
}

struct inbound *
inbound_both_ways(const struct peers *peers, const char *domain)
{
	for (struct inbound *in = peers->inbounds; in != NULL; in = in->next)
		if (in->out != NULL && strcmp(in->domain, domain) == 0 && outflow_is_usable(in->out))
			return in;
	return NULL;
}

struct outflow *
inbound_outflow(const struct inbound *in)
{
	return in->out;
}

/* ---- READY ---- */

static void
take_enable(struct inbound *in)
{
	if (in->terms.managed) {
		line_writes(in->line, "<failed xmlns='" NS_SM "'><unexpected-request xmlns='" NS_STANZA_ERRORS "'/></failed>");
		return;
	}
	in->terms.managed = true;
	line_writes(in->line, "<enabled xmlns='" NS_SM "'/>");
	intake_manage(in->intake);
	if (in->out != NULL) /* Prosody says stanzas first */
		outflow_manage(in->out);
}

static void
take_sm(struct inbound *in, const struct xml *element)
{
	if (strcmp(element->name, "enable") == 0)
		take_enable(in);
	else if (strcmp(element->name, "resume") == 0)
		line_writes(in->line, "<failed xmlns='" NS_SM "'><item-not-found xmlns='" NS_STANZA_ERRORS "'/></failed>");
	else if (in->terms.managed && strcmp(element->name, "r") == 0)
		intake_take_r(in->intake);
	else if (in->terms.managed && strcmp(element->name, "a") == 0 && in->out != NULL)
		(void)outflow_take_a(in->out, element);
	else if (!in->terms.managed || strcmp(element->name, "a") != 0) /* without both ways: of no stanza of ours */
		line_close(in->line, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}

static void
take_ready(struct inbound *in, struct arena *arena, struct xml *element)
{
	bool dialback = inbound_take_dialback(in, arena, element);

	if (!dialback && strcmp(element->ns, NS_SERVER) == 0 && stanza_kind(element) != STANZA_OTHER) {
		intake_take(in->intake, arena, element);
		go_both_ways(in);
		return;
	}
	if (!dialback && strcmp(element->ns, NS_SM) == 0) {
		take_sm(in, element);
		go_both_ways(in);
	} else if (!dialback) {
		line_close(in->line, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
	}
	arena_free(&arena);
}

/* ---- the line ---- */

static void
on_header(void *arg, struct arena *arena, struct xml *header)
{
	inbound_take_header(arg, arena, header);
}

static void
on_secure(void *arg)
{
	struct inbound *in = arg;

	in->state = INBOUND_AUTH;
	log_debug(&in->log, "private by %s", line_tls_version(in->line));
	line_deadline(in->line, WAIT_READY);
}

static void
on_drained(void *arg)
{
	struct inbound *in = arg;

	if (in->out != NULL)
		peers_drained(in->peers, in, in->domain);
}

static void
on_element(void *arg, struct arena *arena, struct xml *element)
{
	static void (*const takes[])(struct inbound *, struct arena *, struct xml *) = {
		[INBOUND_CLEAR] = inbound_take_clear, [INBOUND_AUTH] = inbound_take_auth, [INBOUND_READY] = take_ready,
	};
	struct inbound *in = arg;

	if (!xml_is(element, "error", NS_STREAM)) {
		takes[in->state](in, arena, element);
		return;
	}
	peers_hear_error(in->line, &in->log, arena, element);
	arena_free(&arena);
}

static const struct line_owner line_owner = {
	.header = on_header, .element = on_element, .secure = on_secure, .goodbye = on_goodbye, .drained = on_drained,
	.closed = on_closed,
};

void
inbound_accept(struct peers *peers, int fd, bool direct, void (*on_gone)(void *arg, const char *peer), void *arg)
{
	struct inbound *in = xcalloc(1, sizeof *in);

	in->peers = peers;
	in->on_gone = on_gone;
	in->gone_arg = arg;
	address_of_peer(fd, in->peer);
	peers_name_log(&in->log, in->peer);
	in->next = peers->inbounds;
	in->back = &peers->inbounds;
	if (in->next != NULL)
		in->next->back = &in->next;
	peers->inbounds = in;
	peers->inbound_count++;
	in->line = line_new(peers, fd, &line_owner, in, &in->log);
	if (in->line == NULL) {
		inbound_free(in);
		return;
	}
	tally_add(TALLY_CONNECTIONS, 1);
	line_deadline(in->line, WAIT_TLS);
	if (peers->inbound_count <= INBOUND_MOST && direct)
		line_start_tls(in->line, NULL, true);
	else if (direct)
		inbound_free(in); /* nothing can be said before TLS */
	else if (peers->inbound_count > INBOUND_MOST)
		line_close(in->line, STREAM_RESOURCE_CONSTRAINT, "too many streams");
}
