/*
 * wire.c -- bytes of many sessions: non-blocking TCP and TLS in one epoll, cut into stanzas.
 *
 * Promises: what is sent within one round of events leaves in one write. Never verifies a certificate: the
 * server is the one under test, on this machine. Knows of XML only where a tag ends and how deep it stands;
 * servers send neither comments nor CDATA (RFC 6120 section 11.1 forbids the first).
 */
#include "config.h"

#include "tests/bench/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "proto/mem.h"

enum { EVENTS = 256, READ_ONCE = 16384 };

struct bench bench;
static struct session *dirty[65536];
static size_t dirty_count;

uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void
bytes_room(struct bytes *b, size_t more)
{
	if (b->len + more <= b->room)
		return;
	b->room = 2 * (b->len + more);
	b->data = xrealloc(b->data, b->room);
}

static void
watch(struct session *s, bool write)
{
	struct epoll_event event = { .events = EPOLLIN | (write ? (uint32_t)EPOLLOUT : 0), .data.ptr = s };

	if (write != s->wants_write && s->fd >= 0)
		epoll_ctl(bench.epoll, EPOLL_CTL_MOD, s->fd, &event);
	s->wants_write = write;
}

static void
drop(struct session *s, const char *why)
{
	if (s->state == GONE)
		return;
	s->state = GONE;
	SSL_free(s->ssl);
	s->ssl = NULL;
	close(s->fd);
	s->fd = -1;
	login_end(s);
	if (bench.hooks.gone != NULL)
		bench.hooks.gone(s, why);
}

struct session *
session_open(const struct site *site, const char *user, bool presence)
{
	struct session *s = xcalloc(1, sizeof *s);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)site->port) };
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = s };
	int on = 1;

	inet_pton(AF_INET, bench.address, &to.sin_addr);
	s->site = site;
	snprintf(s->user, sizeof s->user, "%s", user);
	s->presence = presence;
	s->state = TLS_HANDSHAKE;
	s->wants_write = true;
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0) {
		perror("load: socket");
		exit(1);
	}
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(s->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) {
		perror("load: connect");
		exit(1);
	}
	s->ssl = SSL_new(bench.tls);
	SSL_set_fd(s->ssl, s->fd);
	SSL_set_tlsext_host_name(s->ssl, site->host);
	SSL_set_connect_state(s->ssl);
	epoll_ctl(bench.epoll, EPOLL_CTL_ADD, s->fd, &event);
	return s;
}

void
session_send(struct session *s, const char *format, ...)
{
	va_list args, again;

	if (s->state == GONE)
		return;
	va_start(args, format);
	va_copy(again, args);
	size_t len = (size_t)vsnprintf(NULL, 0, format, args);
	bytes_room(&s->out, len + 1);
	vsnprintf(s->out.data + s->out.len, len + 1, format, again);
	s->out.len += len;
	va_end(again);
	va_end(args);
	if (!s->dirty) {
		s->dirty = true;
		dirty[dirty_count++] = s;
	}
}

void
session_restart(struct session *s)
{
	memset(&s->cut, 0, sizeof s->cut);
	s->in.len = 0;
}

static void
flush(struct session *s)
{
	while (s->out.len > 0 && s->state != GONE && s->state != TLS_HANDSHAKE) {
		int n = SSL_write(s->ssl, s->out.data, (int)s->out.len);
		if (n <= 0) {
			int error = SSL_get_error(s->ssl, n);
			if (error != SSL_ERROR_WANT_WRITE && error != SSL_ERROR_WANT_READ)
				drop(s, "write failed");
			else
				watch(s, true);
			return;
		}
		memmove(s->out.data, s->out.data + n, s->out.len - (size_t)n);
		s->out.len -= (size_t)n;
	}
	if (s->state != GONE && s->state != TLS_HANDSHAKE)
		watch(s, false);
}

static void
flush_all(void)
{
	for (size_t i = 0; i < dirty_count; i++) {
		dirty[i]->dirty = false;
		flush(dirty[i]);
	}
	dirty_count = 0;
}

void
session_close(struct session *s)
{
	if (s->state == GONE)
		return;
	session_send(s, "</stream:stream>");
	flush(s);
	if (s->state != GONE) {
		SSL_shutdown(s->ssl);
		drop(s, NULL);
	}
}

