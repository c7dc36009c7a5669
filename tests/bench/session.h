/*
 * session.h -- the load generator's XMPP sessions: a thousand clients in one thread and one epoll.
 *
 * wire.c moves bytes (TCP, TLS by OpenSSL, cutting the stream into stanzas), login.c brings a session from
 * the first byte to "ready" (SCRAM, bind, XEP-0198), load.c lets ready sessions do what is to be measured. It
 * is made to be cheap rather than correct: it believes its server, and must never face another one.
 */
#ifndef BENCH_SESSION_H
#define BENCH_SESSION_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SENT_RING = 4096 }; /* stanzas that may wait for the server's word; a power of two */

enum session_state { OFF, TLS_HANDSHAKE, GREETED, PROVING, PROVED, BINDING, ENABLING, READY, GONE };

struct bytes {
	char *data;
	size_t len, room;
};

/* A server. */
struct site {
	const char *host;
	int port;
};

struct session {
	enum session_state state;
	const struct site *site;
	int number; /* the scene's */
	int fd;
	SSL *ssl;
	bool wants_write, dirty;
	struct bytes in, out;
	struct { /* where the cutter stands in `in` */
		size_t at, tag, stanza;
		int depth;
		bool in_tag;
		char quote;
	} cut;
	char user[32], jid[128];
	struct scram *scram;
	bool presence;               /* wanted: make it available when ready */
	bool managed;                /* XEP-0198 is on */
	uint32_t out_count, acked;   /* stanzas sent, and those of them the server has answered for */
	unsigned long messages; /* sent in the scene that is played */
	uint32_t in_count;           /* stanzas handled: what <a h/> says */
	uint64_t sent_at[SENT_RING]; /* ns; 0: not a measured one */
};

/* What the running scene wants to know. NULL: nothing. */
struct scene_hooks {
	void (*ready)(struct session *s);
	void (*message)(struct session *s, const char *xml);
	void (*acked)(struct session *s, uint64_t sent_ns); /* for each measured stanza */
	void (*gone)(struct session *s, const char *why);
};

struct bench {
	const char *address, *password;
	struct site site, far; /* far.port 0: only one */
	int epoll;
	SSL_CTX *tls;
	bool manage;          /* use stream management where it is offered */
	unsigned long errors; /* stanzas of type error that came back */
	struct scene_hooks hooks;
};
extern struct bench bench;

uint64_t now_ns(void);

/* wire.c */
struct session *session_open(const struct site *site, const char *user, bool presence);
void session_send(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void session_restart(struct session *s); /* the stream begins anew on the same connection */
void session_close(struct session *s);   /* says good-bye; the memory stays until session_free */
void session_free(struct session **s_r);
/* Serve all sessions until done() is true; false when `seconds` have passed before. */
bool wire_run(bool (*done)(void), double seconds);

/* login.c: called by wire.c */
void login_greet(struct session *s);
void login_stanza(struct session *s, char *xml);
void login_end(struct session *s);

/* stream.c: a ready session's bookkeeping */
void stream_stanza(struct session *s, char *xml);
void stream_message(struct session *s, const char *to, const char *id, uint64_t sent_ns);
void stream_ask(struct session *s); /* request the server's word for all sent so far */

/* The value of an attribute in the first tag, or false. */
bool attribute(const char *xml, const char *name, char *out, size_t room);

#endif
