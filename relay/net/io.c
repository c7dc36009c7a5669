/*
 * net/io.c -- one connected socket, plain and then TLS, as events: see io.h.
 *
 *   PLAIN -> LAST_PLAIN (what is queued must leave in clear first) -> HANDSHAKE -> TLS
 *
 * OpenSSL works directly on the non-blocking descriptor: 14 KiB a session against 24 to 37 through memory BIOs.
 * Writes of one turn leave together at its end, in as few records as they fill. An empty queue keeps no memory.
 * Whole records are read ahead: what OpenSSL already has makes no event, and io_pause() and reading come back for it.
 * Pausing costs a system call only when something comes meanwhile: most pauses end before that.
 * Callbacks are made only from the loop, never from inside io_write() or io_shutdown().
 */
#include "config.h"

#include "relay/net/io.h"
#include "relay/net/loop-private.h"
#include "relay/net/tls-private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/err.h>
#include "proto/buf.h"
#include "proto/mem.h"
#include "relay/net/address.h"
#include "relay/tally.h"

enum {
	READS_PER_TURN = 8,          /* then the others have their turn */
	RECORD = 16 * 1024,          /* TLS: bytes in one record */
	LONG_READ = 4 * 1024,        /* TLS: after so many bytes at once more may well be waiting */
	COMPACT = 64 * 1024,         /* move what is queued to the front when more than this was taken */
	KEEPALIVE_IDLE = 300,        /* seconds */
	KEEPALIVE_INTERVAL = 30,     /* seconds */
	KEEPALIVE_COUNT = 4,
	UNACKED_MS = 3 * 60 * 1000,  /* a peer that acknowledges nothing that long is gone */
};

enum io_phase { PHASE_PLAIN, PHASE_LAST_PLAIN, PHASE_HANDSHAKE, PHASE_TLS };

struct io {
	uv_poll_t poll;
	struct turn_end flush;
	struct turn_end more; /* OpenSSL has read bytes that nobody has been given */
	struct loop *loop;
	io_fn *fn; /* NULL once freed */
	void *arg;
	struct buf out;
	size_t taken; /* bytes at the front of `out` that the kernel has */
	SSL *ssl;
	struct tls *tls;
	const char *alpn;
	int fd;
	int events; /* what the poll watches now */
	enum io_phase phase;
	bool used;       /* bytes came in clear: STARTTLS, not direct TLS */
	bool paused;
	bool came;       /* something came while paused: it is no longer watched for */
	bool want_write; /* the kernel took no more */
	bool ending;     /* io_shutdown was called */
	bool ended;      /* close_notify and FIN are out */
	bool closed;     /* IO_CLOSED was told */
	char peer[ADDRESS_TEXT];
};

static void on_poll(uv_poll_t *handle, int status, int events);
static void flush(void *arg);

static void
watch(struct io *io)
{
	int events = 0;

	if (!io->closed && io->fn != NULL) {
		if (io->want_write)
			events |= UV_WRITABLE;
		else if (io->phase == PHASE_HANDSHAKE)
			events |= UV_READABLE;
		if ((io->phase == PHASE_PLAIN || io->phase == PHASE_TLS) &&
		    (!io->paused || io->ended || (!io->came && (io->events & UV_READABLE) != 0)))
			events |= UV_READABLE;
	}
	if (io->fn == NULL || events == io->events)
		return;
	io->events = events;
	if (events == 0)
		uv_poll_stop(&io->poll);
	else
		uv_poll_start(&io->poll, events, on_poll);
}

static void
fail(struct io *io, const char *why)
{
	if (io->closed)
		return;
	io->closed = true;
	loop_turn_cancel(&io->flush);
	loop_turn_cancel(&io->more);
	io->fn(io->arg, IO_CLOSED, why, strlen(why));
	watch(io);
}

