/*
 * queue-private.h -- what the files of queue/ share: queue.c (the domains, when they are tried), pump.c (what goes out and is
 * acked), pairs.c (between whom nothing goes for a while), ends.c (what ends otherwise), operator.c (what the operator sees and says), write.c (a row as it goes onto a stream).
 *
 *   RESTING -- due, and its time has come: wanted() --> WANTED -- queue_up() --> UP
 *      ^------------------ queue_down() ------------------'-------------------'
 */
#ifndef RELAY_QUEUE_PRIVATE_H
#define RELAY_QUEUE_PRIVATE_H

#include "relay/net/steady.h"
#include "relay/queue/operator.h"
#include "relay/queue/queue.h"
#include "relay/store/spool.h"
#include "relay/store/txn.h"

struct buf;
struct timer;

enum {
	BUCKETS = 256,
	PAIRS_MOST = 4096,      /* stopped in one domain; beyond them a message waits by what is on disk, and none for it */
	DOUBTS_MOST = 5,        /* sent and lost so often: not repeated by itself; where it can be, later */
	KEEP_MS = 10 * 60 * 1000, /* bodies of what is settled */
	LOOK_MS = 60 * 1000,
	NX_MS = 60 * 1000,      /* between the two answers that make an unknown domain one that does not exist */
	WANTED_MS = 120 * 1000, /* no answer to wanted(): as if down */
	LATE_MS = 10 * 1000,    /* older than that: with a <delay/> */
};

enum domain_state { RESTING, WANTED, UP };

/* A sender and a recipient between whom nothing goes for a while. */
struct pair {
	char *from, *to; /* bare */
	int64_t until;   /* ms, monotonic */
};

/* The first message on its way, when nothing was before it. */
struct alone {
	int64_t id, tries;
	int losses; /* of the stream, with it alone on its way */
};

struct domain {
	struct domain *next; /* in its bucket */
	struct domain *next_run;
	struct queue *queue;
	char *name;
	enum domain_state state;
	bool loaded;    /* what is on disk about it has been read */
	bool known;
	bool due;       /* there may be rows to send */
	bool reading, blocked, deduplicates;
	bool scheduled; /* domain_run will come */
	size_t doubtful; /* so many more are sent one at a time: of what lost the last stream, the others are not to suffer */
	int64_t wanted_at; /* ms, monotonic */
	int64_t untold; /* from this row on it is not recorded that they wait; INT64_MAX: none */
	bool telling;
	bool refusing;  /* all its rows are ending */
	int64_t tries;
	int64_t until; /* ms, monotonic: no try before */
	int64_t nx_at; /* ms, monotonic: it does not exist, said DNS then; 0: did not say */
	struct timer *timer;
	int64_t after; /* rows up to this id are sent, or skipped; 0 only by pump_rewind() */
	int64_t back;  /* to where the first that was added while reading takes it; 0: to the front; INT64_MAX: nowhere */
	int64_t read_at; /* ms, monotonic: not read before, since that failed */
	int64_t sent[QUEUE_WINDOW]; /* ids in order of sending, 0: has ended */
	size_t sent_count;
	int64_t *leaving; /* acked, or ending otherwise, and that is not committed */
	size_t leaving_count, leaving_room;
	struct alone alone;
	struct pair *pairs; /* sorted */
	size_t pair_count, pair_room;
	int64_t beyond; /* ms, monotonic: when the first of those for which the table had no room goes on; 0: none */
	size_t pending; /* callbacks that will come */
};

struct queue {
	struct loop *loop;
	struct store *store;
	const struct conf *conf;
	char *host;
	struct queue_line line;
	struct queue_owner owner;
	struct domain *buckets[BUCKETS];
	size_t domain_count;
	struct timer *look;
	struct steady steady;
	struct timer *run; /* the next turn */
	struct domain *first_run;
	int64_t settled, most_settled; /* rows since the last look; of any look since there was nothing to clean */
	int64_t clean_until; /* ms, monotonic: there may be something to clean */
	bool on, freed, ending;
	struct {
		queue_done_fn *fn; /* NULL: nobody waits to hear that all has expired */
		void *arg;
		size_t count;
	} expiring;
	size_t pending; /* callbacks that will come */
};

/* queue.c. Around each question to the store and each transaction: hold; in the answer: release, false: the queue is gone. */
void domain_hold(struct domain *domain);
bool domain_release(struct domain *domain);
void queue_hold(struct queue *queue);
bool queue_release(struct queue *queue);
void domain_kick(struct domain *domain); /* domain_run in a later turn */
struct domain *domain_find(const struct queue *queue, const char *name);
struct domain *domain_get(struct queue *queue, const char *name); /* made, and read, when there is none */

/* pump.c */
void pump(struct domain *domain);
void pump_lost(struct domain *domain);
void pump_rewind(struct domain *domain); /* reading begins again at the front; what a read under way brings is thrown away */
/* They end otherwise than by being acked, in a transaction that is submitted next: neither sent nor settled before pump_left(), in the
 * order of these. The domain is held meanwhile; false: it is gone, with its queue. */
void pump_leave(struct domain *domain, const int64_t *ids, size_t count);
bool pump_left(struct domain *domain, size_t count);
bool pump_has(const struct domain *domain, int64_t id); /* on its way, or leaving */

/* pairs.c */
void pairs_stop(struct domain *domain, const char *from, const char *to, int64_t ms);
bool pairs_have(const struct domain *domain, const struct spool_row *row); /* nothing goes between these two */
int64_t pairs_until(struct domain *domain); /* the first to go on; INT64_MAX: none. Those whose time has come leave */
void pairs_clear(struct domain *domain);

/* ends.c */
void ends_add(struct txn *txn, struct queue *queue, const struct spool_row *row, enum queue_end end, enum stanza_error error,
    const char *text);
void ends_look(void *queue);
void ends_expire(struct queue *queue);                       /* what is over its time, whatever the clock */
void ends_told(struct queue *queue, enum queue_done done);   /* whoever waits for that hears it */
void ends_refuse_all(struct domain *domain, enum stanza_error error, const char *text);

/* write.c */
void write_stanza(struct buf *out, const char *host, const struct spool_row *row, int64_t now);
void write_message(const struct spool_row *row, struct queue_message *message_r);

#endif
