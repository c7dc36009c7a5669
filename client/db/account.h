/*
 * account.h -- own accounts in this home, and small named values kept for each.
 *
 * Values are for state of modules above that must be durable in the transaction that changes it: the archive
 * cursor, roster version, stream management and FAST state, stored SASL secrets, the pin. A secret's name
 * begins with "secret.": exports leave it out and account_forget_secrets() removes it.
 */
#ifndef CLIENT_DB_ACCOUNT_H
#define CLIENT_DB_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct db;

struct account {
	int64_t id;      /* 0: none */
	const char *jid; /* bare */
	bool standard;   /* what commands mean when none is named */
	bool logged_in;
	int64_t added;
};

/* All with text in the arena. */
bool account_find(struct db *db, struct arena *arena, const char *jid,
		  struct account *account_r); /* NULL jid: the standard one */
bool account_by_id(struct db *db, struct arena *arena, int64_t id, struct account *account_r);
size_t account_list(struct db *db, struct arena *arena, struct account **list_r);

/* In a transaction. The first account made becomes the standard one. Adding one that is there gives its id.
 */
int64_t account_add(struct db *db, const char *jid, int64_t now);
void account_set_standard(struct db *db, int64_t account);
void account_set_logged_in(struct db *db, int64_t account, bool logged_in); /* false: secrets go as well */
void account_delete(struct db *db, int64_t account);                        /* history, keys and all */

/* NULL: never set. The arena's copy ends in a NUL that *len_r (may be NULL) does not count. */
const char *account_get(struct db *db, struct arena *arena, int64_t account, const char *name, size_t *len_r);
int64_t account_get_int(struct db *db, int64_t account, const char *name, int64_t otherwise);
/* In a transaction. value NULL removes. */
void account_set(struct db *db, int64_t account, const char *name, const void *value, size_t len);
void account_set_text(struct db *db, int64_t account, const char *name, const char *value);
void account_set_int(struct db *db, int64_t account, const char *name, int64_t value);
void account_forget_secrets(struct db *db, int64_t account);

#endif
