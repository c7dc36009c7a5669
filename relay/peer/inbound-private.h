/*
 * peer/inbound-private.h -- what inbound.c (life and stanzas of a stream that another relay began), inbound_auth.c (headers, features,
 * certificates) and inbound_dialback.c share.
 */
#ifndef RELAY_PEER_INBOUND_PRIVATE_H
#define RELAY_PEER_INBOUND_PRIVATE_H

#include "relay/log.h"
#include "relay/net/address.h"
#include "relay/peer/outflow.h"
#include "relay/peer/peer-private.h"

struct arena;
struct intake;
struct verify;
struct xml;

enum inbound_state { INBOUND_CLEAR, INBOUND_AUTH, INBOUND_READY };

struct inbound {
	struct inbound *next, **back;
	struct peers *peers;
	struct line *line;
	struct intake *intake; /* in INBOUND_READY */
	struct outflow *out;   /* in INBOUND_READY, when it goes both ways */
	struct verify *verify; /* their key is being asked about; the line is held */
	char *domain; /* whom it says it is; in INBOUND_READY: proven. NULL: has not said */
	char id[ID_LEN + 1]; /* of the stream */
	void (*on_gone)(void *arg, const char *peer);
	void *gone_arg;
	struct outflow_terms terms; /* managed: also of what comes in */
	unsigned keys; /* dialback keys that came to nothing */
	enum inbound_state state;
	bool proven; /* by certificate */
	bool bidi; /* XEP-0288: they take stanzas here */
	struct log log;
	char peer[ADDRESS_TEXT];
};

/* inbound.c */
void inbound_claim(struct inbound *in, const char *domain); /* they say it is theirs */
void inbound_ready(struct inbound *in, const char *by);     /* proven; in->domain is set */

/* inbound_auth.c */
void inbound_take_header(struct inbound *in, struct arena *arena, const struct xml *header);
void inbound_take_clear(struct inbound *in, struct arena *arena, struct xml *element); /* these take the arena */
void inbound_take_auth(struct inbound *in, struct arena *arena, struct xml *element);

/* inbound_dialback.c. False: it is no element of dialback, or dialback is off. */
bool inbound_take_dialback(struct inbound *in, struct arena *arena, const struct xml *element);

#endif
