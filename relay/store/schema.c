/*
 * schema.c -- the tables, by steps: row n brings a database from version n to n + 1. Rows are never edited,
 * only added.
 *
 * Times are milliseconds since 1970 (UTC), 0 in `expires` means never. There are no foreign keys: every
 * reference is kept by ops.c, which knows the order and does not pay for the check.
 */
#include "config.h"

#include "relay/store/sql.h"

#include <assert.h>
#include <stddef.h>

static const char first[] =
    "PRAGMA application_id = 0x4c617a6f;"
    /* secret: 32 bytes, made at the first open; next_id: no message id below it was ever free for use */
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('next_id', 1);"

    /* Bare JIDs, once each. Resources stay with the message: clients make them up at every login. Rows never
       leave. */
    "CREATE TABLE jid (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);"

    /* One body for both archives, the mailbox and the spool. refs counts the box, pending and spool rows that
     * name it; the row leaves with the last. key: the duplicate key or custody id. */
    "CREATE TABLE msg (id INTEGER PRIMARY KEY, sender INTEGER NOT NULL, sender_resource TEXT,"
    " recipient INTEGER NOT NULL, recipient_resource TEXT, time INTEGER NOT NULL, expires INTEGER NOT NULL,"
    " state INTEGER NOT NULL DEFAULT 0, refs INTEGER NOT NULL, key BLOB, body BLOB NOT NULL);"
    /* The archive of an account, in id order and by conversation. */
    "CREATE TABLE box (account INTEGER NOT NULL, id INTEGER NOT NULL, peer INTEGER NOT NULL,"
    " PRIMARY KEY (account, id)) WITHOUT ROWID;"
    "CREATE INDEX box_peer ON box (account, peer, id);"
    /* What an account has not acknowledged yet. Short, because rows leave. */
    "CREATE TABLE pending (account INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (account, id)) WITHOUT "
    "ROWID;"
    /* Devices of an account by resource, for mailbox = device: up to which id each has confirmed. */
    "CREATE TABLE device (account INTEGER NOT NULL, resource TEXT NOT NULL, seen INTEGER NOT NULL,"
    " upto INTEGER NOT NULL, PRIMARY KEY (account, resource)) WITHOUT ROWID;"
    /* Duplicate keys, kept to the message's expiry. */
    "CREATE TABLE seen (key BLOB PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX seen_expires ON seen (expires);"
    /* Messages held for another relay, one row a recipient: they leave a destination in id order. */
    "CREATE TABLE spool (id INTEGER PRIMARY KEY, msg INTEGER NOT NULL, destination INTEGER NOT NULL,"
    " recipient INTEGER NOT NULL, custody BLOB NOT NULL UNIQUE, state INTEGER NOT NULL, reason TEXT,"
    " tries INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL, since INTEGER NOT NULL, expires INTEGER NOT "
    "NULL,"
    " sequence INTEGER NOT NULL DEFAULT 0, bundle BLOB);"
    "CREATE INDEX spool_destination ON spool (destination, id);"
    "CREATE INDEX spool_next ON spool (next);"
    "CREATE INDEX spool_expires ON spool (expires);"
    /* Where each message of our users is, for them to ask. */
    "CREATE TABLE status (account INTEGER NOT NULL, id INTEGER NOT NULL, peer INTEGER NOT NULL, origin TEXT,"
    " custody BLOB, state INTEGER NOT NULL, holder TEXT, reason TEXT, tries INTEGER NOT NULL DEFAULT 0,"
    " next INTEGER NOT NULL DEFAULT 0, expires INTEGER NOT NULL, time INTEGER NOT NULL,"
    " PRIMARY KEY (account, id)) WITHOUT ROWID;"
    "CREATE INDEX status_custody ON status (custody);"

    /* node NULL: the account is gone and what it owned is being cleared away. */
    "CREATE TABLE account (id INTEGER PRIMARY KEY, node TEXT UNIQUE, created INTEGER NOT NULL,"
    " last INTEGER NOT NULL DEFAULT 0, language TEXT, roster_version INTEGER NOT NULL, salt BLOB, iterations "
    "INTEGER,"
    " stored_sha1 BLOB, server_sha1 BLOB, stored_sha256 BLOB, server_sha256 BLOB);"
    "CREATE TABLE roster (account INTEGER NOT NULL, contact INTEGER NOT NULL, flags INTEGER NOT NULL, name "
    "TEXT,"
    " groups TEXT, request TEXT, unsent INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (account, contact)) WITHOUT "
    "ROWID;"
    "CREATE INDEX roster_contact ON roster (contact);"
    /* Pubsub of each account; vCards, bookmarks and private data are nodes too. Items in order of
       publication. */
    "CREATE TABLE node (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, name TEXT NOT NULL, config TEXT,"
    " UNIQUE (account, name));"
    "CREATE TABLE item (id INTEGER PRIMARY KEY, node INTEGER NOT NULL, name TEXT NOT NULL, publisher TEXT,"
    " time INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (node, name));"
    "CREATE INDEX item_node ON item (node, id);"
    "CREATE TABLE invite (token TEXT PRIMARY KEY, node TEXT, created INTEGER NOT NULL, expires INTEGER NOT "
    "NULL,"
    " used INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"

    /* Other relays, the keys they showed us, and the last public items of our users' contacts there. */
    "CREATE TABLE peer (domain TEXT PRIMARY KEY, state INTEGER NOT NULL DEFAULT 0, since INTEGER NOT NULL,"
    " seen INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL DEFAULT 0,"
    " reason TEXT) WITHOUT ROWID;"
    "CREATE TABLE pin (domain TEXT NOT NULL, fingerprint BLOB NOT NULL, certificate BLOB NOT NULL,"
    " state INTEGER NOT NULL, way TEXT NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (domain, fingerprint)) "
    "WITHOUT ROWID;"
    "CREATE TABLE remote_item (contact INTEGER NOT NULL, node TEXT NOT NULL, name TEXT NOT NULL, time "
    "INTEGER NOT NULL,"
    " body BLOB NOT NULL, PRIMARY KEY (contact, node, name)) WITHOUT ROWID;"
    "PRAGMA user_version = 1;";