/* What SSL_* said other than success: wait, or the end. */
static void
tls_wait_or_fail(struct io *io, int result)
{
	switch (SSL_get_error(io->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		io->want_write = false;
		break;
	case SSL_ERROR_WANT_WRITE:
		io->want_write = true;
		break;
	case SSL_ERROR_ZERO_RETURN:
		fail(io, "closed by the peer");
		return;
	case SSL_ERROR_SYSCALL:
		fail(io, errno == 0 ? "connection lost" : strerror(errno));
		return;
	default:
		fail(io, tls_reason());
		tls_must_be_whole();
		return;
	}
	watch(io);
}

static bool
may_read(const struct io *io)
{
	return io->fn != NULL && !io->closed && (!io->paused || io->ended) &&
	    (io->phase == PHASE_PLAIN || io->phase == PHASE_TLS);
}

static void
look_for_more(struct io *io)
{
	if (may_read(io) && io->phase == PHASE_TLS && SSL_has_pending(io->ssl))
		loop_turn_next(io->loop, &io->more);
}

static void
handshake(struct io *io)
{
	int result;

	ERR_clear_error();
	errno = 0;
	result = SSL_do_handshake(io->ssl);
	if (result != 1) {
		tls_wait_or_fail(io, result);
		return;
	}
	io->phase = PHASE_TLS;
	io->want_write = false;
	watch(io);
	look_for_more(io);
	io->fn(io->arg, IO_TLS_READY, NULL, 0);
	if (io->fn != NULL && (io->out.len > 0 || io->ending))
		loop_turn_end(io->loop, &io->flush);
}

/* Give the kernel the front of the queue. False: it takes no more for now, or the connection failed. */
static bool
write_some(struct io *io)
{
	size_t left = io->out.len - io->taken;
	ssize_t sent;

	if (io->phase == PHASE_TLS) {
		ERR_clear_error();
		errno = 0;
		sent = SSL_write(io->ssl, io->out.data + io->taken, (int)(left < RECORD ? left : RECORD));
		if (sent <= 0) {
			tls_wait_or_fail(io, (int)sent);
			return false;
		}
	} else {
		sent = write(io->fd, io->out.data + io->taken, left);
		if (sent < 0 && errno == EINTR)
			return true;
		if (sent < 0 && errno != EAGAIN) {
			fail(io, strerror(errno));
			return false;
		}
		if (sent < 0) {
			io->want_write = true;
			watch(io);
			return false;
		}
	}
	io->taken += (size_t)sent;
	*loop_queued(io->loop) -= (size_t)sent;
	tally_add(TALLY_BYTES_OUT, (uint64_t)sent);
	return true;
}

static void
finish(struct io *io)
{
	io->ended = true;
	if (io->phase == PHASE_TLS) {
		ERR_clear_error();
		SSL_shutdown(io->ssl); /* close_notify; whether it fits or not, the FIN follows */
		ERR_clear_error();
	}
	shutdown(io->fd, SHUT_WR);
	watch(io); /* a paused reader must still see the peer's end */
	look_for_more(io);
}

/* Everything queued has left: what waited for that happens now. */
static void
drained(struct io *io)
{
	bool had = io->out.len > 0;

	buf_free(&io->out);
	io->taken = 0;
	io->want_write = false;
	watch(io);
	if (io->phase == PHASE_LAST_PLAIN) {
		io->phase = PHASE_HANDSHAKE;
		io->want_write = !SSL_is_server(io->ssl); /* the first word is the client's */
		watch(io);
	}
	if (io->ending && !io->ended)
		finish(io);
	if (had)
		io->fn(io->arg, IO_DRAINED, NULL, 0);
}

/* At the end of a turn, or when the kernel takes more. */
static void
flush(void *arg)
{
	struct io *io = arg;

	if (io->closed || io->fn == NULL)
		return;
	if (io->phase == PHASE_HANDSHAKE) {
		if (io->ending && !io->ended)
			finish(io);
		return;
	}
	while (io->taken < io->out.len)
		if (!write_some(io))
			break;
	if (io->fn == NULL || io->closed)
		return;
	if (io->taken == io->out.len) {
		drained(io);
	} else if (io->taken > COMPACT) {
		buf_drop(&io->out, io->taken);
		io->taken = 0;
	}
}

/* One read given out. False: nothing more for now, or not likely: the poll tells. */
static bool
read_some(struct io *io)
{
	char *buffer = loop_buffer(io->loop);
	ssize_t got;

	errno = 0;
	if (io->phase == PHASE_TLS) {
		ERR_clear_error();
		got = SSL_read(io->ssl, buffer, LOOP_BUFFER);
		if (got <= 0) {
			bool want_write = io->want_write; /* of a write that waits; reading does not end that */

			tls_wait_or_fail(io, (int)got);
			io->want_write |= want_write;
			watch(io);
			return false;
		}
	} else {
		got = read(io->fd, buffer, LOOP_BUFFER);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (got <= 0) {
			fail(io, got == 0 ? "closed by the peer" : strerror(errno));
			return false;
		}
		io->used = true;
	}
	tally_add(TALLY_BYTES_IN, (uint64_t)got);
	io->fn(io->arg, IO_DATA, buffer, (size_t)got);
	if (!may_read(io))
		return false;
	return io->phase == PHASE_TLS ? got >= LONG_READ || SSL_has_pending(io->ssl) : got == LOOP_BUFFER;
}

static void
read_turn(void *arg)
{
	struct io *io = arg;

	for (int reads = 0; reads < READS_PER_TURN; reads++)
		if (!may_read(io) || !read_some(io))
			return;
	look_for_more(io);
}

/* libuv says EBADF of every error: what it is, the socket knows. */
static const char *
socket_reason(const struct io *io)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error == 0)
		return "connection lost";
	return strerror(error);
}

