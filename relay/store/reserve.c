/*
 * reserve.c -- 4 MiB of disk held back: on a full disk they are let go, so that acknowledgements and
 * deletions still go through.
 *
 * While it is out, what needs room is refused without a try. It is made again when the disk has twice its
 * size free, so that the relay does not sway between full and not full.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "proto/mem.h"
#include "relay/log.h"
#include "relay/net/clock.h"
#include "relay/store/store-private.h"

enum {
	ROOM_TO_MAKE = 2 * RESERVE_BYTES,
	ROOM_TO_OPEN =
	    1 << 20, /* the index of the write-ahead log has to be made before anything can be read */
};

static bool
room_is_there(const struct reserve *reserve, uint64_t bytes)
{
	struct statvfs disk;
	char *folder = xstrndup(reserve->path, (size_t)(strrchr(reserve->path, '/') - reserve->path));
	bool there = statvfs(folder, &disk) != 0 || (uint64_t)disk.f_bavail * disk.f_frsize >= bytes;

	free(folder);
	return there;
}

static bool
make(const struct reserve *reserve)
{
	int fd = open(reserve->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return false;
	int code = posix_fallocate(fd, 0, RESERVE_BYTES);
	close(fd);
	if (code != 0)
		unlink(reserve->path);
	return code == 0;
}

void
reserve_open(struct reserve *reserve, const char *dir)
{
	struct stat already;

	reserve->path = xasprintf("%s/reserve", dir);
	bool there = stat(reserve->path, &already) == 0 && already.st_size == RESERVE_BYTES;
	if (there && room_is_there(reserve, ROOM_TO_OPEN))
		return;
	reserve->out = there || !room_is_there(reserve, ROOM_TO_MAKE) || !make(reserve);
	if (!reserve->out)
		return;
	unlink(reserve->path);
	log_warn(NULL, "disk full: new messages are refused until there is room");
}

void
reserve_close(struct reserve *reserve)
{
	free(reserve->path);
	reserve->path = NULL;
}

void
reserve_release(struct reserve *reserve)
{
	if (reserve->path == NULL || reserve->out)
		return;
	log_warn(NULL, "disk full: new messages are refused until there is room");
	unlink(reserve->path);
	reserve->out = true;
	reserve->retried = now_mono();
}

bool
reserve_is_whole(struct reserve *reserve)
{
	if (!reserve->out)
		return true;
	if (now_mono() - reserve->retried < 1000)
		return false;
	reserve->retried = now_mono();
	if (!room_is_there(reserve, ROOM_TO_MAKE) || !make(reserve))
		return false;
	reserve->out = false;
	log_info(NULL, "there is room on the disk again");
	return true;
}
