/*
 * schema.c -- the tables of the client's database, and the way from each older schema to this one.
 *
 * Every step is one transaction. A step, once released, is never edited: a new one is added behind it.
 * Later parts add tables of their own: people that join addresses behind contact.person, circles, what couriers carry.
 *
 * DIAGNOSTICS: a schema newer than this program, or a file that another program made, is refused.
 */
#include "config.h"
#include "client/db/db-private.h"

#include <stdio.h>
#include "client/intl.h"
#include "proto/mem.h"

enum { APPLICATION_ID = 0x4c617a6f /* "Lazo" in the file's header */ };

static const char core[] =
    "CREATE TABLE account("
    " id INTEGER PRIMARY KEY, jid TEXT NOT NULL UNIQUE, standard INTEGER NOT NULL DEFAULT 0,"
    " logged_in INTEGER NOT NULL DEFAULT 0, added INTEGER NOT NULL);"
    "CREATE TABLE setting(" /* account.h: small named values; account 0 is the home itself */
    " account INTEGER NOT NULL, name TEXT NOT NULL, value BLOB, PRIMARY KEY(account, name)) WITHOUT ROWID;"
    "CREATE TABLE contact("
    " id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, jid TEXT NOT "
    "NULL,"
    " person INTEGER," /* addresses of one person share it; NULL: on its own */
    " name TEXT NOT NULL DEFAULT '', subscription TEXT NOT NULL DEFAULT '', asked INTEGER NOT NULL DEFAULT 0,"
    " blocked INTEGER NOT NULL DEFAULT 0, block_due INTEGER NOT NULL DEFAULT 0, plain INTEGER NOT NULL "
    "DEFAULT 0,"
    " strict INTEGER NOT NULL DEFAULT 0," /* a device was verified: no more blind trust */
    " roster_due INTEGER NOT NULL DEFAULT 0, seen INTEGER NOT NULL DEFAULT 1,"
    " list_fetched INTEGER," /* the device list; NULL: never */
    " list_failed INTEGER NOT NULL DEFAULT 0, added INTEGER NOT NULL, UNIQUE(account, jid));";

/* AUTOINCREMENT: an id is never used twice, since cursors stand on it. */
static const char messages[] =
    "CREATE TABLE message("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,"
    " peer TEXT NOT NULL, sender TEXT NOT NULL, time INTEGER NOT NULL, received INTEGER NOT NULL,"
    " origin_id TEXT, stanza_id TEXT, body TEXT NOT NULL, way INTEGER NOT NULL, encrypted INTEGER NOT NULL,"
    " trust INTEGER NOT NULL, device INTEGER NOT NULL, unreadable INTEGER NOT NULL, sent INTEGER NOT NULL,"
    " reason TEXT NOT NULL, markable INTEGER NOT NULL);"
    "CREATE INDEX message_peer ON message(account, peer, id);"
    "CREATE INDEX message_sent ON message(account, peer) WHERE sent <> 0;" /* whom we ever wrote to */
    "CREATE INDEX message_origin ON message(account, origin_id) WHERE origin_id IS NOT NULL;"
    "CREATE INDEX message_stanza ON message(account, stanza_id) WHERE stanza_id IS NOT NULL;"
    "CREATE VIRTUAL TABLE words USING fts5(body, content='message', content_rowid='id',"
    " tokenize='unicode61 remove_diacritics 2');"
    "CREATE TABLE outbox("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,"
    " kind INTEGER NOT NULL, message INTEGER NOT NULL DEFAULT 0, recipient TEXT NOT NULL, origin_id TEXT NOT "
    "NULL,"
    " state INTEGER NOT NULL, reason TEXT NOT NULL DEFAULT '', flags INTEGER NOT NULL DEFAULT 0,"
    " created INTEGER NOT NULL, last INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0, stanza "
    "BLOB);"
    "CREATE INDEX outbox_state ON outbox(account, state, id);"
    "CREATE INDEX outbox_origin ON outbox(account, origin_id);"
    "CREATE INDEX outbox_message ON outbox(message) WHERE message <> 0;"
    "CREATE TABLE outbox_target(" /* the devices a message was written for */
    " message INTEGER NOT NULL, jid TEXT NOT NULL, device INTEGER NOT NULL,"
    " PRIMARY KEY(message, jid, device)) WITHOUT ROWID;"
    "CREATE TABLE pending_decrypt("
    " id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, peer TEXT NOT "
    "NULL,"
    " device INTEGER NOT NULL, digest BLOB NOT NULL, stanza BLOB NOT NULL, way INTEGER NOT NULL,"
    " stanza_id TEXT, delay INTEGER NOT NULL, reason INTEGER NOT NULL, message INTEGER NOT NULL,"
    " received INTEGER NOT NULL, deadline INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0,"
    " UNIQUE(account, peer, digest));"
    "CREATE INDEX pending_deadline ON pending_decrypt(deadline);"
    "CREATE INDEX pending_message ON pending_decrypt(message);";

