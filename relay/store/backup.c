/*
 * backup.c -- a consistent copy of the database, made while the relay goes on writing.
 *
 * Its own connection reads one moment of the database; nobody waits for it. The copy is whole and on disk
 * when this returns true; otherwise there is none. An existing file is never overwritten.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "proto/mem.h"
#include "relay/store/store-private.h"

enum { BACKUP_BUSY_MS = 30000, BACKUP_CACHE_KIB = 512 };

static bool
sync_path(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
	bool good = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return good;
}

static bool
sync_copy(const char *file)
{
	char *copy = xstrdup(file);
	bool good = sync_path(file, 0) && sync_path(dirname(copy), O_DIRECTORY);

	free(copy);
	return good;
}

static bool
copy_into(struct store *store, const char *file, char **error_r)
{
	struct db *db = db_open(store->path, BACKUP_BUSY_MS, BACKUP_CACHE_KIB, error_r);

	if (db == NULL)
		return false;
	bool good = db_copy(db, file, error_r);
	db_close(&db);
	if (good && !sync_copy(file)) {
		*error_r = xasprintf("%s: %s", file, strerror(errno));
		good = false;
	}
	return good;
}

bool
store_backup(struct store *store, const char *file, char **error_r)
{
	/* The library takes an empty file as its target; this one has the mode and is surely new. */
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	*error_r = NULL;
	if (fd < 0) {
		*error_r = xasprintf("%s: %s", file, strerror(errno));
		return false;
	}
	close(fd);
	bool good = copy_into(store, file, error_r);
	if (!good)
		unlink(file);
	return good;
}
