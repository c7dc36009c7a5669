/*
 * device.c -- everyone's devices, their identity keys and trust: table device, and the list columns of
 * contact.
 *
 * Trust is decided here and nowhere else (blind before verification: contact.strict).
 */
#include "config.h"
#include "client/db/device.h"

#include <string.h>
#include "client/db/contact.h"
#include "client/db/db-private.h"
#include "proto/arena.h"
#include "proto/digest.h"

#define COLUMNS                                                                                              \
	"d.jid, d.device, d.identity, d.offered, d.trust, d.listed,"                                         \
	" NOT d.renew AND EXISTS(SELECT 1 FROM session s WHERE s.account = d.account AND s.jid = d.jid"      \
	"  AND s.device = d.device),"                                                                        \
	" (SELECT max(fetched) FROM bundle b WHERE b.account = d.account AND b.jid = d.jid AND b.device = "  \
	"d.device),"                                                                                         \
	" d.added, d.heard, d.shown IS NOT NULL AND d.shown = d.offered"

enum {
	FAILED_WAIT = 60 * 60 * 1000,      /* ms before a failed fetch is tried again */
	HEAL_WAIT = 24 * 60 * 60 * 1000,   /* between two healings of one device */
	ABSENT_WAIT = 24 * 60 * 60 * 1000, /* and one that found nothing */
};

const char *
trust_word(enum trust trust)
{
	static const char *const words[TRUSTS] = {
		[TRUST_NONE] = "none",
		[TRUST_BLIND] = "blind",
		[TRUST_VERIFIED] = "verified",
		[TRUST_UNDECIDED] = "undecided",
		[TRUST_REJECTED] = "untrusted",
		[TRUST_CHANGED] = "changed",
	};
	return trust < TRUSTS ? words[trust] : "";
}

static bool
identity_column(uint8_t out[static IDENTITY_LEN], sqlite3_stmt *row, int column)
{
	if (sqlite3_column_bytes(row, column) != IDENTITY_LEN)
		return false;
	memcpy(out, sqlite3_column_blob(row, column), IDENTITY_LEN);
	return true;
}

static struct device
device_row(struct arena *arena, sqlite3_stmt *row)
{
	struct device device = {
		.jid = db_text(arena, row, 0),
		.id = (uint32_t)sqlite3_column_int64(row, 1),
		.trust = (enum trust)sqlite3_column_int(row, 4),
		.listed = sqlite3_column_int(row, 5),
		.session = sqlite3_column_int(row, 6),
		.bundle = sqlite3_column_type(row, 7) != SQLITE_NULL,
		.fetched = sqlite3_column_int64(row, 7),
		.added = sqlite3_column_int64(row, 8),
		.heard = sqlite3_column_int64(row, 9),
	};
	device.known_identity = identity_column(device.identity, row, 2);
	device.offers = identity_column(device.offered, row, 3);
	device.shown = sqlite3_column_int(row, 10);
	return device;
}

size_t
device_list(struct db *db, struct arena *arena, int64_t account, const char *jid, struct device **list_r)
{
	size_t count = 0, room = 0;
	*list_r = NULL;
	sqlite3_stmt *row =
	    db_query(db, "SELECT " COLUMNS " FROM device d WHERE d.account = ? AND d.jid = ? ORDER BY d.id",
		     INT(account), TEXT(jid));
	while (db_next(db, row))
		*(struct device *)db_list_add(arena, list_r, &count, &room, sizeof **list_r) =
		    device_row(arena, row);
	return count;
}

bool
device_get(struct db *db, struct arena *arena, int64_t account, const char *jid, uint32_t id,
	   struct device *device_r)
{
	*device_r = (struct device){ .jid = "" };
	sqlite3_stmt *row = db_query(
	    db, "SELECT " COLUMNS " FROM device d WHERE d.account = ? AND d.jid = ? AND d.device = ?",
	    INT(account), TEXT(jid), INT(id));
	if (!db_next(db, row))
		return false;
	*device_r = device_row(arena, row);
	db_done(row);
	return true;
}

bool
device_key_of_another(struct db *db, int64_t account, const char *jid,
		      const uint8_t identity[static IDENTITY_LEN])
{
	return db_number(db, 0,
			 "SELECT EXISTS(SELECT 1 FROM device WHERE account = ? AND jid <> ? AND identity = ?"
			 " AND (heard > 0 OR trust = ?))",
			 INT(account), TEXT(jid), BLOB(identity, IDENTITY_LEN), INT(TRUST_VERIFIED)) != 0;
}

