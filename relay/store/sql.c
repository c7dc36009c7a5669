/* sql.c -- the statements, each with what is bound to it in order. */
#include "config.h"

#include "relay/store/sql.h"

#include <assert.h>

/* Of contacts whose presence nobody here sees. */
#define UNSEEN                                                                                               \
	" AND NOT EXISTS (SELECT 1 FROM roster r JOIN account a ON a.id = r.account"                         \
	" WHERE r.contact = remote_item.contact AND r.flags & 1 AND a.node IS NOT NULL)"
#define KEYS "salt, iterations, stored_sha1, server_sha1, stored_sha256, server_sha256"

/* ?1 node, ?2 and ?3 ids (not included), ?4 and ?5 times (included), ?6 limit, ?7 bare JID, ?8 its resource or NULL */
#define BOX_OWNER " WHERE account = (SELECT id FROM account WHERE node = ?1)"
#define BOX_ALL " WHERE b.account = (SELECT id FROM account WHERE node = ?1)"
#define BOX_RANGE " AND b.id > ?2 AND b.id < ?3 AND m.time >= ?4 AND m.time <= ?5"
#define BOX_PEER                                                                                             \
	" AND b.peer = (SELECT id FROM jid WHERE text = ?7) AND (?8 IS NULL OR"                              \
	" (m.sender = b.peer AND m.sender_resource = ?8) OR (m.recipient = b.peer AND m.recipient_resource = ?8))"
#define BOX_ROWS                                                                                             \
	"SELECT m.id, m.time, m.expires, f.text, m.sender_resource, t.text, m.recipient_resource, m.body,"   \
	" EXISTS (SELECT 1 FROM pending p WHERE p.account = b.account AND p.id = b.id)"                      \
	" FROM box b JOIN msg m ON m.id = b.id JOIN jid f ON f.id = m.sender JOIN jid t ON t.id = m.recipient"

#define STATUS_ROWS                                                                                          \
	"SELECT s.id, s.change, a.node, j.text, s.origin, s.accepted, s.delivered, s.displayed,"             \
	" CASE WHEN sp.id IS NULL THEN 0 ELSE s.held END, sp.expires, sp.tries + coalesce(p.tries, 0),"      \
	" max(sp.next, coalesce(p.next, 0)), CASE WHEN sp.next > 0 THEN sp.reason ELSE p.reason END,"        \
	" s.handed, s.how, s.ended, s.reason"                                                                \
	" FROM status s JOIN account a ON a.id = s.account JOIN jid j ON j.id = s.peer"                      \
	" LEFT JOIN spool sp ON sp.id = s.id AND sp.state = 0 LEFT JOIN jid d ON d.id = sp.destination"      \
	" LEFT JOIN peer p ON p.domain = d.text"
/* The newest of what is held for a domain, from a row on. */
#define SPOOL_NEWEST                                                                                         \
	"SELECT id FROM spool WHERE destination = (SELECT id FROM jid WHERE text = ?1) AND state = 0"        \
	" AND id >= ?2 ORDER BY id DESC LIMIT 1000"

#define SPOOL_JOINS                                                                                          \
	" FROM spool s JOIN msg m ON m.id = s.id JOIN jid f ON f.id = m.sender JOIN jid t ON t.id = m.recipient" \
	" JOIN jid d ON d.id = s.destination"

#define SPOOL_ROWS                                                                                           \
	"SELECT s.id, m.time, s.expires, f.text, m.sender_resource, t.text, m.recipient_resource, m.body,"   \
	" d.text, s.custody, s.state, s.name, s.reason, s.tries, s.next" SPOOL_JOINS

