/*
 * store/sql.h -- every word of SQL that the relay speaks: the schema by steps (schema.c) and the statements
 * (sql.c).
 *
 * Portable on purpose: no ROWID tricks, no SQLite functions beyond the schema's own pragmas, so that
 * PostgreSQL can be a second driver.
 */
#ifndef RELAY_STORE_SQL_H
#define RELAY_STORE_SQL_H

#include <stdint.h>

enum { SCHEMA_APPLICATION = 0x4c617a6f }; /* PRAGMA application_id: "Lazo" */

int64_t schema_version(void);          /* the newest that this program knows */
const char *schema_step(int64_t from); /* from this version to the next */

enum sql {
	SQL_BEGIN,
	SQL_BEGIN_READ,
	SQL_COMMIT,
	SQL_SAVEPOINT,
	SQL_SAVEPOINT_BACK,
	SQL_SAVEPOINT_END,
	SQL_META,
	SQL_META_SET,
	SQL_IDS_TAKE,
	SQL_IDS_RAISE,
	SQL_IDS_HIGHEST,
	SQL_JID_FIND,
	SQL_JID_NEW,
	SQL_MESSAGE_NEW,
	SQL_MESSAGE_REFER,
	SQL_MESSAGE_DROP,
	SQL_MESSAGE_END,
	SQL_BOX_NEW,
	SQL_PENDING_NEW,
	SQL_PENDING_END,
	SQL_ACCOUNT_FIND,
	SQL_ACCOUNT_NEW,
	SQL_ACCOUNT_KEYS,
	SQL_ACCOUNT_SEEN,
	SQL_ACCOUNT_GONE,
	SQL_ACCOUNT_BUMP,
	SQL_ROSTER_SET,
	SQL_ROSTER_END,
	SQL_NODE_FIND,
	SQL_NODE_SET,
	SQL_NODE_END,
	SQL_NODE_PURGE,
	SQL_ITEM_END,
	SQL_ITEM_NEW,
	SQL_ITEM_TRIM,
	SQL_INVITE_NEW,
	SQL_INVITE_USE,
	SQL_INVITE_END,
	SQL_SEEN_NEW,
	SQL_SEEN_EXPIRE,
	SQL_GONE_FIND,
	SQL_GONE_BOX,
	SQL_GONE_BOX_END,
	SQL_GONE_PENDING,
	SQL_GONE_NODE,
	SQL_GONE_ITEMS,
	SQL_GONE_ITEMS_LEFT,
	SQL_GONE_NODE_END,
	SQL_GONE_ROSTER,
	SQL_GONE_STATUS,
	SQL_GONE_END,
	SQL_FREE_PAGES,
	SQL_FREE_SLICE,
	SQL_READ_ACCOUNT,
	SQL_READ_ROSTER,
	SQL_READ_NODES,
	SQL_READ_PENDING,
	SQL_READ_PENDING_COUNT,
	SQL_READ_ITEMS,
	SQL_READ_ITEM,
	SQL_READ_LAST_ITEM,
	SQL_READ_ACCOUNTS,
	SQL_READ_INVITE,
	SQL_READ_INVITES,
	SQL_COPY,
	SQL_COUNT,
};
const char *sql_text(enum sql id);

#endif
