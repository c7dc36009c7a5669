/*
 * net/local.c -- Unix sockets for the operator's tool: see local.h.
 */
#include "config.h"

#include "relay/net/local.h"
#include "relay/net/loop-private.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "proto/mem.h"
#include "relay/log.h"

enum { BACKLOG = 64, ACCEPTS_PER_TURN = 8 };

struct local {
	uv_poll_t poll;
	local_fn *fn;
	void *arg;
	char *path;
	int fd;
};

/* SO_PEERCRED: the kernel's word about who called connect(2). */
static bool
is_trusted(int fd)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof peer;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

static void
on_poll(uv_poll_t *handle, int status, int events)
{
	struct local *local = handle->data;

	(void)events;
	for (int accepts = 0; status == 0 && accepts < ACCEPTS_PER_TURN; accepts++) {
		int fd = accept4(local->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		if (is_trusted(fd)) {
			local->fn(local->arg, fd);
			continue;
		}
		log_warn(NULL, "refused another user at %s", local->path);
		close(fd);
	}
}

static bool
make_address(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof address->sun_path) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(address->sun_path, path, strlen(path) + 1);
	return true;
}

int
local_connect(const char *path)
{
	struct sockaddr_un address;
	int fd, reason;

	if (!make_address(path, &address))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	reason = errno;
	if (fd >= 0)
		close(fd);
	errno = reason;
	return -1;
}

/* Clear the way for bind(2). False: something alive, or something else, is there. */
static bool
remove_left_over(const char *path)
{
	struct stat found;
	int fd;

	if (lstat(path, &found) != 0)
		return errno == ENOENT;
	if (!S_ISSOCK(found.st_mode)) {
		errno = EEXIST;
		return false;
	}
	fd = local_connect(path);
	if (fd >= 0) {
		close(fd);
		errno = EADDRINUSE;
		return false;
	}
	return errno == ECONNREFUSED && unlink(path) == 0;
}

/* -1 with errno. */
static int
open_socket(const char *path)
{
	struct sockaddr_un address;
	int fd, reason;
	mode_t mask;
	bool bound;

	if (!make_address(path, &address) || !remove_left_over(path))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	mask = umask(0177);
	bound = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
	reason = errno;
	umask(mask);
	if (bound && listen(fd, BACKLOG) == 0)
		return fd;
	reason = bound ? errno : reason;
	close(fd);
	errno = reason;
	return -1;
}

struct local *
local_listen(struct loop *loop, const char *path, local_fn *fn, void *arg, char **error_r)
{
	int fd = open_socket(path);
	struct local *local;

	if (fd < 0) {
		*error_r = xasprintf("%s: %s", path, strerror(errno));
		return NULL;
	}
	local = xcalloc(1, sizeof *local);
	local->fn = fn;
	local->arg = arg;
	local->path = xstrdup(path);
	local->fd = fd;
	uv_poll_init(loop_uv(loop), &local->poll, fd);
	local->poll.data = local;
	uv_poll_start(&local->poll, UV_READABLE, on_poll);
	return local;
}

static void
closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
local_free(struct local **handle)
{
	struct local *local = *handle;

	if (local == NULL)
		return;
	*handle = NULL;
	uv_poll_stop(&local->poll);
	close(local->fd);
	unlink(local->path);
	free(local->path);
	uv_close((uv_handle_t *)&local->poll, closed);
}