/* archive: what the user wants kept, as the archive feature wrote it; NULL: all. usage: bytes of the messages in
   each archive, so that its limit needs no counting. */
static const char second[] =
    "ALTER TABLE account ADD COLUMN archive TEXT;"
    "CREATE TABLE usage (account INTEGER PRIMARY KEY, bytes INTEGER NOT NULL);"
    "INSERT INTO usage (account, bytes) SELECT b.account, sum(length(m.body)) FROM box b JOIN msg m ON m.id = b.id"
    " GROUP BY b.account;"
    "PRAGMA user_version = 2;";

/* block: whom an account wants nothing from (JIDs of any form, canonical). report: what users tell the operator. gone:
   when the account's last session ended, and what it said then. */
static const char third[] =
    "CREATE TABLE block (account INTEGER NOT NULL, jid TEXT NOT NULL, PRIMARY KEY (account, jid)) WITHOUT ROWID;"
    "CREATE TABLE report (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, account TEXT NOT NULL, jid TEXT NOT NULL,"
    " reason TEXT NOT NULL, words TEXT, messages TEXT);"
    "ALTER TABLE account ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE account ADD COLUMN gone_status TEXT;"
    "PRAGMA user_version = 3;";

/* Where each message of our users is (status.h). change: rises with every change in an account, `latest` is its highest.
   The table of the first step was never written to. */
static const char fourth[] =
    "DROP TABLE status;"
    "CREATE TABLE status (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, change INTEGER NOT NULL,"
    " peer INTEGER NOT NULL, origin TEXT, accepted INTEGER NOT NULL, delivered INTEGER NOT NULL DEFAULT 0,"
    " displayed INTEGER NOT NULL DEFAULT 0);"
    "CREATE UNIQUE INDEX status_change_order ON status (account, change);"
    "CREATE INDEX status_origin ON status (account, origin);"
    "CREATE TABLE status_change (account INTEGER PRIMARY KEY, latest INTEGER NOT NULL);"
    "PRAGMA user_version = 4;";

/* avatar: "SHA-1 type" of the picture that the account shows, NULL: none. */
static const char fifth[] =
    "ALTER TABLE account ADD COLUMN avatar TEXT;"
    "PRAGMA user_version = 5;";

/* How many stanzas of a resumable stream were handled with the last message of it (XEP-0198); time: when. */
static const char sixth[] =
    "CREATE TABLE counter (account INTEGER NOT NULL, id TEXT NOT NULL, h INTEGER NOT NULL, time INTEGER NOT NULL,"
    " PRIMARY KEY (account, id)) WITHOUT ROWID;"
    "PRAGMA user_version = 6;";

/* Every account has its row of `usage`: what waits for it, of that what strangers sent, and the bytes of its pubsub items. A
   waiting row says what it takes with it; who sent those of before is not looked up. */
