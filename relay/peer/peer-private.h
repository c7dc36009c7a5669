/*
 * peer/peer-private.h -- what the files of peer/ share: peers.c (all of them), inbound.c (streams that others began), link.c (the
 * stream to one domain), line.c (a connection), border.c (stanzas between the two namespaces).
 */
#ifndef RELAY_PEER_PEER_PRIVATE_H
#define RELAY_PEER_PEER_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/digest.h"
#include "relay/peer/line.h"
#include "relay/peer/peers.h"
#include "relay/queue/queue.h"

struct conf_peer;
struct inbound;
struct link;
struct resolver;
struct timer;

enum {
	LINKS_MOST = 2000,     /* domains that streams of ours go to, or are being opened to */
	INBOUND_MOST = 2000,   /* streams that others have begun */
	INBOUND_OF_ONE = 4,    /* authenticated ones of one domain */
	UNHANDLED_MOST = 256,  /* stanzas of one stream */
	UNHANDLED_ALL = 2048,  /* of all; beyond it each may have UNHANDLED_LEAST */
	UNHANDLED_LEAST = 8,
	WAIT_TLS = 10 * 1000,  /* ms, as for clients */
	WAIT_READY = 30 * 1000,
};

struct peers {
	struct loop *loop;
	struct router *router;
	const struct conf *conf;
	const char *domain; /* the router's */
	struct tls *tls;
	struct resolver *resolver;
	struct inbound *inbounds;
	size_t inbound_count;
	struct link *links;
	size_t link_count;
	size_t unhandled; /* of all streams */
	struct timer *stop; /* while shutting down */
	void (*done)(void *arg);
	void *done_arg;
	bool stopping;
};

/* peers.c */
const struct conf_peer *peers_conf_of(const struct peers *peers, const char *domain); /* NULL: none */
const char *peers_pin_of(const struct peers *peers, const char *domain);              /* NULL: none */
void peers_gone(struct peers *peers); /* a stream has ended */
void peers_seen(struct peers *peers, const char *domain); /* it has proven itself on a stream of its own */
/* A stanza from `domain`, which has proven itself; true: it was the answer to a ping of ours, and is done with. */
bool peers_pong(struct peers *peers, const char *domain, const struct xml *stanza);

/* inbound.c */
void inbound_accept(struct peers *peers, int fd, bool direct, void (*on_gone)(void *arg, const char *peer), void *arg);
void inbound_close(struct inbound *inbound, enum stream_error error);
void inbound_free(struct inbound *inbound); /* at once */
void inbound_go_on(struct inbound *inbound); /* the store has room */
size_t inbound_of(const struct peers *peers, const char *domain);
struct inbound *inbound_next(struct inbound *inbound);

/* link.c */
struct event;
/* The link to a domain (canonical), made when there is none; NULL: there are too many. */
struct link *link_to(struct peers *peers, const char *domain);
struct link *link_find(const struct peers *peers, const char *domain); /* NULL: none */
/* Sends now, or when the stream is there; within 30 s or not at all, and then who asked hears of it. */
void link_send(struct link *link, const struct xml *stanza);
/* The queue: open a stream now, whatever the last try came to; queue_up() or queue_down() answers. */
void link_want(struct link *link);
/* The queue: one held message. */
enum queue_taken link_carry(struct link *link, const char *bytes, size_t len);
/* They were here: what was in vain may not be so now. */
void link_seen(struct link *link);
/* An answer of the domain itself to the domain itself under that id: was it to a ping of this link? */
bool link_pong(struct link *link, const char *id);
void link_close(struct link *link);
void link_free(struct link *link);
struct link *link_next(struct link *link);
bool link_is_open(const struct link *link);

#endif
