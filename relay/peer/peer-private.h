/*
 * peer/peer-private.h -- what the files of peer/ share: peers.c (all of them), inbound*.c (streams that others began), link*.c (the
 * way to one domain), line*.c (a connection). Beside them, each with a header: dial (DNS to TLS), opening (TLS to the first stanza),
 * intake and outflow (stanzas in and out), waiting, carry, dialback, verify, border.
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

struct arena;
struct conf_peer;
struct inbound;
struct link;
struct outflow;
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
	size_t verify_count;
	struct pace *paces;
	size_t unhandled; /* of all streams */
	struct timer *stop; /* while shutting down */
	void (*done)(void *arg);
	void *done_arg;
	bool stopping;
};

/* peers.c */
const struct conf_peer *peers_conf_of(const struct peers *peers, const char *domain); /* NULL: none */
const char *peers_pin_of(const struct peers *peers, const char *domain);              /* NULL: none */
bool peers_allow_dialback(const struct peers *peers, const char *domain); /* it is on, and the domain has no pin */
void peers_dialback_secret(const struct peers *peers, uint8_t secret_r[static 32]);
void peers_gone(struct peers *peers); /* a stream has ended */
void peers_seen(struct peers *peers, const char *domain); /* it has proven itself on a stream of its own */
/* A stream of theirs takes stanzas from here on, does not any more (why: borrowed), has written all. */
void peers_there(struct peers *peers, const char *domain);
void peers_left(struct peers *peers, const struct inbound *in, const char *domain, const char *why);
void peers_drained(struct peers *peers, const struct inbound *in, const char *domain);
/* A stanza from `domain`, which has proven itself; true: it was the answer to a ping of ours, and is done with. */
bool peers_pong(struct peers *peers, const char *domain, const struct xml *stanza);

/* What all streams share: the header of one that we began; <stream:error/> came. */
void peers_name_log(struct log *log, const char *who); /* who: borrowed */
enum stream_error peers_check_header(struct arena *arena, const struct xml *header, const char *domain);
void peers_hear_error(struct line *line, const struct log *log, struct arena *arena, const struct xml *element);

/* inbound.c */
void inbound_accept(struct peers *peers, int fd, bool direct, void (*on_gone)(void *arg, const char *peer), void *arg);
void inbound_close(struct inbound *inbound, enum stream_error error);
void inbound_free(struct inbound *inbound); /* at once */
void inbound_go_on(struct inbound *inbound); /* the store has room */
/* The domain has proven itself once more: has it INBOUND_OF_ONE streams, the oldest is closed, which may be dead without our knowing
 * (a line that comes and goes). False: those that are closing are too many. */
bool inbound_make_room(struct peers *peers, const char *domain);
struct inbound *inbound_both_ways(const struct peers *peers, const char *domain); /* one that takes stanzas; NULL: none */
struct outflow *inbound_outflow(const struct inbound *inbound); /* NULL: it goes one way */
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
/* A stream of theirs takes stanzas; is gone; has written all. */
void link_there(struct link *link);
void link_gone(struct link *link, const struct inbound *in, const char *why);
void link_drained(struct link *link, const struct inbound *in);
void link_keep(struct link *link); /* dial when there is no stream */
void link_close(struct link *link);
void link_free(struct link *link);
struct link *link_next(struct link *link);
bool link_is_open(const struct link *link);

#endif
