/*
 * stream/stream.h -- one client's XML stream from accept to close (RFC 6120): negotiation, SASL, bind, order.
 *
 *   NEW -> TLS -> SASL -> BIND -> READY, any -> CLOSING -> CLOSED       (stream.c: allowed[])
 *
 * Promises: nothing but STARTTLS before TLS; nothing but SASL (and registration, if the owner takes it) before authentication; `from` is stamped by the
 * owner's session, never taken from the client; stanzas reach the owner one at a time in order; at most 256 unhandled. A stanza
 * is handled when its slot is done and all slots before it are; its replies leave at that moment, so the answer to a
 * ping is a barrier. Deadlines: TLS 10 s, authenticated and bound 30 s, half a stanza 30 s (60 s when ready), idle keepalive with a white space each 5 min
 * and TCP keepalive; closing 5 s.
 * Never: knows rosters, messages or features: those come down in struct stream_owner.
 */
#ifndef RELAY_STREAM_STREAM_H
#define RELAY_STREAM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/error.h"

struct arena;
struct jid;
struct loop;
struct pool;
struct slot;
struct store;
struct stream;
struct tls;
struct xml;

/* What the floors above do; handed down at start. `session` is what `bound` returned. */
struct stream_owner {
	/* Authenticated as `node` and asked for `resource` (NULL: any). Returns the session and fills resource_r (arena) or NULL with
	 * *error_r set (conflict, not-allowed, resource-constraint). */
	void *(*bound)(void *arg, struct stream *stream, struct arena *arena, const char *node, const char *resource,
	    const char **resource_r, enum stanza_error *error_r);
	/* XEP-0386: what may be enabled together with a resource, as children of `list`. */
	void (*inline_features)(void *arg, struct arena *arena, struct xml *list);
	/* Before `bound`: adds to <bound/> what is told of the account, then calls `then`, perhaps at once. */
	void (*bind_ahead)(void *arg, const char *node, struct arena *arena, struct xml *bound, void (*then)(void *then_arg),
	    void *then_arg);
	/* After `bound`: one child of <bind/>, known or not. */
	void (*inline_ask)(void *session, const struct xml *element);
	/* One stanza (message, presence, iq), namespace jabber:client; the arena is the owner's from here on. The owner answers by slot_*() and ends with slot_done(). */
	void (*stanza)(void *session, struct slot *slot, struct arena *arena, struct xml *stanza);
	/* An element that is not a stanza (XEP-0352). False: not known (the stream ends). May close the stream. */
	bool (*nonza)(void *session, const struct xml *element);
	/* Before authentication: an iq (XEP-0077). False: not taken (the stream answers not-authorized). Same rules for slot and arena when taken. */
	bool (*unauthenticated)(void *arg, struct stream *stream, struct slot *slot, struct arena *arena, struct xml *iq);
	/* Features to announce: before authentication (ready false) and after (ready true: beside bind). Appends children. */
	void (*features)(void *arg, struct arena *arena, struct xml *features, bool ready);
	/* After `bound`: the stream is gone; the session must let go of it. Slots not yet done stay valid, their replies go nowhere.
	 * Never from inside another call: stream_close() is followed by it in a later turn. */
	void (*closed)(void *session);
	/* The client says <a/> (XEP-0198): it has handled the first `upto` stanzas of stream_sent(). Also when that is not news. */
	void (*acked)(void *session, uint64_t upto);
	/* The session goes on with this stream (XEP-0198 section 5); of what the former one sent, `upto` was handled. What was sent by
	 * stream_send_row() and is not among these comes again from the owner; stream_sent() has begun anew behind them. All else
	 * waits for stream_replay(). */
	void (*resumed)(void *session, struct stream *stream, uint64_t upto);
	/* Before `closed`: this stanza was sent to a session that might have been taken up again, and never acknowledged. */
	void (*lost)(void *session, const char *bytes, size_t len);
};

