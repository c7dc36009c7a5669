/*
 * contact.c -- people of an account: table contact. What the person decided here is kept apart from what the
 * relay says, and wins until the relay has been told (roster_due, block_due).
 */
#include "config.h"
#include "client/db/contact.h"

#include <string.h>
#include <strings.h>
#include "client/db/db-private.h"
#include "proto/arena.h"

#define COLUMNS "id, jid, name, subscription, asked, blocked, block_due, plain, strict, roster_due, added"

static struct contact
contact_row(struct arena *arena, sqlite3_stmt *row)
{
	return (struct contact){
		.id = sqlite3_column_int64(row, 0),
		.jid = db_text(arena, row, 1),
		.name = db_text(arena, row, 2),
		.subscription = db_text(arena, row, 3),
		.asked = sqlite3_column_int(row, 4),
		.blocked = sqlite3_column_int(row, 5),
		.block_due = sqlite3_column_int(row, 6),
		.plain = sqlite3_column_int(row, 7),
		.verified_once = sqlite3_column_int(row, 8),
		.roster_due = (enum contact_due)sqlite3_column_int(row, 9),
		.added = sqlite3_column_int64(row, 10),
	};
}

bool
contact_get(struct db *db, struct arena *arena, int64_t account, const char *jid, struct contact *contact_r)
{
	*contact_r = (struct contact){ .jid = "", .name = "", .subscription = "" };
	sqlite3_stmt *row = db_query(db, "SELECT " COLUMNS " FROM contact WHERE account = ? AND jid = ?",
				     INT(account), TEXT(jid));
	if (!db_next(db, row))
		return false;
	*contact_r = contact_row(arena, row);
	db_done(row);
	return true;
}

/* How well what was typed names the contact: 0 not at all, 3 exactly. */
static int
contact_fits(const struct contact *contact, const char *typed)
{
	if (strcmp(contact->jid, typed) == 0 || strcmp(contact->name, typed) == 0)
		return 3;
	if (strcasecmp(contact->name, typed) == 0)
		return 2;
	return contact->name[0] != '\0' && strncasecmp(contact->name, typed, strlen(typed)) == 0;
}

size_t
contact_find(struct db *db, struct arena *arena, int64_t account, const char *name_or_jid,
	     struct contact *contact_r)
{
	struct contact *list;
	size_t count = contact_list(db, arena, account, &list);
	size_t found = 0;
	int best = 0;
	*contact_r = (struct contact){ .jid = "", .name = "", .subscription = "" };
	for (size_t i = 0; i < count && name_or_jid[0] != '\0'; i++) {
		int fits = contact_fits(&list[i], name_or_jid);
		if (fits == 0 || fits < best)
			continue;
		if (fits > best) {
			best = fits;
			found = 0;
			*contact_r = list[i];
		}
		found++;
	}
	return found;
}

size_t
contact_list(struct db *db, struct arena *arena, int64_t account, struct contact **list_r)
{
	size_t count = 0, room = 0;
	*list_r = NULL;
	sqlite3_stmt *row = db_query(db,
				     "SELECT " COLUMNS " FROM contact WHERE account = ?1"
				     " AND jid <> (SELECT jid FROM account WHERE id = ?1)"
				     " AND (name <> '' OR subscription <> '' OR roster_due <> 0 OR blocked "
				     "OR block_due OR plain OR strict)"
				     " ORDER BY name = '', name COLLATE NOCASE, jid",
				     INT(account));
	while (db_next(db, row))
		*(struct contact *)db_list_add(arena, list_r, &count, &room, sizeof **list_r) =
		    contact_row(arena, row);
	return count;
}

bool
contact_is_known(struct db *db, int64_t account, const char *jid)
{
	return db_number(db, 0,
			 "SELECT 1 FROM contact c WHERE c.account = ? AND c.jid = ? AND " CONTACT_KNOWN,
			 INT(account), TEXT(jid));
}

bool
contact_may_know(struct db *db, int64_t account, const char *jid)
{
	return db_number(db, 0,
			 "SELECT 1 FROM contact c WHERE c.account = ? AND c.jid = ? AND (c.name <> ''"
			 " OR c.subscription IN ('from', 'both') OR " CONTACT_OURSELVES
			 " OR " CONTACT_WRITTEN_TO ")",
			 INT(account), TEXT(jid));
}

