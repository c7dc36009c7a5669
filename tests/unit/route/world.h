/*
 * world.h -- a router with its real store, rosters and messages, and clients whose streams end in a buffer.
 *
 * The store works in the calling thread, so that everything a stanza does has happened when client_say()
 * returns. Of a stream only the order (fifo.c) is real; timers are held in the hand (world_ring).
 */
#ifndef TESTS_UNIT_ROUTE_WORLD_H
#define TESTS_UNIT_ROUTE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/buf.h"
#include "proto/xml.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/feature.h"
#include "relay/route/router.h"
#include "relay/route/session.h"
#include "relay/store/read.h"
#include "relay/store/store.h"
#include "relay/store/txn.h"

struct fifo;
struct loop;

struct client {
	struct session *session; /* NULL: closed */
	struct fifo *fifo;
	struct buf out;          /* what it was sent */
	size_t queued;           /* what stream_queued() says */
	bool away;               /* what stream_is_away() says */
	bool managed;            /* XEP-0198: what it is sent is counted */
	uint64_t sent;
	uint64_t place;          /* of the last that it was sent, or that was put by for it */
	uint64_t replayed;       /* up to which place stream_replay() was last asked */
	int asked;               /* <r/> that it was sent */
	int holds;
	enum stream_error closed; /* stream error it was closed with */
	enum stanza_error refused; /* binding was refused with */
};
struct world {
	struct loop *loop; /* threaded only */
	struct store *store;
	struct router *router;
	char dir[64];
};

/* The features under test, and one more (NULL: none) before them. */
struct world *world_new(const struct feature *extra);
/* The same with a store that works in its own threads: nothing has happened before world_turn(). */
struct world *world_new_threaded(const struct feature *extra);
void world_turn(struct world *world); /* let 50 ms pass */
void world_free(struct world **world);
void world_user(struct world *world, const char *node);
void world_apply(struct world *world, const struct op *op); /* one operation, committed; the account is read again */
unsigned world_flags(struct world *world, const char *node, const char *contact); /* on disk */
int64_t world_pending(struct world *world, const char *node);                    /* on disk */
/* Let the timers that are set ring, once. How many did. */
int world_ring(void);

struct client *client_new(struct world *world, const char *node, const char *resource);
void client_free(struct client **client); /* closes it like a lost line */
void client_say(struct client *client, const char *xml);
size_t client_count(const struct client *client, const char *needle); /* in what it was sent */
bool client_has(const struct client *client, const char *needle);
void client_forget(struct client *client); /* what it was sent so far */
/* The id of the last ping it was sent, into id; false: none. */
bool client_ping(const struct client *client, char id[static 64]);
bool client_pong(struct client *client); /* answer it; false: there is none */

#endif
