/* resolve_race.c -- which address answers first (RFC 8305 in spirit): see resolve.h. */
#include "config.h"

#include "client/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/clock.h"

enum {
	RACE_STEP_MS = 250, /* RFC 8305 section 5 */
	RACE_LIMIT_MS = 10000,
};

static int
start_probe(const struct endpoint *end)
{
	struct sockaddr_storage where = { .ss_family = (sa_family_t)end->family };
	struct sockaddr_in *four = (struct sockaddr_in *)&where;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&where;
	socklen_t len = end->family == AF_INET ? sizeof(*four) : sizeof(*six);
	int fd = socket(end->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (end->family == AF_INET) {
		four->sin_port = htons(end->port);
		inet_pton(AF_INET, end->address, &four->sin_addr);
	} else {
		six->sin6_port = htons(end->port);
		inet_pton(AF_INET6, end->address, &six->sin6_addr);
	}
	if (connect(fd, (struct sockaddr *)&where, len) == 0 || errno == EINPROGRESS)
		return fd;
	close(fd);
	return -1;
}

static bool
probe_failed(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0;
}

struct race {
	struct pollfd fds[RESOLVE_MAX]; /* fd -1: not running */
	size_t running;
};

/* Looks at what poll found. Returns the winner's index or -1. */
static int
race_look(struct race *race, struct endpoint *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (race->fds[i].fd < 0 || race->fds[i].revents == 0)
			continue;
		if (!probe_failed(race->fds[i].fd))
			return (int)i;
		list[i].tried = true;
		close(race->fds[i].fd);
		race->fds[i].fd = -1;
		race->running--;
	}
	return -1;
}

int
resolve_race(struct endpoint *list, size_t count, int64_t deadline)
{
	struct race race = { .running = 0 };
	int64_t limit = now_mono() + RACE_LIMIT_MS;
	size_t next = 0, left = 0, only = 0;
	int winner = -1;

	for (size_t i = 0; i < count; i++) {
		race.fds[i] = (struct pollfd){ .fd = -1, .events = POLLOUT };
		left += !list[i].tried;
		only = !list[i].tried ? i : only;
	}
	if (left <= 1) /* no race: the link's own connect tells */
		return left == 1 ? (int)only : -1;
	while (winner < 0 && now_mono() < limit && now_mono() < deadline) {
		while (next < count && list[next].tried)
			next++;
		if (next < count) {
			race.fds[next].fd = start_probe(&list[next]);
			list[next].tried = race.fds[next].fd < 0;
			race.running += race.fds[next].fd >= 0;
			next++;
		} else if (race.running == 0) {
			break;
		}
		if (race.running > 0 && poll(race.fds, count, RACE_STEP_MS) > 0)
			winner = race_look(&race, list, count);
	}
	for (size_t i = 0; i < count; i++)
		if (race.fds[i].fd >= 0)
			close(race.fds[i].fd);
	return winner;
}
