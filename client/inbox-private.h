/*
 * inbox-private.h -- what inbox.c and pending.c share: one message, taken apart.
 */
#ifndef CLIENT_INBOX_PRIVATE_H
#define CLIENT_INBOX_PRIVATE_H

#include "client/inbox.h"

struct letter {
	const struct xml *message; /* the real one, out of carbons */
	const char *peer;          /* bare: the other side */
	const char *from;          /* bare: who wrote */
	bool own;                  /* we did, on whichever device */
	const char *id;            /* the id attribute, "" */
	const char *origin_id;     /* XEP-0359, else the id */
	const char *same_as;       /* it repeats that message, or "" */
	const char *stanza_id;     /* of our archive, "" */
	int64_t time;
	int64_t now;
	enum way way;
};

/* The history row of a letter, as far as it does not depend on what was in it. */
struct message letter_row(int64_t account, const struct letter *letter);

/* Decrypt, store, answer; the letter has an <encrypted/>. In a transaction. */
void inbox_take_encrypted(struct db *db, struct omemo *omemo, struct arena *arena, int64_t account,
			  const struct letter *letter, const struct xml *encrypted,
			  struct inbox_result *result_r);

/* pending.c: keep what could not be read, once. */
void pending_file(struct db *db, struct arena *arena, int64_t account, const struct letter *letter,
		  const struct xml *encrypted, const struct omemo_message *message,
		  struct inbox_result *result_r);
/* It became readable, or a supplement brought its text: the unreadable row goes. */
void pending_settle(struct db *db, int64_t account, int64_t message);

#endif
