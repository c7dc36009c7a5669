/*
 * store/read.h -- questions to the database, answered by the reader thread in order of asking, in a later
 * loop turn.
 *
 * Answers see everything whose done callback (txn.h) ran before the question was asked. Results are borrowed
 * for the callback.
 */
#ifndef RELAY_STORE_READ_H
#define RELAY_STORE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/store/txn.h"

struct account_row {
	const char *node;
	int64_t created, last; /* ms; last 0: never logged in */
	int64_t pending;       /* messages waiting */
	struct scram_keys keys;
};
struct node_row { /* a pubsub node of the account */
	const char *name, *config;
};
/* Everything of an account that the router keeps in memory while it is in use. */
struct account_view {
	bool exists;
	struct account_row account;
	int64_t roster_version;
	const char *avatar;      /* OP_ACCOUNT_AVATAR; NULL: none */
	struct pending_tally waiting;
	int64_t left;            /* OP_ACCOUNT_LEFT; 0: never */
	const char *left_status; /* NULL: none */
	const char *const *blocks; /* OP_BLOCK, sorted */
	size_t block_count;
	const char *archive; /* OP_ACCOUNT_ARCHIVE's text; NULL: never set */
	const struct roster_row *roster;
	size_t roster_count;
	const struct node_row *nodes;
	size_t node_count;
};
struct message_row {
	int64_t id, time, expires;
	const char *from, *to;
	const char *body;
	size_t len;
};
struct item_row {
	const char *item, *publisher, *body;
	size_t len;
	int64_t time;
};
struct invite_row {
	const char *token, *node; /* node NULL: any free address */
	int64_t created, expires;
	bool used;
};

struct report_row { /* OP_REPORT */
	int64_t id, time;
	const char *node, *jid, *reason;
	const char *words, *messages; /* NULL: none */
};

struct contact_row {
	const char *node, *contact; /* of whose roster; bare JID text */
};

/* failed: the database could not answer (logged); the rest is then empty. */
typedef void read_account_fn(void *arg, bool failed, const struct account_view *view);
typedef void read_keys_fn(void *arg, bool failed, bool exists, const struct scram_keys *keys);
typedef void read_messages_fn(void *arg, bool failed, const struct message_row *rows, size_t count);
typedef void read_items_fn(void *arg, bool failed, const struct item_row *rows, size_t count);
typedef void read_accounts_fn(void *arg, bool failed, const struct account_row *rows, size_t count);
typedef void read_invites_fn(void *arg, bool failed, const struct invite_row *rows, size_t count);
typedef void read_reports_fn(void *arg, bool failed, const struct report_row *rows, size_t count);
typedef void read_contacts_fn(void *arg, bool failed, const struct contact_row *rows, size_t count);
typedef void read_count_fn(void *arg, bool failed, int64_t count, int64_t bytes);

void read_account(struct store *store, const char *node, read_account_fn *fn, void *arg);
void read_keys(struct store *store, const char *node, read_keys_fn *fn, void *arg);
/* Mailbox rows with id > after, oldest first, at most `limit`, and fewer once their bodies pass 4 MiB: only
 * an answer of 0 rows is the end. */
void read_pending(struct store *store, const char *node, int64_t after, size_t limit, read_messages_fn *fn,
		  void *arg);
/* The same without what this device (resource) has confirmed already: mailbox = device. */
void read_pending_device(struct store *store, const char *node, const char *resource, int64_t after, size_t limit,
    read_messages_fn *fn, void *arg);
void read_pending_count(struct store *store, const char *node, read_count_fn *fn, void *arg);
/* What OP_COUNTER wrote last for that stream of this account; count -1: nothing. */
void read_counter(struct store *store, const char *node, const char *id, read_count_fn *fn, void *arg);
/* Items of one node, newest first, at most limit; item non-NULL: only that one. Once the bodies have passed
 * READ_ITEMS_BYTES, the rows that follow have body NULL and no publisher: only their names are told. */
enum { READ_ITEMS_BYTES = 512 * 1024 };
void read_items(struct store *store, const char *node, const char *pubsub_node, const char *item,
		size_t limit, read_items_fn *fn, void *arg);
/* The same, where the first `skip` rows too come as names alone. */
void read_items_from(struct store *store, const char *node, const char *pubsub_node, size_t skip, size_t limit,
		     read_items_fn *fn, void *arg);
/* For each of `count` nodes its newest item, as item_row in the same order; absent: item NULL. (Last item on
 * presence.) */
void read_last_items(struct store *store, const char *node, const char *const *pubsub_nodes, size_t count,
		     read_items_fn *fn, void *arg);
void read_accounts(struct store *store, read_accounts_fn *fn, void *arg);
void read_invite(struct store *store, const char *token, read_invites_fn *fn, void *arg); /* 0 or 1 row */
void read_invites(struct store *store, read_invites_fn *fn, void *arg);
/* Roster rows with something unsent (ROSTER_ASK_UNSENT, ROSTER_GRANT_UNSENT), at most limit. */
void read_unsent(struct store *store, size_t limit, read_contacts_fn *fn, void *arg);
void read_reports(struct store *store, read_reports_fn *fn, void *arg); /* oldest first */

#endif
