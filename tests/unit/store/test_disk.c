/*
 * test_disk.c -- disks that fail, are full, or lose their process: what was told as committed is there,
 * nothing else is told.
 *
 * Syncs are counted and broken by a layer between SQLite and the real files; the full disk is a real tmpfs of
 * its own; the crash is a real kill -9. Controls: a child that tells before the commit must be caught losing
 * messages.
 */
#include "config.h"

#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "proto/mem.h"
#include "relay/net/loop.h"
#include "relay/store/store-private.h"

/* ---- a layer that counts and breaks syncs */

static sqlite3_vfs *below, layer;
static sqlite3_io_methods methods[2]; /* of the file, of its log */
static int (*below_sync)(sqlite3_file *file, int flags);
static int wal_syncs, other_syncs;
static int break_sync; /* the n-th from now fails; 0: none */
static sqlite3_file *wal;

static int
layer_sync(sqlite3_file *file, int flags)
{
	*(file == wal ? &wal_syncs : &other_syncs) += 1;
	if (break_sync > 0 && --break_sync == 0)
		return SQLITE_IOERR_FSYNC;
	return below_sync(file, flags);
}

static int
layer_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_r)
{
	(void)vfs;
	int code = below->xOpen(below, name, file, flags, flags_r);

	if (code != SQLITE_OK || (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) == 0)
		return code;
	bool log = (flags & SQLITE_OPEN_WAL) != 0;
	below_sync = file->pMethods->xSync;
	methods[log] = *file->pMethods;
	methods[log].xSync = layer_sync;
	file->pMethods = &methods[log];
	if (log)
		wal = file;
	return code;
}

static int
layer_setup(void **state)
{
	below = sqlite3_vfs_find(NULL);
	layer = *below;
	layer.zName = "layer";
	layer.xOpen = layer_open;
	wal_syncs = other_syncs = break_sync = 0;
	wal = NULL;
	return sqlite3_vfs_register(&layer, 1) == SQLITE_OK ? place_setup(state) : -1;
}

static int
layer_teardown(void **state)
{
	int code = place_teardown(state);

	sqlite3_vfs_unregister(&layer);
	sqlite3_vfs_register(below, 1);
	return code;
}

static void
commit_is_one_sync_of_the_log(void **state)
{
	struct place *place = *state;

	add_account(place->store, "ana");
	add_account(place->store, "beto");
	wal_syncs = other_syncs = 0;
	for (int i = 0; i < 20; i++)
		add_message(place->store, "hola");
	assert_int_equal(wal_syncs, 20);
	assert_int_equal(other_syncs, 0);
	assert_int_equal(run(place->store, { .kind = OP_INVITE_USE, .token = "none" }), TXN_CONFLICT);
	assert_int_equal(wal_syncs, 20); /* nothing to keep, nothing to sync */
}

/* In a child: the messages until the n-th sync fails; told ones are counted in the exit code when the relay
 * goes on. */
static int
child_with_broken_sync(const char *dir, int n, int told)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		char *error = NULL;
		struct store *store = store_open(dir, NULL, &error);
		if (store == NULL)
			_exit(1);
		break_sync = n;
		for (int i = 0; i < 100; i++) {
			char note = (char)i;
			add_message(store, "hola");
			if (write(told, &note, 1) != 1)
				_exit(2);
		}
		_exit(3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
failed_sync_ends_the_process_untold(void **state)
{
	struct place *place = *state;
	int pipes[2];
	char notes[128];

	add_account(place->store, "ana");
	add_account(place->store, "beto");
	for (int n = 1; n < 12; n += 3) {
		store_close(&place->store);
		assert_int_equal(pipe(pipes), 0);
		assert_int_equal(child_with_broken_sync(place->dir, n, pipes[1]), 74);
		close(pipes[1]);
		assert_int_equal(read(pipes[0], notes, sizeof notes),
				 n - 1 > 0 ? n - 1 : 0); /* one sync a message */
		close(pipes[0]);
		place->store = open_or_fail(place->dir);
	}
	store_close(&place->store);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(child_with_broken_sync(place->dir, 0, pipes[1]),
			 3); /* the control: unbroken, it goes on */
	close(pipes[0]);
	close(pipes[1]);
}

/* ---- a full disk */

static void
write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		(void)0; /* shows at mount */
	if (fd >= 0)
		close(fd);
}

static bool
mount_small(const char *dir)
{
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (unshare(CLONE_NEWNS) != 0) {
		char map[64];
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
			return false;
		write_text("/proc/self/setgroups", "deny");
		snprintf(map, sizeof map, "0 %u 1", (unsigned)uid);
		write_text("/proc/self/uid_map", map);
		snprintf(map, sizeof map, "0 %u 1", (unsigned)gid);
		write_text("/proc/self/gid_map", map);
	}
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return mount("small", dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=16m,mode=700") == 0;
}

#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                              \
			_exit(1);                                                                            \
		}                                                                                            \
	} while (0)

static void
note_result(void *arg, enum txn_result result)
{
	*(enum txn_result *)arg = result;
}

