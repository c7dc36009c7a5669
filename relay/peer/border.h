/*
 * peer/border.h -- stanzas between the namespace of streams between relays (jabber:server) and the one that all of the relay thinks
 * in (jabber:client): RFC 6120 4.8.3. Pure.
 */
#ifndef RELAY_PEER_BORDER_H
#define RELAY_PEER_BORDER_H

struct buf;
struct xml;

/* The stanza and those of its descendants that are of the stream's namespace; a stanza inside (XEP-0297) has its own. */
void border_in(struct xml *stanza);
/* As it goes onto a stream between relays. */
void border_out(struct buf *out, const struct xml *stanza);

#endif