static const char *const texts[SQL_COUNT] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_BEGIN_READ] = "BEGIN",
	[SQL_COMMIT] = "COMMIT",
	[SQL_SAVEPOINT] = "SAVEPOINT one",
	[SQL_SAVEPOINT_BACK] = "ROLLBACK TO one",
	[SQL_SAVEPOINT_END] = "RELEASE one",

	[SQL_META] = "SELECT value FROM meta WHERE key = ?1",
	[SQL_META_SET] = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING",
	[SQL_IDS_TAKE] = "UPDATE meta SET value = value + ?1 WHERE key = 'next_id' RETURNING value",
	[SQL_IDS_RAISE] = "UPDATE meta SET value = ?1 WHERE key = 'next_id' AND value < ?1",
	[SQL_IDS_HIGHEST] = "SELECT coalesce(max(id), 0) FROM msg",

	[SQL_JID_FIND] = "SELECT id FROM jid WHERE text = ?1",
	[SQL_JID_NEW] = "INSERT INTO jid (text) VALUES (?1)",

	[SQL_MESSAGE_LATEST] = "SELECT time FROM msg ORDER BY id DESC LIMIT 1",
	[SQL_MESSAGE_NEW] = "INSERT INTO msg (id, sender, sender_resource, recipient, recipient_resource, "
			    "time, expires, refs, body)"
			    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[SQL_MESSAGE_REFER] = "UPDATE msg SET refs = refs + 1 WHERE id = ?1",
	[SQL_MESSAGE_DROP] = "UPDATE msg SET refs = refs - 1 WHERE id = ?1 AND refs > 1",
	[SQL_MESSAGE_END] = "DELETE FROM msg WHERE id = ?1",
	[SQL_BOX_NEW] =
	    "INSERT INTO box (account, id, peer) VALUES (?1, ?2, ?3) ON CONFLICT (account, id) DO NOTHING",
	[SQL_BOX_OLDEST] = "SELECT b.id, m.time, length(m.body) FROM box b JOIN msg m ON m.id = b.id"
			   " WHERE b.account = ?1 ORDER BY b.id LIMIT 1",
	[SQL_BOX_END] = "DELETE FROM box WHERE account = ?1 AND id = ?2",
	[SQL_MESSAGE_BYTES] = "SELECT length(body) FROM msg WHERE id = ?1",
	[SQL_USAGE_ADD] = "UPDATE usage SET bytes = bytes + ?2 WHERE account = ?1",
	[SQL_USAGE_NEW] = "INSERT INTO usage (account, bytes) VALUES (?1, 0)",
	[SQL_USAGE_TAKE] = "UPDATE usage SET bytes = bytes - ?2 WHERE account = ?1",
	[SQL_USAGE] = "SELECT bytes FROM usage WHERE account = ?1",
	[SQL_PENDING_NEW] =
	    "INSERT INTO pending (account, id, bytes, stranger) VALUES (?1, ?2, ?3, ?4)"
	    " ON CONFLICT (account, id) DO NOTHING",
	[SQL_PENDING_END] = "DELETE FROM pending WHERE account = ?1 AND id = ?2 RETURNING bytes, stranger",
	[SQL_WAITING_ADD] = "UPDATE usage SET pending = pending + 1, pending_bytes = pending_bytes + ?2,"
			    " strange = strange + ?3, strange_bytes = strange_bytes + ?2 * ?3 WHERE account = ?1",
	[SQL_WAITING_TAKE] = "UPDATE usage SET pending = pending - ?2, pending_bytes = pending_bytes - ?3,"
			     " strange = strange - ?4, strange_bytes = strange_bytes - ?5 WHERE account = ?1",
	/* ?2 bytes more, unless they pass ?3 (0: no limit); fewer always. */
	[SQL_USAGE_ITEMS] = "UPDATE usage SET item_bytes = item_bytes + ?2 WHERE account = ?1"
			    " AND (?2 <= 0 OR ?3 <= 0 OR item_bytes + ?2 <= ?3)",
	[SQL_DEVICE_SEEN] = "INSERT INTO device (account, resource, seen, upto) VALUES (?1, ?2, ?3, 0)"
			    " ON CONFLICT (account, resource) DO UPDATE SET seen = ?3",
	[SQL_DEVICE_TRIM] = "DELETE FROM device WHERE account = ?1 AND resource NOT IN (SELECT resource FROM device"
			    " WHERE account = ?1 ORDER BY seen DESC LIMIT ?2)",
	[SQL_DEVICE_UPTO] = "UPDATE device SET upto = ?3 WHERE account = ?1 AND resource = ?2 AND upto < ?3",
	[SQL_DEVICE_DONE] = "SELECT id FROM pending WHERE account = ?1 AND id <= (SELECT min(upto) FROM device"
			    " WHERE account = ?1 AND seen >= ?2) LIMIT 1",

	[SQL_COUNTER_SET] = "UPDATE counter SET h = ?3, time = ?4"
			    " WHERE account = (SELECT id FROM account WHERE node = ?1) AND id = ?2",
	[SQL_COUNTER_NEW] = "INSERT INTO counter (account, id, h, time) VALUES (?1, ?2, ?3, ?4)",
	[SQL_COUNTER_TRIM] = "DELETE FROM counter WHERE account = ?1 AND id <> ?2 AND id NOT IN (SELECT id FROM counter"
			     " WHERE account = ?1 AND id <> ?2 ORDER BY time DESC LIMIT ?3)",
	[SQL_COUNTER_EXPIRE] = "DELETE FROM counter WHERE (account, id) IN"
			       " (SELECT account, id FROM counter WHERE time < ?1 LIMIT 500)",

	[SQL_ACCOUNT_FIND] = "SELECT id FROM account WHERE node = ?1",
	[SQL_ACCOUNT_NEW] = "INSERT INTO account (node, created, roster_version, " KEYS ")"
			    " VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (node) DO NOTHING",
	[SQL_ACCOUNT_KEYS] =
	    "UPDATE account SET salt = ?2, iterations = ?3, stored_sha1 = ?4, server_sha1 = ?5,"
	    " stored_sha256 = ?6, server_sha256 = ?7 WHERE node = ?1",
	[SQL_ACCOUNT_ARCHIVE] = "UPDATE account SET archive = ?2 WHERE node = ?1",
	[SQL_ACCOUNT_SEEN] = "UPDATE account SET last = ?2 WHERE node = ?1"
			     " AND (last = 0 OR ?2 NOT BETWEEN last AND last + 59999)",
	[SQL_ACCOUNT_AVATAR] = "UPDATE account SET avatar = ?2 WHERE node = ?1",
	[SQL_ACCOUNT_LEFT] = "UPDATE account SET gone = ?2, gone_status = ?3 WHERE node = ?1",
	[SQL_BLOCK_NEW] = "INSERT INTO block (account, jid) VALUES (?1, ?2) ON CONFLICT (account, jid) DO NOTHING",
	[SQL_BLOCK_END] = "DELETE FROM block WHERE account = ?1 AND jid = ?2",
	[SQL_BLOCK_NONE] = "DELETE FROM block WHERE account = ?1",
	[SQL_REPORT_NEW] =
	    "INSERT INTO report (time, account, jid, reason, words, messages) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_REPORT_TRIM_OWN] = "DELETE FROM report WHERE account = ?1 AND id <= (SELECT id FROM report WHERE account = ?1"
				" ORDER BY id DESC LIMIT 1 OFFSET ?2)",
	[SQL_REPORT_TRIM] = "DELETE FROM report WHERE (SELECT count(*) FROM report) > ?1"
			    " AND id = (SELECT min(id) FROM report)",
	[SQL_REPORT_END] = "DELETE FROM report WHERE id = ?1",
	[SQL_ACCOUNT_GONE] =
	    "UPDATE account SET node = NULL, salt = NULL, iterations = NULL, stored_sha1 = NULL,"
	    " server_sha1 = NULL, stored_sha256 = NULL, server_sha256 = NULL WHERE node = ?1",
	[SQL_ACCOUNT_BUMP] = "UPDATE account SET roster_version = roster_version + 1 WHERE id = ?1",

	[SQL_ROSTER_SET] =
	    "INSERT INTO roster (account, contact, flags, name, groups, request) VALUES (?1, ?2, ?3, ?4, ?5, "
	    "?6)"
	    " ON CONFLICT (account, contact) DO UPDATE SET flags = excluded.flags, name = excluded.name,"
	    " groups = excluded.groups, request = excluded.request",
	[SQL_ROSTER_END] = "DELETE FROM roster WHERE account = ?1 AND contact = ?2",

	[SQL_NODE_FIND] = "SELECT n.id FROM node n WHERE n.account = ?1 AND n.name = ?2",
	[SQL_NODE_SET] = "INSERT INTO node (account, name, config) VALUES (?1, ?2, ?3)"
			 " ON CONFLICT (account, name) DO UPDATE SET config = excluded.config",
	[SQL_NODE_END] = "DELETE FROM node WHERE id = ?1",
	[SQL_NODE_PURGE] = "DELETE FROM item WHERE node = ?1 RETURNING length(body)",
	[SQL_ITEM_END] = "DELETE FROM item WHERE node = ?1 AND name = ?2 RETURNING length(body)",
	[SQL_ITEM_NEW] = "INSERT INTO item (node, name, publisher, time, body) VALUES (?1, ?2, ?3, ?4, ?5)",
	[SQL_ITEM_TRIM] = "DELETE FROM item WHERE node = ?1 AND id <="
			  " (SELECT id FROM item WHERE node = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)"
			  " RETURNING length(body)",

	[SQL_INVITE_NEW] = "INSERT INTO invite (token, node, created, expires) VALUES (?1, ?2, ?3, ?4)"
			   " ON CONFLICT (token) DO NOTHING",
	[SQL_INVITE_USE] =
	    "UPDATE invite SET used = ?2 WHERE token = ?1 AND used = 0 AND (expires = 0 OR expires > ?2)"
	    " AND (node IS NULL OR ?3 IS NULL OR node = ?3)",
	[SQL_INVITE_END] = "DELETE FROM invite WHERE token = ?1",

	[SQL_SEEN_NEW] =
	    "INSERT INTO seen (key, expires) VALUES (?1, ?2) ON CONFLICT (key)"
	    " DO UPDATE SET expires = excluded.expires WHERE seen.expires <> 0 AND seen.expires <= ?3",
	[SQL_SEEN_EXPIRE] =
	    "DELETE FROM seen WHERE key IN"
	    " (SELECT key FROM seen WHERE expires > 0 AND expires <= ?1 ORDER BY expires LIMIT 500)",

	/* The first number of an account is the time: one that is made again does not begin with an earlier one's. */
	[SQL_STATUS_CHANGE] = "INSERT INTO status_change (account, latest) VALUES (?1, ?2)"
			      " ON CONFLICT (account) DO UPDATE SET latest = latest + 1 RETURNING latest",
	[SQL_STATUS_NEW] = "INSERT INTO status (id, account, change, peer, origin, accepted)"
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING",
	[SQL_STATUS_TRIM] = "DELETE FROM status WHERE account = ?1 AND change <= ?2",
	[SQL_STATUS_UNDELIVERED] = "SELECT account FROM status WHERE id = ?1 AND delivered = 0",
	[SQL_STATUS_ALLOWED] = "SELECT 1 FROM msg m JOIN roster r ON r.contact = m.sender"
			       " WHERE m.id = ?1 AND r.account = ?2 AND (r.flags & 2) <> 0",
	[SQL_STATUS_DELIVERED] = "UPDATE status SET delivered = ?2, change = ?3 WHERE id = ?1",
	[SQL_STATUS_DISPLAYED] = "UPDATE status SET displayed = ?2, change = ?3 WHERE id = ?1",
	[SQL_STATUS_FIND_UNDELIVERED] = "SELECT id FROM status WHERE account = ?1 AND origin = ?2 AND peer = ?3"
					" AND delivered = 0 ORDER BY id DESC LIMIT 1",
	[SQL_STATUS_FIND_UNSEEN] = "SELECT id FROM status WHERE account = ?1 AND origin = ?2 AND peer = ?3"
				   " AND displayed = 0 ORDER BY id DESC LIMIT 1",
	[SQL_STATUS_EXPIRE] =
	    "DELETE FROM status WHERE id IN (SELECT id FROM status ORDER BY id LIMIT 500) AND accepted <= ?1",
	[SQL_READ_STATUS_SINCE] = STATUS_ROWS " WHERE s.account = (SELECT id FROM account WHERE node = ?1)"
					      " AND s.change > ?2 AND (s.delivered <> 0 OR s.displayed <> 0"
					      " OR s.held <> 0 OR s.handed <> 0 OR s.ended <> 0)"
					      " ORDER BY s.change LIMIT ?3",
	[SQL_READ_STATUS_ORIGIN] = STATUS_ROWS " WHERE s.account = (SELECT id FROM account WHERE node = ?1)"
					       " AND s.origin = ?2 ORDER BY s.id DESC LIMIT 1",
	[SQL_READ_STATUS_OF] = STATUS_ROWS " WHERE s.id = ?1",
	[SQL_STATUS_HANDED] = "UPDATE status SET handed = ?2, how = ?3, change = ?4 WHERE id = ?1",
	[SQL_STATUS_ENDED] = "UPDATE status SET ended = ?2, reason = ?3, change = ?4 WHERE id = ?1",
	[SQL_STATUS_HELD] = "UPDATE status SET held = ?2, handed = 0, how = 0, change = ?3 WHERE id = ?1",
	[SQL_STATUS_UNTOLD] = "SELECT id FROM status WHERE held = 0 AND id IN (" SPOOL_NEWEST ") ORDER BY id",
	[SQL_READ_STATUS_HELD] = STATUS_ROWS " WHERE s.held = ?3 AND s.id IN (" SPOOL_NEWEST ") ORDER BY s.id",
	[SQL_STATUS_OWNER] = "SELECT account FROM status WHERE id = ?1",

	/* spool.state: enum spool_state */
	[SQL_SPOOL_NEW] = "INSERT INTO spool (id, destination, custody, name, since, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
			  " ON CONFLICT (id) DO NOTHING",
	[SQL_SPOOL_SETTLE] = "UPDATE spool SET state = 1, next = ?2 WHERE id = ?1 AND state <> 1",
	[SQL_SPOOL_END] = "DELETE FROM spool WHERE id = ?1",
	[SQL_SPOOL_CLEAN] = "DELETE FROM spool WHERE id IN (SELECT id FROM spool WHERE state = 1 AND next <= ?1"
			    " ORDER BY next LIMIT ?2) RETURNING id",
	[SQL_SPOOL_DEFER] = "UPDATE spool SET state = 0, tries = tries + 1, next = ?2, reason = ?3 WHERE id = ?1",
	[SQL_SPOOL_DOUBT] = "UPDATE spool SET doubts = doubts + 1, state = CASE WHEN doubts + 1 >= ?2 THEN 2 ELSE 0 END"
			    " WHERE id = ?1 AND state = 0 RETURNING state",
	[SQL_SPOOL_RETRY] = "UPDATE spool SET state = 0, doubts = 0, next = 0 WHERE id = ?1 AND state <> 1",
	[SQL_SPOOL_RETRY_ALL] = "UPDATE spool SET state = 0, doubts = 0, next = 0 WHERE state <> 1 AND (state = 2 OR next <> 0)"
				" AND (?1 IS NULL OR destination = (SELECT id FROM jid WHERE text = ?1))",
	[SQL_SPOOL_LONGER] = "UPDATE spool SET expires = since + ?2 WHERE destination = ?1 AND state <> 1",
	[SQL_PEER_FIND] = "SELECT state, seen FROM peer WHERE domain = ?1",
	[SQL_PEER_KNOWN] = "INSERT INTO peer (domain, state, since) VALUES (?1, 1, ?2)"
			   " ON CONFLICT (domain) DO UPDATE SET state = state | 1",
	[SQL_PEER_TRIED] = "INSERT INTO peer (domain, since, tries, next, reason) VALUES (?1, ?2, ?3, ?4, ?5)"
			   " ON CONFLICT (domain) DO UPDATE SET tries = ?3, next = ?4, reason = ?5",
	[SQL_PEER_SEEN] = "INSERT INTO peer (domain, since, seen) VALUES (?1, ?2, ?2)"
			  " ON CONFLICT (domain) DO UPDATE SET seen = ?2, tries = 0, next = 0, reason = NULL",
	[SQL_PEER_RETRY] = "UPDATE peer SET next = 0 WHERE next <> 0 AND (?1 IS NULL OR domain = ?1)",
	[SQL_READ_SPOOL] = SPOOL_ROWS " WHERE s.destination = (SELECT id FROM jid WHERE text = ?1) AND s.state = 0"
				      " AND s.id > ?2 ORDER BY s.id LIMIT ?3",
	[SQL_READ_SPOOL_EXPIRED] = SPOOL_ROWS " WHERE s.expires <= ?1 AND s.state <> 1 ORDER BY s.expires LIMIT ?2",
	[SQL_READ_SPOOL_NAMED] = SPOOL_ROWS " WHERE s.name = ?1 AND s.destination = (SELECT id FROM jid WHERE text = ?2)"
					    " ORDER BY s.id DESC LIMIT 20",
	[SQL_READ_SPOOL_LIST] = SPOOL_ROWS " WHERE s.id > ?1 AND s.state <> 1 ORDER BY s.id LIMIT ?2",
	[SQL_READ_SPOOL_NEXT] = "SELECT destination FROM spool WHERE destination > ?1 ORDER BY destination LIMIT 1",
	[SQL_READ_SPOOL_DOMAIN] = "SELECT j.text, coalesce(p.state, 0), coalesce(p.seen, 0), coalesce(p.tries, 0),"
				  " coalesce(p.next, 0), p.reason FROM jid j LEFT JOIN peer p ON p.domain = j.text WHERE j.id = ?1"
				  " AND EXISTS (SELECT 1 FROM spool WHERE destination = j.id AND state = 0)",
	[SQL_READ_SPOOL_PEER] = "SELECT domain, state, seen, tries, next, reason FROM peer WHERE domain = ?1",
	[SQL_READ_SPOOL_LINES] = /* by id, whatever is asked for: each page goes on where the last ended */
	"SELECT s.id, s.since, s.expires, f.text, m.sender_resource, t.text, m.recipient_resource, length(m.body), d.text, s.state,"
	" s.reason, s.tries, s.next" SPOOL_JOINS " WHERE s.id > ?1 AND s.state <> 1"
	" AND (?3 IS NULL OR +s.destination = (SELECT id FROM jid WHERE text = ?3))"
	" AND (?4 IS NULL OR (SELECT id FROM jid WHERE text = ?4) IN (+m.sender, +m.recipient)) ORDER BY s.id LIMIT ?2",
	[SQL_READ_SPOOL_COUNT] = "SELECT count(*) FROM spool WHERE state <> 1",
	[SQL_READ_SPOOL_SUMS] =
	    "WITH held (domain, waiting, bytes) AS (SELECT d.text, count(*), sum(length(m.body)) FROM spool s"
	    " JOIN msg m ON m.id = s.id JOIN jid d ON d.id = s.destination WHERE s.state <> 1"
	    " AND (?1 IS NULL OR s.destination = (SELECT id FROM jid WHERE text = ?1)) GROUP BY s.destination)"
	    " SELECT coalesce(p.domain, h.domain) AS name, coalesce(p.state, 0), coalesce(p.seen, 0), coalesce(p.tries, 0),"
	    " coalesce(p.next, 0), p.reason, coalesce(h.waiting, 0), coalesce(h.bytes, 0)"
	    " FROM peer p FULL JOIN held h ON h.domain = p.domain WHERE ?1 IS NULL OR coalesce(p.domain, h.domain) = ?1 ORDER BY name",
	[SQL_TOKEN_KEYS] = "SELECT stored_sha256 FROM account WHERE id = ?1",
	[SQL_TOKEN_EXPIRE] = "DELETE FROM token WHERE account = ?1 AND expires <= ?2",
	[SQL_TOKEN_NEW] = "INSERT INTO token (account, client, place, mechanism, text, issued, expires)"
			  " VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6) ON CONFLICT (account, client, place)"
			  " DO UPDATE SET mechanism = ?3, text = ?4, issued = ?5, expires = ?6, count = 0",
	[SQL_TOKEN_TRIM] =
	    "DELETE FROM token WHERE account = ?1 AND client NOT IN (SELECT client FROM token WHERE account = ?1"
	    " GROUP BY client ORDER BY max(issued) DESC, client LIMIT ?2)",
	[SQL_TOKEN_COUNT] =
	    "UPDATE token SET count = max(count, ?4) WHERE account = ?1 AND client = ?2 AND text = ?3"
	    " AND expires > ?5 AND (?4 = 0 OR count < ?4)",
	/* The current one ends when the new one is the one used. */
	[SQL_TOKEN_OLD] = "DELETE FROM token WHERE account = ?1 AND client = ?2 AND place = 0 AND EXISTS"
			  " (SELECT 1 FROM token n WHERE n.account = ?1 AND n.client = ?2 AND n.place = 1 AND n.text = ?3)",
	[SQL_TOKEN_MOVE] = "UPDATE token SET place = 0 WHERE account = ?1 AND client = ?2 AND place = 1 AND NOT EXISTS"
			   " (SELECT 1 FROM token o WHERE o.account = ?1 AND o.client = ?2 AND o.place = 0)",
	[SQL_TOKEN_END] = "DELETE FROM token WHERE account = ?1 AND (?2 IS NULL OR client = ?2)",

	[SQL_GONE_FIND] = "SELECT id FROM account WHERE node IS NULL LIMIT ?1",
	[SQL_GONE_BOX] = "SELECT id FROM box WHERE account = ?1 LIMIT 1",
	[SQL_GONE_BOX_END] = "DELETE FROM box WHERE account = ?1 AND id = ?2",
	[SQL_GONE_PENDING] = "SELECT id FROM pending WHERE account = ?1 LIMIT 1",
	[SQL_GONE_NODE] = "SELECT id FROM node WHERE account = ?1 LIMIT 1",
	[SQL_GONE_ITEMS] = "DELETE FROM item WHERE id IN (SELECT id FROM item WHERE node = ?1 LIMIT 100)",
	[SQL_GONE_ITEMS_LEFT] = "SELECT id FROM item WHERE node = ?1 LIMIT 1",
	[SQL_GONE_NODE_END] = "DELETE FROM node WHERE id = ?1",
	[SQL_GONE_ROSTER] = "DELETE FROM roster WHERE account = ?1",
	[SQL_GONE_DEVICE] = "DELETE FROM device WHERE account = ?1",
	[SQL_GONE_STATUS] = "DELETE FROM status WHERE id IN (SELECT id FROM status WHERE account = ?1 LIMIT 200)",
	[SQL_GONE_STATUS_CHANGE] = "DELETE FROM status_change WHERE account = ?1",
	[SQL_GONE_COUNTER] = "DELETE FROM counter WHERE account = ?1",
	[SQL_GONE_USAGE] = "DELETE FROM usage WHERE account = ?1",
	[SQL_GONE_TOKEN] = "DELETE FROM token WHERE account = ?1",
	[SQL_GONE_END] = "DELETE FROM account WHERE id = ?1 AND node IS NULL",

	[SQL_FREE_PAGES] = "PRAGMA freelist_count",
	[SQL_FREE_SLICE] = "PRAGMA incremental_vacuum(100)",

	[SQL_READ_ACCOUNT] = "SELECT id, created, last, roster_version, pending, " KEYS
			     ", archive, gone, gone_status, avatar, pending_bytes, strange, strange_bytes"
			     " FROM account a JOIN usage u ON u.account = a.id WHERE node = ?1",
	/* Nothing that grows with what the account holds: this is asked by strangers, and takes as long for all. */
	[SQL_READ_KEYS] = "SELECT " KEYS " FROM account WHERE node = ?1",
	[SQL_READ_SOME_NODE] = "SELECT node FROM account WHERE node IS NOT NULL ORDER BY id LIMIT 1",
	[SQL_READ_ROSTER] =
	    "SELECT j.text, r.flags, r.name, r.groups, r.request FROM roster r JOIN jid j ON j.id = r.contact"
	    " WHERE r.account = ?1",
	[SQL_READ_UNSENT] = "SELECT a.node, j.text FROM roster r JOIN account a ON a.id = r.account JOIN jid j ON j.id = r.contact"
			    " WHERE r.flags >= 64 AND a.node IS NOT NULL LIMIT ?1",
	[SQL_FAR_SET] = "INSERT INTO remote_item (contact, node, name, time, body) VALUES (?1, ?2, '', ?3, ?4)"
			" ON CONFLICT (contact, node, name) DO UPDATE SET time = excluded.time, body = excluded.body",
	[SQL_FAR_KEEP] = "DELETE FROM remote_item WHERE contact = (SELECT id FROM jid WHERE text = ?1)"
			 " AND instr(?2, char(10) || node || char(10)) = 0",
	[SQL_FAR_TIDY] = "DELETE FROM remote_item WHERE contact = (SELECT id FROM jid WHERE text = ?1)" UNSEEN,
	[SQL_FAR_TIDY_ALL] = "DELETE FROM remote_item WHERE 1" UNSEEN,
	[SQL_READ_FAR] = "SELECT node, time, body FROM remote_item WHERE contact = (SELECT id FROM jid WHERE text = ?1)"
			 " ORDER BY node DESC LIMIT ?2",
	[SQL_READ_FAR_PLACE] = "SELECT count(*), coalesce(sum(r.account < (SELECT id FROM account WHERE node = ?1)), 0)"
			       " FROM roster r JOIN account a ON a.id = r.account"
			       " WHERE r.contact = (SELECT id FROM jid WHERE text = ?2) AND r.flags & 1 AND a.node IS NOT NULL",
	[SQL_READ_BLOCKS] = "SELECT jid FROM block WHERE account = ?1 ORDER BY jid",
	[SQL_READ_REPORTS] = "SELECT id, time, account, jid, reason, words, messages FROM report ORDER BY id",
	[SQL_READ_NODES] = "SELECT name, config FROM node WHERE account = ?1 ORDER BY id",
	[SQL_READ_PENDING] =
	    "SELECT m.id, m.time, m.expires, f.text, m.sender_resource, t.text, m.recipient_resource, m.body"
	    " FROM pending p JOIN msg m ON m.id = p.id JOIN jid f ON f.id = m.sender"
	    " JOIN jid t ON t.id = m.recipient WHERE p.account = (SELECT id FROM account WHERE node = ?1)"
	    " AND p.id > ?2 AND p.id > coalesce((SELECT upto FROM device WHERE account = p.account AND resource = ?4), 0)"
	    " ORDER BY p.id LIMIT ?3",
	[SQL_READ_WAITING_FOR] = "SELECT count(*), coalesce(min(m.time), 0) FROM pending p JOIN msg m ON m.id = p.id"
				 " WHERE p.account = (SELECT id FROM account WHERE node = ?1)",
	[SQL_READ_WAITING_ELSEWHERE] =
	    "SELECT t.text, count(*), min(s.since), CASE WHEN s.next > 0 THEN s.reason ELSE p.reason END,"
	    " max(s.next, coalesce(p.next, 0)) FROM (SELECT * FROM spool WHERE state = 0 ORDER BY id DESC LIMIT 20000) s"
	    " JOIN msg m ON m.id = s.id JOIN jid t ON t.id = m.recipient JOIN jid d ON d.id = s.destination"
	    " LEFT JOIN peer p ON p.domain = d.text WHERE m.sender = (SELECT id FROM jid WHERE text = ?1)"
	    " GROUP BY m.recipient ORDER BY count(*) DESC LIMIT ?2",
	[SQL_READ_WAITING_FROM] = "SELECT count(*), coalesce(min(m.time), 0) FROM pending p JOIN msg m ON m.id = p.id"
				  " WHERE p.account = (SELECT id FROM account WHERE node = ?1)"
				  " AND m.sender = (SELECT id FROM jid WHERE text = ?2) AND NOT EXISTS"
				  " (SELECT 1 FROM block b WHERE b.account = p.account"
				  " AND b.jid IN (?2, ?2 || '/' || m.sender_resource))",
	[SQL_READ_PENDING_COUNT] =
	    "SELECT pending, pending_bytes FROM usage WHERE account = (SELECT id FROM account WHERE node = ?1)",
	[SQL_READ_COUNTER] = "SELECT h FROM counter WHERE account = (SELECT id FROM account WHERE node = ?1) AND id = ?2",
	/* An archive's rows between two ids and two times, onwards or back, of all or with one. */
	[SQL_READ_BOX] = BOX_ROWS BOX_ALL BOX_RANGE " ORDER BY b.id LIMIT ?6",
	[SQL_READ_BOX_BACK] = BOX_ROWS BOX_ALL BOX_RANGE " ORDER BY b.id DESC LIMIT ?6",
	[SQL_READ_PEER] = BOX_ROWS BOX_ALL BOX_RANGE BOX_PEER " ORDER BY b.id LIMIT ?6",
	[SQL_READ_PEER_BACK] = BOX_ROWS BOX_ALL BOX_RANGE BOX_PEER " ORDER BY b.id DESC LIMIT ?6",
	[SQL_READ_BOX_HAS] = "SELECT id FROM box" BOX_OWNER " AND id = ?2",
	[SQL_READ_BOX_COUNT] = "SELECT count(*) FROM (SELECT b.id FROM box b JOIN msg m ON m.id = b.id" BOX_ALL
			       BOX_RANGE " LIMIT ?6)",
	[SQL_READ_PEER_COUNT] = "SELECT count(*) FROM (SELECT b.id FROM box b JOIN msg m ON m.id = b.id" BOX_ALL
				BOX_RANGE BOX_PEER " LIMIT ?6)",
	[SQL_READ_BOX_FIRST] = "SELECT b.id, m.time FROM box b JOIN msg m ON m.id = b.id" BOX_ALL
			       " ORDER BY b.id LIMIT 1",
	[SQL_READ_BOX_LAST] = "SELECT b.id, m.time FROM box b JOIN msg m ON m.id = b.id" BOX_ALL
			      " ORDER BY b.id DESC LIMIT 1",
	[SQL_READ_BOX_TIME] = "SELECT b.id, m.time FROM box b JOIN msg m ON m.id = b.id" BOX_ALL
			      " AND b.id >= ?2 ORDER BY b.id LIMIT 1",
	/* An archive with more than ?2 bytes or with something older than ?1 (0: no such limit). */
	[SQL_READ_BOX_OVER] =
	    "SELECT a.node FROM usage u JOIN account a ON a.id = u.account WHERE a.node IS NOT NULL AND"
	    " ((?2 > 0 AND u.bytes > ?2) OR (?1 > 0 AND (SELECT m.time FROM msg m WHERE m.id ="
	    " (SELECT min(b.id) FROM box b WHERE b.account = u.account)) < ?1)) LIMIT 1",
	[SQL_READ_ITEMS] =
	    "SELECT i.name, i.publisher, i.body, i.time FROM account a JOIN node n ON n.account = a.id"
	    " JOIN item i ON i.node = n.id WHERE a.node = ?1 AND n.name = ?2 ORDER BY i.id DESC LIMIT ?3",
	[SQL_READ_ITEM] =
	    "SELECT i.name, i.publisher, i.body, i.time FROM account a JOIN node n ON n.account = a.id"
	    " JOIN item i ON i.node = n.id WHERE a.node = ?1 AND n.name = ?2 AND i.name = ?3",
	[SQL_READ_LAST_ITEM] =
	    "SELECT i.name, i.publisher, i.body, i.time FROM account a JOIN node n ON n.account = a.id"
	    " JOIN item i ON i.node = n.id WHERE a.node = ?1 AND n.name = ?2 ORDER BY i.id DESC LIMIT 1",
	[SQL_READ_ACCOUNTS] =
	    "SELECT node, created, last, pending, " KEYS
	    " FROM account a JOIN usage u ON u.account = a.id WHERE node IS NOT NULL ORDER BY node",
	[SQL_READ_INVITE] = "SELECT token, node, created, expires, used FROM invite WHERE token = ?1",
	[SQL_READ_INVITES] = "SELECT token, node, created, expires, used FROM invite ORDER BY created, token",

	[SQL_READ_TOKENS] = "SELECT t.place, t.mechanism, t.text, t.issued, t.expires, t.count, a.salt FROM account a"
			    " LEFT JOIN token t ON t.account = a.id AND t.client = ?2 WHERE a.node = ?1",

	[SQL_COURIER_KEY_NEW] = "INSERT INTO courier_key (pem, made) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
	[SQL_COURIER_PIN] = "INSERT INTO courier_pin (domain, pem, how, time) SELECT ?1, ?2, ?3, ?4"
			    " WHERE ?3 <> ?5 OR (SELECT count(*) FROM courier_pin) < ?6 ON CONFLICT DO NOTHING",
	[SQL_COURIER_REPIN] = "INSERT OR REPLACE INTO courier_pin (domain, pem, how, time) VALUES (?1, ?2, ?3, ?4)",
	[SQL_COURIER_OFFERED] = "UPDATE courier_pin SET offered = ?2, offered_time = ?3 WHERE domain = ?1",
	[SQL_READ_COURIER_KEYS] = "SELECT pem, made, retired FROM courier_key ORDER BY retired = 0 DESC, id DESC",
	[SQL_READ_COURIER_PINS] = "SELECT domain, pem, how, time, offered, offered_time FROM courier_pin"
				  " WHERE ?1 IS NULL OR domain = ?1 ORDER BY domain",

	[SQL_COPY] = "VACUUM INTO ?1",
};

const char *
sql_text(enum sql id)
{
	assert(id >= 0 && id < SQL_COUNT && texts[id] != 0);
	return texts[id];
}