static enum txn_result
big_message(struct store *store, int64_t *id_r)
{
	static char body[100000];
	enum txn_result result = TXN_FAILED;
	struct txn *txn = txn_new(store);

	*id_r = store_next_id(store);
	txn_add(txn, &(struct op){ .kind = OP_MESSAGE,
				   .id = *id_r,
				   .from = "x@y",
				   .to = "ana@a",
				   .body = body,
				   .body_len = sizeof body });
	txn_add(txn, &(struct op){ .kind = OP_PENDING, .id = *id_r, .account = "ana" });
	txn_submit(&txn, note_result, &result);
	return result;
}

static void
fill_disk(const char *path)
{
	static char bytes[1 << 16];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	while (write(fd, bytes, sizeof bytes) > 0)
		continue;
	CHECK(errno == ENOSPC);
	close(fd);
}

static struct txn *
clear_of(struct store *store, int64_t id)
{
	struct txn *txn = txn_new(store);

	txn_add(txn, &(struct op){ .kind = OP_PENDING_CLEAR, .account = "ana", .id = id });
	return txn;
}

static struct txn *
big_of(struct store *store)
{
	static char body[2000000];
	struct txn *txn = txn_new(store);
	int64_t id = store_next_id(store);

	txn_add(txn, &(struct op){ .kind = OP_MESSAGE,
				   .id = id,
				   .from = "x@y",
				   .to = "ana@a",
				   .body = body,
				   .body_len = sizeof body });
	txn_add(txn, &(struct op){ .kind = OP_PENDING, .id = id, .account = "ana" });
	return txn;
}

/* One batch in which some need room and some do not: each is told its own. */
static void
mixed_batch_in_child(struct store *store, const int64_t *ids)
{
	enum txn_result results[5];
	struct txn *txns[5] = { clear_of(store, ids[0]), big_of(store), clear_of(store, ids[1]),
				big_of(store), big_of(store) };
	struct txn_list batch;

	txn_list_init(&batch);
	for (int i = 0; i < 5; i++) {
		txns[i]->done = note_result;
		txns[i]->arg = &results[i];
		store->uncommitted += txns[i]->bytes;
		txn_list_add(&batch, txns[i]);
	}
	batch_run(store->db, &store->reserve, batch.first);
	txn_list_finish(&batch);
	CHECK(results[0] == TXN_COMMITTED && results[2] == TXN_COMMITTED);
	CHECK(results[1] == TXN_FULL && results[3] == TXN_FULL && results[4] == TXN_FULL);
}

static void
full_disk_in_child(const char *dir)
{
	char *error = NULL;
	struct store *store = store_open(dir, NULL, &error);
	char *filler = xasprintf("%s/filler", dir), *reserve = xasprintf("%s/reserve", dir);
	int64_t ids[200], id;
	int kept = 0;

	CHECK(store != NULL);
	CHECK(add_account(store, "ana") == TXN_COMMITTED);
	while (kept < 20 && big_message(store, &ids[kept]) == TXN_COMMITTED)
		kept++;
	CHECK(kept == 20);
	CHECK(access(reserve, F_OK) == 0);
	fill_disk(filler);
	mixed_batch_in_child(store, ids);
	CHECK(access(reserve, F_OK) != 0); /* let go */
	CHECK(get_pending_count(store, "ana") == 18);
	CHECK(unlink(filler) == 0); /* room again: no restart needed */
	nanosleep(&(struct timespec){ .tv_sec = 1, .tv_nsec = 100000000 }, NULL);
	CHECK(run(store, { .kind = OP_ACCOUNT_SEEN, .account = "ana", .time = 1 }) == TXN_COMMITTED);
	CHECK(access(reserve, F_OK) == 0);
	fill_disk(filler);
	memmove(ids, ids + 2, 18 * sizeof *ids);
	kept = 18;
	enum txn_result result;
	for (int i = 0; (result = big_message(store, &ids[kept])) == TXN_COMMITTED && i < 150; i++)
		kept++; /* free room inside the log is still used */
	CHECK(result == TXN_FULL);
	CHECK(access(reserve, F_OK) != 0); /* let go */
	CHECK(big_message(store, &id) == TXN_FULL);
	CHECK(get_pending_count(store, "ana") == kept); /* reads go on, nothing half-kept */
	for (int i = 0; i < kept / 2; i++)              /* acknowledgements go through */
		CHECK(run(store, { .kind = OP_PENDING_CLEAR, .account = "ana", .id = ids[i] }) ==
		      TXN_COMMITTED);
	CHECK(run(store, { .kind = OP_ACCOUNT_SEEN, .account = "ana", .time = 1 }) == TXN_COMMITTED);
	CHECK(big_message(store, &id) == TXN_FULL);
	CHECK(unlink(filler) == 0); /* room again: no restart needed */
	nanosleep(&(struct timespec){ .tv_sec = 1, .tv_nsec = 100000000 }, NULL);
	CHECK(big_message(store, &id) == TXN_COMMITTED);
	CHECK(access(reserve, F_OK) == 0);
	CHECK(get_pending_count(store, "ana") == kept - kept / 2 + 1);
	store_close(&store);
	/* And a relay that starts on a full disk reads, acknowledges and refuses. */
	fill_disk(filler);
	store = store_open(dir, NULL, &error);
	CHECK(store != NULL);
	CHECK(run(store, { .kind = OP_PENDING_CLEAR, .account = "ana", .id = id }) == TXN_COMMITTED);
	CHECK(get_pending_count(store, "ana") == kept - kept / 2);
	store_close(&store);
	unlink(filler);
	assert_references_hold(dir);
	_exit(0);
}

