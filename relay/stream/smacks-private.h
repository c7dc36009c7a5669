/*
 * stream/smacks-private.h -- stream management of one stream: what smacks.c (counting, asking) and resume.c (keeping what was
 * sent, taking up again) share.
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
struct kept;

struct smacks {
	struct smacks_count count;
	size_t before; /* stanzas from before <enable/> that are still unhandled: they do not count */
	size_t asked;  /* places in the order of stanzas whose <a/> is owed */
	bool due;      /* one of them was reached in this walk */
	/* With resumption: */
	char id[ID_LEN + 1]; /* "": none */
	struct kept *first, **last;
	size_t bytes;      /* of those */
	size_t unasked;    /* of those, behind our last <r/> */
	uint64_t lost;     /* this one and all before it are not kept: no resumption until they are acknowledged */
};

/* smacks.c */
void smacks_tell(struct stream *stream, const struct xml *element); /* now, or with the success of the login under way */
void smacks_refuse(struct stream *stream, const char *condition, const struct smacks *known); /* <failed/>; known or NULL: its h */
void smacks_too_high(struct stream *stream, const struct smacks *smacks, uint32_t h);

/* resume.c */
void resume_enabled(struct stream *stream, struct arena *arena, struct xml *enabled); /* <enable resume='true'/> */
void resume_acked(struct stream *stream);                                 /* `acked` has grown */
void resume_forget(struct stream *stream, struct smacks *smacks);         /* what is kept */

#endif
