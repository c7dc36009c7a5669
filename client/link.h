/*
 * link.h -- one connection to a relay: TCP, TLS and XML elements. The only user of libstrophe, in raw mode: the library
 * parses, frames and encrypts, and decides nothing.
 *
 * Promises: every wait ends at its deadline (now_mono() milliseconds), also inside the library's blocking handshake and
 * inside its parser; memory for what the peer sends is capped; nothing the peer sent before TLS is believed after it;
 * the certificate is checked against `domain`, whatever address was connected to, or the pin is.
 * Never sends anything by itself. Knows no feature, login or stanza: see link_stream.h.
 *
 * DIAGNOSTICS: the first cause of failure is in the struct trouble handed to link_new(); all later calls do nothing.
 * Spec: RFC 6120 sections 4 and 5; XEP-0368 (direct TLS; libstrophe can set no ALPN).
 */
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/fault.h"

struct arena;
struct link;
struct xml;

struct link_config {
	const char *domain;  /* of the JID: the stream's `to`, and, in its A-form, the name the certificate must bear */
	const char *user;    /* with it the stream's `from`, once private; NULL: none */
	const char *ca_file; /* more certification authorities; NULL: the system's only */
	const uint8_t *pin;  /* SHA-256 of the key (link_cert.h): then only that key is accepted, whoever signed; NULL: none */
};

/* What is not NULL is borrowed until link_free(). */
struct link *link_new(const struct link_config *config, struct trouble *trouble);
void link_free(struct link **link); /* cuts the connection when it is still open */

/* To one numeric address. With `direct`, TLS starts at once. After a failure another link_new() is needed. */
bool link_connect(struct link *link, const char *address, uint16_t port, bool direct, int64_t deadline);
bool link_start_tls(struct link *link, int64_t deadline); /* after <proceed/> */
bool link_open_stream(struct link *link);                 /* a new stream header: at start, after TLS, after SASL */
bool link_encrypted(const struct link *link);
/* The pin of the key that the peer showed, good or bad, once TLS was tried. False: none seen. */
bool link_peer_pin(const struct link *link, uint8_t pin_r[32]);

void link_send(struct link *link, const struct xml *element); /* queued; written by the next call that waits */

enum link_got {
	LINK_ELEMENT,  /* *element_r in *arena_r, which becomes the caller's */
	LINK_TIME_OUT, /* nothing came before the deadline; the link is well */
	LINK_WOKEN,    /* link_stop() was called, or a signal came */
	LINK_CLOSED,   /* the peer closed its stream, or the connection is gone: see trouble */
};
enum link_got link_next(struct link *link, int64_t deadline, struct arena **arena_r, struct xml **element_r);
bool link_flush(struct link *link, int64_t deadline); /* all that was queued is with the kernel */

/* </stream:stream>, wait for the peer's until the deadline, close. True: it answered. */
bool link_close(struct link *link, int64_t deadline);

/* Bytes of TLS records sent and received so far, for the account of what a sync costs. */
void link_bytes(const struct link *link, uint64_t *sent_r, uint64_t *received_r);

#endif
