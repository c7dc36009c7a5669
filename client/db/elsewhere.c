/* elsewhere.c -- see elsewhere.h. */
#include "config.h"

#include "client/db/elsewhere.h"

#include "client/db/db-private.h"

const char *
elsewhere_word(enum elsewhere_state state)
{
	static const char *const words[ELSEWHERE_STATES] = {
		[ELSEWHERE_HELD] = "held", [ELSEWHERE_HANDED] = "handed", [ELSEWHERE_UNCONFIRMED] = "unconfirmed",
	};

	return words[state];
}

void
elsewhere_set(struct db *db, int64_t message, const struct elsewhere *e)
{
	db_run(db,
	    "INSERT OR REPLACE INTO elsewhere(message, state, place, reason, tries, next, until, time)"
	    " VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
	    INT(message), INT(e->state), TEXT(e->where), TEXT(e->reason), INT(e->tries), INT(e->next), INT(e->until), INT(e->time));
}

bool
elsewhere_get(struct db *db, struct arena *arena, int64_t message, struct elsewhere *e)
{
	sqlite3_stmt *row = db_query(db, "SELECT state, place, reason, tries, next, until, time FROM elsewhere WHERE message = ?",
	    INT(message));

	if (!db_next(db, row))
		return false;
	*e = (struct elsewhere){ .state = (enum elsewhere_state)sqlite3_column_int(row, 0), .where = db_text(arena, row, 1),
		.reason = db_text(arena, row, 2), .tries = sqlite3_column_int64(row, 3), .next = sqlite3_column_int64(row, 4),
		.until = sqlite3_column_int64(row, 5), .time = sqlite3_column_int64(row, 6) };
	db_done(row);
	return e->state < ELSEWHERE_STATES;
}