void
session_free(struct session **s_r)
{
	struct session *s = *s_r;

	if (s == NULL)
		return;
	session_close(s);
	flush_all(); /* the list may name it */
	free(s->in.data);
	free(s->out.data);
	free(s);
	*s_r = NULL;
}

static void
stanza(struct session *s, size_t start, size_t end)
{
	char after = s->in.data[end];

	s->in.data[end] = '\0';
	if (s->state == READY)
		stream_stanza(s, s->in.data + start);
	else
		login_stanza(s, s->in.data + start);
	if (s->in.len >= end)
		s->in.data[end] = after;
}

/* A tag ends at `end` (one past its '>'); true: the stream goes on. */
static bool
tag_ended(struct session *s, size_t end)
{
	const char *tag = s->in.data + s->cut.tag;
	bool closes = tag[1] == '/', empty = s->in.data[end - 2] == '/';

	if (tag[1] == '?')
		return true;
	if (!closes && s->cut.depth == 1)
		s->cut.stanza = s->cut.tag;
	if (closes)
		s->cut.depth--;
	else if (!empty)
		s->cut.depth++;
	if (s->cut.depth == 0) {
		drop(s, "the server ended the stream");
		return false;
	}
	if (s->cut.depth == 1 && (closes || empty)) {
		enum session_state before = s->state;
		stanza(s, s->cut.stanza, end);
		s->cut.stanza = end;
		/* After <success/> a new stream begins: session_restart() has emptied the buffer. */
		return s->state != GONE && !(before == PROVING && s->state == PROVED);
	}
	return true;
}

static void
cut(struct session *s)
{
	while (s->cut.at < s->in.len) {
		char c = s->in.data[s->cut.at++];
		if (s->cut.quote != 0) {
			if (c == s->cut.quote)
				s->cut.quote = 0;
		} else if (!s->cut.in_tag && c == '<') {
			s->cut.in_tag = true;
			s->cut.tag = s->cut.at - 1;
		} else if (s->cut.in_tag && (c == '\'' || c == '"')) {
			s->cut.quote = c;
		} else if (s->cut.in_tag && c == '>') {
			s->cut.in_tag = false;
			if (!tag_ended(s, s->cut.at))
				return;
		}
	}
	size_t keep = s->cut.depth > 1 ? s->cut.stanza : s->cut.in_tag ? s->cut.tag : s->cut.at;
	memmove(s->in.data, s->in.data + keep, s->in.len - keep);
	s->in.len -= keep;
	s->cut.at -= keep;
	s->cut.tag = s->cut.tag > keep ? s->cut.tag - keep : 0;
	s->cut.stanza = s->cut.stanza > keep ? s->cut.stanza - keep : 0;
}

static void
receive(struct session *s)
{
	while (s->state != GONE) {
		bytes_room(&s->in, READ_ONCE + 1);
		int n = SSL_read(s->ssl, s->in.data + s->in.len, READ_ONCE);
		if (n <= 0) {
			int error = SSL_get_error(s->ssl, n);
			if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
				drop(s, "the connection broke");
			return;
		}
		s->in.len += (size_t)n;
		cut(s);
	}
}

static void
serve(struct session *s, uint32_t events)
{
	if (s->state == TLS_HANDSHAKE) {
		int n = SSL_do_handshake(s->ssl);
		if (n != 1) {
			int error = SSL_get_error(s->ssl, n);
			if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
				drop(s, "TLS failed");
			else
				watch(s, error == SSL_ERROR_WANT_WRITE);
			return;
		}
		s->state = GREETED;
		login_greet(s);
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(s);
	if (events & EPOLLOUT)
		flush(s);
}

bool
wire_run(bool (*done)(void), double seconds)
{
	uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
	struct epoll_event events[EVENTS];

	flush_all();
	while (!done()) {
		int n = epoll_wait(bench.epoll, events, EVENTS, 100);
		for (int i = 0; i < n; i++)
			if (((struct session *)events[i].data.ptr)->state != GONE)
				serve(events[i].data.ptr, events[i].events);
		flush_all();
		if (now_ns() > end)
			return done();
	}
	return true;
}
