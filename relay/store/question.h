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
#include "relay/store/archive.h"
#include "relay/store/courier.h"
#include "relay/store/db.h"
#include "relay/store/far.h"
#include "relay/store/read.h"
#include "relay/store/waiting.h"
#include "relay/store/spool_list.h"
#include "relay/store/status.h"
#include "relay/store/token.h"

struct arena;
struct question_kind;
struct store;

union question_fn {
	read_account_fn *account;
	read_keys_fn *keys;
	read_messages_fn *messages;
	read_items_fn *items;
	read_accounts_fn *accounts;
	read_invites_fn *invites;
	read_reports_fn *reports;
	read_contacts_fn *contacts;
	read_far_fn *far;
	read_count_fn *count;
	read_waiting_fn *waiting;
	read_archive_fn *archive;
	read_archive_ends_fn *archive_ends;
	read_archive_over_fn *archive_over;
	read_status_fn *status;
	read_courier_keys_fn *courier_keys;
	read_courier_pins_fn *courier_pins;
	read_tokens_fn *tokens;
	read_spool_fn *spool;
	read_spool_domains_fn *spool_domains;
	read_spool_lines_fn *spool_lines;
	read_spool_sums_fn *spool_sums;
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
	int64_t after, time;
	struct archive_query archive;
	/* found */
	bool failed, found;
	struct rows rows, nodes, blocks;
	struct account_view view;
	int64_t count, bytes;
	struct archive_page page;
	struct token_rows tokens;
};

/* read.c: made, then given to the reader's thread or answered at once. */
struct question *question_new(const struct question_kind *kind, union question_fn fn, void *arg, const char *node,
			      const char *name);
void question_ask(struct store *store, struct question *q);

/* answer.c: a zeroed row more; text and bytes of a column, copied. */
void *rows_add(struct rows *rows, size_t size);
const char *keep_text(struct question *q, struct stmt *stmt, int n);
const char *keep_blob(struct question *q, struct stmt *stmt, int n, size_t *len_r);
/* The columns of a message from the first on: id, time, expires, sender, resource, recipient, resource, body. */
void keep_message(struct question *q, struct stmt *stmt, struct message_row *row);
/* From a bare address in column n and a resource, or none, in the next. */
const char *keep_jid(struct question *q, struct stmt *stmt, int n);
/* spool.c: the columns of a domain from the first on. */
void keep_spool_domain(struct question *q, struct stmt *stmt, struct spool_domain *row);

struct question_kind {
	enum db_result (*answer)(struct db *db, struct question *q);
	void (*tell)(struct question *q);
};

extern const struct question_kind ask_account;
extern const struct question_kind ask_archive;
extern const struct question_kind ask_archive_ends;
extern const struct question_kind ask_archive_over;
extern const struct question_kind ask_keys;
extern const struct question_kind ask_pending;
extern const struct question_kind ask_pending_count;
extern const struct question_kind ask_counter;
extern const struct question_kind ask_items;
extern const struct question_kind ask_last_items;
extern const struct question_kind ask_accounts;
extern const struct question_kind ask_invites;
extern const struct question_kind ask_reports;
extern const struct question_kind ask_tokens;
extern const struct question_kind ask_unsent;

#endif
