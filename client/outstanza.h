/*
 * outstanza.h -- the bytes of what we send: messages, supplements, empty OMEMO messages, receipts, markers.
 */
#ifndef CLIENT_OUTSTANZA_H
#define CLIENT_OUTSTANZA_H

#include "proto/buf.h"

struct arena;
struct xml;

/* All without `from`, in jabber:client (not declared: the stream has it). `id` is the origin-id too
 * (XEP-0359). */
void outstanza_plain(struct buf *out, struct arena *arena, const char *to, const char *id, const char *text);
/* same_as NULL: a message of its own; else the origin-id of the message it repeats. `encrypted` gets a
 * parent. */
void outstanza_encrypted(struct buf *out, struct arena *arena, const char *to, const char *id,
			 struct xml *encrypted, const char *same_as);
void outstanza_empty(struct buf *out, struct arena *arena, const char *to, const char *id,
		     struct xml *encrypted);
void outstanza_receipt(struct buf *out, struct arena *arena, const char *to, const char *id,
		       const char *received);
void outstanza_displayed(struct buf *out, struct arena *arena, const char *to, const char *id,
			 const char *displayed);

#endif