static void
full_disk_refuses_and_recovers(void **state)
{
	struct place *place = *state;
	int status;

	store_close(&place->store);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (!mount_small(place->dir))
			_exit(77);
		full_disk_in_child(place->dir);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		fprintf(stderr, "SKIPPED: no right to mount a small disk\n");
		skip();
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- kill -9 */

static struct {
	struct loop *loop;
	struct store *store;
	int tell;
	bool too_early; /* the control */
} child;

static void
tell_id(int64_t id)
{
	if (write(child.tell, &id, sizeof id) != sizeof id)
		_exit(2);
}

static void submit_one(void);

static void
told(void *arg, enum txn_result result)
{
	int64_t *id = arg;

	if (result != TXN_COMMITTED)
		_exit(4);
	if (!child.too_early)
		tell_id(*id);
	free(id);
	submit_one();
}

static void
submit_one(void)
{
	struct txn *txn = txn_new(child.store);
	int64_t *id = xmalloc(sizeof *id);

	*id = store_next_id(child.store);
	txn_add(txn, &(struct op){ .kind = OP_MESSAGE,
				   .id = *id,
				   .from = "ana@a/x",
				   .to = "beto@a",
				   .body = "hola",
				   .body_len = 4 });
	txn_add(txn, &(struct op){ .kind = OP_BOX, .id = *id, .account = "ana", .peer = "beto@a" });
	txn_add(txn, &(struct op){ .kind = OP_PENDING, .id = *id, .account = "beto" });
	if (child.too_early)
		tell_id(*id);
	txn_submit(&txn, told, id);
}

static void
run_child(const char *dir, int tell, bool too_early)
{
	char *error = NULL;

	child.loop = loop_new();
	child.store = store_open(dir, child.loop, &error);
	if (child.store == NULL)
		_exit(1);
	child.tell = tell;
	child.too_early = too_early;
	for (int i = 0; i < 40; i++)
		submit_one();
	loop_run(child.loop);
	_exit(5);
}

/* Kill a child that stores; returns how many of the ids it told are missing. *least_r, *most_r: of the ids
 * told. */
static size_t
kill_round(const char *dir, bool too_early, size_t *told_r, int64_t *least_r, int64_t *most_r)
{
	int pipes[2], status;
	int64_t *ids = xmalloc(1 << 20), id;
	size_t missing = 0;

	assert_int_equal(pipe(pipes), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pipes[0]);
		run_child(dir, pipes[1], too_early);
	}
	close(pipes[1]);
	*told_r = 0;
	*least_r = INT64_MAX;
	*most_r = 0;
	size_t target = 1 + (size_t)rand() % 3000;
	while (*told_r < (1 << 20) / sizeof *ids && read(pipes[0], &id, sizeof id) == sizeof id) {
		ids[(*told_r)++] = id;
		*least_r = id < *least_r ? id : *least_r;
		*most_r = id > *most_r ? id : *most_r;
		if (*told_r == target)
			kill(pid, SIGKILL);
	}
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	struct store *store = open_or_fail(dir);
	struct mail mail;
	for (size_t i = 0; i < *told_r; i++) {
		get_pending(store, "beto", ids[i] - 1, 1, &mail);
		missing += mail.count == 0 || mail.rows[0].id != ids[i];
	}
	store_close(&store);
	free(ids);
	return missing;
}

static void
told_is_there_after_kill(void **state)
{
	struct place *place = *state;
	size_t count, all = 0, lost_by_control = 0;
	int64_t least, most, before = 0;

	add_account(place->store, "ana");
	add_account(place->store, "beto");
	store_close(&place->store);
	srand(1);
	for (int round = 0; round < 15; round++) {
		assert_int_equal(kill_round(place->dir, false, &count, &least, &most), 0);
		assert_true(least > before); /* ids never repeat */
		before = most;
		all += count;
		assert_references_hold(place->dir);
	}
	assert_int_equal(
	    sql_number(place->dir,
		       "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"),
	    0);
	for (int round = 0; round < 5; round++)
		lost_by_control += kill_round(place->dir, true, &count, &least, &most);
	printf("15 kills, %zu told, 0 missing; control: %zu missing\n", all, lost_by_control);
	assert_true(lost_by_control > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(commit_is_one_sync_of_the_log, layer_setup, layer_teardown),
		cmocka_unit_test_setup_teardown(failed_sync_ends_the_process_untold, layer_setup,
						layer_teardown),
		cmocka_unit_test_setup_teardown(full_disk_refuses_and_recovers, place_setup, place_teardown),
		cmocka_unit_test_setup_teardown(told_is_there_after_kill, place_setup, place_teardown),
	};

	return cmocka_run_group_tests_name("store/disk", tests, NULL, NULL);
}
