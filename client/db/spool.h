/*
 * spool.h -- the rows of the outbox, the devices each message was written for, and ciphertext that waits to
 * be read.
 *
 * Only rows: what the states mean and which change is legal is outbox.h and inbox.h. Writing calls are made
 * in a transaction.
 */
#ifndef CLIENT_DB_SPOOL_H
#define CLIENT_DB_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct db;

struct spool_row {
	int64_t id;
	int kind;
	int64_t message;
	const char *to;
	const char *origin_id;
	int state;
	const char *reason;
	unsigned flags;
	int64_t created;
	int64_t last;
	int64_t tries;
	const char *stanza; /* NULL: none yet */
	size_t stanza_len;
};

int64_t spool_add(struct db *db, int64_t account,
		  const struct spool_row *row); /* id, last, tries are not looked at */
bool spool_get(struct db *db, struct arena *arena, int64_t account, int64_t id, struct spool_row *row_r);
bool spool_find(struct db *db, struct arena *arena, int64_t id,
		struct spool_row *row_r); /* of any account, no stanza */
bool spool_first(struct db *db, struct arena *arena, int64_t account, int state, int64_t after,
		 struct spool_row *row_r);
/* Without the stanzas. to NULL: everyone's. */
size_t spool_list(struct db *db, struct arena *arena, int64_t account, const char *to,
		  struct spool_row **list_r);
size_t spool_list_state(struct db *db, struct arena *arena, int64_t account, int state,
			struct spool_row **list_r);
int64_t spool_by_origin(struct db *db, int64_t account, const char *to, const char *origin_id); /* 0: none */
void spool_set_state(struct db *db, int64_t id, int state, const char *reason);
void spool_set_stanza(struct db *db, int64_t id, const char *stanza, size_t len, int state);
void spool_tried(struct db *db, int64_t id, int state, int64_t now);
void spool_move(struct db *db, int64_t account, int from, int to); /* all rows of one state */
void spool_delete(struct db *db, int64_t id);
void spool_delete_message(struct db *db, int64_t message); /* all rows and targets of one message */

void target_add(struct db *db, int64_t message, const char *jid, uint32_t device);
void target_remove(struct db *db, int64_t message, const char *jid, uint32_t device);
void target_clear(struct db *db, int64_t message); /* all of the message */
bool target_has(struct db *db, int64_t message, const char *jid, uint32_t device);

struct pending_row {
	int64_t id;
	const char *peer;
	uint32_t device;
	const void *digest; /* SHA-256 of what was encrypted */
	const char *stanza;
	size_t stanza_len;
	int way;
	const char *stanza_id;
	int64_t delay;
	int reason;
	int64_t message; /* the unreadable row of the history */
	int64_t received;
	int64_t deadline;
	int64_t tries;
};
/* False: it is here already (same peer, same digest). */
bool pending_add(struct db *db, int64_t account, const struct pending_row *row);
int64_t pending_message(struct db *db, int64_t account, const char *peer, const void *digest); /* 0: none */
size_t pending_list(struct db *db, struct arena *arena, int64_t account, const char *peer, int64_t after,
		    size_t most, struct pending_row **list_r);
void pending_tried(struct db *db, int64_t id, int reason);
void pending_delete(struct db *db, int64_t id);
void pending_delete_message(struct db *db, int64_t message); /* by its history row */
void pending_expire(struct db *db, int64_t account, int64_t now);

#endif