static const char keys[] =
    "CREATE TABLE device("
    " id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, jid TEXT NOT "
    "NULL,"
    " device INTEGER NOT NULL, identity BLOB, offered BLOB, trust INTEGER NOT NULL, listed INTEGER NOT NULL,"
    " added INTEGER NOT NULL, heard INTEGER NOT NULL DEFAULT 0, bundle_failed INTEGER NOT NULL DEFAULT 0,"
    " answer INTEGER NOT NULL DEFAULT 0," /* an empty message should complete or heal its session */
    " healed INTEGER NOT NULL DEFAULT 0, UNIQUE(account, jid, device));"
    "CREATE TABLE bundle(" /* source 0: published, 1: a card, of one-time prekeys that only we have */
    " account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, jid TEXT NOT NULL, device INTEGER NOT "
    "NULL,"
    " source INTEGER NOT NULL, fetched INTEGER NOT NULL, identity BLOB NOT NULL, signed_id INTEGER NOT NULL,"
    " signed_key BLOB NOT NULL, signature BLOB NOT NULL, prekeys BLOB NOT NULL,"
    " PRIMARY KEY(account, jid, device, source));"
    "CREATE TABLE own_device("
    " account INTEGER PRIMARY KEY REFERENCES account ON DELETE CASCADE, device INTEGER NOT NULL,"
    " registration INTEGER NOT NULL, identity BLOB NOT NULL, private BLOB NOT NULL, next_prekey INTEGER NOT "
    "NULL,"
    " next_signed INTEGER NOT NULL, list_version INTEGER NOT NULL, list_published INTEGER NOT NULL,"
    " bundle_version INTEGER NOT NULL, bundle_published INTEGER NOT NULL);"
    "CREATE TABLE prekey(" /* state 0: published, 1: in reserve, 2: on a card, 3: used */
    " account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, id INTEGER NOT NULL, state INTEGER NOT "
    "NULL,"
    " record BLOB NOT NULL, changed INTEGER NOT NULL, PRIMARY KEY(account, id)) WITHOUT ROWID;"
    "CREATE INDEX prekey_state ON prekey(account, state);"
    "CREATE TABLE signed_prekey("
    " account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, id INTEGER NOT NULL,"
    " record BLOB NOT NULL, created INTEGER NOT NULL, PRIMARY KEY(account, id)) WITHOUT ROWID;"
    "CREATE TABLE session("
    " account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, jid TEXT NOT NULL, device INTEGER NOT "
    "NULL,"
    " record BLOB NOT NULL, PRIMARY KEY(account, jid, device));"
    "CREATE TABLE chain(" /* one sending chain of one device, by its ratchet key */
    " id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, jid TEXT NOT "
    "NULL,"
    " device INTEGER NOT NULL, ratchet BLOB NOT NULL, UNIQUE(account, jid, device, ratchet));"
    "CREATE TABLE read(" /* spent message keys, and the history row they became (0: none) */
    " chain INTEGER NOT NULL REFERENCES chain ON DELETE CASCADE, counter INTEGER NOT NULL,"
    " message INTEGER NOT NULL, PRIMARY KEY(chain, counter)) WITHOUT ROWID;";

