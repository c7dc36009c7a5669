/* relog.c -- see relog.h. */
#include "config.h"

#include "relay/store/relog.h"

#include <stdlib.h>
#include <sqlite3.h>
#include "proto/mem.h"

enum { CHUNK = 64 * 1024 };

static int
write_again(sqlite3_file *log)
{
	sqlite3_int64 size = 0;
	char *bytes = xmalloc(CHUNK);
	int code = log->pMethods->xFileSize(log, &size);

	for (sqlite3_int64 at = 0; code == SQLITE_OK && at < size; at += CHUNK) {
		int len = size - at < CHUNK ? (int)(size - at) : CHUNK;
		code = log->pMethods->xRead(log, bytes, len, at);
		if (code == SQLITE_OK)
			code = log->pMethods->xWrite(log, bytes, len, at);
	}
	free(bytes);
	return code == SQLITE_OK && size > 0 ? log->pMethods->xSync(log, SQLITE_SYNC_NORMAL) : code;
}

int
relog(sqlite3 *handle)
{
	sqlite3_file *log = NULL;
	int code = sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	if (code != SQLITE_OK)
		return code;
	code = sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (code == SQLITE_OK && log != NULL && log->pMethods != NULL)
		code = write_again(log);
	sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL);
	return code;
}
