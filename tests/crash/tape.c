/* tape.c -- the layer that records: see tape.h. */
#include "config.h"

#include "tests/crash/tape.h"

#include <stdio.h>
#include <string.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

struct tape *tape;
const char *const part_names[PARTS] = { "lazo.db", "lazo.db-wal", "lazo.db-journal" };
uint64_t dice_state;

uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

uint64_t
dice(uint64_t sides)
{
	dice_state = mix(dice_state);
	return dice_state % sides;
}

static sqlite3_vfs *below, layer;
static sqlite3_io_methods methods[PARTS];
static const sqlite3_io_methods *real[PARTS];
static sqlite3_file *files[PARTS];
static enum mode mode;
static int fail_sync; /* the n-th fails; 0: none */

static struct event *
record(enum event_kind kind, enum part part, int64_t offset, const void *data, size_t len)
{
	struct event *event = &tape->events[tape->count];

	if (mode == QUIET)
		return NULL;
	if (tape->count == EVENTS_MOST || len > BYTES_MOST - tape->used) {
		fprintf(stderr, "powercut: the tape is full\n");
		_exit(EX_SOFTWARE);
	}
	*event =
	    (struct event){ .kind = kind, .part = part, .offset = offset, .len = len, .data = tape->used };
	if (len > 0)
		memcpy(tape->bytes + tape->used, data, len);
	tape->used += len;
	tape->count++;
	return event;
}

static enum part
part_of(const sqlite3_file *file)
{
	return file == files[MAIN] ? MAIN : file == files[LOG] ? LOG : JOURNAL;
}

static int
layer_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 offset)
{
	enum part part = part_of(file);
	int code = real[part]->xWrite(file, data, len, offset);

	if (code == SQLITE_OK)
		record(EV_WRITE, part, offset, data, (size_t)len);
	return code;
}

static int
layer_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	enum part part = part_of(file);
	int code = real[part]->xTruncate(file, size);

	if (code == SQLITE_OK)
		record(EV_TRUNCATE, part, size, NULL, 0);
	return code;
}

static int
layer_sync(sqlite3_file *file, int flags)
{
	(void)flags; /* what the machine below really keeps is none of our matter */
	if (mode == QUIET || mode == LIE)
		return SQLITE_OK;
	if (++tape->syncs != fail_sync) {
		record(EV_SYNC, part_of(file), 0, NULL, 0);
		return SQLITE_OK;
	}
	record(EV_SYNC_FAILED, part_of(file), 0, NULL, 0);
	return mode == UNSAID ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

/* The store's own, for its folder: in place of the system's. */
int
fsync(int fd)
{
	struct stat what;

	if (mode != QUIET && mode != LIE && fstat(fd, &what) == 0 && S_ISDIR(what.st_mode))
		record(EV_FOLDER, JOURNAL, 0, NULL, 0);
	return 0;
}

static int
layer_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_r)
{
	int code = below->xOpen(below, name, file, flags, flags_r);
	enum part part = (flags & SQLITE_OPEN_MAIN_DB) != 0 ? MAIN
			 : (flags & SQLITE_OPEN_WAL) != 0   ? LOG
							    : JOURNAL;

	(void)vfs;
	if (code != SQLITE_OK ||
	    (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) == 0)
		return code;
	real[part] = file->pMethods;
	files[part] = file;
	methods[part] = *file->pMethods;
	methods[part].xWrite = layer_write;
	methods[part].xTruncate = layer_truncate;
	methods[part].xSync = layer_sync;
	file->pMethods = &methods[part];
	return code;
}

static int
layer_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
	size_t len = strlen(name);
	int code = below->xDelete(below, name, sync_folder);

	(void)vfs;
	for (enum part part = LOG; part < PARTS; part++) {
		size_t tail = strlen(part_names[part]);
		if (code == SQLITE_OK && len > tail && strcmp(name + len - tail, part_names[part]) == 0)
			record(EV_REMOVE, part, sync_folder != 0, NULL, 0);
	}
	return code;
}

void
tape_record(enum mode how, int fail)
{
	mode = how;
	fail_sync = fail;
	below = sqlite3_vfs_find(NULL);
	layer = *below;
	layer.zName = "powercut";
	layer.xOpen = layer_open;
	layer.xDelete = layer_delete;
	sqlite3_vfs_register(&layer, 1);
}

const char *
tape_below(void)
{
	return below->zName;
}

void
tape_note(enum event_kind kind, const struct state *state)
{
	struct event *event = record(kind, MAIN, 0, NULL, 0);

	if (event != NULL)
		event->state = *state;
}

bool
tape_new(void)
{
	tape = mmap(NULL, sizeof *tape, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	return tape != MAP_FAILED;
}

void
tape_clear(void)
{
	memset(tape, 0, offsetof(struct tape, events));
}
