/*
 * xmlin.h -- bytes to stanzas: one XMPP stream's XML (RFC 6120 section 11), over expat.
 *
 * Promises: no comment, processing instruction, DOCTYPE, or mid-stream XML declaration gets through
 * (`restricted-xml`); depth, bytes a stanza, attributes and namespaces an element are bounded before memory is taken
 * (`policy-violation`); malformed bytes never reach a tree (`not-well-formed`); each stanza comes in an arena of its
 * own. A prefixed attribute whose local name is a core one (from, to, id, type, by, stamp, jid, rid, sid) is removed: readers
 * that drop prefixes would take it for the real one (attack R1).
 * A tree that xmlout would write in more than 2 * bytes + 1 KiB (long namespaces used by prefix) is refused.
 * A stream on which nothing is half read holds less than 1 KiB, unless its parser is kept (xmlin_keep). A stream header of
 * more than 4 KiB is refused.
 * Never calls back after an error, never frees itself inside a callback: the owner may call xmlin_stop() there.
 */
#ifndef PROTO_XMLIN_H
#define PROTO_XMLIN_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/error.h"

struct arena;
struct xml;
struct xmlin;
struct xmlin_kept;

struct xmlin_limits {
	size_t bytes;        /* of one first-level element or of the stream header, as they came over the wire */
	unsigned depth;      /* 64 */
	unsigned attributes; /* 64 an element, namespace declarations not counted */
	unsigned namespaces; /* 32 declarations an element */
	unsigned swell;      /* the tree may take that many times `bytes`; 0: any (20 at worst).
	                      * Before authentication 4 is wise */
};
extern const struct xmlin_limits xmlin_limits_default; /* 256 KiB, 64, 64, 32 */
/* For what this program itself has written (archive, outbox, roster, settings): wider, since a tree can take twice
 * the bytes that it was read from, and may have been wrapped. Never for what a peer sends. */
extern const struct xmlin_limits xmlin_limits_stored;

struct xmlin_owner {
	/* The stream header; attributes only, and as `xmlns` the namespace of what comes in it. `arena` becomes the owner's. */
	void (*open)(void *arg, struct arena *arena, struct xml *header);
	/* A complete first-level element. `arena`, which holds it, becomes the owner's. */
	void (*stanza)(void *arg, struct arena *arena, struct xml *stanza);
	void (*close)(void *arg); /* </stream:stream> */
};

struct xmlin *xmlin_new(const struct xmlin_owner *owner, void *arg, const struct xmlin_limits *limits);
void xmlin_free(struct xmlin **in); /* never from inside a callback */

/* Parsers that the streams which spoke last keep between elements, `most` of them in all: a new one costs more than most stanzas.
 * Freed after the streams. Each is its stream's own: nothing passes from one to another. */
struct xmlin_kept *xmlin_kept_new(size_t most);
void xmlin_kept_free(struct xmlin_kept **kept);
void xmlin_keep(struct xmlin *in, struct xmlin_kept *kept); /* before anything is fed */

/* A new limit on bytes (after authentication) applies from the next stanza on; trees may then swell. */
void xmlin_set_bytes(struct xmlin *in, size_t bytes);

/* Feed what was read. STREAM_OK, or the stream error to send; after an error only xmlin_free may be called. */
enum stream_error xmlin_feed(struct xmlin *in, const char *bytes, size_t len);

/* From inside a callback: read no further (STARTTLS, SASL success, closing). xmlin_feed returns STREAM_OK at once and
 * the rest of the bytes is not looked at: *unread_r of xmlin_unread() tells how many they were. A new parser is made for the new stream. */
void xmlin_stop(struct xmlin *in);
size_t xmlin_unread(const struct xmlin *in);

/* True while bytes of an unfinished element have been read (the deadline for a half stanza). */
bool xmlin_mid_stanza(const struct xmlin *in);

/* Parse one complete element standing alone (a stored body, a card, a decrypted envelope) under the same rules.
 * NULL: refused; *error_r says why. The tree lives in `arena`. */
struct xml *xmlin_parse(struct arena *arena, const char *bytes, size_t len, const struct xmlin_limits *limits,
    enum stream_error *error_r);

#endif
