/*
 * link.c -- one connection to a relay over libstrophe's raw mode: see link.h.
 *
 * Hazards of libstrophe 0.12 that this file stands in front of:
 * - its parser takes stanzas without end: memory goes through meter_*(), which cuts the socket beyond LIVE_MAX, and
 *   what one element took on the wire is counted by the kernel's TCP_INFO;
 * - it joins text by strncat, quadratic in the pieces: meter_realloc() also looks at the deadline, so that one fed block
 *   cannot run for hours; beyond either limit realloc fails, which both expat and libstrophe survive;
 * - SSL_connect runs in a loop without limit: link_watch.h cuts it;
 * - what follows <proceed/> in the same segment would be parsed as if it had come through TLS: refused here;
 * - run_once reads 4 KiB and does not see what OpenSSL holds decrypted: ROUNDS rounds a wake-up;
 * - its expat waits with unfinished tags: link_expat.h;
 * - two callbacks have no user data: `current`.
 */
#include "config.h"

#include "client/link.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/tcp.h>
#include <strophe.h>

#include "client/clock.h"
#include "client/link_cert.h"
#include "client/link_expat.h"
#include "client/link_watch.h"
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlout.h"

enum {
	LIVE_MAX = 8 << 20,     /* bytes the library may hold at once for one link */
	ELEMENT_MAX = 1 << 20,  /* bytes of one element on the wire, TLS included */
	DEPTH_MAX = 64,         /* of elements in elements */
	ROUNDS = 6,             /* run_once calls that empty one TLS record of 16 KiB by 4 KiB */
	ATTRIBUTES_MAX = 64,    /* of one element */
	CLOCK_EVERY = 64,       /* reallocations between two looks at the clock */
};

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
	size_t live;        /* bytes held by the library */
	unsigned calls;
	int64_t deadline;   /* of the wait going on */
	bool over;          /* beyond a limit: sticky */
	uint64_t mark;      /* bytes consumed when the last element was complete */
};

/* The link whose socket is being made or whose handshake runs: libstrophe's callbacks for these two get no user data. */
static _Thread_local struct link *current;

/* -- memory of the library, counted ------------------------------------------------------------------------ */

struct block {
	size_t size;
	max_align_t bytes[];
};

static void
meter_over(struct link *link, const char *why)
{
	link->over = true;
	trouble_set(link->trouble, FAULT_TOO_BIG, "%s", why);
	if (link->fd >= 0)
		shutdown(link->fd, SHUT_RDWR);
}

static void
meter_check(struct link *link, size_t more)
{
	if (link->over)
		return;
	if (link->live + more > LIVE_MAX)
		meter_over(link, "one stanza takes more than 8 MiB");
	else if (link->deadline != 0 && ++link->calls % CLOCK_EVERY == 0 && now_mono() > link->deadline + 1000)
		meter_over(link, "reading one stanza takes too long");
}

static void *
meter_alloc(size_t size, void *userdata)
{
	struct link *link = userdata;
	struct block *block;

	meter_check(link, size);
	block = xmalloc(sizeof(*block) + size);
	block->size = size;
	link->live += size;
	return block->bytes;
}

static struct block *
block_of(void *bytes)
{
	return (struct block *)(void *)((char *)bytes - offsetof(struct block, bytes));
}

static void
meter_free(void *bytes, void *userdata)
{
	struct link *link = userdata;

	if (bytes == NULL)
		return;
	link->live -= block_of(bytes)->size;
	free(block_of(bytes));
}

static void *
meter_realloc(void *bytes, size_t size, void *userdata)
{
	struct link *link = userdata;
	struct block *block;

	if (bytes == NULL) {
		meter_check(link, size);
		return link->over ? NULL : meter_alloc(size, userdata);
	}
	block = block_of(bytes);
	meter_check(link, size > block->size ? size - block->size : 0);
	if (link->over && size > block->size)
		return NULL;
	link->live += size - block->size;
	block = xrealloc(block, sizeof(*block) + size);
	block->size = size;
	return block->bytes;
}

