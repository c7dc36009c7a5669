/*
 * link.c -- one connection to a relay over libstrophe's raw mode: see link.h.
 *
 * Hazards of libstrophe 0.12 that this file stands in front of:
 * - its parser takes stanzas without end: its memory is counted (link_meter.h), and what one element took on the wire is by
 *   the kernel's TCP_INFO;
 * - what follows <proceed/> in the same segment would be parsed as if it had come through TLS: refused here;
 * - run_once reads 4 KiB and does not see what OpenSSL holds decrypted: ROUNDS rounds a wake-up;
 * - its expat waits with unfinished tags: link_expat.h, whose functions the program must export to the library.
 * TLS has its own: link_tls.c.
 */
#include "config.h"

#include "client/link-private.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client/clock.h"
#include "client/link_expat.h"
#include "client/link_tree.h"
#include "client/link_watch.h"
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlout.h"

enum {
	ELEMENT_MAX = 1 << 20,  /* bytes of one element on the wire, TLS included */
	ROUNDS = 6,             /* run_once calls that empty one TLS record of 16 KiB by 4 KiB */
};

/* -- what the library calls -------------------------------------------------------------------------------- */

static int
on_element(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *userdata)
{
	struct link *link = userdata;
	struct got *got;

	(void)conn;
	if (link->meter.over || link->trouble->fault != FAULT_NONE)
		return 1;
	if (link->expecting_tls) {
		trouble_set(link->trouble, FAULT_NO_TLS, "data after <proceed/>, before TLS");
		return 1;
	}
	got = xcalloc(1, sizeof(*got));
	got->arena = arena_new_secret();
	got->element = link_tree(got->arena, stanza);
	if (got->element == NULL) {
		trouble_set(link->trouble, FAULT_PROTOCOL, "an element nested or attributed beyond all use");
		arena_free(&got->arena);
		free(got);
		return 1;
	}
	if (xml_is(got->element, "proceed", NS_TLS))
		link->expecting_tls = true;
	*link->last = got;
	link->last = &got->next;
	link->mark = link_consumed(link, true);
	return 1;
}

static void
on_event(xmpp_conn_t *conn, xmpp_conn_event_t event, int error, xmpp_stream_error_t *stream_error, void *userdata)
{
	struct link *link = userdata;

	(void)conn, (void)stream_error;
	switch (event) {
	case XMPP_CONN_RAW_CONNECT:
		link->connected = true;
		break;
	case XMPP_CONN_CONNECT: /* a stream header came; says nothing of a login */
		break;
	case XMPP_CONN_DISCONNECT:
	case XMPP_CONN_FAIL:
		link->closed = true;
		link->fd = -1;
		if (error != 0 && link->connected)
			trouble_set(link->trouble, FAULT_LOST, "error %d", error);
		break;
	}
}

static void
on_log(void *userdata, xmpp_log_level_t level, const char *area, const char *message)
{
	struct link *link = userdata;

	(void)level, (void)area;
	/* The only way it tells: after this it would wait for what comes next. */
	if (strncmp(message, "parse error", strlen("parse error")) == 0)
		trouble_set(link->trouble, FAULT_PROTOCOL, "what came is not XML of a stream");
}

static void
cut(void *arg, const char *why)
{
	struct link *link = arg;

	trouble_set(link->trouble, FAULT_TOO_BIG, "%s", why);
	if (link->fd >= 0)
		shutdown(link->fd, SHUT_RDWR);
}

/* -- life -------------------------------------------------------------------------------------------------- */

struct link *
link_new(const struct link_config *config, struct trouble *trouble)
{
	char name[JID_PART_MAX + 1];
	static bool ready;
	struct link *link = xcalloc(1, sizeof(*link));

	if (!ready)
		xmpp_initialize();
	ready = true;
	link->config = config;
	link->trouble = trouble;
	link->fd = -1;
	link->last = &link->first;
	link->watch = watch_new();
	link->meter = (struct meter){ .cut = cut, .arg = link };
	link->mem = (xmpp_mem_t){ .alloc = meter_alloc, .free = meter_free, .realloc = meter_realloc, .userdata = &link->meter };
	link->log = (xmpp_log_t){ .handler = on_log, .userdata = link };
	link->ctx = xmpp_ctx_new(&link->mem, &link->log);
	link->conn = xmpp_conn_new(link->ctx);
	xmpp_conn_set_flags(link->conn, XMPP_CONN_FLAG_MANDATORY_TLS | XMPP_CONN_FLAG_DISABLE_SM);
	xmpp_conn_set_jid(link->conn, jid_domain_ascii(config->domain, name) ? name : config->domain);
	if (config->ca_file != NULL)
		xmpp_conn_set_cafile(link->conn, config->ca_file);
	xmpp_conn_set_certfail_handler(link->conn, link_tls_on_bad_cert);
	xmpp_conn_set_sockopt_callback(link->conn, link_tls_on_socket);
	xmpp_handler_add(link->conn, on_element, NULL, NULL, NULL, link);
	return link;
}

static void
drop_got(struct link *link)
{
	struct got *got;

	while ((got = link->first) != NULL) {
		link->first = got->next;
		arena_free(&got->arena);
		free(got);
	}
	link->last = &link->first;
}

void
link_free(struct link **link)
{
	struct link *dead = *link;

	if (dead == NULL)
		return;
	*link = NULL;
	dead->meter.deadline = 0;
	xmpp_conn_release(dead->conn);
	xmpp_ctx_free(dead->ctx);
	watch_free(&dead->watch);
	drop_got(dead);
	free(dead);
}

/* Let the library write what is queued and read what came, to the first element or the end: what OpenSSL holds decrypted no poll
 * tells of. Events and elements arrive in on_*(). */
