/*
 * peer/dialback.h -- Server Dialback (XEP-0220 1.1.1): its key and its elements. Pure.
 *
 * The key is HMAC-SHA256 over receiving domain, originating domain and stream id, each with its length before it, so that no two
 * triples give the same bytes (attack F2, CVE-2016-0756); compared in constant time (F3). Made and checked by the originating domain
 * alone, so nobody else's form of it matters.
 */
#ifndef RELAY_PEER_DIALBACK_H
#define RELAY_PEER_DIALBACK_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/error.h"

struct arena;
struct buf;
struct xml;

enum { DIALBACK_SECRET = 32, DIALBACK_KEY = 64 /* hex digits */ };

void dialback_key(const uint8_t secret[static DIALBACK_SECRET], const char *receiving, const char *originating, const char *id,
    char key_r[static DIALBACK_KEY + 1]);
/* key: as it came. */
bool dialback_key_is(const uint8_t secret[static DIALBACK_SECRET], const char *receiving, const char *originating, const char *id,
    const char *key);

/* <db:name from= to= [id=] [type=]>text</db:name>; the prefix is declared, as some look for it and not for the namespace. */
void dialback_write(struct buf *out, const char *name, const char *from, const char *to, const char *id, const char *type,
    const char *text);
/* The same of type error, with what is wrong (section 2.5). */
void dialback_write_error(struct buf *out, const char *name, const char *from, const char *to, const char *id, enum stanza_error error);

/* Is it a <name/> of dialback from and to these (canonical domains), under that id (NULL: any)? */
bool dialback_is(struct arena *arena, const struct xml *element, const char *name, const char *from, const char *to, const char *id);

#endif
