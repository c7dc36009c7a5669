/* quiet.c -- holding what can wait: see quiet.h. */
#include "config.h"

#include "relay/route/quiet.h"

#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"
#include "relay/route/session.h"

struct row {
	char *key, *bytes;
	size_t len;
};
struct quiet { /* only while something is held */
	size_t count, room, bytes;
	struct row *rows;
};

static void
row_clear(struct row *row)
{
	free(row->key);
	free(row->bytes);
}

void
quiet_free(struct session *session)
{
	struct quiet *quiet = session->quiet;

	session->quiet = NULL;
	for (size_t i = 0; quiet != NULL && i < quiet->count; i++)
		row_clear(&quiet->rows[i]);
	if (quiet != NULL)
		free(quiet->rows);
	free(quiet);
}

void
quiet_flush(struct session *session)
{
	struct quiet *quiet = session->quiet;

	session->quiet = NULL; /* what is sent now does not come back here */
	for (size_t i = 0; quiet != NULL && i < quiet->count; i++) {
		session_send_bytes(session, quiet->rows[i].bytes, quiet->rows[i].len); /* may close it */
		row_clear(&quiet->rows[i]);
	}
	if (quiet != NULL)
		free(quiet->rows);
	free(quiet);
}

void
quiet_set(struct session *session, bool is_quiet)
{
	session->is_quiet = is_quiet;
	if (!is_quiet)
		quiet_flush(session);
}

/* The newest is the last: what replaces another goes behind all. */
static void
forget(struct quiet *quiet, const char *key)
{
	for (size_t i = 0; i < quiet->count; i++) {
		if (strcmp(quiet->rows[i].key, key) != 0)
			continue;
		quiet->bytes -= quiet->rows[i].len + strlen(key);
		row_clear(&quiet->rows[i]);
		quiet->count--;
		memmove(&quiet->rows[i], &quiet->rows[i + 1], (quiet->count - i) * sizeof quiet->rows[i]);
		return;
	}
}

void
quiet_send(struct session *session, const char *key, const char *bytes, size_t len)
{
	size_t size = len + strlen(key);
	struct quiet *quiet;

	if (!session->is_quiet || session->gone || size > QUIET_BYTES) {
		session_send_bytes(session, bytes, len);
		return;
	}
	if (session->quiet != NULL)
		forget(session->quiet, key);
	if (session->quiet != NULL &&
	    (session->quiet->count == QUIET_ROWS || session->quiet->bytes + size > QUIET_BYTES))
		quiet_flush(session);
	if (session->gone)
		return;
	if (session->quiet == NULL)
		session->quiet = xcalloc(1, sizeof *session->quiet);
	quiet = session->quiet;
	if (quiet->count == quiet->room) {
		quiet->room = quiet->room == 0 ? 4 : 2 * quiet->room;
		quiet->rows = xrealloc(quiet->rows, quiet->room * sizeof *quiet->rows);
	}
	quiet->rows[quiet->count] = (struct row){ .key = xstrdup(key), .bytes = xmalloc(len), .len = len };
	memcpy(quiet->rows[quiet->count].bytes, bytes, len);
	quiet->count++;
	quiet->bytes += size;
}