/* The key that was offered becomes the device's; whatever stood on the old one goes. */
static void
take_offered(struct db *db, int64_t account, const char *jid, uint32_t id)
{
	db_run(db,
	       "UPDATE device SET identity = offered, bundle_failed = 0, renew = 0"
	       " WHERE account = ? AND jid = ? AND device = ?",
	       INT(account), TEXT(jid), INT(id));
	db_run(db, "DELETE FROM session WHERE account = ? AND jid = ? AND device = ?", INT(account),
	       TEXT(jid), INT(id));
	db_run(db, "DELETE FROM bundle WHERE account = ? AND jid = ? AND device = ?", INT(account), TEXT(jid),
	       INT(id));
	/* and what the old one has under way, with its rows in skipped; the chains stay: what was read stays so */
	db_run(db,
	       "DELETE FROM vault WHERE chain IN"
	       " (SELECT id FROM chain WHERE account = ? AND jid = ? AND device = ?)",
	       INT(account), TEXT(jid), INT(id));
}

bool
device_verify(struct db *db, int64_t account, const char *jid, uint32_t id,
	      const uint8_t key[static IDENTITY_LEN])
{
	/* 0: neither; 1: the known one; 2: the one offered against it */
	int64_t which = db_number(db, 0,
				  "SELECT CASE WHEN identity = ?4 THEN 1 WHEN offered = ?4 THEN 2 ELSE 0 END"
				  " FROM device WHERE account = ?1 AND jid = ?2 AND device = ?3",
				  INT(account), TEXT(jid), INT(id), BLOB(key, IDENTITY_LEN));
	if (which == 0)
		return false;
	if (which == 2)
		take_offered(db, account, jid, id);
	db_run(db,
	       "UPDATE device SET trust = ?4, offered = NULL, shown = NULL"
	       " WHERE account = ?1 AND jid = ?2 AND device = ?3",
	       INT(account), TEXT(jid), INT(id), INT(TRUST_VERIFIED));
	db_run(db, "UPDATE contact SET strict = 1 WHERE account = ? AND jid = ?", INT(account), TEXT(jid));
	return true;
}

void
device_reject(struct db *db, int64_t account, const char *jid, uint32_t id)
{
	db_run(db, "UPDATE device SET trust = ?4 WHERE account = ?1 AND jid = ?2 AND device = ?3",
	       INT(account), TEXT(jid), INT(id), INT(TRUST_REJECTED));
}

void
device_set_shown(struct db *db, int64_t account, const char *jid)
{
	db_run(db, "UPDATE device SET shown = offered WHERE account = ? AND jid = ?", INT(account), TEXT(jid));
}

size_t
device_news(struct db *db, struct arena *arena, int64_t account, struct device **list_r)
{
	size_t count = 0, room = 0;
	*list_r = NULL;
	sqlite3_stmt *row =
	    db_query(db,
		     "SELECT " COLUMNS " FROM device d WHERE d.account = ?1 AND NOT d.told"
		     " AND (d.offered IS NOT NULL OR (d.listed AND"
		     "  (d.jid = (SELECT jid FROM account WHERE id = ?1) OR EXISTS(SELECT 1 FROM device o"
		     "   WHERE o.account = d.account AND o.jid = d.jid AND o.told)))) ORDER BY d.jid, d.id",
		     INT(account));
	while (db_next(db, row))
		*(struct device *)db_list_add(arena, list_r, &count, &room, sizeof **list_r) =
		    device_row(arena, row);
	return count;
}

void
device_set_told(struct db *db, int64_t account)
{
	db_run(db, "UPDATE device SET told = 1 WHERE account = ? AND NOT told", INT(account));
}

void
device_know(struct db *db, int64_t account, const char *jid, uint32_t id, int64_t now)
{
	contact_know(db, account, jid, now);
	db_run(db,
	       "INSERT INTO device(account, jid, device, trust, listed, added, told)"
	       " SELECT ?1, ?2, ?3, CASE WHEN strict THEN ?5 ELSE ?4 END, 0, ?6, 0 FROM contact"
	       " WHERE account = ?1 AND jid = ?2 ON CONFLICT DO NOTHING",
	       INT(account), TEXT(jid), INT(id), INT(TRUST_BLIND), INT(TRUST_UNDECIDED), INT(now));
}

