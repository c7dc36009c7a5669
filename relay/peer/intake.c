/*
 * peer/intake.c -- see intake.h.
 */
#include "config.h"

#include "relay/peer/intake.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/peer/border.h"
#include "relay/peer/courier.h"
#include "relay/peer/peer-private.h"
#include "relay/peer/waiting.h"
#include "relay/route/router.h"
#include "relay/store/store.h"
#include "relay/stream/fifo.h"
#include "relay/stream/stream.h"

struct intake {
	struct peers *peers;
	struct line *line;
	const char *domain;
	struct fifo *fifo;
	uint32_t handled; /* XEP-0198's h */
	size_t before;    /* stanzas from before it was enabled */
	size_t asked;     /* places whose <a/> is owed */
	struct courier_talk talk;
	bool managed, due, leaving, for_room;
	bool proven; /* both sides, by certificate */
};

/* ---- handled ---- */

/* stream/fifo.h carries the pointer only; owner.foreign keeps it from being taken for a client's stream. */
static struct intake *
of_stream(struct stream *stream)
{
	return (struct intake *)(void *)stream;
}

static void
no_reply(struct stream *stream, const char *bytes, size_t len)
{
	(void)stream; /* answers go the way of all stanzas to that domain */
	(void)bytes;
	(void)len;
}

static void
write_a(struct intake *intake)
{
	struct buf out = { .data = NULL };

	buf_printf(&out, "<a xmlns='" NS_SM "' h='%" PRIu32 "'/>", intake->handled);
	line_write(intake->line, out.data, out.len);
	buf_free(&out);
}

static void
on_handled(struct stream *stream, bool asked)
{
	struct intake *intake = of_stream(stream);

	if (!intake->managed)
		return;
	if (intake->before > 0)
		intake->before--;
	else
		intake->handled++; /* after 2^32-1 comes 0 (section 4) */
	if (asked && intake->asked > 0) {
		intake->asked--;
		intake->due = true;
	}
}

static bool
is_held(const struct intake *intake)
{
	size_t unhandled = fifo_unhandled(intake->fifo);

	return fifo_is_undecided(intake->fifo) || intake->for_room || intake->leaving || unhandled >= UNHANDLED_MOST ||
	    (unhandled >= UNHANDLED_LEAST && intake->peers->unhandled >= UNHANDLED_ALL);
}

static void
leave_if_done(struct intake *intake)
{
	if (!intake->leaving || fifo_unhandled(intake->fifo) > 0)
		return;
	intake_say_last(intake);
	line_close(intake->line, STREAM_OK, NULL);
}

static void
on_moved(struct stream *stream)
{
	struct intake *intake = of_stream(stream);

	if (intake->due) {
		intake->due = false;
		write_a(intake);
	}
	leave_if_done(intake);
	line_hold(intake->line, is_held(intake));
}

/* Our disk is full, or fails: it stays theirs (design 3.4), and comes again. */
static void
on_lost(struct stream *stream)
{
	line_close(of_stream(stream)->line, STREAM_RESOURCE_CONSTRAINT, "what you send cannot be kept now");
}

static const struct fifo_owner fifo_owner = {
	.reply = no_reply, .handled = on_handled, .moved = on_moved, .lost = on_lost, .foreign = true,
};

void
intake_manage(struct intake *intake)
{
	intake->managed = true;
	intake->before = fifo_unhandled(intake->fifo);
}

void
intake_prove(struct intake *intake)
{
	intake->proven = true;
}

void
intake_ask_key(struct intake *intake, struct outflow *out)
{
	courier_ask(intake->peers, intake->domain, out, &intake->talk);
}

void
intake_take_r(struct intake *intake)
{
	switch (fifo_ask(intake->fifo)) {
	case FIFO_NOTHING:
		write_a(intake);
		break;
	case FIFO_ASKED:
		intake->asked++;
		break;
	case FIFO_ASKED_AGAIN:
		break;
	}
}

void
intake_leave(struct intake *intake)
{
	intake->leaving = true;
	line_deadline(intake->line, WAIT_TLS);
	leave_if_done(intake);
}

