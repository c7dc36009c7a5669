/* sync-private.h -- what the files of the sync share: see sync.h. */
#ifndef CLIENT_SYNC_PRIVATE_H
#define CLIENT_SYNC_PRIVATE_H

#include "client/inbox.h"
#include "client/link_stream.h"
#include "client/omemo/omemo.h"
#include "client/outbox.h"
#include "client/sync.h"
#include "proto/digest.h"

struct sync;

enum {
	SYNC_ANSWER_MS = 30000,         /* one iq */
	SYNC_QUIET_MS = 60000,          /* nothing at all while something is awaited */
	SYNC_IDLE_MS = 100,             /* an open batch is committed when nothing comes for so long */
	SYNC_SHOW_MS = 100,             /* between two words of progress */
	SYNC_ASKS = 24,                 /* iqs on the way at once */
	SYNC_WINDOW = 100,              /* messages on the way at once */
	SYNC_MESSAGES_MAX = 200000,     /* taken in one sync; the rest the next time */
	SYNC_OTHERS_MAX = 20000,        /* stanzas that are no message, in one sync */
};

/* `answer` is the iq, or NULL when none came in time. */
typedef void sync_answer(struct sync *sync, struct arena *arena, const struct xml *answer, void *arg);

struct sync_ask {
	char id[ID_LEN + 1]; /* "": free */
	char *from;          /* who must answer; NULL: our own account; owned */
	int64_t deadline;
	sync_answer *done;
	void *arg;           /* freed after done */
};

struct sync_flight {
	uint32_t number; /* of the stanza on this stream */
	int64_t item;    /* of the outbox */
	bool message;
};

/* The account's archive in one sync: see sync_archive.c. */
struct sync_archive {
	bool there;          /* the account has one */
	bool clears;         /* what is paged counts as delivered, where that is declared */
	bool declared, begun;
	bool held;           /* after the first page others come first */
	bool more;           /* than the pages so far */
	enum { SPAN_NEWEST, SPAN_SINCE, SPAN_BEHIND } span;
	char query[ID_LEN + 1]; /* of the page under way; "": none */
	int64_t since;
	int64_t limit;       /* now_mono(): the page must be here */
	size_t pages;
	char *last;          /* the cursor; owned, as the others */
	int64_t time;        /* of the cursor; 0: there is none yet */
	char *next;          /* the last result of the page under way */
	int64_t next_time;
	char *mark;
};

struct sync {
	struct db *db;
	const struct account *account;
	const struct sync_owner *owner;
	struct sync_result *result;
	struct trouble *trouble;
	struct stream *stream;
	struct omemo *omemo;
	struct inbox *inbox; /* an open batch, or NULL */
	struct backlog *backlog; /* what will be in it; NULL: nothing came yet */
	struct sync_ask asks[SYNC_ASKS];
	size_t asking;
	struct sync_flight *flights; /* in order of number */
	size_t flying, flights_cap;
	size_t messages, others;
	size_t round;        /* messages since the last ping behind the flush */
	bool pushed_keys;    /* keys or trust changed: encrypt what waits */
	struct arena *pong;  /* pings to answer after the commit; NULL: none */
	struct xml *pongs[16];
	size_t pong_count;
	enum sync_phase phase;
	int64_t shown;       /* now_mono() of the last progress */
	struct sync_archive archive;
	unsigned depth;      /* stanzas being looked after, one inside the other's wait */
	uint32_t outermost;  /* the number of the first of them */
	size_t custody_pages, custody_told;
	const char *unpublished; /* the condition by which the relay refused our keys last; NULL: it did not */
	char **kept;         /* whose keys our relay was asked for; owned */
	size_t kept_count;
};

/* sync_pump.c: what comes in, whatever it is. */
void sync_ask(struct sync *sync, struct xml *iq, sync_answer *done, void *arg); /* iq gets its id here; may wait for room */
bool sync_settle(struct sync *sync);                  /* until no ask is open; false: the stream is gone */
struct inbox *sync_batch(struct sync *sync);          /* the open batch, opened if need be */
bool sync_commit(struct sync *sync);                  /* the open batch; then what waited for it */
void sync_take(struct sync *sync, const struct xml *message, const struct inbox_meta *meta);
void sync_count_other(struct sync *sync);             /* no message, or none for us: that too is limited */
/* What `done` waits for is coming: SYNC_ANSWER_MS more, not beyond the limit. */
void sync_patience(struct sync *sync, sync_answer *done, int64_t limit);
bool sync_is_own(const struct sync *sync, const char *from);
bool sync_turn(struct sync *sync, int64_t deadline);  /* one stanza, ack or pause; false: the stream is gone */
bool sync_alive(const struct sync *sync);
void sync_progress(struct sync *sync, enum sync_phase phase, size_t done, size_t total);

/* sync_archive.c: the archive, in the order of a sync. */
void sync_archive_open(struct sync *sync);            /* first questions, a first small page among them */
void sync_archive_catch_up(struct sync *sync);        /* before presence: the other pages, up to now */
void sync_archive_newest(struct sync *sync);          /* behind the flush: where a home without a cursor begins */
bool sync_archive_moved(const struct sync *sync);     /* something came */
void sync_archive_close(struct sync *sync);
bool sync_archive_result(struct sync *sync, struct arena *arena, const struct xml *message); /* true: it was one */

/* sync_custody.c: where our messages are. */
void sync_custody_open(struct sync *sync);
bool sync_custody_told(struct sync *sync, const struct xml *message); /* true: it was that */

/* sync_caps.c: what this client understands. */
void sync_add_caps(struct arena *arena, struct xml *presence);
void sync_answer_info(struct sync *sync, struct arena *arena, const struct xml *iq);

/* sync_roster.c: people. */
void sync_ask_roster(struct sync *sync);
void sync_tell_roster(struct sync *sync);             /* what was decided here while away */
void sync_roster_push(struct sync *sync, struct arena *arena, const struct xml *iq);
void sync_presence(struct sync *sync, struct arena *arena, const struct xml *presence);

/* sync_pep.c: keys. */
void sync_ask_own_list(struct sync *sync);
void sync_ask_keys(struct sync *sync);                /* lists, then bundles, of people; waits for the answers */
void sync_publish(struct sync *sync);
bool sync_key_event(struct sync *sync, struct arena *arena, const struct xml *message); /* true: it was one */

/* sync_kept.c: keys of those whose relay is away. */
void sync_ask_kept(struct sync *sync, const char *jid); /* once a sync for each */
void sync_kept_close(struct sync *sync);

/* sync_send.c: the outbox. */
void sync_send_outbox(struct sync *sync);             /* writes what is ready, settles what is acknowledged */
bool sync_await_acks(struct sync *sync);
void sync_acked(struct sync *sync);

#endif
