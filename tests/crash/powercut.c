/*
 * powercut.c -- the plug is pulled: a layer below SQLite records what the store writes and when it syncs, and
 * from the record are made the disks that a power cut may leave.
 *
 * A run of the store (in a child) fills a tape: writes, truncations, syncs, and between them what was tried
 * and what was acknowledged. For an image a moment of the tape is chosen; what was synced before it is there;
 * of what was not, each sector of 512 bytes or 4 KiB is old, new, of any version between, or torn at some
 * byte, in any order between the files. The image is opened with store_open: it must open, integrity_check
 * must say ok, references must hold, and what it keeps is the state last acknowledged or the one being tried,
 * nothing else; no message id is handed out again. A failed sync: the layer says so once, and by then the
 * system has taken the pages for clean, whether they reached the disk or not; no later sync writes them. The
 * store must end with 74 and lose nothing when it is started again on what the system still shows and the
 * plug is pulled then.
 *
 * Controls, which must lose: syncs that are answered and not done (synchronous = OFF does the same); a failed
 * sync of which the store does not hear. LAZO_SEED sets the seed, which is printed; LAZO_LONG makes 20,000
 * images instead of 500.
 */
#include "config.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <time.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include "proto/mem.h"
#include "relay/store/read.h"
#include "relay/store/store.h"
#include "relay/store/txn.h"
#include "tests/crash/tape.h"

enum { IMAGES_A_TAPE = 25 };

/* ---- the run that is recorded */

static void
committed(void *arg, enum txn_result result)
{
	if (result != TXN_COMMITTED) {
		fprintf(stderr, "powercut: a transaction ended with %d\n", (int)result);
		_exit(EX_SOFTWARE);
	}
	tape->now = *(const struct state *)arg;
	tape_note(EV_ACK, &tape->now);
}

static const struct scram_keys some_keys = { .salt = "salt", .iterations = 4096 };

static void
commit(struct txn *txn, struct state *next)
{
	tape_note(EV_TRY, next);
	txn_submit(&txn, committed, next);
}

static void
add_message(struct store *store)
{
	static char body[9000];
	struct txn *txn = txn_new(store);
	int64_t id = store_next_id(store);
	struct state next = { tape->now.count + 1, tape->now.sum + id, id };

	memset(body, 'a' + (int)dice(26), sizeof body);
	txn_add(txn, &(struct op){ .kind = OP_MESSAGE,
				   .id = id,
				   .time = 1 + id,
				   .from = "ana@a/x",
				   .to = "beto@a",
				   .body = body,
				   .body_len = dice(dice(4) == 0 ? sizeof body : 400) });
	txn_add(txn, &(struct op){ .kind = OP_BOX, .id = id, .account = "ana", .peer = "beto@a" });
	txn_add(txn, &(struct op){ .kind = OP_BOX, .id = id, .account = "beto", .peer = "ana@a" });
	txn_add(txn, &(struct op){ .kind = OP_PENDING, .id = id, .account = "beto" });
	tape->ids[tape->ids_count++] = id;
	commit(txn, &next);
}

static void
clear_message(struct store *store)
{
	struct txn *txn = txn_new(store);
	size_t at = dice(tape->ids_count);
	int64_t id = tape->ids[at];
	struct state next = { tape->now.count - 1, tape->now.sum - id, tape->now.top };

	txn_add(txn, &(struct op){ .kind = OP_PENDING_CLEAR, .account = "beto", .id = id });
	tape->ids[at] = tape->ids[--tape->ids_count];
	commit(txn, &next);
}

static struct store *
open_or_end(const char *dir)
{
	char *error = NULL;
	struct store *store = store_open(dir, NULL, &error);

	if (store == NULL) {
		fprintf(stderr, "powercut: %s\n", error);
		_exit(EX_SOFTWARE);
	}
	return store;
}

static void
steps(struct store *store, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (tape->ids_count > 0 && (dice(4) == 0 || tape->ids_count == PENDING_MOST))
			clear_message(store);
		else
			add_message(store);
}

/* Opened, used, closed, opened, used; the end is the end of the process. */
static void
run_store(const char *dir)
{
	struct store *store = open_or_end(dir);

	for (int i = 0; i < 2; i++) {
		struct txn *txn = txn_new(store);
		txn_add(txn, &(struct op){ .kind = OP_ACCOUNT_NEW,
					   .account = i == 0 ? "ana" : "beto",
					   .time = 1,
					   .keys = &some_keys });
		commit(txn, &tape->now);
	}
	steps(store, STEPS);
	store_close(&store);
	store = open_or_end(dir);
	steps(store, STEPS);
}

