/*
 * lazo_fill.c -- write many messages into a home's outbox, fast: what `lazo send --offline` does, 500 a transaction.
 *
 * usage: lazo_fill FOLDER ACCOUNT TO COUNT [PREFIX SUFFIX]     texts are "1", "2", ... COUNT; between the two, of five digits
 * DIAGNOSTICS: 0 all are READY, 1 with why on stderr.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/clock.h"
#include "client/db/account.h"
#include "client/db/db.h"
#include "client/omemo/omemo.h"
#include "client/outbox.h"
#include "proto/arena.h"

enum { BATCH = 500 };

static bool
fill(struct db *db, struct omemo *omemo, int64_t account, const char *to, char **around, long from, long until)
{
	struct arena *arena = arena_new();
	bool fine = db_begin(db);

	for (long i = from; fine && i < until; i++) {
		struct outbox_sent sent;
		const char *text = around == NULL ? arena_printf(arena, "%ld", i + 1)
						  : arena_printf(arena, "%s%05ld%s", around[0], i + 1, around[1]);
		outbox_send(db, omemo, arena, account, to, text, 0, now_wall(), &sent);
		fine = sent.result == OUTBOX_READY;
	}
	fine = db_commit(db, NULL) && fine;
	arena_free(&arena);
	return fine;
}

int
main(int argc, char **argv)
{
	struct arena *arena = arena_new();
	struct account account;
	struct omemo *omemo = NULL;
	char *error = NULL;
	long count = argc == 5 || argc == 7 ? strtol(argv[4], NULL, 10) : 0;
	struct db *db = count > 0 ? db_open(argv[1], &error) : NULL;
	bool fine = db != NULL && account_find(db, arena, argv[2], &account) &&
	    (omemo = omemo_open(db, account.id, now_wall(), &error)) != NULL;

	for (long i = 0; fine && i < count; i += BATCH)
		fine = fill(db, omemo, account.id, argv[3], argc == 7 ? argv + 5 : NULL, i, i + BATCH < count ? i + BATCH : count);
	if (!fine)
		fprintf(stderr, "lazo_fill: %s\n", error != NULL ? error : "no such account, no keys, or the disk");
	if (omemo != NULL)
		omemo_close(&omemo);
	if (db != NULL)
		db_close(&db);
	free(error);
	arena_free(&arena);
	return fine ? 0 : 1;
}
