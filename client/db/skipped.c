/*
 * skipped.c -- tables vault and skipped.
 *
 * `held` is the number of rows in skipped, kept with them so that what belongs to whom is known without counting.
 * Age is in days: a key needs no finer one.
 */
#include "config.h"
#include "client/db/skipped.h"

#include <string.h>
#include "client/db/db-private.h"
#include "proto/arena.h"
#include "proto/mem.h"

#define DAY ((int64_t)24 * 60 * 60 * 1000)

static void
bytes_column(uint8_t *out, size_t len, sqlite3_stmt *row, int column)
{
	memset(out, 0, len);
	if ((size_t)sqlite3_column_bytes(row, column) == len)
		memcpy(out, sqlite3_column_blob(row, column), len);
}

bool
skipped_chain_get(struct db *db, int64_t chain, struct skipped_chain *chain_r)
{
	sqlite3_stmt *row =
	    db_query(db, "SELECT identity, key, next, ends, held FROM vault WHERE chain = ?", INT(chain));
	if (!db_next(db, row))
		return false;
	bytes_column(chain_r->identity, RATCHET_KEY_LEN, row, 0);
	bytes_column(chain_r->key, SKIPPED_SEED, row, 1);
	chain_r->closed = sqlite3_column_type(row, 1) != SQLITE_NULL;
	chain_r->next = (uint32_t)sqlite3_column_int64(row, 2);
	chain_r->ends = (uint32_t)sqlite3_column_int64(row, 3);
	chain_r->held = sqlite3_column_int64(row, 4);
	db_done(row);
	return true;
}

void
skipped_chain_put(struct db *db, int64_t chain, const struct skipped_chain *put, int64_t now)
{
	db_run(db,
	       "INSERT INTO vault(chain, identity, key, next, ends, day) VALUES(?,?,?,?,?,?)"
	       " ON CONFLICT DO UPDATE SET key = excluded.key, next = excluded.next, ends = excluded.ends,"
	       " day = CASE WHEN key IS NULL THEN excluded.day ELSE day END", /* a closed chain ages from then on */
	       INT(chain), BLOB(put->identity, RATCHET_KEY_LEN), BLOB(put->closed ? put->key : NULL, SKIPPED_SEED),
	       INT(put->next), INT(put->ends), INT(now / DAY));
}

bool
skipped_add(struct db *db, int64_t chain, uint32_t counter, const void *keys, size_t len, int64_t now)
{
	db_run(db, "INSERT INTO skipped(chain, counter, keys, day) VALUES(?,?,?,?) ON CONFLICT DO NOTHING", INT(chain),
	       INT(counter), BLOB(keys, len), INT(now / DAY));
	return db_changes(db) > 0;
}

void
skipped_added(struct db *db, int64_t chain, int64_t count)
{
	db_run(db, "UPDATE vault SET held = held + ?2 WHERE chain = ?1", INT(chain), INT(count));
}

size_t
skipped_get(struct db *db, int64_t chain, uint32_t counter, uint8_t keys_r[static SKIPPED_KEYS])
{
	size_t len = 0;
	sqlite3_stmt *row =
	    db_query(db, "SELECT keys FROM skipped WHERE chain = ? AND counter = ?", INT(chain), INT(counter));
	if (!db_next(db, row))
		return 0;
	len = (size_t)sqlite3_column_bytes(row, 0);
	if (len == SKIPPED_SEED || len == SKIPPED_KEYS)
		memcpy(keys_r, sqlite3_column_blob(row, 0), len);
	else
		len = 0;
	db_done(row);
	return len;
}

void
skipped_spend(struct db *db, int64_t chain, uint32_t counter)
{
	db_run(db, "DELETE FROM skipped WHERE chain = ? AND counter = ?", INT(chain), INT(counter));
	db_run(db, "UPDATE vault SET held = held - ?2 WHERE chain = ?1", INT(chain), INT(db_changes(db)));
	db_run(db, "DELETE FROM vault WHERE chain = ? AND held <= 0 AND key IS NULL", INT(chain));
}

void
skipped_chain_over(struct db *db, int64_t chain)
{
	db_run(db, "UPDATE vault SET key = NULL, next = 0, ends = 0 WHERE chain = ?", INT(chain));
	db_run(db, "DELETE FROM vault WHERE chain = ? AND held <= 0", INT(chain));
}

size_t
skipped_owners(struct db *db, struct arena *arena, int64_t account, struct skipped_owner **list_r)
{
	size_t count = 0, room = 0;
	*list_r = NULL;
	sqlite3_stmt *row = db_query(db,
				     "SELECT c.jid, sum(v.held + 1) FROM vault v JOIN chain c ON c.id = v.chain"
				     " WHERE c.account = ? GROUP BY c.jid",
				     INT(account));
	while (db_next(db, row)) {
		struct skipped_owner *owner = db_list_add(arena, list_r, &count, &room, sizeof **list_r);
		owner->jid = db_text(arena, row, 0);
		owner->keys = sqlite3_column_int64(row, 1);
	}
	return count;
}

/* The oldest chain of that person that something is kept of; how much of it left, at least one. */
static int64_t
drop_from_oldest(struct db *db, int64_t account, const char *jid, int64_t count)
{
	int64_t chain = db_number(db, 0,
				  "SELECT v.chain FROM vault v JOIN chain c ON c.id = v.chain"
				  " WHERE c.account = ? AND c.jid = ? ORDER BY v.chain LIMIT 1",
				  INT(account), TEXT(jid));
	int64_t held = db_number(db, 0, "SELECT held FROM vault WHERE chain = ?", INT(chain));
	if (chain == 0)
		return count;
	if (held < count) {
		db_run(db, "DELETE FROM vault WHERE chain = ?", INT(chain)); /* and its rows in skipped */
		return held + 1;
	}
	int64_t last = db_number(db, -1, "SELECT counter FROM skipped WHERE chain = ? ORDER BY counter LIMIT 1 OFFSET ?",
				 INT(chain), INT(count - 1));
	db_run(db, "DELETE FROM skipped WHERE chain = ? AND counter <= ?", INT(chain), INT(last));
	db_run(db, "UPDATE vault SET held = held - ?2 WHERE chain = ?1", INT(chain), INT(db_changes(db)));
	return count;
}

void
skipped_drop(struct db *db, int64_t account, const char *jid, int64_t count)
{
	while (count > 0 && !db_error(db))
		count -= drop_from_oldest(db, account, jid, count);
}

void
skipped_expire(struct db *db, int64_t account, int64_t before)
{
	db_run(db,
	       "DELETE FROM skipped WHERE day < ?2 AND chain IN"
	       " (SELECT v.chain FROM vault v JOIN chain c ON c.id = v.chain WHERE c.account = ?1)",
	       INT(account), INT(before / DAY));
	if (db_changes(db) > 0)
		db_run(db,
		       "UPDATE vault SET held = (SELECT count(*) FROM skipped s WHERE s.chain = vault.chain)"
		       " WHERE chain IN (SELECT id FROM chain WHERE account = ?)",
		       INT(account));
	db_run(db,
	       "UPDATE vault SET key = NULL, next = 0, ends = 0 WHERE key IS NOT NULL AND day < ?2"
	       " AND chain IN (SELECT id FROM chain WHERE account = ?1)",
	       INT(account), INT(before / DAY));
	db_run(db, "DELETE FROM vault WHERE held <= 0 AND key IS NULL AND chain IN"
		   " (SELECT id FROM chain WHERE account = ?)",
	       INT(account));
}
