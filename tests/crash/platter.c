/* platter.c -- what a power cut leaves of a tape: see tape.h. */
#include "config.h"

#include "tests/crash/tape.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include "proto/mem.h"

enum { PAGE = 4096 }; /* what the system keeps and writes as one */

struct disk {
	uint8_t *kept, *shown; /* what is on the platter; what the system shows */
	size_t kept_len, shown_len, room;
	bool there, shown_there;
	size_t first; /* the event behind the last sync */
};

static void
reach(struct disk *disk, size_t len)
{
	size_t room = disk->room;

	if (len <= room)
		return;
	disk->room = len * 2 + (1 << 20);
	disk->kept = xrealloc(disk->kept, disk->room);
	disk->shown = xrealloc(disk->shown, disk->room);
	memset(disk->kept + room, 0, disk->room - room);
	memset(disk->shown + room, 0, disk->room - room);
}

static void
put(uint8_t *bytes, size_t *len, size_t at, const uint8_t *data, size_t count)
{
	memcpy(bytes + at, data, count);
	if (at + count > *len)
		*len = at + count;
}

static void
cut_to(uint8_t *bytes, size_t *len, size_t size)
{
	if (*len > size)
		memset(bytes + size, 0, *len - size);
	*len = size;
}

static void
show(struct disk *disk, const struct event *event)
{
	if (event->kind == EV_WRITE) {
		reach(disk, (size_t)event->offset + event->len + PAGE);
		put(disk->shown, &disk->shown_len, (size_t)event->offset, tape->bytes + event->data,
		    event->len);
		disk->shown_there = true;
	} else {
		cut_to(disk->shown, &disk->shown_len, event->kind == EV_TRUNCATE ? (size_t)event->offset : 0);
		disk->shown_there = event->kind == EV_TRUNCATE;
	}
}

/* Every page that is dirty goes down whole, as the system shows it. */
static void
sync_part(struct disk *disk, enum part part, size_t upto)
{
	for (size_t i = disk->first; i < upto; i++) {
		const struct event *event = &tape->events[i];
		if (event->part != part || event->kind >= EV_SYNC)
			continue;
		if (event->kind != EV_WRITE) {
			cut_to(disk->kept, &disk->kept_len,
			       event->kind == EV_TRUNCATE ? (size_t)event->offset : 0);
			continue;
		}
		size_t at = (size_t)event->offset / PAGE * PAGE;
		size_t end = ((size_t)event->offset + event->len + PAGE - 1) / PAGE * PAGE;
		put(disk->kept, &disk->kept_len, at, disk->shown + at, end - at);
	}
	disk->kept_len = disk->shown_len;
	disk->there = disk->shown_there;
	disk->first = upto;
}

/* How many bytes of this write's piece in one sector reach the disk; it is the n-th of `of` unsynced events.
 */
static size_t
survives(const struct fate *fate, enum part part, size_t sector, size_t n, size_t of, size_t len)
{
	uint64_t luck =
	    fate->kind == IN_ORDER ? mix(fate->seed) : mix(fate->seed ^ mix(sector * PARTS + part));
	size_t until;

	if (fate->kind == NOTHING || fate->kind == EVERYTHING)
		return fate->kind == NOTHING ? 0 : len;
	/* Half of the sectors are wholly there or not at all, the others stop at some version. */
	until = (luck & 3) == 0                              ? 0
		: (luck & 3) == 1 && fate->kind == ANY_ORDER ? of
							     : (luck >> 8) % (of + 1);
	if (n != until)
		return n < until ? len : 0;
	return (luck >> 4 & 1) != 0 ? (luck >> 40) % (len + 1) : 0; /* torn */
}

static void
write_some(struct disk *disk, const struct event *event, const struct fate *fate, size_t n, size_t of)
{
	size_t at = (size_t)event->offset, end = at + event->len;
	const uint8_t *data = tape->bytes + event->data;

	while (at < end) {
		size_t next = (at / fate->sector + 1) * fate->sector;
		size_t len = (next < end ? next : end) - at;
		size_t some = survives(fate, event->part, at / fate->sector, n, of, len);
		if (some > 0) {
			put(disk->kept, &disk->kept_len, at, data, some);
			disk->there = true;
		}
		data += len;
		at += len;
	}
}

/* What was not synced before `upto`: by fate. */
static void
fall(struct disk *disk, enum part part, size_t upto, const struct fate *fate)
{
	size_t of = 0, n = 0;

	for (size_t i = disk->first; i < upto; i++)
		of += tape->events[i].part == part && tape->events[i].kind < EV_SYNC;
	for (size_t i = disk->first; i < upto; i++) {
		const struct event *event = &tape->events[i];
		if (event->part != part || event->kind >= EV_SYNC)
			continue;
		if (event->kind == EV_WRITE) {
			write_some(disk, event, fate, n, of);
		} else if (survives(fate, part, SIZE_MAX / PARTS - i, n, of, 1) > 0) {
			cut_to(disk->kept, &disk->kept_len,
			       event->kind == EV_TRUNCATE ? (size_t)event->offset : 0);
			disk->there = event->kind == EV_TRUNCATE;
		}
		n++;
	}
	disk->first = upto;
}

/* Names that were taken out of the folder are out; what the files hold is another matter. */
static void
sync_names(struct disk *disks, size_t upto)
{
	for (enum part part = LOG; part < PARTS; part++)
		for (size_t i = disks[part].first; i < upto; i++)
			if (tape->events[i].part == part && tape->events[i].kind == EV_REMOVE)
				sync_part(&disks[part], part, i + 1);
}

static void
play(struct disk *disks, size_t upto, const struct fate *fate)
{
	for (size_t i = 0; i < upto; i++) {
		const struct event *event = &tape->events[i];
		struct disk *disk = &disks[event->part];
		switch (event->kind) {
		case EV_WRITE:
		case EV_TRUNCATE:
		case EV_REMOVE:
			show(disk, event);
			if (event->kind == EV_REMOVE && event->offset != 0) /* with its folder */
				sync_part(disk, event->part, i + 1);
			break;
		case EV_SYNC:
			sync_part(disk, event->part, i);
			break;
		case EV_SYNC_FAILED: /* some of it arrived; all of it is clean from now on */
			fall(disk, event->part, i, fate);
			break;
		case EV_FOLDER:
			sync_names(disks, i);
			break;
		case EV_TRY:
		case EV_ACK:
			break;
		}
	}
	for (enum part part = MAIN; part < PARTS; part++)
		fall(&disks[part], part, upto, fate);
}

static void
write_image(const char *dir, const struct disk *disks)
{
	for (enum part part = MAIN; part < PARTS; part++) {
		char *path = xasprintf("%s/%s", dir, part_names[part]);
		unlink(path);
		if (disks[part].there) {
			int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
			if (fd < 0 || write(fd, disks[part].kept, disks[part].kept_len) !=
					  (ssize_t)disks[part].kept_len) {
				perror(path);
				exit(EX_IOERR);
			}
			close(fd);
		}
		free(path);
	}
	char *shared = xasprintf("%s/lazo.db-shm", dir);
	unlink(shared); /* memory: gone with the power */
	free(shared);
}

void
platter_write(const char *dir, size_t upto, const struct fate *fate)
{
	struct disk disks[PARTS] = { { 0 } };

	play(disks, upto, fate);
	write_image(dir, disks);
	for (enum part part = MAIN; part < PARTS; part++) {
		free(disks[part].kept);
		free(disks[part].shown);
	}
}
