/*
 * store.c -- opening and closing: lock, recover, checkpoint, fsync the folder, migrate, then the two threads.
 *
 * DIAGNOSTICS: a second relay on the same folder, a newer schema, a file that is no database of ours: refused
 * with words.
 */
#include "config.h"

#include "relay/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/mem.h"
#include "relay/log.h"
#include "relay/store/store-private.h"

enum {
	CACHE_WRITER_KIB = 1024,
	CACHE_READER_KIB = 512,
	TOOL_BUSY_MS = 30000, /* behind a relay under load */
};

static bool
make_folder(const char *dir, char **error_r)
{
	struct stat folder;

	if (mkdir(dir, 0700) == 0)
		return true;
	if (errno == EEXIST && stat(dir, &folder) == 0 && S_ISDIR(folder.st_mode))
		return true;
	*error_r = xasprintf("%s: %s", dir, errno == EEXIST ? "not a folder" : strerror(errno));
	return false;
}

static bool
take_lock(struct store *store, char **error_r)
{
	char *path = xasprintf("%s/lock", store->dir);
	bool good = false;

	store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (store->lock < 0)
		*error_r = xasprintf("%s: %s", path, strerror(errno));
	else if (flock(store->lock, LOCK_EX | LOCK_NB) != 0)
		*error_r = xasprintf("%s: another lazod is running on this data; stop it first, or give this "
				     "one another folder",
				     store->dir);
	else
		good = true;
	free(path);
	return good;
}

/* The names of the files in it are on disk too. */
static bool
sync_folder(const char *dir, char **error_r)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = fd >= 0 && fsync(fd) == 0;

	if (!good)
		*error_r = xasprintf("%s: %s", dir, strerror(errno));
	if (fd >= 0)
		close(fd);
	return good;
}

/* The log of the last run is made sure of (relog.h) and goes into the file before anyone reads. On a full disk it stays where it is, which
 * is as durable. */
static bool
recover(struct store *store, char **error_r)
{
	int64_t copied;
	enum db_result result = db_log_again(store->db);

	if (result == DB_BUSY) {
		*error_r = xasprintf("%s: a tool is writing to it and does not come to an end", store->path);
		return false;
	}
	if (result == DB_OK)
		result = db_checkpoint(store->db, true, &copied);
	switch (result) {
	case DB_OK:
	case DB_ROW:
	case DB_CONFLICT:
	case DB_OVER:
	case DB_BUSY: /* a tool reads at this moment */
		return true;
	case DB_FULL:
		log_warn(NULL, "disk full: the write-ahead log stays as it is");
		return true;
	case DB_ERROR:
		break;
	}
	*error_r = xasprintf("%s: cannot be recovered", store->path);
	return false;
}

/* A tool of the next version beside the relay of the last: that one knows the tables as they are. */
static bool
may_migrate(const struct store *store, char **error_r)
{
	char *path = xasprintf("%s/lock", store->dir);
	int fd = db_is_current(store->db) ? -1 : open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	bool good = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0;

	if (!good)
		*error_r = xasprintf("%s: the relay that runs on it is of another version than this tool: restart it first",
				     store->path);
	if (fd >= 0)
		close(fd);
	free(path);
	return good;
}

static bool
open_files(struct store *store, unsigned busy_ms, char **error_r)
{
	bool tool = store->lock < 0;

	store->path = xasprintf("%s/lazo.db", store->dir);
	if (!tool) /* before the database: on a full disk it needs that room to open */
		reserve_open(&store->reserve, store->dir);
	store->db = db_open(store->path, busy_ms, CACHE_WRITER_KIB, error_r);
	if (store->db == NULL || (!tool && !recover(store, error_r)) || !sync_folder(store->dir, error_r) ||
	    (tool && !may_migrate(store, error_r)) ||
	    !db_migrate(store->db, store->path, &store->foreign, error_r))
		return false;
	store->upkeep.tool = tool;
	store->upkeep.gone = !tool;
	return ids_open(store, error_r);
}

static struct store *
store_new(const char *dir)
{
	struct store *store = xcalloc(1, sizeof *store);

	db_library_setup();
	store->dir = xstrdup(dir);
	store->lock = -1;
	return store;
}

struct store *
store_open(const char *dir, struct loop *loop, char **error_r)
{
	struct store *store = store_new(dir);

	*error_r = NULL;
	if (!make_folder(dir, error_r) || !take_lock(store, error_r) ||
	    !open_files(store, DB_BUSY_MS, error_r)) {
		bool foreign = store->foreign;
		store_close(&store);
		errno = foreign ? EPROTO : 0;
		return NULL;
	}
	if (loop == NULL)
		return store;
	store->reading = db_open(store->path, DB_BUSY_MS, CACHE_READER_KIB, error_r);
	if (store->reading == NULL) {
		store_close(&store);
		return NULL;
	}
	store->loop = loop;
	store->writer = writer_start(store);
	store->reader = reader_start(store, store->reading);
	return store;
}

struct store *
store_open_tool(const char *dir, char **error_r)
{
	struct store *store = store_new(dir);

	*error_r = NULL;
	if (!make_folder(dir, error_r) || !open_files(store, TOOL_BUSY_MS, error_r)) {
		store_close(&store);
		return NULL;
	}
	return store;
}

void
store_close(struct store **handle)
{
	struct store *store = *handle;
	int64_t copied;

	if (store == NULL)
		return;
	/* The writer first: its callbacks may still ask. And what the reader's callbacks submit is waited for
	 * again. */
	while (store->writer != NULL && (writer_is_busy(store->writer) || reader_is_busy(store->reader))) {
		writer_drain(store->writer);
		reader_drain(store->reader);
	}
	if (store->writer != NULL) {
		writer_stop(&store->writer);
		reader_stop(&store->reader);
	}
	db_close(&store->reading);
	if (store->db != NULL && store->lock >= 0)
		db_checkpoint(store->db, true, &copied);
	db_close(&store->db);
	ids_close(store);
	reserve_close(&store->reserve);
	if (store->lock >= 0)
		close(store->lock);
	free(store->path);
	free(store->dir);
	free(store);
	*handle = NULL;
}

bool
store_is_full(const struct store *store)
{
	return store->uncommitted > UNCOMMITTED_MOST;
}

void
store_on_room(struct store *store, void (*fn)(void *arg), void *arg)
{
	store->room = fn;
	store->room_arg = arg;
}
