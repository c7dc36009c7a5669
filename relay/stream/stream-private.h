/*
 * stream/stream-private.h -- what the files of one client stream share: stream.c (life, state, end, writing), reading.c (bytes to
 * elements), deadline.c (time), negotiate.c (headers, features, STARTTLS), sasl.c (authentication), bind.c (resource binding),
 * smacks.c (stream management), resume.c (sessions that outlive a connection), resume_kept.c (what they were sent), host.c (all
 * streams together).
 */
#ifndef RELAY_STREAM_STREAM_PRIVATE_H
#define RELAY_STREAM_STREAM_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/buf.h"
#include "proto/digest.h"
#include "relay/log.h"
#include "relay/net/address.h"
#include "relay/stream/fifo.h"
#include "relay/stream/stream.h"

struct io;
struct limiter;
struct lookup;
struct pool;
struct sasl;
struct smacks;
struct timer;
struct xmlin;

enum stream_state {
	STATE_NEW,     /* in clear: only a header and <starttls/> are taken */
	STATE_TLS,     /* handshake under way */
	STATE_SASL,    /* private, not yet known who */
	STATE_BIND,    /* known who, not yet which resource */
	STATE_READY,   /* stanzas go to the owner */
	STATE_AWAY,    /* the connection is lost; the session waits for another (resume.c) */
	STATE_CLOSING, /* our </stream:stream> is out; what comes in is thrown away */
	STATE_CLOSED,  /* no connection */
	STREAM_STATES
};

enum stream_deadline {
	DEADLINE_PHASE,     /* of the state */
	DEADLINE_STANZA,    /* half a stanza has been read */
	DEADLINE_RATE,      /* reading may go on */
	DEADLINE_LOGIN,     /* an attempt, or the news of its failure, has waited long enough */
	DEADLINE_KEEPALIVE, /* nothing was sent for long */
	DEADLINE_ASK,       /* what is kept has waited long enough for <a/> */
	DEADLINE_ACK,       /* <r/> has waited long enough for the commit */
	STREAM_DEADLINES
};

enum stream_restart { RESTART_NONE, RESTART_TLS, RESTART_SASL };

enum {
	STREAM_BYTES_BEFORE = 16 * 1024, /* XEP-0478 max-bytes, before authentication */
	STREAM_BYTES_AFTER = 256 * 1024,
	STREAM_UNHANDLED_MOST = 256,
	STREAM_UNHANDLED_ALL = 512, /* of all streams: beyond it each has STREAM_UNHANDLED_LEAST */
	STREAM_UNHANDLED_LEAST = 4,
	STREAM_QUEUE_PAUSE = 2 * 1024 * 1024, /* answers not yet taken: no more questions until they are */
	STREAM_QUEUE_MOST = 4 * 1024 * 1024,
	STREAM_QUEUES_ALL = 64 * 1024 * 1024, /* of all streams; beyond it each may have its equal part (attack M6) */
	STREAM_TRIES = 3,
	STREAM_IDLE = 5 * 60, /* seconds */
	STREAM_LANG_MAX = 35,
};

/* A stanza that was read while the one before it was undecided. */
struct waiting;

struct stream {
	struct stream *next, **back; /* of host->streams */
	struct stream_host *host;
	struct io *io;      /* NULL: the connection is gone */
	struct xmlin *in;   /* NULL: nothing more is taken */
	struct timer *timer;
	struct fifo *fifo;  /* NULL once closed */
	struct sasl *sasl;  /* the attempt under way */
	struct smacks *smacks; /* NULL: stream management is not enabled */
	struct waiting *waiting, **waiting_last;
	struct buf rest;    /* bytes behind those stanzas */
	char *claimed;      /* node of the header's `from`, a hint: NULL when there was none */
	char *node;         /* authenticated as */
	uint64_t password;  /* which one: of its salt, which is new with each */
	char *client;       /* id of its user agent (XEP-0388), once authenticated; NULL: not told */
	char *who;          /* for logs: peer, then bare, then full JID */
	char *lang;         /* the client's xml:lang, or NULL */
	void *session;
	void (*on_gone)(void *arg, const char *peer);
	void *gone_arg;
	int64_t at[STREAM_DEADLINES]; /* monotonic ms; 0: none */
	int64_t armed;                /* when the timer fires; 0: it does not */
	int64_t since;                /* wall: accepted */
	int64_t sent;                 /* monotonic: last bytes */
	int64_t tokens, filled;       /* bytes that may be read now; when that was true */
	unsigned holds;
	enum stream_state state;
	enum stream_restart restart;
	uint8_t tries;
	bool direct, header_sent, feeding, paused, later, released;
	bool want_ask;    /* <r/> behind this stanza */
	bool yielding;    /* another stream waits until what was taken here is handled, to take over */
	char resuming[ID_LEN + 1]; /* such a one: the id of the session; "": not */
	uint32_t resuming_h;
	struct lookup *lookup; /* its counter is being read (resume.c) */
	bool peer_closed; /* </stream:stream> came: close when all is handled */
	bool stopping;    /* system-shutdown when all is handled */
	bool in_stanza;   /* one was read in this feed */
	struct log log;
	char peer[ADDRESS_TEXT];
};

