/*
 * late.h -- for the tests of what comes late: letters that are written now and delivered when the test says so.
 *
 * Beneath the inbox and the outbox, on omemo.h itself: thousands of messages, each a transaction or many in one. A
 * delivery that was read is marked so, as the inbox does.
 */
#ifndef TESTS_UNIT_CLIENT_LATE_H
#define TESTS_UNIT_CLIENT_LATE_H

#include "tests/unit/client/homes.h"

#define DAY ((int64_t)24 * 60 * 60 * 1000)

struct mail {
	struct person *from, *to;
	const char *text;
	struct xml *encrypted;
	int reads;
};

/* In the arena. */
struct mail *mail_write(struct arena *arena, struct person *from, struct person *to, const char *text, int64_t now);
/* The outcome; the text is compared, and `reads` counted. */
enum omemo_outcome mail_deliver(struct mail *mail, int64_t now);
enum unreadable mail_refused(struct mail *mail, int64_t now); /* must be unreadable: why */
void mail_read(struct mail *mail, int64_t now);               /* must be read */
/* The same with bits of its ratchet message changed: the `byte`th, from the end when negative. The 12th from there is
 * authenticated in each kind. */
struct mail *mail_forge(struct arena *arena, const struct mail *mail, int byte);
/* Both write one and get the other's: a turn each. */
void mail_turn(struct person *a, struct person *b, int64_t now);
/* `count` messages of `from` to `to` that nobody will ever see: the sending chain goes on by so many. */
void mail_lose(struct person *from, struct person *to, unsigned count);
void mail_know(struct person *person, const char *jid); /* as a contact */
/* SQL on the person's file by another connection, outside of transactions: rows changed, or the number found. */
int64_t mail_sql(struct person *person, const char *sql);

#endif
