/*
 * stream/smacks-private.h -- stream management of one stream: what smacks.c (counting, asking), resume.c (taking up again) and
 * resume_kept.c (what was sent and may have to be sent again) share.
 *
 * Two numbers a stanza: its *place* says in which order all were given to us, for the life of the session; its *number* is how
 * the client counts it, and begins anew behind what it has when the session is taken up.
 */
#ifndef RELAY_STREAM_SMACKS_PRIVATE_H
#define RELAY_STREAM_SMACKS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/digest.h"
#include "relay/stream/smacks.h"

struct arena;
struct stream;
struct xml;

/* A stanza that may have to be sent again. */
struct kept {
	struct kept *next;
	uint64_t place;
	uint64_t number; /* 0: not written on this connection */
	size_t len;
	char bytes[];
};

struct smacks {
	struct smacks_count count;
	uint64_t place; /* the last */
	size_t before;  /* stanzas from before <enable/> that are still unhandled: they do not count */
	size_t asked;   /* places in the order of stanzas whose <a/> is owed */
	bool due;       /* one of them was reached in this walk */
	/* With resumption: */
	char id[ID_LEN + 1]; /* "": none */
	bool holding;        /* taken up again: what is new waits behind what is sent again */
	uint64_t password;   /* as in the stream that enabled it */
	int64_t most;        /* seconds it may be away */
	struct kept *first, **last;
	struct kept *unsent; /* the first with number 0 */
	size_t bytes;        /* of all kept */
	size_t unasked;      /* of those, behind our last <r/> */
	uint64_t lost;       /* this one and all before it are not kept: no resumption until they are acknowledged */
};

/* smacks.c */
void smacks_tell(struct stream *stream, const struct xml *element); /* now, or with the success of the login under way */
void smacks_refuse(struct stream *stream, const char *condition, const uint32_t *h); /* <failed/>; h may be NULL */
void smacks_too_high(struct stream *stream, const struct smacks *smacks, uint32_t h);

/* resume.c */
/* <enable resume='true'/>: adds to <enabled/>. */
void resume_enabled(struct stream *stream, struct arena *arena, const struct xml *enable, struct xml *enabled);

/* resume_kept.c */
void kept_acked(struct stream *stream);                                   /* `acked` has grown */
void kept_free(struct stream *stream, struct smacks *smacks);             /* all of them */
void kept_again(struct smacks *smacks);                                   /* what is not acknowledged is to be sent again */
bool kept_complete(const struct smacks *smacks);                          /* nothing unacknowledged was given up */

#endif
