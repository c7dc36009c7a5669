/*
 * store/archive.h -- questions about one account's archive, answered like those of read.h.
 *
 * The archive is its `box` rows in order of message id. An account without rows, or none at all, has an empty
 * archive.
 */
#ifndef RELAY_STORE_ARCHIVE_H
#define RELAY_STORE_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/store/read.h"

struct archive_query {
	/* Filter: what belongs to the result set. */
	const char *with;     /* bare JID text of the other party; NULL: anybody */
	const char *resource; /* and this resource of it; NULL: any */
	int64_t start, end;   /* ms, both included; end 0: open */
	int64_t above, below; /* message ids, not included; 0: open. Must be in the archive */
	const int64_t *ids;   /* these alone, in rising order; all must be in the archive; NULL: any */
	size_t id_count;
	/* Page: which part of it. */
	int64_t after, before; /* not included; 0: not given. Must be in the archive */
	bool back;    /* the end of what is before `before` (0: of all), else the beginning of what is after
			 `after` */
	size_t most;  /* rows; 0: none, only the count */
	bool counted; /* exact total also where that means looking at every row */
};
enum {
	ARCHIVE_BYTES = 256 * 1024, /* bodies of a page, passed by one at most */
	ARCHIVE_COUNT_MOST = 1000,  /* rows looked at for a total that is not asked for */
};

struct archive_row {
	struct message_row message;
	bool pending; /* it also waits in the account's mailbox */
};
struct archive_page {
	bool missing;                   /* an id that was named is not in the archive; the rest is empty */
	bool complete;                  /* there is no more in the direction of paging */
	const struct archive_row *rows; /* in order of id */
	size_t count;
	int64_t total; /* of the result set; -1: not known */
};
struct archive_ends {
	int64_t first, first_time, last, last_time; /* ids; 0: empty */
};
typedef void read_archive_fn(void *arg, bool failed, const struct archive_page *page);
typedef void read_archive_ends_fn(void *arg, bool failed, const struct archive_ends *ends);
typedef void read_archive_over_fn(void *arg, bool failed, const char *node);

/* Everything the query points to is copied. */
void read_archive(struct store *store, const char *node, const struct archive_query *query,
		  read_archive_fn *fn, void *arg);
void read_archive_ends(struct store *store, const char *node, read_archive_ends_fn *fn, void *arg);
/* Some account whose archive has a message older than `before` (ms; 0: any age) or more than `most` bytes (0:
 * any size); node NULL: none. */
void read_archive_over(struct store *store, int64_t before, int64_t most, read_archive_over_fn *fn,
		       void *arg);

#endif
