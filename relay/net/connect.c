/*
 * net/connect.c -- a race of outgoing connections: see connect.h.
 */
#include "config.h"

#include "relay/net/connect.h"
#include "relay/net/loop-private.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/mem.h"
#include "relay/net/clock.h"

enum {
	STEP_MS = 250, /* RFC 8305 section 5 */
	MOST_MS = 20 * 1000,
};

struct attempt {
	uv_poll_t poll;
	struct connecting *race; /* NULL: closed */
	size_t index;
	int fd;
};

struct connecting {
	struct loop *loop;
	struct timer *timer;
	connect_fn *fn;
	void *arg;
	struct endpoint list[ENDPOINTS_MOST];
	struct attempt *attempts[ENDPOINTS_MOST]; /* NULL: not running */
	size_t count, next, running;
	int64_t until; /* monotonic */
	const char *why;
};

struct endpoint
endpoint_of(int family, const void *raw, uint16_t port, bool direct)
{
	struct endpoint end = { .direct = direct };
	struct sockaddr_in *four = (struct sockaddr_in *)&end.address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&end.address;

	end.address.ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		four->sin_port = htons(port);
		memcpy(&four->sin_addr, raw, 4);
		end.len = sizeof *four;
	} else {
		six->sin6_port = htons(port);
		memcpy(&six->sin6_addr, raw, 16);
		end.len = sizeof *six;
	}
	return end;
}

static void
attempt_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* The descriptor is the caller's afterwards. */
static int
attempt_end(struct connecting *race, size_t index)
{
	struct attempt *attempt = race->attempts[index];
	int fd = attempt->fd;

	race->attempts[index] = NULL;
	race->running--;
	attempt->race = NULL;
	uv_close((uv_handle_t *)&attempt->poll, attempt_closed);
	return fd;
}

static void
over(struct connecting *race, int fd, size_t index)
{
	connect_fn *fn = race->fn;
	const char *why = race->why;
	void *arg = race->arg;

	connect_cancel(&race);
	fn(arg, fd, index, why);
}

static void
on_poll(uv_poll_t *handle, int status, int events)
{
	struct attempt *attempt = handle->data;
	struct connecting *race = attempt->race;
	size_t index = attempt->index;
	int error = 0, fd;
	socklen_t len = sizeof error;

	(void)events;
	if (race == NULL)
		return;
	/* libuv says EBADF of every error: what it is, the socket knows */
	if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0 || status < 0) {
		race->why = strerror(error != 0 ? error : EIO);
		close(attempt_end(race, index));
		timer_set(race->timer, 0); /* the next one's turn */
		return;
	}
	fd = attempt_end(race, index);
	over(race, fd, index);
}

static void
begin_next(struct connecting *race)
{
	size_t index = race->next++;
	const struct endpoint *end = &race->list[index];
	struct attempt *attempt;
	int fd = socket(end->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || (connect(fd, (const struct sockaddr *)&end->address, end->len) != 0 && errno != EINPROGRESS)) {
		race->why = strerror(errno);
		if (fd >= 0)
			close(fd);
		return;
	}
	attempt = xcalloc(1, sizeof *attempt);
	if (uv_poll_init(loop_uv(race->loop), &attempt->poll, fd) != 0) {
		race->why = "the system cannot watch it";
		close(fd);
		free(attempt);
		return;
	}
	attempt->race = race;
	attempt->index = index;
	attempt->fd = fd;
	attempt->poll.data = attempt;
	race->attempts[index] = attempt;
	race->running++;
	uv_poll_start(&attempt->poll, UV_WRITABLE, on_poll);
}

static void
step(void *arg)
{
	struct connecting *race = arg;
	int64_t left = race->until - now_mono();
	size_t before = race->running;

	while (left > 0 && race->next < race->count && race->running == before)
		begin_next(race);
	if (left <= 0 && race->running > 0)
		race->why = "no answer";
	if (left <= 0 || race->running == 0)
		over(race, -1, 0);
	else
		timer_set(race->timer, race->next < race->count && left > STEP_MS ? STEP_MS : (uint64_t)left);
}

struct connecting *
connect_begin(struct loop *loop, const struct endpoint *list, size_t count, connect_fn *fn, void *arg)
{
	struct connecting *race = xcalloc(1, sizeof *race);

	assert(count > 0 && count <= ENDPOINTS_MOST);
	race->loop = loop;
	race->fn = fn;
	race->arg = arg;
	race->count = count;
	race->why = "no answer";
	race->until = now_mono() + MOST_MS;
	memcpy(race->list, list, count * sizeof *list);
	race->timer = timer_new(loop, step, race);
	timer_set(race->timer, 0);
	return race;
}

void
connect_cancel(struct connecting **connecting)
{
	struct connecting *race = *connecting;

	*connecting = NULL;
	if (race == NULL)
		return;
	for (size_t i = 0; i < race->count; i++)
		if (race->attempts[i] != NULL)
			close(attempt_end(race, i));
	timer_free(&race->timer);
	free(race);
}