/* shown: the offered key that the person has seen; told: the person knows of the device; renew: the next
 * message to it begins a new session. */
static const char decisions[] = "ALTER TABLE device ADD COLUMN shown BLOB;"
				"ALTER TABLE device ADD COLUMN told INTEGER NOT NULL DEFAULT 1;"
				"ALTER TABLE device ADD COLUMN renew INTEGER NOT NULL DEFAULT 0;";

/* When each message that we wrote came to which state (history.h, enum sent). */
static const char stages[] =
    "CREATE TABLE stage("
    " message INTEGER NOT NULL REFERENCES message ON DELETE CASCADE, state INTEGER NOT NULL, time INTEGER NOT NULL,"
    " PRIMARY KEY(message, state)) WITHOUT ROWID;";

/* What has not come yet of a chain: skipped.h. */
static const char vault[] =
    "CREATE TABLE vault("
    " chain INTEGER PRIMARY KEY REFERENCES chain ON DELETE CASCADE, identity BLOB NOT NULL,"
    " key BLOB," /* of a closed chain; NULL: single keys only */
    " next INTEGER NOT NULL, ends INTEGER NOT NULL, held INTEGER NOT NULL DEFAULT 0, day INTEGER NOT NULL);"
    "CREATE TABLE skipped("
    " chain INTEGER NOT NULL REFERENCES vault ON DELETE CASCADE, counter INTEGER NOT NULL, keys BLOB NOT NULL,"
    " day INTEGER NOT NULL, PRIMARY KEY(chain, counter)) WITHOUT ROWID;"
    "CREATE INDEX chain_newest ON chain(account, jid, device, id);";

/* elsewhere.h */
static const char elsewhere[] =
    "CREATE TABLE elsewhere("
    " message INTEGER PRIMARY KEY REFERENCES message ON DELETE CASCADE, state INTEGER NOT NULL, place TEXT NOT NULL,"
    " reason TEXT NOT NULL, tries INTEGER NOT NULL, next INTEGER NOT NULL, until INTEGER NOT NULL, time INTEGER NOT NULL);";

static const char *const *const steps[] = {
	(const char *const[]){ core, messages, keys, NULL },
	(const char *const[]){ decisions, NULL },
	(const char *const[]){ stages, NULL },
	(const char *const[]){ vault, NULL },
	(const char *const[]){ elsewhere, NULL },
};
enum { SCHEMA = sizeof steps / sizeof steps[0] };

static bool
schema_step(struct db *db, size_t step)
{
	char version[96];
	snprintf(version, sizeof version, "PRAGMA user_version = %zu; PRAGMA application_id = %d", step + 1,
		 APPLICATION_ID);
	for (const char *const *script = steps[step]; *script; script++)
		db_script(db, *script);
	return db_script(db, version);
}

bool
schema_migrate(struct db *db, char **error_r)
{
	if (db_pragma(db, "PRAGMA user_version") == SCHEMA &&
	    db_pragma(db, "PRAGMA application_id") == APPLICATION_ID)
		return true;
	db_begin(db); /* from here on no other process moves it */
	int64_t version = db_pragma(db, "PRAGMA user_version");
	int64_t tables = db_pragma(db, "SELECT count(*) FROM sqlite_schema");
	if (tables > 0 && db_pragma(db, "PRAGMA application_id") != APPLICATION_ID)
		*error_r = xstrdup(_("lazo.db was made by another program. Name another folder: --home DIR"));
	else if (version < 0 || version > (int64_t)SCHEMA)
		*error_r = xstrdup(_("lazo.db was made by a newer version of this program. "
				    "Install that version, or name another folder: --home DIR"));
	if (*error_r) {
		db_rollback(db);
		return false;
	}
	for (size_t step = (size_t)version; step < SCHEMA; step++)
		schema_step(db, step);
	return db_commit(db, error_r);
}
