/*
 * question.h -- one question to the database: what was asked (read.c) and what was found (answer.c).
 *
 * `answer` runs in the reader's thread, `tell` in the loop; everything a question holds, but the rows'
 * arrays, lies in its arena.
 */
#ifndef RELAY_STORE_QUESTION_H
#define RELAY_STORE_QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/store/db.h"
#include "relay/store/read.h"

struct arena;

union question_fn {
	read_account_fn *account;
	read_keys_fn *keys;
	read_messages_fn *messages;
	read_items_fn *items;
	read_accounts_fn *accounts;
	read_invites_fn *invites;
	read_count_fn *count;
};

/* A growing row of results. */
struct rows {
	void *items;
	size_t count, room;
};

struct question {
	struct question *next;
	const struct question_kind *kind;
	struct arena *arena;
	union question_fn fn;
	void *arg;
	/* asked */
	const char *node, *name, *item;
	const char **names;
	size_t limit, skip;
	int64_t after;
	/* found */
	bool failed, found;
	struct rows rows, nodes;
	struct account_view view;
	int64_t count, bytes;
};

struct question_kind {
	enum db_result (*answer)(struct db *db, struct question *q);
	void (*tell)(struct question *q);
};

extern const struct question_kind ask_account;
extern const struct question_kind ask_keys;
extern const struct question_kind ask_pending;
extern const struct question_kind ask_pending_count;
extern const struct question_kind ask_items;
extern const struct question_kind ask_last_items;
extern const struct question_kind ask_accounts;
extern const struct question_kind ask_invites;

#endif