/* -- from the library's tree to ours ----------------------------------------------------------------------- */

static bool
copy_attributes(struct arena *arena, struct xml *node, xmpp_stanza_t *from)
{
	const char *pairs[2 * (ATTRIBUTES_MAX + 1)];
	int count = xmpp_stanza_get_attribute_count(from);

	if (count > ATTRIBUTES_MAX)
		return false;
	count = xmpp_stanza_get_attributes(from, pairs, 2 * count);
	for (int i = 0; i + 1 < count; i += 2)
		if (strcmp(pairs[i], "xmlns") != 0)
			xml_set(arena, node, pairs[i], pairs[i + 1]);
	return true;
}

static bool copy_children(struct arena *arena, struct xml *node, xmpp_stanza_t *from, int depth);

static bool
copy_child(struct arena *arena, struct xml *parent, xmpp_stanza_t *from, int depth)
{
	const char *text, *ns;
	struct xml *node;

	if (xmpp_stanza_is_text(from)) {
		text = xmpp_stanza_get_text_ptr(from);
		if (text != NULL)
			xml_add_text(arena, parent, text, strlen(text));
		return true;
	}
	if (depth >= DEPTH_MAX || xmpp_stanza_get_name(from) == NULL)
		return false;
	ns = xmpp_stanza_get_ns(from);
	node = xml_add(arena, parent, xmpp_stanza_get_name(from), ns != NULL ? ns : "");
	return copy_attributes(arena, node, from) && copy_children(arena, node, from, depth);
}

static bool
copy_children(struct arena *arena, struct xml *node, xmpp_stanza_t *from, int depth)
{
	for (xmpp_stanza_t *child = xmpp_stanza_get_children(from); child != NULL; child = xmpp_stanza_get_next(child))
		if (!copy_child(arena, node, child, depth + 1))
			return false;
	return true;
}

static struct xml *
copy_element(struct arena *arena, xmpp_stanza_t *from)
{
	const char *ns = xmpp_stanza_get_ns(from);
	struct xml *node = xml_new(arena, xmpp_stanza_get_name(from), ns != NULL ? ns : "");

	return copy_attributes(arena, node, from) && copy_children(arena, node, from, 0) ? node : NULL;
}

/* -- what the library calls -------------------------------------------------------------------------------- */

static uint64_t
unread(const struct link *link)
{
	int bytes = 0;

	return ioctl(link->fd, FIONREAD, &bytes) == 0 && bytes > 0 ? (uint64_t)bytes : 0;
}

/* Bytes that have left the kernel for the library. More may come between the kernel's two answers: the order of asking
 * decides whether that counts as consumed (`most`) or not. Nothing that was not consumed may be held against the relay, so
 * marks are set by the most and judged by the least. */
