/*
 * ctl/check_machine.c -- what the relay stands on: room and permissions of its folder, who may read its key, the clock.
 */
#include "config.h"

#include "relay/ctl/check.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/timex.h>

#include "proto/arena.h"
#include "relay/conf.h"
#include "relay/net/clock.h"

#define SENSIBLE   INT64_C(1735689600000) /* 2025-01-01: no honest clock is earlier */
#define SPACE_LOW  (UINT64_C(512) << 20)  /* bytes */
#define SPACE_NONE (UINT64_C(64) << 20)

enum { IN_MEMORY = 0x01021994 /* TMPFS_MAGIC */, AHEAD_MOST = 60 /* s */ };

static void
check_room(struct checking *checking)
{
	const char *data = checking->ctl->conf->data;
	struct statfs disk;
	uint64_t room;

	if (statfs(data, &disk) != 0) {
		check_find(checking, WARNING, "disk", "%s: %s; the relay makes the folder when it starts, if it may", data,
			   strerror(errno));
		return;
	}
	room = (uint64_t)disk.f_bavail * (uint64_t)disk.f_bsize;
	check_find(checking,
		   room < SPACE_NONE  ? WRONG
		   : room < SPACE_LOW ? WARNING
				      : FINE,
		   "disk", "%llu MiB free at %s%s", (unsigned long long)(room >> 20), data,
		   room < SPACE_LOW ? "; make room, or nothing more is accepted" : "");
	if (disk.f_type == IN_MEMORY)
		check_find(checking, WARNING, "disk", "%s is in memory: all is lost when the machine stops; set `data` to a disk",
			   data);
}

/* The relay's user is the one who owns the data. */
static void
check_key(struct checking *checking, const struct stat *data)
{
	const char *path = checking->ctl->conf->key;
	struct stat key;

	if (stat(path, &key) != 0)
		return; /* the certificate's check has said it */
	if (data->st_uid != 0 && key.st_uid != data->st_uid && (key.st_gid != data->st_gid || !(key.st_mode & S_IRGRP)))
		check_find(checking, WRONG, "permissions", "%s: the relay's user cannot read it; chgrp it and chmod 640", path);
	else if (key.st_mode & S_IRWXO)
		check_find(checking, WRONG, "permissions", "%s: anyone may read it; chmod 640", path);
	else
		check_find(checking, FINE, "permissions", "%s is read by the relay alone", path);
}

void
check_data(struct checking *checking)
{
	const char *data = checking->ctl->conf->data;
	struct stat found, file;
	const char *database = arena_printf(checking->ctl->arena, "%s/lazo.db", data);

	check_room(checking);
	if (stat(data, &found) != 0) {
		check_find(checking, WARNING, "permissions", "%s: %s; the relay makes it when it starts", data, strerror(errno));
		return;
	}
	if (found.st_mode & (S_IRWXG | S_IRWXO))
		check_find(checking, WRONG, "permissions", "%s: others may look into it; chmod 700", data);
	else
		check_find(checking, FINE, "permissions", "%s is closed to others", data);
	if (stat(database, &file) == 0 && file.st_uid != found.st_uid)
		check_find(checking, WRONG, "permissions", "%s belongs to another user than its folder; chown it", database);
	if (stat(database, &file) == 0 && file.st_mtim.tv_sec > now_wall() / 1000 + AHEAD_MOST)
		check_find(checking, WARNING, "clock", "%s was written later than now: the clock has been set back; set it right",
			   database);
	check_key(checking, &found);
}

void
check_clock(struct checking *checking)
{
	struct timex state = { .modes = 0 };

	if (now_wall() <= SENSIBLE) {
		check_find(checking, WRONG, "clock",
			   "is years behind: certificates and expiry depend on it; set it, or run an NTP client");
		return;
	}
	if (adjtimex(&state) == TIME_ERROR || (state.status & STA_UNSYNC))
		check_find(checking, WARNING, "clock", "plausible, but nothing keeps it right; run an NTP client");
	else
		check_find(checking, FINE, "clock", "kept right, within %ld ms", state.maxerror / 1000);
}