/* Watched although paused, for nothing else. */
static bool
is_only_kept(const struct io *io)
{
	return io->paused && !io->ended && !io->want_write && (io->phase == PHASE_PLAIN || io->phase == PHASE_TLS);
}

static void
on_poll(uv_poll_t *handle, int status, int events)
{
	struct io *io = handle->data;

	if (io->fn == NULL || io->closed)
		return;
	if (status < 0 && is_only_kept(io)) {
		io->came = true; /* it is told when reading goes on */
		io->events = 0;  /* libuv has ended watching */
		return;
	}
	if (status < 0) {
		fail(io, socket_reason(io));
		return;
	}
	if (io->phase == PHASE_HANDSHAKE) {
		handshake(io);
		return;
	}
	if (events & UV_WRITABLE) {
		io->want_write = false;
		flush(io);
		if (io->fn != NULL)
			watch(io);
	}
	if (!(events & UV_READABLE))
		return;
	if (io->fn != NULL && io->paused && !io->ended) {
		io->came = true;
		watch(io);
		return;
	}
	loop_turn_cancel(&io->more);
	read_turn(io);
}

static void
set_options(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MS },
	};

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	/* What is not TCP (a socket pair) refuses some of these, and does without. */
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
}

struct io *
io_new(struct loop *loop, int fd, io_fn *fn, void *arg)
{
	struct io *io = xcalloc(1, sizeof *io);

	set_options(fd);
	if (uv_poll_init(loop_uv(loop), &io->poll, fd) != 0) {
		close(fd);
		free(io);
		return NULL;
	}
	io->poll.data = io;
	io->flush.fn = flush;
	io->flush.arg = io;
	io->more.fn = read_turn;
	io->more.arg = io;
	io->loop = loop;
	io->fn = fn;
	io->arg = arg;
	io->fd = fd;
	address_of_peer(fd, io->peer);
	watch(io);
	return io;
}

static void
poll_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
io_free(struct io **io_p)
{
	struct io *io = *io_p;

	if (io == NULL)
		return;
	*io_p = NULL;
	loop_turn_cancel(&io->flush);
	loop_turn_cancel(&io->more);
	io->fn = NULL;
	uv_close((uv_handle_t *)&io->poll, poll_closed); /* the struct lives until the callback under way has returned */
	SSL_free(io->ssl);
	io->ssl = NULL;
	tls_unref(&io->tls);
	close(io->fd);
	*loop_queued(io->loop) -= io_queued(io);
	buf_free(&io->out);
}

/* Has the peer said more in clear than it may? One that keeps to RFC 6120 5.4.2.3 and 5.4.3.1 sends nothing between the last
 * element in clear and the handshake, but for the end of its line. */
