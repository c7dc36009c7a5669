/*
 * link_stream.h -- a logged-in stream: from "this account" to "stanzas go both ways and are counted".
 *
 *     address -> TCP -> [direct TLS] -> features -> STARTTLS -> features -> [registration] -> SASL -> features
 *             -> bind -> stream management -> READY
 *
 * where the relay can (XEP-0388, 0386), from SASL on in one exchange, by a token in one round trip (XEP-0484).
 *
 * Stream management (XEP-0198 1.6) is our own: nothing is sent before <enabled/>; `acked` is how many of our stanzas the
 * relay has taken responsibility for; what we report as handled is only what the owner said is safe (stream_handled()),
 * in order. Sessions are not resumed, also where the relay offers it (section 5): a sync lasts seconds, resuming would need all
 * counters and unacknowledged stanzas on disk at every step, and would save one answer of a new session. What is not acked stays
 * in the outbox and goes again with the same origin-id, by which a relay that cares stores it once; what we did not acknowledge
 * waits there or is in the archive, and is known here by its stanza-id.
 * Promises the same as link.h and link_sasl.h; each step has its own limit of time.
 */
#ifndef CLIENT_LINK_STREAM_H
#define CLIENT_LINK_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include "client/fault.h"
#include "client/link_sasl.h"

struct arena;
struct stream;
struct xml;

struct stream_config {
	const char *user;     /* node of the JID */
	const char *domain;
	const char *resource; /* asked for; the relay may give another */
	const char *server;   /* --server, or NULL */
	const char *ca_file;  /* or NULL */
	const uint8_t *pin;   /* link_cert.h, or NULL */
	const char *password; /* NULL: `kept` */
	const struct sasl_secret *kept;
	const char *least;
	const char *client;            /* id of this program for this account, a UUID (XEP-0388); NULL: none */
	const struct sasl_token *fast; /* kept from an earlier login, or NULL */
	bool give_back;                /* nothing but end that token (XEP-0484 4.6) */
	bool plain;
	bool enroll;          /* make the account first */
	const char *token;    /* with `enroll`: the invitation, or NULL */
	/* A step begins, for those who watch: "connect", "tls", "login", "bind". May be NULL. */
	void (*step)(void *arg, const char *name);
	void *arg;
};

/* NULL: the trouble says why. */
struct stream *stream_login(const struct stream_config *config, struct trouble *trouble);
void stream_free(struct stream **stream);
/* Says goodbye and waits for the relay's until the deadline. True: it answered. */
bool stream_close(struct stream *stream, int64_t deadline);

const char *stream_jid(const struct stream *stream);      /* full JID as bound, borrowed */
const char *stream_mechanism(const struct stream *stream);
const char *stream_address(const struct stream *stream);  /* where we are connected, for status */
bool stream_keep(const struct stream *stream, struct sasl_secret *secret_r); /* what may be kept for the next login */
bool stream_token(const struct stream *stream, struct sasl_token *token_r);  /* a new one to keep */
bool stream_by_token(const struct stream *stream);        /* logged in by the one kept */
bool stream_token_refused(const struct stream *stream);   /* which is to be forgotten */
bool stream_pin(const struct stream *stream, uint8_t pin_r[32]);             /* of the key the relay showed */
bool stream_managed(const struct stream *stream);         /* the relay counts (XEP-0198) */
void stream_bytes(const struct stream *stream, uint64_t *sent_r, uint64_t *received_r);
/* Of a login that failed, for its advice: which key was shown. */
bool stream_refused_pin(uint8_t pin_r[32]);

/* A stanza. Returns its number, counted from 1; 0 when the stream is gone. */
uint32_t stream_send(struct stream *stream, const struct xml *stanza);
void stream_want_ack(struct stream *stream);               /* <r/>; nothing without stream management */
uint32_t stream_acked(const struct stream *stream);       /* stanzas that the relay took */
uint32_t stream_sent(const struct stream *stream);

enum stream_got {
	STREAM_STANZA,   /* *stanza_r in *arena_r, the caller's */
	STREAM_ACK,      /* stream_acked() grew */
	STREAM_TIME_OUT,
	STREAM_WOKEN,    /* a signal came */
	STREAM_CLOSED,   /* trouble says why; FAULT_NONE: the relay said goodbye */
};
enum stream_got stream_next(struct stream *stream, int64_t deadline, struct arena **arena_r, struct xml **stanza_r);

/* How many stanzas were handed out. */
uint32_t stream_received(const struct stream *stream);
/* The stanzas up to this number are durable or need not be. With `tell`, the relay hears of it at once, unless it has. */
void stream_handled(struct stream *stream, uint32_t upto, bool tell);
/* What was sent is with the kernel. */
bool stream_flush(struct stream *stream, int64_t deadline);

#endif