static const char seventh[] =
    "ALTER TABLE pending ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE pending ADD COLUMN stranger INTEGER NOT NULL DEFAULT 0;"
    "UPDATE pending SET bytes = (SELECT length(body) FROM msg WHERE msg.id = pending.id);"
    "ALTER TABLE usage ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE usage ADD COLUMN pending_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE usage ADD COLUMN strange INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE usage ADD COLUMN strange_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE usage ADD COLUMN item_bytes INTEGER NOT NULL DEFAULT 0;"
    "INSERT OR IGNORE INTO usage (account, bytes) SELECT id, 0 FROM account;"
    "UPDATE usage SET pending = (SELECT count(*) FROM pending p WHERE p.account = usage.account),"
    " pending_bytes = (SELECT coalesce(sum(p.bytes), 0) FROM pending p WHERE p.account = usage.account),"
    " item_bytes = (SELECT coalesce(sum(length(i.body)), 0) FROM node n JOIN item i ON i.node = n.id"
    " WHERE n.account = usage.account);"
    "PRAGMA user_version = 7;";

/* What clients log in with instead of a password (token.h): place 0 the current one, 1 the new one. */
static const char eighth[] =
    "CREATE TABLE token (account INTEGER NOT NULL, client TEXT NOT NULL, place INTEGER NOT NULL,"
    " mechanism TEXT NOT NULL, text TEXT NOT NULL, issued INTEGER NOT NULL, expires INTEGER NOT NULL,"
    " count INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (account, client, place)) WITHOUT ROWID;"
    "PRAGMA user_version = 8;";

/* Messages held for another relay (spool.h), which leave a domain in order of their ids: that of a row is its message's. destination:
   the domain, interned. name: the stanza's own id. next: held, not before then; settled, until then. The table of the first step was
   never written to. status: handed, with how (enum spool_how), and ended, with why. */
static const char ninth[] =
    "DROP TABLE spool;"
    "CREATE TABLE spool (id INTEGER PRIMARY KEY, destination INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0,"
    " custody BLOB NOT NULL, name TEXT, reason TEXT, tries INTEGER NOT NULL DEFAULT 0, doubts INTEGER NOT NULL DEFAULT 0,"
    " next INTEGER NOT NULL DEFAULT 0, since INTEGER NOT NULL, expires INTEGER NOT NULL);"
    "CREATE INDEX spool_order ON spool (destination, state, id);"
    "CREATE INDEX spool_expires ON spool (expires);"
    "CREATE INDEX spool_settled ON spool (next) WHERE state = 1;"
    "CREATE INDEX spool_name ON spool (name) WHERE name IS NOT NULL;"
    "ALTER TABLE status ADD COLUMN handed INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE status ADD COLUMN how INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE status ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE status ADD COLUMN reason TEXT;"
    "PRAGMA user_version = 9;";

/* Reports of one account, to bound them; those of all are counted by it too. */
static const char tenth[] =
    "CREATE INDEX report_account ON report (account);"
    "PRAGMA user_version = 10;";

/* roster: contacts elsewhere whose relay does not know yet how things are (enum roster_flag). The column meant for that was never
   written to. */
static const char eleventh[] =
    "CREATE INDEX roster_unsent ON roster (flags) WHERE flags >= 64;"
    "ALTER TABLE roster DROP COLUMN unsent;"
    "PRAGMA user_version = 11;";

/* status: since when the message waits for another relay that was tried in vain. */
static const char twelfth[] =
    "ALTER TABLE status ADD COLUMN held INTEGER NOT NULL DEFAULT 0;"
    "PRAGMA user_version = 12;";

/* Couriers (courier.h). Our keys with their certificates, of which one is not retired. Of each other domain the certificate that we
   believe, how it came, and another one that it showed later. The table of the first step was never written to. */
static const char thirteenth[] =
    "DROP TABLE pin;"
    "CREATE TABLE courier_key (id INTEGER PRIMARY KEY, pem TEXT NOT NULL, made INTEGER NOT NULL,"
    " retired INTEGER NOT NULL DEFAULT 0);"
    "CREATE UNIQUE INDEX courier_key_current ON courier_key (retired) WHERE retired = 0;"
    "CREATE TABLE courier_pin (domain TEXT PRIMARY KEY, pem TEXT NOT NULL, how TEXT NOT NULL, time INTEGER NOT NULL,"
    " offered TEXT, offered_time INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
    "PRAGMA user_version = 13;";

static const char *const steps[] = { first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth, eleventh, twelfth,
	thirteenth };

int64_t
schema_version(void)
{
	return (int64_t)(sizeof steps / sizeof *steps);
}

const char *
schema_step(int64_t from)
{
	assert(from >= 0 && from < schema_version());
	return steps[from];
}
