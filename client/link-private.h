/*
 * link-private.h -- one link, for the files that share it: link.c (life, elements), link_tls.c (TLS and whom to believe),
 * link_count.c (what went over the wire).
 */
#ifndef CLIENT_LINK_PRIVATE_H
#define CLIENT_LINK_PRIVATE_H

#include <strophe.h>

#include "client/link.h"
#include "client/link_meter.h"
#include "proto/digest.h"

struct watch;

struct got {
	struct got *next;
	struct arena *arena;
	struct xml *element;
};

struct link {
	xmpp_ctx_t *ctx;
	xmpp_conn_t *conn;
	xmpp_mem_t mem;
	xmpp_log_t log;
	struct watch *watch;
	const struct link_config *config;
	struct trouble *trouble;
	int fd;             /* borrowed from the library, -1 while there is none */
	bool connected;     /* the library said so */
	bool closed;        /* the library said so */
	bool encrypted;
	bool expecting_tls; /* <proceed/> came: whatever else comes now is an attack */
	bool pin_seen;
	uint8_t pin[SHA256_LEN];
	struct got *first, **last; /* elements not yet handed out */
	struct meter meter; /* its deadline is that of the wait going on */
	uint64_t mark;      /* bytes consumed when the last element was complete */
};

/* link_tls.c: libstrophe's callbacks for the socket and for a certificate that it does not believe. They get no user data; the
 * link is that of link_tls_begin(), which stands before the calls that lead there. */
void link_tls_begin(struct link *link);
int link_tls_on_socket(xmpp_conn_t *conn, void *sock);
int link_tls_on_bad_cert(const xmpp_tlscert_t *cert, const char *reason);

/*
 * link_count.c: bytes that have left the kernel for the library. More may come between the kernel's two answers: the order of
 * asking decides whether that counts as consumed (`most`) or not. Nothing that was not consumed may be held against the relay,
 * so marks are set by the most and judged by the least.
 */
uint64_t link_consumed(const struct link *link, bool most);

#endif