/* stream.c */
void stream_enter(struct stream *stream, enum stream_state next);
void stream_write(struct stream *stream, const char *bytes, size_t len);
void stream_writes(struct stream *stream, const char *text);
void stream_send_counted(struct stream *stream, const char *bytes, size_t len); /* may close it */
/* As stream_close(); `more`: an element of the application's own inside the error (RFC 6120 4.9.4), bytes. */
void stream_close_with(struct stream *stream, enum stream_error error, const char *more, const char *text);
void stream_later(struct stream *stream); /* look again at what may go on, in a later turn */
void stream_drop(struct stream *stream);  /* no word more: the connection ends here */
void stream_who(struct stream *stream, char *who); /* becomes the stream's */

/* deadline.c */
void stream_set_deadline(struct stream *stream, enum stream_deadline which, int64_t ms); /* from now; < 0: none */
void deadline_fired(void *arg); /* the stream's timer */

/* reading.c */
void reading_init(struct stream *stream);
void reading_begin(struct stream *stream); /* a new parser for a new stream; not inside a feed */
void reading_bytes(struct stream *stream, const char *bytes, size_t len);
void reading_go_on(struct stream *stream); /* give on what waited */
void reading_update(struct stream *stream); /* stop or go on reading, as things are */
bool reading_has_more(const struct stream *stream); /* than white space, behind what was given on */
void reading_drop(struct stream *stream);  /* forget what was not given on, and the parser */
void stream_restart(struct stream *stream, enum stream_restart kind); /* a new parser, once this feed is over */

/* negotiate.c */
void negotiate_header(struct stream *stream, struct arena *arena, struct xml *header);
void negotiate_clear(struct stream *stream, struct arena *arena, struct xml *element); /* STATE_NEW */
void negotiate_write_header(struct stream *stream, const char *to);
void negotiate_features(struct stream *stream, struct arena *arena, struct buf *out); /* of this state */

/* sasl.c */
void sasl_element(struct stream *stream, struct arena *arena, struct xml *element); /* STATE_SASL */
void sasl_features(struct stream *stream, struct arena *arena, struct xml *features);
void sasl_waited(struct stream *stream); /* DEADLINE_LOGIN */
bool sasl_is_busy(const struct stream *stream);
void sasl_leave(struct stream *stream); /* forget the attempt under way */

/* bind.c */
/* A session of the owner's; STATE_READY. Else the error, and nothing has changed. `wanted` NULL: any resource. */
enum stanza_error bind_session(struct stream *stream, struct arena *arena, const char *wanted);
void bind_element(struct stream *stream, struct arena *arena, struct xml *element);  /* STATE_BIND */
void bind_stanza(struct stream *stream, struct arena *arena, struct xml *element);   /* STATE_READY */

/* bind2.c */
void bind2_resume_told(struct stream *stream, const struct xml *element); /* <resumed/> or <failed/> of a <resume/> in a login */

/* smacks.c */
struct xml *smacks_enable(struct stream *stream, struct arena *arena, const struct xml *enable); /* its answer, not yet sent */
struct xml *smacks_enable(struct stream *stream, struct arena *arena, const struct xml *enable); /* its answer, not yet sent */
void smacks_element(struct stream *stream, struct arena *arena, struct xml *element); /* of NS_SM */
void smacks_free(struct stream *stream);
void smacks_sent(struct stream *stream);                /* a stanza is being written */
void smacks_handled(struct stream *stream, bool asked); /* of the stream's fifo */
void smacks_moved(struct stream *stream);               /* its walk is over: <a/>, when one is due */
void smacks_waited(struct stream *stream);              /* DEADLINE_ACK */
void smacks_goodbye(struct stream *stream);             /* the last <a/> */

/* resume.c, resume_kept.c */
void resume_element(struct stream *stream, const struct xml *element); /* <resume/> */
bool resume_keep(struct stream *stream, const char *bytes, size_t len); /* for later; true: to be written now */
bool resume_away(struct stream *stream);   /* the connection is lost. False: the session too */
void resume_sent(struct stream *stream);   /* a stanza has been written */
void resume_waited(struct stream *stream); /* DEADLINE_ASK */
void resume_go_on(struct stream *stream);  /* in its turn: take over, or let the one who waits */
void resume_leave(struct stream *stream);  /* it is over: nobody need wait for it */
void resume_lost(struct stream *stream);   /* its session goes with it: tell the owner, write the counter */

/* host.c */
struct stream_shared {
	struct limiter *limiter;
	struct pool *pool;
	struct buf out;    /* where stanzas are written out */
	struct xmlin_kept *parsers;
	uint8_t secret[32]; /* of fake salts */
	uint8_t resources[32]; /* secret of made ones (XEP-0386) */
	struct timer *timer, *trim;
	size_t kept; /* bytes of sent stanzas, of all streams (resume.c) */
	size_t count;  /* streams */
	size_t unhandled; /* stanzas of theirs */
	unsigned gone; /* connections, since memory was last given back */
	void (*done)(void *arg);
	void *done_arg;
	bool stopping, forced;
};
struct stream_shared *stream_shared(const struct stream_host *host);
void host_connection_gone(struct stream_host *host);
void host_stream_gone(struct stream_host *host);

#endif