/* ---- looking into a folder */

struct look {
	bool good; /* whole, and no reference into nothing */
	struct state state;
};

static int64_t
number_of(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;
	int64_t number = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		number = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return number;
}

/* Past the layer. */
static sqlite3 *
open_raw(const char *dir)
{
	char *path = xasprintf("%s/lazo.db", dir);
	sqlite3 *db = NULL;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, tape_below()) == SQLITE_OK)
		sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	free(path);
	return db;
}

static struct look
look_into(const char *dir)
{
	struct look look;
	sqlite3 *db = open_raw(dir);

	look.good =
	    number_of(db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'") == 0 &&
	    number_of(db, "SELECT count(*) FROM box WHERE id NOT IN (SELECT id FROM msg)") == 0 &&
	    number_of(db, "SELECT count(*) FROM pending WHERE id NOT IN (SELECT id FROM msg)") == 0 &&
	    number_of(db,
		      "SELECT count(*) FROM msg m WHERE refs <> (SELECT count(*) FROM box WHERE id = m.id)"
		      " + (SELECT count(*) FROM pending WHERE id = m.id) + (SELECT count(*) FROM spool WHERE id = m.id)") == 0 &&
	    number_of(db, "SELECT count(*) FROM usage u WHERE (pending, pending_bytes) <>"
			  " (SELECT count(*), coalesce(sum(bytes), 0) FROM pending p WHERE p.account = u.account)") == 0;
	look.state.count = number_of(db, "SELECT count(*) FROM pending");
	look.state.sum = number_of(db, "SELECT coalesce(sum(id), 0) FROM pending");
	look.state.top = number_of(db, "SELECT coalesce(max(id), 0) FROM msg");
	sqlite3_close(db);
	return look;
}

static bool
same_state(const struct state *a, const struct state *b)
{
	return a->count == b->count && a->sum == b->sum && a->top == b->top;
}

/* After a failed sync: on what the system still shows. What is there once it is open is a promise like any
 * other. */
static void
go_on(const char *dir)
{
	struct store *store = open_or_end(dir);
	sqlite3 *db = open_raw(dir);
	size_t kept = 0;

	for (size_t i = 0; i < tape->ids_count; i++) {
		char *sql = xasprintf("SELECT count(*) FROM pending WHERE id = %" PRId64, tape->ids[i]);
		if (number_of(db, sql) == 1)
			tape->ids[kept++] = tape->ids[i];
		free(sql);
	}
	sqlite3_close(db);
	tape->ids_count = kept;
	tape->now = look_into(dir).state;
	tape_note(EV_ACK, &tape->now);
	steps(store, STEPS);
}

static int
in_child(void (*work)(const char *dir), const char *dir, enum mode how, int fail)
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		tape_record(how, fail);
		work(dir);
		_exit(EX_OK);
	}
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status)
										     : -1;
}

/* ---- the verdict */

enum verdict { WELL, LOST, DAMAGED };

static struct state last_ack, last_try;
static bool control; /* damage is what is wanted: not worth a line each */

/* In a child, for a damaged file may end the process. */
static void
judge(const char *dir)
{
	char *error = NULL;
	struct store *store = store_open(dir, NULL, &error);
	struct look look;
	int64_t next;

	if (store == NULL) {
		if (!control)
			fprintf(stderr, "  %s\n", error);
		_exit(DAMAGED);
	}
	next = store_next_id(store);
	store_close(&store);
	look = look_into(dir);
	if (!look.good)
		_exit(DAMAGED);
	if ((!same_state(&look.state, &last_ack) && !same_state(&look.state, &last_try)) ||
	    next <= last_ack.top)
		_exit(LOST);
	_exit(WELL);
}

static enum verdict
judge_image(const char *dir, size_t upto, const struct fate *fate)
{
	int code;

	last_ack = last_try = (struct state){ 0 };
	for (size_t i = 0; i < upto; i++) {
		if (tape->events[i].kind == EV_ACK)
			last_ack = last_try = tape->events[i].state;
		if (tape->events[i].kind == EV_TRY)
			last_try = tape->events[i].state;
	}
	platter_write(dir, upto, fate);
	code = in_child(judge, dir, QUIET, 0);
	return code == WELL || code == LOST ? (enum verdict)code : DAMAGED;
}

static void
remove_folder(const char *dir)
{
	static const char *const names[] = { "lazo.db",         "lazo.db-wal", "lazo.db-shm",
					     "lazo.db-journal", "reserve",     "lock" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char *path = xasprintf("%s/%s", dir, names[i]);
		unlink(path);
		free(path);
	}
	rmdir(dir);
}