bool
device_identify(struct db *db, int64_t account, const char *jid, uint32_t id,
		const uint8_t identity[static IDENTITY_LEN], int64_t now)
{
	uint8_t known[IDENTITY_LEN];
	bool have = false;
	device_know(db, account, jid, id, now);
	sqlite3_stmt *row =
	    db_query(db, "SELECT identity FROM device WHERE account = ? AND jid = ? AND device = ?",
		     INT(account), TEXT(jid), INT(id));
	if (db_next(db, row)) {
		have = identity_column(known, row, 0);
		db_done(row);
	}
	if (have && memcmp(known, identity, IDENTITY_LEN) == 0)
		return true;
	if (!have) {
		db_run(db, "UPDATE device SET identity = ?4 WHERE account = ?1 AND jid = ?2 AND device = ?3",
		       INT(account), TEXT(jid), INT(id), BLOB(identity, IDENTITY_LEN));
		return true;
	}
	db_run(db,
	       "UPDATE device SET told = told AND offered IS ?4, offered = ?4,"
	       " trust = CASE WHEN trust = ?5 THEN trust ELSE ?6 END"
	       " WHERE account = ?1 AND jid = ?2 AND device = ?3",
	       INT(account), TEXT(jid), INT(id), BLOB(identity, IDENTITY_LEN), INT(TRUST_REJECTED),
	       INT(TRUST_CHANGED));
	return false;
}

void
device_heard(struct db *db, int64_t account, const char *jid, uint32_t id, int64_t now)
{
	db_run(db, "UPDATE device SET heard = max(heard, ?4) WHERE account = ?1 AND jid = ?2 AND device = ?3",
	       INT(account), TEXT(jid), INT(id), INT(now));
}

bool
device_set_list(struct db *db, int64_t account, const char *jid, const uint32_t *ids, size_t count,
		int64_t now)
{
	int64_t listed =
	    db_number(db, 0, "SELECT count(*) FROM device WHERE account = ? AND jid = ? AND listed = 1",
		      INT(account), TEXT(jid));
	int64_t stay = 0;
	contact_know(db, account, jid, now);
	db_run(db, "UPDATE contact SET list_fetched = ?3, list_failed = 0 WHERE account = ?1 AND jid = ?2",
	       INT(account), TEXT(jid), INT(now));
	/* 2 marks what the new list has; then 1 goes and 2 becomes 1 */
	for (size_t i = 0; i < count; i++) {
		stay += db_number(
		    db, 0, "SELECT listed = 1 FROM device WHERE account = ? AND jid = ? AND device = ?",
		    INT(account), TEXT(jid), INT(ids[i]));
		device_know(db, account, jid, ids[i], now);
		db_run(db, "UPDATE device SET listed = 2 WHERE account = ? AND jid = ? AND device = ?",
		       INT(account), TEXT(jid), INT(ids[i]));
	}
	db_run(db, "UPDATE device SET listed = listed / 2 WHERE account = ? AND jid = ?", INT(account),
	       TEXT(jid));
	int64_t present =
	    db_number(db, 0, "SELECT count(*) FROM device WHERE account = ? AND jid = ? AND listed = 1",
		      INT(account), TEXT(jid));
	return present != listed || stay != present;
}

bool
device_list_known(struct db *db, int64_t account, const char *jid)
{
	return db_number(db, 0, "SELECT list_fetched IS NOT NULL FROM contact WHERE account = ? AND jid = ?",
			 INT(account), TEXT(jid));
}

void
device_list_want(struct db *db, int64_t account, const char *jid)
{
	db_run(
	    db,
	    "UPDATE contact SET list_fetched = 0 WHERE account = ? AND jid = ? AND list_fetched IS NOT NULL",
	    INT(account), TEXT(jid));
}

void
device_assume_listed(struct db *db, int64_t account, const char *jid, uint32_t id)
{
	db_run(db, "UPDATE device SET listed = 1 WHERE account = ? AND jid = ? AND device = ?", INT(account),
	       TEXT(jid), INT(id));
	db_run(db, "UPDATE contact SET list_fetched = 0 WHERE account = ? AND jid = ?", INT(account),
	       TEXT(jid));
}

void
device_set_answer(struct db *db, int64_t account, const char *jid, uint32_t id, bool answer)
{
	db_run(
	    db,
	    "UPDATE device SET answer = ?4 WHERE account = ?1 AND jid = ?2 AND device = ?3 AND answer <> ?4",
	    INT(account), TEXT(jid), INT(id), INT(answer));
}

void
device_heal(struct db *db, int64_t account, const char *jid, uint32_t id, int64_t now)
{
	/* the last healing brought nothing that could be read: an answer in the old session is not enough */
	db_run(db,
	       "UPDATE device SET renew = 1 WHERE account = ?1 AND jid = ?2 AND device = ?3"
	       " AND healed > 0 AND healed < ?4 - ?5 AND heard < healed",
	       INT(account), TEXT(jid), INT(id), INT(now), INT(HEAL_WAIT));
	db_run(db,
	       "UPDATE device SET answer = 1, healed = ?4 WHERE account = ?1 AND jid = ?2 AND device = ?3"
	       " AND (healed < ?4 - ?5 OR healed > ?4)",
	       INT(account), TEXT(jid), INT(id), INT(now), INT(HEAL_WAIT));
}

