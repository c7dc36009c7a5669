/*
 * peer/courier.h -- courier keys over the line (proto/spec/courier.md 4.1): on a stream on which both sides have proven themselves by
 * certificate, each asks the other for its key once.
 *
 * The first that a domain shows is believed; a different one later is only kept for the operator to look at, and logged once. Ours is
 * made when it is first asked for.
 * Never: listens on a stream of dialback, to what answers no question of this very stream, or to a key that is for another domain.
 */
#ifndef RELAY_PEER_COURIER_H
#define RELAY_PEER_COURIER_H

#include <stdbool.h>
#include "proto/digest.h"

struct arena;
struct outflow;
struct peers;
struct xml;

/* What has been said on one stream. Zeroed at its beginning. */
struct courier_talk {
	char asked[ID_LEN + 1]; /* our question; "": none, or answered */
	unsigned answered;      /* questions of theirs */
};

void courier_ask(struct peers *peers, const char *domain, struct outflow *out, struct courier_talk *talk);
/* A stanza from `domain` on such a stream; true: it belonged to this, and is done with. */
bool courier_take(struct peers *peers, const char *domain, struct courier_talk *talk, struct arena *arena, const struct xml *stanza);

#endif
