/*
 * peer/link-private.h -- what link.c (one domain: what goes to it, and when a stream is opened) and link_ours.c (a stream that we began)
 * share.
 */
#ifndef RELAY_PEER_LINK_PRIVATE_H
#define RELAY_PEER_LINK_PRIVATE_H

#include "relay/log.h"
#include "relay/peer/dial.h"
#include "relay/peer/peer-private.h"
#include "relay/peer/waiting.h"

struct intake;
struct opening;
struct outflow;

enum link_state { LINK_IDLE, LINK_DIALING, LINK_OPENING, LINK_READY };

struct link {
	struct link *next, **back;
	struct peers *peers;
	char *domain;
	struct dial *dial;
	struct opening *opening; /* in LINK_OPENING */
	struct line *line;       /* ours; in LINK_OPENING and LINK_READY */
	struct outflow *own;     /* on our line */
	struct intake *intake;   /* on our line; NULL: it goes one way */
	struct inbound *via;     /* in LINK_READY without a line: whose outflow `out` is */
	struct outflow *out;     /* in LINK_READY: own, or borrowed */
	struct timer *timer;
	struct waiting waiting;
	int64_t not_before, pause; /* monotonic ms, ms: after a failure */
	int64_t redial;            /* monotonic ms: when it is kept and was lost */
	enum stanza_error failed; /* why, until then */
	enum link_state state;
	bool mute;   /* it does not answer pings */
	bool missed; /* something that was to be sent was not, or nobody knows */
	struct log log;
};

/* link.c */
void link_begin(struct link *link); /* use a stream of theirs, or dial */
bool link_use_theirs(struct link *link); /* false: there is none */
void link_ready(struct link *link, struct outflow *out);
void link_flush(struct link *link);
void link_drop(struct link *link);  /* all of ours, at once */
void link_fail(struct link *link, enum queue_reason reason, const char *why); /* nothing more is tried for what waits */
void link_lost(struct link *link, const char *why); /* it was LINK_READY */

/* link_ours.c */
extern const struct dial_owner link_dial_owner;

#endif
