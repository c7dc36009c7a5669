/*
 * net/listener.c -- accepts connections: see listener.h.
 *
 * DIAGNOSTICS: out of descriptors or memory: one warning, then a pause of 100 ms that doubles up to 5 s; connections wait
 * in the kernel meanwhile. Over the limit of an address: closed at once, one line (log.h counts a flood).
 */
#include "config.h"

#include "relay/net/listener.h"
#include "relay/net/loop-private.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "proto/mem.h"
#include "relay/log.h"
#include "relay/net/address.h"
#include "relay/net/crowd.h"
#include "relay/tally.h"

enum {
	BACKLOG = 511,
	ACCEPTS_PER_TURN = 64,
	PAUSE_FIRST = 100, /* ms */
	PAUSE_MOST = 5000,
};

struct listener {
	uv_poll_t poll;
	struct timer *pause;
	uint64_t pause_ms;
	listener_fn *fn;
	void *arg;
	struct crowd *crowd; /* NULL: anyone may come */
	int fd;
	char address[ADDRESS_TEXT];
};

static void on_poll(uv_poll_t *handle, int status, int events);

static void
go_on(void *arg)
{
	struct listener *listener = arg;

	uv_poll_start(&listener->poll, UV_READABLE, on_poll);
}

static void
back_off(struct listener *listener, int reason)
{
	listener->pause_ms = listener->pause_ms == 0 ? PAUSE_FIRST : listener->pause_ms * 2;
	if (listener->pause_ms > PAUSE_MOST)
		listener->pause_ms = PAUSE_MOST;
	log_warn(NULL, "cannot accept on %s: %s; trying again in %d ms", listener->address, strerror(reason),
	    (int)listener->pause_ms);
	uv_poll_stop(&listener->poll);
	timer_set(listener->pause, listener->pause_ms);
}

/* Take one connection. False: none is waiting, or none can be taken for now. */
static bool
accept_one(struct listener *listener)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof address;
	char peer[ADDRESS_TEXT];
	int fd = accept4(listener->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
		back_off(listener, errno);
		return false;
	}
	if (fd < 0) /* accept(2): other errors are that connection's own */
		return errno != EAGAIN && errno != EBADF && errno != EINVAL;
	listener->pause_ms = 0;
	address_text(&address, peer);
	if (listener->crowd == NULL || crowd_come(listener->crowd, peer)) {
		listener->fn(listener->arg, fd, peer);
	} else {
		tally_add(TALLY_CROWDED, 1);
		log_info(NULL, "refused a connection from %s: it has %d already", peer,
		    (int)crowd_most(listener->crowd));
		close(fd);
	}
	return true;
}

static void
on_poll(uv_poll_t *handle, int status, int events)
{
	struct listener *listener = handle->data;

	(void)events;
	for (int accepts = 0; status == 0 && accepts < ACCEPTS_PER_TURN; accepts++)
		if (!accept_one(listener))
			break;
}

/* A listening socket, or -1 with errno. */
static int
open_socket(const struct sockaddr_storage *address, socklen_t len, bool both_families)
{
	int yes = 1, only6 = !both_families;
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int reason;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (address->ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof only6);
	if (bind(fd, (const struct sockaddr *)address, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	reason = errno;
	close(fd);
	errno = reason;
	return -1;
}

/* "*" on a machine without IPv6. */
static int
open_any4(const struct sockaddr_storage *any)
{
	struct sockaddr_storage address = { .ss_family = AF_INET };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address;

	v4->sin_port = ((const struct sockaddr_in6 *)any)->sin6_port;
	return open_socket(&address, sizeof *v4, false);
}

/* -1: *error_r says why. */
static int
open_address(const char *where, char **error_r)
{
	struct sockaddr_storage address;
	socklen_t len;
	bool any;
	int fd;

	if (!address_parse(where, &address, &len, &any)) {
		*error_r = xasprintf("\"%s\" is not an address: \"*:5222\", \"192.0.2.7:5222\" or \"[2001:db8::7]:5222\"",
		    where);
		return -1;
	}
	fd = open_socket(&address, len, any);
	if (fd < 0 && any && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
		fd = open_any4(&address);
	if (fd < 0)
		*error_r = xasprintf("cannot listen on %s: %s", where, strerror(errno));
	return fd;
}

struct listener *
listener_new(struct loop *loop, const char *where, struct crowd *crowd, listener_fn *fn, void *arg, char **error_r)
{
	int fd = open_address(where, error_r);

	return fd < 0 ? NULL : listener_adopt(loop, fd, crowd, fn, arg);
}

struct listener *
listener_adopt(struct loop *loop, int fd, struct crowd *crowd, listener_fn *fn, void *arg)
{
	struct listener *listener = xcalloc(1, sizeof *listener);
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof address;

	listener->fd = fd;
	listener->crowd = crowd;
	listener->fn = fn;
	listener->arg = arg;
	listener->pause = timer_new(loop, go_on, listener);
	getsockname(fd, (struct sockaddr *)&address, &len);
	address_text(&address, listener->address);
	uv_poll_init(loop_uv(loop), &listener->poll, fd);
	listener->poll.data = listener;
	go_on(listener);
	return listener;
}

const char *
listener_address(const struct listener *listener)
{
	return listener->address;
}

static void
poll_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
listener_free(struct listener **listener_p)
{
	struct listener *listener = *listener_p;

	if (listener == NULL)
		return;
	*listener_p = NULL;
	timer_free(&listener->pause);
	uv_close((uv_handle_t *)&listener->poll, poll_closed);
	close(listener->fd);
}