void
device_renewed(struct db *db, int64_t account, const char *jid, uint32_t id)
{
	db_run(db, "UPDATE device SET renew = 0 WHERE account = ? AND jid = ? AND device = ? AND renew",
	       INT(account), TEXT(jid), INT(id));
}

void
device_renew_all(struct db *db, int64_t account)
{
	db_run(db,
	       "UPDATE device SET renew = 1, answer = 1 WHERE account = ?1 AND EXISTS(SELECT 1 FROM session s"
	       " WHERE s.account = ?1 AND s.jid = device.jid AND s.device = device.device)",
	       INT(account));
	db_run(db, "DELETE FROM bundle WHERE account = ?", INT(account));
	db_run(db, "UPDATE device SET bundle_failed = 0 WHERE account = ?", INT(account));
}

static void
want_add(struct arena *arena, sqlite3_stmt *row, struct device_want **list_r, size_t *count, size_t *room)
{
	struct device_want *want = db_list_add(arena, list_r, count, room, sizeof **list_r);
	want->jid = db_text(arena, row, 0);
	want->device = (uint32_t)sqlite3_column_int64(row, 1);
}

size_t
device_wanted(struct db *db, struct arena *arena, int64_t account, int64_t now, int64_t age_ms,
	      struct device_want **list_r)
{
	size_t count = 0, room = 0;
	*list_r = NULL;
	sqlite3_stmt *row =
	    db_query(db,
		     "SELECT jid, 0 FROM contact c WHERE account = ?1 AND NOT blocked AND " CONTACT_KNOWN
		     " AND (list_fetched IS NULL OR list_fetched < ?2) AND list_failed < ?3 ORDER BY id",
		     INT(account), INT(now - age_ms), INT(now - FAILED_WAIT));
	while (db_next(db, row))
		want_add(arena, row, list_r, &count, &room);
	row = db_query(
	    db,
	    "SELECT d.jid, d.device FROM device d JOIN contact c ON c.account = d.account AND c.jid = d.jid"
	    " WHERE d.account = ?1 AND d.listed AND d.trust <> ?2 AND NOT c.blocked AND d.bundle_failed < ?3 "
	    "AND " CONTACT_KNOWN
	    " AND NOT EXISTS(SELECT 1 FROM bundle b WHERE b.account = d.account AND b.jid = d.jid"
	    "  AND b.device = d.device AND b.source = 0 AND b.fetched >= ?4)"
	    " AND NOT EXISTS(SELECT 1 FROM own_device o JOIN account a ON a.id = o.account"
	    "  WHERE o.account = d.account AND o.device = d.device AND a.jid = d.jid) ORDER BY d.id",
	    INT(account), INT(TRUST_REJECTED), INT(now - FAILED_WAIT), INT(now - age_ms));
	while (db_next(db, row))
		want_add(arena, row, list_r, &count, &room);
	return count;
}

size_t
device_answers(struct db *db, struct arena *arena, int64_t account, struct device_want **list_r)
{
	size_t count = 0, room = 0;
	*list_r = NULL;
	sqlite3_stmt *row =
	    db_query(db, "SELECT jid, device FROM device WHERE account = ? AND answer = 1", INT(account));
	while (db_next(db, row))
		want_add(arena, row, list_r, &count, &room);
	return count;
}

void
device_fetch_failed(struct db *db, int64_t account, const char *jid, uint32_t device, bool absent,
		    int64_t now)
{
	if (device == 0 && absent)
		device_set_list(db, account, jid, NULL, 0, now);
	else if (device == 0)
		db_run(db, "UPDATE contact SET list_failed = ?3 WHERE account = ?1 AND jid = ?2",
		       INT(account), TEXT(jid), INT(now));
	else
		db_run(db,
		       "UPDATE device SET bundle_failed = ?4 WHERE account = ?1 AND jid = ?2 AND device = ?3",
		       INT(account), TEXT(jid), INT(device),
		       INT(absent ? now + ABSENT_WAIT - FAILED_WAIT : now));
}

void
device_fingerprint(char out[static FINGERPRINT_LEN + 1], const uint8_t identity[static IDENTITY_LEN])
{
	hex_encode(out, identity + 1, IDENTITY_LEN - 1);
}

void
device_fingerprint_groups(char out[static FINGERPRINT_LEN + 8], const uint8_t identity[static IDENTITY_LEN])
{
	char hex[FINGERPRINT_LEN + 1];
	device_fingerprint(hex, identity);
	for (int group = 0; group < 8; group++) {
		memcpy(out + group * 9, hex + group * 8, 8);
		out[group * 9 + 8] = group == 7 ? '\0' : ' ';
	}
}