static uint64_t
consumed(const struct link *link, bool most)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	uint64_t before, waiting;

	if (link->fd < 0)
		return 0;
	before = most ? unread(link) : 0;
	if (getsockopt(link->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return 0;
	waiting = most ? before : unread(link);
	return info.tcpi_bytes_received > waiting ? info.tcpi_bytes_received - waiting : 0;
}

static int
on_element(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *userdata)
{
	struct link *link = userdata;
	struct got *got;

	(void)conn;
	if (link->over || link->trouble->fault != FAULT_NONE)
		return 1;
	if (link->expecting_tls) {
		trouble_set(link->trouble, FAULT_NO_TLS, "data after <proceed/>, before TLS");
		return 1;
	}
	got = xcalloc(1, sizeof(*got));
	got->arena = arena_new();
	got->element = copy_element(got->arena, stanza);
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
	link->mark = consumed(link, true);
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

static int
on_socket(xmpp_conn_t *conn, void *sock)
{
	int one = 1;

	(void)conn;
	current->fd = *(int *)sock;
	setsockopt(current->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(current->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	return 0;
}

static void
see_cert(struct link *link, const xmpp_tlscert_t *cert)
{
	const char *pem = cert != NULL ? xmpp_tlscert_get_pem(cert) : NULL;

	if (pem != NULL && cert_pin(pem, link->pin))
		link->pin_seen = true;
}

/* With a pin, who signed, the name and the dates decide nothing: the key is compared once the handshake is over and before
 * anything is sent. */
static int
on_bad_cert(const xmpp_tlscert_t *cert, const char *const reason)
{
	struct link *link = current;

	if (link->config->pin != NULL)
		return 1;
	see_cert(link, cert);
	trouble_set(link->trouble, cert_fault(reason), "%s; subject %s, valid %s to %s", reason,
	    xmpp_tlscert_get_string(cert, XMPP_CERT_SUBJECT), xmpp_tlscert_get_string(cert, XMPP_CERT_NOTBEFORE),
	    xmpp_tlscert_get_string(cert, XMPP_CERT_NOTAFTER));
	return 0;
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

/* -- life -------------------------------------------------------------------------------------------------- */

struct link *
link_new(const struct link_config *config, struct trouble *trouble)
{
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
	link->mem = (xmpp_mem_t){ .alloc = meter_alloc, .free = meter_free, .realloc = meter_realloc, .userdata = link };
	link->log = (xmpp_log_t){ .handler = on_log, .userdata = link };
	link->ctx = xmpp_ctx_new(&link->mem, &link->log);
	link->conn = xmpp_conn_new(link->ctx);
	xmpp_conn_set_flags(link->conn, XMPP_CONN_FLAG_MANDATORY_TLS | XMPP_CONN_FLAG_DISABLE_SM);
	xmpp_conn_set_jid(link->conn, config->domain);
	if (config->ca_file != NULL)
		xmpp_conn_set_cafile(link->conn, config->ca_file);
	xmpp_conn_set_certfail_handler(link->conn, on_bad_cert);
	xmpp_conn_set_sockopt_callback(link->conn, on_socket);
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
	dead->deadline = 0;
	xmpp_conn_release(dead->conn);
	xmpp_ctx_free(dead->ctx);
	watch_free(&dead->watch);
	drop_got(dead);
	free(dead);
}

/* Let the library write what is queued and read what came. Events and elements arrive in on_*(). */
static void
pump(struct link *link)
{
	for (int i = 0; i < ROUNDS && !link->closed && !link->over; i++)
		xmpp_run_once(link->ctx, 0);
	if (!link->closed && !link->over && consumed(link, false) > link->mark + ELEMENT_MAX)
		meter_over(link, "one stanza of more than 1 MiB");
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

	link->deadline = deadline;
	current = link;
	assert(link_expat_used());
	if (xmpp_connect_raw(link->conn, address, port, on_event, link) != XMPP_EOK)
		return trouble_set(link->trouble, FAULT_NETWORK, "%s port %u: no socket", address, port);
	while (!link->connected && !link->closed) {
		if (!wait_socket(link, deadline, &woken))
			return trouble_set(link->trouble, woken ? FAULT_STOPPED : FAULT_NETWORK, "%s port %u: no answer",
			    address, port);
		xmpp_run_once(link->ctx, 0);
	}
	if (link->closed)
		return trouble_set(link->trouble, FAULT_NETWORK, "%s port %u refuses", address, port);
	return !direct || link_start_tls(link, deadline);
}

static bool
check_pin(struct link *link)
{
	xmpp_tlscert_t *cert = xmpp_conn_get_peer_cert(link->conn);
	char text[PIN_TEXT_LEN + 1] = "none";

	see_cert(link, cert);
	if (cert != NULL)
		xmpp_tlscert_free(cert);
	if (link->config->pin == NULL)
		return true;
	if (link->pin_seen && memcmp(link->pin, link->config->pin, SHA256_LEN) == 0)
		return true;
	if (link->pin_seen)
		cert_pin_text(text, link->pin);
	return trouble_set(link->trouble, FAULT_PIN, "it shows %s", text);
}

bool
link_start_tls(struct link *link, int64_t deadline)
{
	bool started, late;

	if (link->first != NULL)
		return trouble_set(link->trouble, FAULT_NO_TLS, "data before TLS where none may be");
	if (link->config->ca_file != NULL && access(link->config->ca_file, R_OK) != 0)
		return trouble_set(link->trouble, FAULT_CA_FILE, "%s: %s", link->config->ca_file, strerror(errno));
	current = link;
	link->deadline = deadline;
	watch_arm(link->watch, link->fd, deadline);
	started = xmpp_conn_tls_start(link->conn) == XMPP_EOK;
	late = watch_disarm(link->watch);
	link->expecting_tls = false;
	if (late)
		return trouble_set(link->trouble, FAULT_TIMEOUT, "TLS handshake");
	if (!started)
		return trouble_set(link->trouble, FAULT_HANDSHAKE, "TLS handshake");
	link->encrypted = xmpp_conn_is_secured(link->conn) == 1;
	return link->encrypted && check_pin(link);
}

bool
link_open_stream(struct link *link)
{
	if (link->closed || link->over || link->trouble->fault != FAULT_NONE)
		return trouble_set(link->trouble, FAULT_LOST, "before the stream was opened");
	if (link->first != NULL)
		return trouble_set(link->trouble, FAULT_PROTOCOL, "data between two streams");
	return xmpp_conn_open_stream_default(link->conn) == XMPP_EOK;
}

bool
link_encrypted(const struct link *link)
{
	return link->encrypted;
}

bool
link_peer_pin(const struct link *link, uint8_t pin_r[32])
{
	if (link->pin_seen)
		memcpy(pin_r, link->pin, SHA256_LEN);
	return link->pin_seen;
}

void
link_send(struct link *link, const struct xml *element)
{
	struct buf text = { 0 };

	if (link->closed || link->over)
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

enum link_got
link_next(struct link *link, int64_t deadline, struct arena **arena_r, struct xml **element_r)
{
	bool woken;

	link->deadline = deadline;
	for (;;) {
		if (link->first != NULL && link->trouble->fault != FAULT_NO_TLS)
			return take(link, arena_r, element_r);
		if (link->closed || link->over || link->trouble->fault != FAULT_NONE)
			return LINK_CLOSED;
		pump(link);
		if (link->first != NULL || link->closed || link->over || link->trouble->fault != FAULT_NONE)
			continue;
		if (!wait_socket(link, deadline, &woken))
			return woken ? LINK_WOKEN : LINK_TIME_OUT;
	}
}

bool
link_flush(struct link *link, int64_t deadline)
{
	bool woken;

	link->deadline = deadline;
	while (!link->closed && !link->over) {
		pump(link);
		if (link->closed || xmpp_conn_send_queue_len(link->conn) == 0)
			break;
		if (!wait_socket(link, deadline, &woken) && !woken)
			return trouble_set(link->trouble, FAULT_TIMEOUT, "the relay does not read");
	}
	return !link->closed && !link->over;
}

bool
link_close(struct link *link, int64_t deadline)
{
	struct arena *arena;
	struct xml *element;
	enum link_got got;

	if (link->closed || link->over)
		return false;
	xmpp_send_raw(link->conn, "</stream:stream>", strlen("</stream:stream>"));
	while ((got = link_next(link, deadline, &arena, &element)) == LINK_ELEMENT)
		arena_free(&arena);
	return got == LINK_CLOSED;
}

void
link_bytes(const struct link *link, uint64_t *sent_r, uint64_t *received_r)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	*sent_r = *received_r = 0;
	if (link->fd < 0 || getsockopt(link->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return;
	*sent_r = info.tcpi_bytes_acked;
	*received_r = info.tcpi_bytes_received;
}