void
intake_say_last(struct intake *intake)
{
	if (intake->managed && !line_is_closing(intake->line))
		write_a(intake);
}

void
intake_go_on(struct intake *intake)
{
	intake->for_room = false;
	if (!line_is_closing(intake->line))
		line_hold(intake->line, is_held(intake));
}

/* ---- stanzas ---- */

/* Is this the domain of the address, whatever stands around it? */
static bool
is_of(struct arena *arena, const char *address, const char *domain)
{
	const char *bare = arena_strndup(arena, address, strcspn(address, "/")), *at = strchr(bare, '@');
	struct jid jid;

	return jid_parse_text(arena, at == NULL ? bare : at + 1, &jid) && jid.node == NULL && strcmp(jid.domain, domain) == 0;
}

/* The domains: a stanza must have both addresses (RFC 6120 8.1.1.2, 8.1.2.2). */
static enum stream_error
check_addresses(const struct intake *intake, struct arena *arena, const struct xml *stanza)
{
	const char *from = xml_attr(stanza, "from"), *to = xml_attr(stanza, "to"), *bare;
	struct jid jid;

	if (from == NULL || to == NULL)
		return STREAM_IMPROPER_ADDRESSING;
	if (!is_of(arena, from, intake->domain))
		return STREAM_INVALID_FROM;
	if (is_of(arena, to, intake->peers->domain))
		return STREAM_OK;
	bare = arena_strndup(arena, to, strcspn(to, "/"));
	return jid_parse_text(arena, bare, &jid) ? STREAM_HOST_UNKNOWN : STREAM_IMPROPER_ADDRESSING;
}

/* Both addresses canonical. Else the stanza goes no further, and the stream goes on: one user's name that is a JID for a laxer
 * server is not to cut off all who are there (RFC 6120 8.3.3.8). */
static bool
prepare(const struct intake *intake, struct arena *arena, struct xml *stanza)
{
	struct jid from, to;

	if (!jid_parse_text(arena, xml_attr(stanza, "from"), &from))
		return false; /* there is nobody to tell */
	xml_set(arena, stanza, "from", jid_text(arena, &from));
	if (jid_parse_text(arena, xml_attr(stanza, "to"), &to)) {
		xml_set(arena, stanza, "to", jid_text(arena, &to));
		return true;
	}
	xml_set(arena, stanza, "to", intake->peers->domain); /* who answers */
	waiting_answer(intake->peers->router, stanza, STANZA_JID_MALFORMED, "the address that it was for is none");
	return false;
}

void
intake_take(struct intake *intake, struct arena *arena, struct xml *stanza)
{
	enum stream_error error = check_addresses(intake, arena, stanza);
	struct slot *slot;

	if (error != STREAM_OK) {
		line_close(intake->line, error, NULL);
		arena_free(&arena);
		return;
	}
	border_in(stanza);
	slot = fifo_add(intake->fifo);
	if (!prepare(intake, arena, stanza) || peers_pong(intake->peers, intake->domain, stanza) ||
	    (intake->proven && courier_take(intake->peers, intake->domain, &intake->talk, arena, stanza))) {
		slot_done(&slot);
		arena_free(&arena);
		return;
	}
	router_receive(intake->peers->router, slot, arena, stanza);
	if (!intake->for_room && store_is_full(router_store(intake->peers->router))) {
		intake->for_room = true;
		router_wait_for_room(intake->peers->router);
	}
	line_hold(intake->line, is_held(intake));
}

/* ---- life ---- */

struct intake *
intake_new(struct peers *peers, struct line *line, const char *domain)
{
	struct intake *intake = xcalloc(1, sizeof *intake);

	intake->peers = peers;
	intake->line = line;
	intake->domain = domain;
	intake->fifo = fifo_new(&fifo_owner, (struct stream *)(void *)intake, &peers->unhandled);
	return intake;
}

void
intake_free(struct intake **intake)
{
	struct intake *gone = *intake;

	*intake = NULL;
	if (gone == NULL)
		return;
	fifo_leave(&gone->fifo);
	free(gone);
}
