/*
 * net/inherited.c -- sockets that the service manager passed on: see inherited.h. Reads the environment, changes nothing there.
 */
#include "config.h"

#include "relay/net/inherited.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "proto/mem.h"

enum { FIRST = 3, MOST = 64 }; /* SD_LISTEN_FDS_START */

static long
number(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long value = text == NULL || *text == '\0' ? -1 : strtol(text, &end, 10);

	return value < 0 || *end != '\0' ? -1 : value;
}

size_t
inherited_count(void)
{
	long count = number("LISTEN_FDS");

	if (number("LISTEN_PID") != (long)getpid() || count < 0)
		return 0;
	return count > MOST ? MOST : (size_t)count;
}

/* The name of the ith, and its length; "" when fewer names than sockets were given. */
static const char *
name_of(size_t i, size_t *len_r)
{
	const char *at = getenv("LISTEN_FDNAMES");

	for (; at != NULL && i > 0; i--) {
		at = strchr(at, ':');
		at = at == NULL ? NULL : at + 1;
	}
	*len_r = at == NULL ? 0 : strcspn(at, ":");
	return at == NULL ? "" : at;
}

static bool
has_name(size_t i, const char *name)
{
	size_t len;
	const char *its = name_of(i, &len);

	return len == strlen(name) && memcmp(its, name, len) == 0;
}

int
inherited_socket(const char *name, size_t nth)
{
	for (size_t i = 0; i < inherited_count(); i++) {
		int fd = FIRST + (int)i;

		if (!has_name(i, name) || nth-- > 0)
			continue;
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		return fd;
	}
	return -1;
}

static int
option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof value;

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

char *
inherited_fault(const char *const *names)
{
	for (size_t i = 0; i < inherited_count(); i++) {
		int fd = FIRST + (int)i, family = option(fd, SO_DOMAIN);
		size_t len, n = 0;
		const char *its = name_of(i, &len);

		if (option(fd, SO_ACCEPTCONN) != 1 || option(fd, SO_TYPE) != SOCK_STREAM ||
		    (family != AF_INET && family != AF_INET6))
			return xasprintf("the descriptor %d that was passed on is no TCP socket that listens", fd);
		while (names[n] != NULL && !has_name(i, names[n]))
			n++;
		if (names[n] == NULL)
			return xasprintf("the socket that was passed on as '%.*s' has no such word in listen; "
					 "FileDescriptorName= must be one", (int)len, its);
	}
	return NULL;
}
