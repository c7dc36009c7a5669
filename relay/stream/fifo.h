/*
 * stream/fifo.h -- the order of one stream's stanzas (design 3.1): handled when done and all before it are done.
 *
 * Outlives the stream while slots are undone: their replies then go nowhere, their callbacks still run, in order.
 * The slot_* functions are in stream.h.
 */
#ifndef RELAY_STREAM_FIFO_H
#define RELAY_STREAM_FIFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fifo;
struct slot;
struct stream;

struct fifo_owner {
	void (*reply)(struct stream *stream, const char *bytes, size_t len); /* one of a handled slot's replies */
	/* A slot is handled; asked: fifo_ask() waits for it. Its slot_after functions run behind. NULL: nobody counts. */
	void (*handled)(struct stream *stream, bool asked);
	void (*moved)(struct stream *stream); /* a slot was decided or handled; called at the end of it */
	void (*lost)(struct stream *stream); /* slot_lose(). NULL: for a client, who was told */
	bool foreign; /* `stream` stands for something else (another relay's stream): slot_stream() tells nobody of it */
};

/* all: counts what is unhandled in all streams' rows together; borrowed until fifo_leave. */
struct fifo *fifo_new(const struct fifo_owner *owner, struct stream *stream, size_t *all);
/* The stream is gone. Frees itself when the last slot is handled. */
void fifo_leave(struct fifo **fifo);
/* Before that: the session's id and the number of its last stanza, for slot_counter() of one that is decided only afterwards. */
void fifo_leave_number(struct fifo *fifo, const char *id, uint32_t h);
bool fifo_left(const struct slot *slot, const char **id_r, uint32_t *h_r); /* false: none was left, or for another slot */

/* Another stream goes on with it. */
void fifo_move(struct fifo *fifo, struct stream *stream);

struct slot *fifo_add(struct fifo *fifo);
size_t fifo_unhandled(const struct fifo *fifo);
/* Tell `handled` when all that is here now has been. */
enum fifo_ask { FIFO_NOTHING /* is unhandled */, FIFO_ASKED, FIFO_ASKED_AGAIN /* one telling for both */ };
enum fifo_ask fifo_ask(struct fifo *fifo);
bool fifo_is_undecided(const struct fifo *fifo); /* the newest slot: the next stanza must wait */
/* While held, no slot becomes handled; what is done waits. Leaving ends it. */
void fifo_hold(struct fifo *fifo, bool held);

#endif
