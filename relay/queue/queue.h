/*
 * queue/queue.h -- custody of the messages that go to other domains: each is kept on disk until another relay has it, or its time
 * is up and its sender is told (design 3.3, 3.4). Knows nothing of streams, nor of what a message is for.
 *
 * Who calls whom. The router makes the queue (router_queue()).
 *   1. A feature adds OP_SPOOL_NEW to the transaction of its message, and queue_added() after the commit.
 *   2. The queue finds something due for a domain and no stream: line->wanted(domain), once for each try. Whoever opens streams
 *      answers each `wanted` with one queue_up() or one queue_down(), at once or within 60 s; either may come unasked too.
 *   3. From queue_up() on: line->send() for one message after the other, in order, until it says QUEUE_NOT_NOW; queue_more() when
 *      the stream takes more. At most QUEUE_WINDOW messages are sent and not yet acked.
 *   4. The peer's acknowledgement is queue_acked(): custody has moved. Counted are messages given to send(), in order, and no
 *      other stanzas. What a lost stream leaves unacked is sent again, with the same custody ids, on the next.
 *   5. queue_down(): the queue waits (1, 2, 4, 8, 15 s, each 15 s to 5 min, doubling to conf->retry_most; +-20 %), then 2. again.
 *   6. An error stanza in answer to a message: queue_refused().
 *   7. Messages that end otherwise than by being acked: owner->ended(), which adds what tells the sender to the same transaction.
 * No call from here comes from inside queue_added(), queue_up(), queue_more() or queue_acked(), but in a later turn of the loop.
 *
 * Promises: rows of a domain leave in order of their ids, a new one behind the waiting; a temporary error for one recipient stops
 * what goes from that sender to that recipient and no more. Nothing is polled; memory does not grow with what waits, but for one
 * small struct a domain. Nothing expires while the clock may be wrong (net/steady.h).
 */
#ifndef RELAY_QUEUE_QUEUE_H
#define RELAY_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/error.h"

struct conf;
struct loop;
struct queue;
struct store;
struct txn;

enum { QUEUE_WINDOW = 100 };

/* Borrowed for the call. */
struct queue_message {
	int64_t id;
	const char *from, *to; /* full JID texts as in the stanza */
	const char *name;      /* the stanza's id; NULL: none */
	const char *body;      /* as stored (jabber:client) */
	size_t len;
	int64_t time, expires; /* ms: accepted by us; until when it is held */
	char custody[33];
};

enum queue_taken {
	QUEUE_TAKEN,
	QUEUE_NOT_NOW,   /* queue_more() will come, or queue_down() */
	QUEUE_TOO_LARGE, /* for what the peer says that it takes (XEP-0478): the message ends, its sender is told */
};

/* Handed down by relay/peer. */
struct queue_line {
	void (*wanted)(void *arg, const char *domain);
	/* stanza: ready for a stream of jabber:server, with its <custody/> and, when it is late, its <delay/>. */
	enum queue_taken (*send)(void *arg, const char *domain, const char *stanza, size_t len);
	void *arg;
};

enum queue_end { QUEUE_REFUSED, QUEUE_EXPIRED };

/* Handed down by relay/feature. */
struct queue_owner {
	void (*ended)(void *arg, struct txn *txn, const struct queue_message *message, enum queue_end end, enum stanza_error error,
	    const char *text);
	/* Custody of these messages has moved or ended, and that is committed. */
	void (*moved)(void *arg, const int64_t *ids, size_t count);
	/* What is held for a domain from that message on waits for another try, and is so recorded (OP_STATUS_HELD). */
	void (*waits)(void *arg, const char *domain, int64_t id, int64_t time);
	void *arg;
};

enum queue_reason {
	QUEUE_UNREACHED,  /* no answer, refused, TLS, certificate, policy, the stream was lost: temporary, whoever it is */
	QUEUE_NO_DOMAIN,  /* the domain does not exist (NXDOMAIN), says DNS: of an unknown one believed at the second time, 60 s apart */
	QUEUE_NO_SERVICE, /* it says that it has no such service ("." target, no address at all): of an unknown one believed at once */
};

/* domain: our own. Nothing is read or tried before a line is set. */
struct queue *queue_new(struct loop *loop, struct store *store, const struct conf *conf, const char *domain);
void queue_set_conf(struct queue *queue, const struct conf *conf); /* SIGHUP */
void queue_set_line(struct queue *queue, const struct queue_line *line);    /* copied; begins */
void queue_set_owner(struct queue *queue, const struct queue_owner *owner); /* copied */
bool queue_is_on(const struct queue *queue); /* has a line: messages to other domains may be held */
void queue_free(struct queue **queue);

void queue_added(struct queue *queue, const char *domain, int64_t id);

/* domain: canonical. deduplicates: the peer has said that it knows custody ids and acks from a commit. */
void queue_up(struct queue *queue, const char *domain, bool deduplicates);
void queue_more(struct queue *queue, const char *domain);
void queue_acked(struct queue *queue, const char *domain, size_t count);
/* text: for the operator and the sender's status, short. */
void queue_down(struct queue *queue, const char *domain, enum queue_reason reason, const char *text);
/* Any authenticated sign of the domain (a stream of theirs): what waits is tried at once. */
void queue_seen(struct queue *queue, const char *domain);
/* An error stanza from `domain`: `from` (theirs, bare) did not take the message that `to` (ours, bare) has called `name`. wait: of that
 * type; it is tried again later. then, later: was it one of ours; its sender is told, or will be. */
void queue_refused(struct queue *queue, const char *domain, const char *from, const char *to, const char *name, bool wait,
    enum stanza_error error, void (*then)(void *arg, bool ours), void *arg);

size_t queue_domains(const struct queue *queue); /* with something to do */

#endif
