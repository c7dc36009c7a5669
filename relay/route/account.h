/*
 * route/account.h -- an account while somebody needs it: roster, pubsub nodes, sessions.
 *
 * Read whole from the store when first asked for, kept while referenced and for a while after (least
 * recently used go first, at most 1,000 idle). Decisions are taken on these objects at once and written by
 * the same event's transaction; when that fails the account is read again (account_stale), so memory never
 * says more than the disk.
 */
#ifndef RELAY_ROUTE_ACCOUNT_H
#define RELAY_ROUTE_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/jid.h"
#include "relay/store/txn.h"

struct event;
struct router;
struct session;

struct roster_item {
	char *contact; /* bare JID text, canonical */
	unsigned flags; /* enum roster_flag */
	char *name;     /* NULL: none */
	char *groups;   /* each followed by '\n'; NULL: none */
	char *request;  /* PENDING_IN: the stanza; NULL */
};
struct pubsub_node {
	char *name;
	char *config; /* as the pubsub feature wrote it */
	void *parsed; /* the pubsub feature's own view; freed by account.c with free() */
};
struct account {
	char *node;
	char *jid; /* bare JID text */
	struct router *router;
	int64_t created; /* ms: two lives of one name are told apart by it */
	int64_t roster_version;
	struct session *sessions; /* bound ones, linked by session->next */
	struct pending_tally waiting; /* in the mailbox, with what is on its way to the disk */
	char *archive;   /* what it wants archived, as the archive feature wrote it; NULL: never set */
	char *avatar;    /* "SHA-1 type" of its picture, as feature/avatar.c wrote it; NULL: none */
	char **blocks;   /* whom it wants nothing from: JID texts, sorted (XEP-0191) */
	size_t block_count;
	int64_t left;    /* ms: when its last session ended; 0: never */
	char *left_status;
	int64_t words;   /* feature/words.c: ms, monotonic, at which its questions are used up */
	unsigned refs;
	bool stale; /* to be read again */
};

/* fn runs at once when the account is resident, else after reading. account NULL: no such account (or the
 * store failed: failed true). The pointer is valid for the call; take a reference to keep it. */
typedef void account_fn(void *arg, struct account *account, bool failed);
void account_with(struct router *router, const char *node, account_fn *fn, void *arg);
struct account *account_resident(struct router *router, const char *node); /* NULL: not in memory */
struct account *account_ref(struct account *account);
void account_unref(struct account **account);

/* Roster. Items are borrowed until the next change. */
const struct roster_item *account_roster_find(const struct account *account, const char *contact);
size_t account_roster_count(const struct account *account);
const struct roster_item *account_roster_at(const struct account *account, size_t index);
/* Change memory and add the operation to the event's transaction. flags 0: removed. Tells the features
 * (roster_changed) after the commit. */
void account_roster_set(struct account *account, struct event *event, const struct roster_row *row);
void account_roster_del(struct account *account, struct event *event, const char *contact);
/* Rights of a bare JID towards this account: does it see our presence (FROM), is it the owner. */
bool account_is_self(const struct account *account, const struct jid *who);
unsigned account_flags(const struct account *account, const struct jid *who); /* enum roster_flag of that contact, 0: none */

/* Blocking (account_block.c): by its full, its bare, its domain and resource or its domain alone (XEP-0191 5); never the
 * account itself, never this relay. */
bool account_blocks(const struct account *account, const struct jid *who);
bool account_blocks_text(const struct account *account, const char *jid); /* NULL or no address: false */
bool account_block_has(const struct account *account, const char *jid);   /* this very text */
void account_block_add(struct account *account, struct event *event, const char *jid);
void account_block_del(struct account *account, struct event *event, const char *jid);

/* The picture that it shows (NULL: none): memory and the event's transaction. */
void account_avatar_set(struct account *account, struct event *event, const char *avatar);

/* Its last session has ended: memory and disk. Outside of any event. */
void account_left_set(struct account *account, int64_t time, const char *status);

/* Pubsub nodes. */
struct pubsub_node *account_node_find(const struct account *account, const char *name);
size_t account_node_count(const struct account *account);
struct pubsub_node *account_node_at(const struct account *account, size_t index);
struct pubsub_node *account_node_set(struct account *account, struct event *event, const char *name, const char *config);
void account_node_del(struct account *account, struct event *event, const char *name);

/* What it wants archived: memory and the event's transaction. */
void account_archive_set(struct account *account, struct event *event, const char *archive);

#endif