struct tally {
	int images, lost, damaged;
};

static const char *folder;

/* The next event of the kind in the database file from `at` on. */
static size_t
next_in_file(size_t at, enum event_kind kind)
{
	while (at < tape->count && (tape->events[at].kind != kind || tape->events[at].part != MAIN))
		at++;
	return at;
}

/* Anywhere; where a sync failed, half of the time while the store, started again, copies its log into the
 * file. */
static size_t
some_moment(void)
{
	size_t at = 0, first, last;

	while (at < tape->count && tape->events[at].kind != EV_SYNC_FAILED)
		at++;
	first = next_in_file(at, EV_WRITE);
	last = next_in_file(first, EV_SYNC);
	if (last < tape->count && dice(2) == 0)
		return first + 1 + dice(last - first);
	return dice(tape->count) + 1;
}

/* One run and its images. fail: which sync fails; 0: none. false: the run itself went wrong. */
static bool
one_tape(enum mode how, int fail, int images, struct tally *tally)
{
	char *live = xasprintf("%s/live", folder), *image = xasprintf("%s/image", folder);
	int code;

	tape_clear();
	mkdir(image, 0700);
	code = in_child(run_store, live, how, fail);
	if (how == RECORD && fail != 0 && code == EX_IOERR)
		code = in_child(go_on, live, how, 0);
	else if (how == RECORD && fail != 0)
		code = -1; /* it had to end with 74 */
	for (int i = 0; i < images && code == EX_OK; i++) {
		struct fate fate = { .seed = mix(dice_state), .sector = dice(2) == 0 ? 512 : 4096 };
		fate.kind = fail != 0 && dice(2) == 0 ? ANY_ORDER : dice(FATES);
		enum verdict verdict = judge_image(image, some_moment(), &fate);
		tally->images++;
		tally->lost += verdict == LOST;
		tally->damaged += verdict == DAMAGED;
	}
	remove_folder(live);
	remove_folder(image);
	free(live);
	free(image);
	dice_state = mix(dice_state + 1);
	return code == EX_OK;
}

/* ---- the tests */

static int passed, failed;

static void
expect(bool good, const char *what)
{
	printf("%s %s\n", good ? "ok" : "FAIL", what);
	fflush(stdout);
	*(good ? &passed : &failed) += 1;
}

static struct tally
many(enum mode how, bool broken, int images)
{
	struct tally tally = { 0 };
	int tapes = 0;

	control = how != RECORD;
	while (tally.images < images) {
		int fail = broken ? 20 + (int)dice(STEPS)
				  : 0; /* the first ones make the file: nobody relies on it yet */
		if (!one_tape(how, fail, IMAGES_A_TAPE, &tally)) {
			printf("  tape %d (sync %d fails) did not run as it should\n", tapes, fail);
			tally.damaged++;
			break;
		}
		tapes++;
	}
	printf("images %d lost %d damaged %d (%d runs)\n", tally.images, tally.lost, tally.damaged, tapes);
	return tally;
}

int
main(void)
{
	const char *seed = getenv("LAZO_SEED"), *base = getenv("TMPDIR");
	int images = getenv("LAZO_LONG") != NULL ? 20000 : 500;
	char *place = xasprintf("%s/lazo-cut.XXXXXX", base == NULL ? "/tmp" : base);
	struct tally tally;

	dice_state =
	    seed != NULL ? strtoull(seed, NULL, 10) : mix((uint64_t)getpid() ^ (uint64_t)time(NULL) << 20);
	printf("  seed %" PRIu64 "\n", dice_state);
	if (mkdtemp(place) == NULL || !tape_new()) {
		perror("powercut");
		return EX_OSERR;
	}
	folder = place;
	tally = many(RECORD, false, images * 3 / 5);
	expect(tally.lost + tally.damaged == 0, "a power cut loses nothing that was acknowledged");
	tally = many(RECORD, true, images * 2 / 5);
	expect(tally.lost + tally.damaged == 0, "nor does one behind a sync that failed");
	tally = many(LIE, false, 2 * IMAGES_A_TAPE);
	expect(tally.lost + tally.damaged > 0, "control: without syncs it loses");
	tally = many(UNSAID, true, 8 * IMAGES_A_TAPE);
	expect(tally.lost + tally.damaged > 0, "control: a failed sync that is not heeded loses");
	rmdir(place);
	free(place);
	printf("%d passed, %d failed, 0 skipped\n", passed, failed);
	return failed > 0;
}
