/*
 * stream/fifo.c -- slots: the order in which a stream's stanzas are handled: see fifo.h and stream.h.
 *
 *   fifo_add -> UNDECIDED -> slot_decided -> DECIDED -> slot_done -> DONE -> (all before it too) handled: replies
 *   leave, slot_after callbacks run, freed
 *
 * Never: gives a reply out before its turn, or twice; knows what a reply says.
 */
#include "config.h"

#include "relay/stream/fifo.h"

#include <assert.h>
#include <stdlib.h>
#include "proto/buf.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xmlout.h"
#include "relay/stream/stream.h"

struct after {
	struct after *next;
	void (*fn)(void *arg);
	void *arg;
};

struct reply {
	struct reply *next;
	struct buf bytes;
};

struct slot {
	struct slot *next;
	struct fifo *fifo;
	struct reply *replies, **replies_end;
	struct after *first, **last;
	bool decided, done;
	bool asked; /* fifo_ask() */
};

struct fifo {
	const struct fifo_owner *owner;
	struct stream *stream; /* NULL: gone */
	struct slot *first, **last, *newest;
	size_t unhandled;
	size_t *all; /* the same of all streams; NULL: gone */
	bool advancing;
	bool held;      /* fifo_hold() */
	bool lost;      /* slot_lose(): nothing is counted any more */
	bool undecided; /* the newest slot is */
	char *left_id;  /* fifo_leave_number(); NULL: none */
	uint32_t left_h;
};

static void advance(struct fifo *fifo);

struct fifo *
fifo_new(const struct fifo_owner *owner, struct stream *stream, size_t *all)
{
	struct fifo *fifo = xcalloc(1, sizeof *fifo);

	fifo->owner = owner;
	fifo->stream = stream;
	fifo->all = all;
	fifo->last = &fifo->first;
	return fifo;
}

static void
free_if_over(struct fifo *fifo)
{
	if (fifo->stream == NULL && fifo->first == NULL && !fifo->advancing) {
		free(fifo->left_id);
		free(fifo);
	}
}

void
fifo_leave_number(struct fifo *fifo, const char *id, uint32_t h)
{
	free(fifo->left_id);
	fifo->left_id = xstrdup(id);
	fifo->left_h = h;
}

bool
fifo_left(const struct slot *slot, const char **id_r, uint32_t *h_r)
{
	const struct fifo *fifo = slot->fifo;

	if (fifo->left_id == NULL || slot != fifo->newest)
		return false;
	*id_r = fifo->left_id;
	*h_r = fifo->left_h;
	return true;
}

void
fifo_leave(struct fifo **fifo)
{
	struct fifo *leaving = *fifo;

	*fifo = NULL;
	*leaving->all -= leaving->unhandled;
	leaving->all = NULL;
	leaving->stream = NULL;
	leaving->held = false;
	if (leaving->first == NULL || leaving->advancing)
		free_if_over(leaving);
	else
		advance(leaving); /* frees it when nothing is left */
}

void
fifo_move(struct fifo *fifo, struct stream *stream)
{
	fifo->stream = stream;
}

void
fifo_hold(struct fifo *fifo, bool held)
{
	fifo->held = held;
	if (!held)
		advance(fifo);
}

struct slot *
fifo_add(struct fifo *fifo)
{
	struct slot *slot = xcalloc(1, sizeof *slot);

	assert(fifo->stream != NULL && !fifo->undecided);
	slot->fifo = fifo;
	slot->last = &slot->first;
	slot->replies_end = &slot->replies;
	*fifo->last = slot;
	fifo->last = &slot->next;
	fifo->newest = slot;
	fifo->unhandled++;
	++*fifo->all;
	fifo->undecided = true;
	return slot;
}

size_t
fifo_unhandled(const struct fifo *fifo)
{
	return fifo->unhandled;
}

enum fifo_ask
fifo_ask(struct fifo *fifo)
{
	if (fifo->first == NULL)
		return FIFO_NOTHING;
	if (fifo->newest->asked)
		return FIFO_ASKED_AGAIN;
	fifo->newest->asked = true;
	return FIFO_ASKED;
}

bool
fifo_is_undecided(const struct fifo *fifo)
{
	return fifo->undecided;
}

static void
give_replies(struct slot *slot)
{
	struct reply *reply;

	while ((reply = slot->replies) != NULL) {
		slot->replies = reply->next;
		if (slot->fifo->stream != NULL)
			slot->fifo->owner->reply(slot->fifo->stream, reply->bytes.data, reply->bytes.len);
		buf_free(&reply->bytes);
		free(reply);
	}
}

static void
run_afters(struct slot *slot)
{
	struct after *after;

	while ((after = slot->first) != NULL) {
		slot->first = after->next;
		after->fn(after->arg);
		free(after);
	}
}

/* Handle the done ones at the front. A callback may end other slots of this fifo: they join this walk. */
static void
advance(struct fifo *fifo)
{
	struct slot *slot;

	if (fifo->advancing)
		return;
	fifo->advancing = true;
	while (!fifo->held && (slot = fifo->first) != NULL && slot->done) {
		fifo->first = slot->next;
		if (fifo->first == NULL)
			fifo->last = &fifo->first;
		fifo->unhandled--;
		if (fifo->all != NULL)
			--*fifo->all;
		give_replies(slot);
		if (fifo->stream != NULL && fifo->owner->handled != NULL && !fifo->lost)
			fifo->owner->handled(fifo->stream, slot->asked);
		run_afters(slot);
		free(slot);
	}
	fifo->advancing = false;
	if (fifo->stream != NULL)
		fifo->owner->moved(fifo->stream);
	free_if_over(fifo);
}

struct stream *
slot_stream(struct slot *slot)
{
	return slot->fifo->owner->foreign ? NULL : slot->fifo->stream;
}

void
slot_reply(struct slot *slot, const struct xml *stanza)
{
	struct reply *reply;

	if (slot->fifo->stream == NULL)
		return;
	reply = xcalloc(1, sizeof *reply);
	xmlout(&reply->bytes, stanza, NS_CLIENT);
	*slot->replies_end = reply;
	slot->replies_end = &reply->next;
}

void
slot_after(struct slot *slot, void (*fn)(void *arg), void *arg)
{
	struct after *after = xcalloc(1, sizeof *after);

	after->fn = fn;
	after->arg = arg;
	*slot->last = after;
	slot->last = &after->next;
}

/* Slots are decided in order, because the next one is only made afterwards. */
static void
decide(struct slot *slot)
{
	if (!slot->decided)
		slot->fifo->undecided = false;
	slot->decided = true;
}

void
slot_decided(struct slot *slot)
{
	decide(slot);
	if (slot->fifo->stream != NULL)
		slot->fifo->owner->moved(slot->fifo->stream);
}

void
slot_lose(struct slot **slot_p)
{
	struct fifo *fifo = (*slot_p)->fifo;

	if (!fifo->lost && fifo->stream != NULL && fifo->owner->lost != NULL)
		fifo->owner->lost(fifo->stream);
	fifo->lost = true;
	slot_done(slot_p);
}

void
slot_done(struct slot **slot_p)
{
	struct slot *slot = *slot_p;

	*slot_p = NULL;
	assert(!slot->done);
	decide(slot);
	slot->done = true;
	advance(slot->fifo);
}