/* What all client streams share. Borrowed; outlives them. */
struct stream_host {
	struct loop *loop;
	struct store *store;
	struct tls *tls; /* replaced on SIGHUP: new handshakes use the new one */
	const char *domain;
	const struct stream_owner *owner;
	void *arg;
	bool plain;              /* offer SASL PLAIN */
	int64_t logins;          /* attempts a second and address, then slower */
	int64_t resume;          /* seconds a session may be taken up again when its connection is lost; 0: it may not */
	int64_t rate;            /* bytes a second and stream; 0: no limit */
	void *limiter;           /* stream/host.c's own; made by stream_host_init */
	struct stream *streams;  /* all of them */
};
void stream_host_init(struct stream_host *host);
void stream_host_changed(struct stream_host *host); /* tls, plain, logins or rate was set anew */
void stream_host_free(struct stream_host *host);     /* after shutdown; no stream is left */
/* Where PBKDF2 runs, two at a time (stream/pool.h): also for the keys of new passwords. */
struct pool *stream_host_pool(struct stream_host *host);
void stream_host_free(struct stream_host *host); /* streams still open are closed at once; a host never initialised is allowed */
size_t stream_host_count(const struct stream_host *host); /* open connections */
/* Say system-shutdown to all, wait up to 2 s for unhandled stanzas to be handled, close; then call done. */
void stream_host_shutdown(struct stream_host *host, void (*done)(void *arg), void *arg);

/* A connection came in. direct: TLS starts at once (XEP-0368). on_gone tells the listener. */
void stream_accept(struct stream_host *host, int fd, bool direct, void (*on_gone)(void *arg, const char *peer), void *arg);

/* Send now, in order of calls: one stanza a call, since the peer counts them. Deliveries, pushes, presence. */
void stream_send(struct stream *stream, const struct xml *stanza);
/* The same element already as bytes (xmlout with outer jabber:client). */
void stream_send_bytes(struct stream *stream, const char *bytes, size_t len);
/* The same of a stanza that the owner can send again by itself: it is not kept for a resumption. */
void stream_send_row(struct stream *stream, const char *bytes, size_t len);
/* The place of what was sent last, in the order of all that the session was sent, whichever the connection; 0: not counted. */
uint64_t stream_place(const struct stream *stream);
/* One for what cannot be sent now, behind all others. */
uint64_t stream_take_place(struct stream *stream);
/* Behind `resumed`: what was sent before that place and must be sent again goes out now; UINT64_MAX: all of it, and then at once
 * what is sent from here on, which until then waits its turn. Otherwise nothing. */
void stream_replay(struct stream *stream, uint64_t before);
/* Its connection is lost and may come back: what is sent now is kept, at most 256 KiB. */
bool stream_is_away(const struct stream *stream);
size_t stream_queued(const struct stream *stream); /* bytes the peer has not taken */
/* Stream management (XEP-0198) is enabled: the peer's <a/> comes as stream_owner.acked. */
bool stream_is_managed(const struct stream *stream);
uint64_t stream_sent(const struct stream *stream); /* stanzas, since it was enabled */
void stream_ask(struct stream *stream);            /* <r/>: it answers with <a/> */
/* Stream error and close; STREAM_OK: a plain </stream:stream>. text for people, may be NULL. */
void stream_close(struct stream *stream, enum stream_error error, const char *text);
/* Stop and go on reading (back-pressure). Counted: each true needs its false. */
void stream_hold(struct stream *stream, bool held);
/* While raised, nothing more becomes handled, so that answers wait for what is sent meanwhile (a mailbox being flushed): what a
 * client asks behind its presence is answered behind what its presence brings. Not counted; a stream's end lowers it. */
void stream_barrier(struct stream *stream, bool raised);
const char *stream_peer(const struct stream *stream);
const char *stream_id(const struct stream *stream);      /* as in logs */
/* The id of its user agent (XEP-0388): two logins of one program have the same. NULL: not told. */
const char *stream_client(const struct stream *stream);
bool stream_is_direct(const struct stream *stream);
int64_t stream_since(const struct stream *stream);       /* ms wall: accepted */

/* A stanza's place in its stream's order. */
struct stream *slot_stream(struct slot *slot); /* NULL once the stream is gone, and when it is no client's */
/* Leaves when the slot is handled. Copied at once. */
void slot_reply(struct slot *slot, const struct xml *stanza);
/* Runs when the slot is handled, in stream order, also when the stream has gone meanwhile. */
void slot_after(struct slot *slot, void (*fn)(void *arg), void *arg);
/* How many stanzas its stream will have handled with this undecided one, and the id by which the session may be taken up, borrowed:
 * for OP_COUNTER. False: it may not. */
bool slot_counter(struct slot *slot, const char **id_r, uint32_t *h_r);
/* The owner has decided: the next stanza may be given to it (at most 256 undone). Call once, at the latest at slot_done. */
void slot_decided(struct slot *slot);
/* Its effects are durable (or it has none). The slot is not touched by the owner afterwards. */
void slot_done(struct slot **slot);
/* Instead of it, for another relay's stanza that could not be kept: it is handled never, nor is anything behind it, so that the other
 * relay goes on having it. */
void slot_lose(struct slot **slot);

#endif