static void
pump(struct link *link)
{
	uint64_t before;

	do {
		before = link_consumed(link, false);
		for (int i = 0; i < ROUNDS && !link->closed && !link->meter.over; i++)
			xmpp_run_once(link->ctx, 0);
		if (!link->closed && !link->meter.over && link_consumed(link, false) > link->mark + ELEMENT_MAX) {
			link->meter.over = true;
			cut(link, "one stanza of more than 1 MiB");
		}
	} while (link->first == NULL && !link->closed && !link->meter.over && link_consumed(link, false) != before);
}

/* Wait for the socket. False: the deadline passed, or a signal came (*signal_r). */
static bool
wait_socket(struct link *link, int64_t deadline, bool *signal_r)
{
	struct pollfd pfd = { .fd = link->fd, .events = POLLIN };
	int64_t left = deadline - now_mono();

	*signal_r = false;
	if (left <= 0)
		return false;
	if (!link->connected || xmpp_conn_send_queue_len(link->conn) > 0)
		pfd.events |= POLLOUT;
	if (poll(&pfd, 1, left > 60000 ? 60000 : (int)left) >= 0)
		return now_mono() < deadline || pfd.revents != 0;
	*signal_r = errno == EINTR;
	return false;
}

bool
link_connect(struct link *link, const char *address, uint16_t port, bool direct, int64_t deadline)
{
	bool woken;

	link->meter.deadline = deadline;
	link_tls_begin(link);
	assert(link_expat_used());
	if (xmpp_connect_raw(link->conn, address, port, on_event, link) != XMPP_EOK)
		return trouble_set(link->trouble, FAULT_NETWORK, "%s port %u: no socket", address, port);
	while (!link->connected && !link->closed) {
		if (!wait_socket(link, deadline, &woken))
			return trouble_set(link->trouble, woken ? FAULT_STOPPED : FAULT_NETWORK, "%s port %u: no answer",
			    address, port);
		xmpp_run_once(link->ctx, 0);
	}
	link->meter.deadline = 0;
	if (link->closed)
		return trouble_set(link->trouble, FAULT_NETWORK, "%s port %u refuses", address, port);
	return !direct || link_start_tls(link, deadline);
}

/* What the library opens by itself, but for `to`: it knows only the name for the certificate. */
bool
link_open_stream(struct link *link)
{
	char *attributes[] = { "to", (char *)(uintptr_t)link->config->domain, "xml:lang", "en", "version", "1.0", "xmlns",
		NS_CLIENT, "xmlns:stream", NS_STREAM };

	if (link->closed || link->meter.over || link->trouble->fault != FAULT_NONE)
		return trouble_set(link->trouble, FAULT_LOST, "before the stream was opened");
	if (link->first != NULL)
		return trouble_set(link->trouble, FAULT_PROTOCOL, "data between two streams");
	return xmpp_conn_open_stream(link->conn, attributes, sizeof(attributes) / sizeof(attributes[0])) == XMPP_EOK;
}

void
link_send(struct link *link, const struct xml *element)
{
	struct buf text = { 0 };

	if (link->closed || link->meter.over)
		return;
	xmlout(&text, element, NS_CLIENT);
	xmpp_send_raw(link->conn, text.data, text.len);
	cleanse(text.data, text.len); /* may be a SASL response or a registration */
	buf_free(&text);
}

static enum link_got
take(struct link *link, struct arena **arena_r, struct xml **element_r)
{
	struct got *got = link->first;

	link->first = got->next;
	if (link->first == NULL)
		link->last = &link->first;
	*arena_r = got->arena;
	*element_r = got->element;
	free(got);
	return LINK_ELEMENT;
}

static enum link_got
wait_element(struct link *link, int64_t deadline, struct arena **arena_r, struct xml **element_r)
{
	bool woken;

	for (;;) {
		if (link->first != NULL && link->trouble->fault != FAULT_NO_TLS)
			return take(link, arena_r, element_r);
		if (link->closed || link->meter.over || link->trouble->fault != FAULT_NONE)
			return LINK_CLOSED;
		pump(link);
		if (link->first != NULL || link->closed || link->meter.over || link->trouble->fault != FAULT_NONE)
			continue;
		if (!wait_socket(link, deadline, &woken))
			return woken ? LINK_WOKEN : LINK_TIME_OUT;
	}
}

enum link_got
link_next(struct link *link, int64_t deadline, struct arena **arena_r, struct xml **element_r)
{
	enum link_got got;

	link->meter.deadline = deadline;
	got = wait_element(link, deadline, arena_r, element_r);
	link->meter.deadline = 0; /* what is written between two waits is not late */
	return got;
}

bool
link_flush(struct link *link, int64_t deadline)
{
	bool woken, late = false;

	link->meter.deadline = deadline;
	while (!link->closed && !link->meter.over && !late) {
		pump(link);
		if (link->closed || xmpp_conn_send_queue_len(link->conn) == 0)
			break;
		late = !wait_socket(link, deadline, &woken) && !woken;
	}
	link->meter.deadline = 0;
	if (late)
		return trouble_set(link->trouble, FAULT_TIMEOUT, "the relay does not read");
	return !link->closed && !link->meter.over;
}

bool
link_close(struct link *link, int64_t deadline)
{
	struct arena *arena;
	struct xml *element;
	enum link_got got;

	if (link->closed || link->meter.over)
		return false;
	xmpp_send_raw(link->conn, "</stream:stream>", strlen("</stream:stream>"));
	while ((got = link_next(link, deadline, &arena, &element)) == LINK_ELEMENT)
		arena_free(&arena);
	return got == LINK_CLOSED;
}
