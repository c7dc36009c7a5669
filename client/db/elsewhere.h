/*
 * db/elsewhere.h -- where a message that we wrote is when it goes to another relay, as ours has told us (proto/spec/custody.md): held
 * for it, or handed over to it. The last word only.
 */
#ifndef CLIENT_DB_ELSEWHERE_H
#define CLIENT_DB_ELSEWHERE_H

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct db;

enum elsewhere_state {
	ELSEWHERE_HELD,        /* "held": it waits at `where`, which tries again at `next` */
	ELSEWHERE_HANDED,      /* "handed": `where` has it */
	ELSEWHERE_UNCONFIRMED, /* "unconfirmed": `where` may have it; it is not sent again by itself */
	ELSEWHERE_STATES
};

/* Of a state other than held: where and time alone. */
struct elsewhere {
	enum elsewhere_state state;
	const char *where;  /* a domain */
	const char *reason; /* as the relay says it; "" */
	int64_t tries;
	int64_t next, until; /* ms, the relay's clock; 0: not told */
	int64_t time;        /* since when */
};

const char *elsewhere_word(enum elsewhere_state state);
void elsewhere_set(struct db *db, int64_t message, const struct elsewhere *elsewhere);
/* False: it is not, or nothing was told. Strings: in the arena. */
bool elsewhere_get(struct db *db, struct arena *arena, int64_t message, struct elsewhere *elsewhere_r);

#endif
