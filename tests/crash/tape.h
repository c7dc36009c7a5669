/*
 * tape.h -- a record of what the store wrote and when it synced, and the disks that a power cut can make of
 * it.
 *
 * tape.c is the layer below SQLite that records, platter.c makes the images; powercut.c runs the store and
 * judges. The tape lies in memory shared with the child that records. No platform is asked what it would
 * keep: what counts as synced is what the store asked to sync and was told is.
 */
#ifndef TESTS_CRASH_TAPE_H
#define TESTS_CRASH_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	EVENTS_MOST = 1 << 17,
	BYTES_MOST = 192 << 20,
	STEPS = 150, /* transactions before the store is closed and opened again, and after it */
	PENDING_MOST = 2 * STEPS,
};

enum part { MAIN, LOG, JOURNAL, PARTS };
extern const char *const part_names[PARTS];

enum event_kind {
	EV_WRITE,
	EV_TRUNCATE,
	EV_REMOVE,
	EV_SYNC,
	EV_SYNC_FAILED,
	EV_FOLDER, /* the folder was synced: names that left are gone */
	EV_TRY,    /* the state that will be when the transaction holds */
	EV_ACK,    /* the state that was acknowledged */
};

struct state { /* what tells two moments of the mailbox apart */
	int64_t count, sum, top;
};

struct event {
	enum event_kind kind;
	enum part part;
	int64_t offset; /* EV_TRUNCATE: the size */
	size_t len, data;
	struct state state;
};

extern struct tape { /* shared with the child that records */
	size_t count, used;
	int syncs; /* until now */
	/* what the child knows of its own mailbox */
	struct state now;
	int64_t ids[PENDING_MOST];
	size_t ids_count;
	struct event events[EVENTS_MOST];
	uint8_t bytes[BYTES_MOST];
} * tape;

bool tape_new(void);
void tape_clear(void);

enum mode {
	RECORD,
	LIE,    /* the control: syncs are answered, not done */
	UNSAID, /* the control: a sync fails, and the store is told it did not */
	QUIET,  /* images being looked at: nothing is recorded and nothing synced */
};

/* Put the layer in front of SQLite's files, for the rest of this process. fail: the n-th sync of the tape
 * fails. */
void tape_record(enum mode mode, int fail);
/* The name of SQLite's own layer below. */
const char *tape_below(void);
/* The tape's end gets this state, unless QUIET. */
void tape_note(enum event_kind kind, const struct state *state);

/* How one image treats what was not synced. */
struct fate {
	uint64_t seed;
	size_t sector; /* 512 or 4096 */
	enum { NOTHING, EVERYTHING, IN_ORDER, ANY_ORDER, FATES } kind;
};

/* In dir: the files as they may be when the power goes behind the first `upto` events. */
void platter_write(const char *dir, size_t upto, const struct fate *fate);

/* Dice that fall the same way on every machine, from dice_state. */
extern uint64_t dice_state;
uint64_t mix(uint64_t x);
uint64_t dice(uint64_t sides);

#endif