static bool
is_injected(const struct io *io)
{
	char byte;

	while (io->used && recv(io->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && (byte == '\n' || byte == '\r' || byte == ' '))
		(void)!recv(io->fd, &byte, 1, MSG_DONTWAIT);
	return io->used && recv(io->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static bool
begin_tls(struct io *io, struct tls *tls, SSL *ssl, const char *alpn)
{
	io->ssl = ssl;
	if (ssl == NULL) {
		io->closed = true; /* nothing more is read or written */
		watch(io);
		return false;
	}
	io->tls = tls_ref(tls);
	io->alpn = alpn;
	io->phase = io->out.len > 0 ? PHASE_LAST_PLAIN : PHASE_HANDSHAKE;
	watch(io);
	return true;
}

bool
io_start_tls(struct io *io, struct tls *tls, const char *alpn)
{
	assert(io->phase == PHASE_PLAIN);
	return begin_tls(io, tls, is_injected(io) ? NULL : tls_session(tls, io->fd, alpn), alpn);
}

bool
io_start_tls_client(struct io *io, struct tls *tls, const char *name, const char *alpn)
{
	assert(io->phase == PHASE_PLAIN);
	if (!begin_tls(io, tls, is_injected(io) ? NULL : tls_client_session(tls, io->fd, name, alpn), alpn))
		return false;
	if (io->phase == PHASE_HANDSHAKE) { /* the first word is ours */
		io->want_write = true;
		watch(io);
	}
	return true;
}

void
io_write(struct io *io, const char *bytes, size_t len)
{
	if (io->closed || io->ending || len == 0)
		return;
	buf_add(&io->out, bytes, len);
	*loop_queued(io->loop) += len;
	if (!io->want_write)
		loop_turn_end(io->loop, &io->flush);
}

void
io_pause(struct io *io, bool paused)
{
	io->paused = paused;
	io->came = false;
	watch(io);
	look_for_more(io);
}

size_t
io_queued(const struct io *io)
{
	return io->out.len - io->taken;
}

size_t
io_queued_all(struct loop *loop)
{
	return *loop_queued(loop);
}

void
io_shutdown(struct io *io)
{
	if (io->closed || io->ending)
		return;
	io->ending = true;
	loop_turn_end(io->loop, &io->flush);
}

const char *
io_peer(const struct io *io)
{
	return io->peer;
}

bool
io_is_tls(const struct io *io)
{
	return io->phase == PHASE_TLS;
}

const char *
io_tls_version(const struct io *io)
{
	return io->ssl == NULL ? "no TLS" : SSL_get_version(io->ssl);
}

/* A session's secret must be of one handshake alone: under TLS 1.2 only with RFC 7627. */
bool
io_tls_has_exporter(const struct io *io)
{
	return io->phase == PHASE_TLS && (SSL_version(io->ssl) >= TLS1_3_VERSION || SSL_get_extms_support(io->ssl) == 1);
}

bool
io_tls_exporter(const struct io *io, uint8_t out[static 32])
{
	static const char label[] = "EXPORTER-Channel-Binding"; /* RFC 9266 section 2; the context is an empty string */

	if (!io_tls_has_exporter(io))
		return false;
	return SSL_export_keying_material(io->ssl, out, 32, label, sizeof label - 1, (const unsigned char *)"", 0, 1) == 1;
}

size_t
io_tls_unique(const struct io *io, uint8_t out[static 64])
{
	size_t len;

	if (!io_tls_has_exporter(io) || SSL_session_reused(io->ssl))
		return 0;
	len = SSL_get_peer_finished(io->ssl, out, 64);
	return len <= 64 ? len : 0;
}

size_t
io_tls_end_point(const struct io *io, uint8_t out[static 64])
{
	return io->tls == NULL ? 0 : tls_end_point(io->tls, out);
}

bool
io_tls_proves(const struct io *io, const char *domain, const char *pin, const char **why_r)
{
	if (io->phase == PHASE_TLS)
		return tls_peer_proves(io->ssl, domain, pin, why_r);
	*why_r = "no TLS";
	return false;
}