void
contact_know(struct db *db, int64_t account, const char *jid, int64_t now)
{
	db_run(db, "INSERT INTO contact(account, jid, added) VALUES(?, ?, ?) ON CONFLICT DO NOTHING",
	       INT(account), TEXT(jid), INT(now));
}

void
contact_add(struct db *db, int64_t account, const char *jid, const char *name, int64_t now)
{
	contact_know(db, account, jid, now);
	db_run(
	    db,
	    "UPDATE contact SET name = coalesce(?3, name), roster_due = ?4 WHERE account = ?1 AND jid = ?2",
	    INT(account), TEXT(jid), TEXT(name), INT(CONTACT_DUE_SET));
}

void
contact_join(struct db *db, int64_t account, const char *jid, const char *other)
{
	db_run(db,
	       "UPDATE contact SET person = (SELECT coalesce(person, id) FROM contact WHERE account = ?1 AND jid ="
	       " ?2) WHERE account = ?1 AND jid IN (?2, ?3)",
	       INT(account), TEXT(jid), TEXT(other));
}

bool
contact_same_person(struct db *db, int64_t account, const char *jid, const char *other)
{
	return db_number(db, 0,
			 "SELECT a.person = b.person FROM contact a JOIN contact b ON b.account = a.account"
			 " WHERE a.account = ? AND a.jid = ? AND b.jid = ?",
			 INT(account), TEXT(jid), TEXT(other)) == 1;
}

void
contact_remove(struct db *db, int64_t account, const char *jid)
{
	db_run(db, "UPDATE contact SET name = '', plain = 0, roster_due = ?3 WHERE account = ?1 AND jid = ?2",
	       INT(account), TEXT(jid), INT(CONTACT_DUE_REMOVE));
}

void
contact_set_blocked(struct db *db, int64_t account, const char *jid, bool blocked, bool due)
{
	db_run(db, "UPDATE contact SET blocked = ?3, block_due = ?4 WHERE account = ?1 AND jid = ?2",
	       INT(account), TEXT(jid), INT(blocked), INT(due));
}

void
contact_set_plain(struct db *db, int64_t account, const char *jid, bool plain)
{
	db_run(db, "UPDATE contact SET plain = ?3 WHERE account = ?1 AND jid = ?2", INT(account), TEXT(jid),
	       INT(plain));
}

void
contact_roster_begin(struct db *db, int64_t account)
{
	db_run(db, "UPDATE contact SET seen = 0 WHERE account = ?", INT(account));
}

void
contact_roster_item(struct db *db, int64_t account, const char *jid, const char *name,
		    const char *subscription, bool asked, int64_t now)
{
	bool gone = strcmp(subscription, "remove") == 0;
	contact_know(db, account, jid, now);
	db_run(db,
	       "UPDATE contact SET seen = 1, subscription = ?3, asked = ?4,"
	       " name = CASE WHEN roster_due = 0 THEN ?5 ELSE name END WHERE account = ?1 AND jid = ?2",
	       INT(account), TEXT(jid), TEXT(gone ? "" : subscription), INT(asked && !gone),
	       TEXT(name && !gone ? name : ""));
}

void
contact_roster_end(struct db *db, int64_t account)
{
	db_run(db,
	       "UPDATE contact SET subscription = '', asked = 0, name = CASE WHEN roster_due = 0 THEN '' "
	       "ELSE name END"
	       " WHERE account = ? AND seen = 0 AND subscription <> ''",
	       INT(account));
}

void
contact_roster_told(struct db *db, int64_t account, const char *jid)
{
	db_run(db, "UPDATE contact SET roster_due = 0 WHERE account = ? AND jid = ?", INT(account),
	       TEXT(jid));
}

void
contact_blocklist(struct db *db, int64_t account, const char *const *jids, size_t count, int64_t now)
{
	db_run(db, "UPDATE contact SET blocked = 0 WHERE account = ? AND NOT block_due", INT(account));
	for (size_t i = 0; i < count; i++) {
		contact_know(db, account, jids[i], now);
		db_run(db, "UPDATE contact SET blocked = 1 WHERE account = ? AND jid = ? AND NOT block_due",
		       INT(account), TEXT(jids[i]));
	}
}
