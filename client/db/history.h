/*
 * history.h -- every message written or received, for ever, in the order this home came to know it.
 *
 * Ids only grow: `read --since ID` and the read cursor stand on that. A message that was unreadable and is
 * decrypted later leaves its old row and comes back as a new one, so that nobody who reads by cursor misses
 * it. Search is by words, without regard to case and accents (FTS5, unicode61). Writing calls are made in a
 * transaction.
 */
#ifndef CLIENT_DB_HISTORY_H
#define CLIENT_DB_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/db/device.h"

struct arena;
struct db;

enum way { WAY_LIVE, WAY_ARCHIVE, WAY_BUNDLE, WAY_FILE };

/* Why a message cannot be shown. Stable words by unreadable_word(). */
enum unreadable {
	READABLE,
	UNREADABLE_NOT_FOR_US, /* "not-for-this-device": it has no key for this device */
	UNREADABLE_NO_SESSION, /* "no-session": a session that we do not have */
	UNREADABLE_KEY_GONE,   /* "key-gone": its one-time or signed prekey, or message key, is no longer here
				*/
	UNREADABLE_GAP,        /* "gap": too many messages before it are missing */
	UNREADABLE_BAD,        /* "tampered": authentication failed */
	UNREADABLE_MALFORMED,  /* "malformed": not as XEP-0384 0.3.0 says */
	UNREADABLE_CHANGED_KEY, /* "changed-key": the device's identity key is not the one known for it */
	UNREADABLE_NOT_OMEMO,   /* "unknown-encryption": EME names something else */
	UNREADABLES
};

/* Of what we wrote. Stable words by sent_word(). */
enum sent {
	SENT_NOT,       /* received, not ours */
	SENT_WAITING,   /* "waiting": for keys; the text is here only */
	SENT_READY,     /* "ready": encrypted and safe here, not yet with the relay */
	SENT_SENT,      /* "sent": on the wire, not confirmed */
	SENT_ACCEPTED,  /* "accepted": the relay has it */
	SENT_DELIVERED, /* "delivered": XEP-0184 */
	SENT_DISPLAYED, /* "displayed": XEP-0333 */
	SENT_REFUSED,   /* "refused": see reason */
	SENT_CANCELLED, /* "cancelled" */
	SENTS
};

struct message {
	int64_t id;
	int64_t account;
	const char *peer;      /* bare: the other side, whoever wrote */
	const char *from;      /* bare: who wrote */
	int64_t time;          /* sender's: XEP-0203 delay, else when it came */
	int64_t received;      /* when this home stored it */
	const char *origin_id; /* "" when none */
	const char *stanza_id; /* of our archive, "" when none */
	const char *body;      /* "" when unreadable */
	enum way way;
	bool encrypted;
	enum trust trust; /* of the sending device at the time; TRUST_NONE in clear */
	uint32_t device;  /* sending device, 0 in clear */
	enum unreadable unreadable;
	enum sent sent;
	const char *reason; /* of refused and waiting, a word, "" otherwise */
	bool markable;      /* the sender wants to know when it was read (XEP-0333) */
};

const char *unreadable_word(enum unreadable reason);
const char *sent_word(enum sent state);
const char *way_word(enum way way);

/* Returns the new id. Strings are copied; `id` is not looked at. Its words are found once the outermost transaction is kept. */
int64_t history_add(struct db *db, const struct message *message);
void history_delete(struct db *db, int64_t id);
void history_set_sent(struct db *db, int64_t id, enum sent state, const char *reason);
/* When a message that we wrote came to a state: the first time counts, or with `sure` this one (the relay's own). */
void history_set_stage(struct db *db, int64_t id, enum sent state, int64_t time, bool sure);
void history_set_encrypted(struct db *db, int64_t id, uint32_t device); /* written by our device, encrypted */
void history_set_stanza_id(struct db *db, int64_t id, const char *stanza_id); /* only where there is none */

struct stage {
	enum sent state;
	int64_t time; /* ms */
};
/* The way of a message that we wrote so far, in the order of states; without that it was written. */
size_t history_stages(struct db *db, struct arena *arena, int64_t id, struct stage **list_r);
bool history_get(struct db *db, struct arena *arena, int64_t id, struct message *message_r);
/* Of (account, peer): the id of the message with this origin-id or stanza-id (either may be NULL or "") and
 * this very body, 0 if none. `from` is who wrote it. */
int64_t history_same(struct db *db, int64_t account, const char *peer, const char *from,
		     const char *origin_id, const char *stanza_id, const char *body);
int64_t history_by_origin(struct db *db, int64_t account, const char *peer, const char *from,
			  const char *origin_id);

struct history_query {
	int64_t account;    /* 0: all */
	const char *peer;   /* NULL: all */
	const char *words;  /* NULL: all; each word, or its beginning, must be there */
	int64_t since;      /* ids greater than this */
	int64_t before;     /* ids less than this; 0: no end */
	bool received_only; /* not what we wrote on this device */
	bool sent_only;     /* only what we wrote */
	bool newest;        /* the last `limit` rather than the first; still oldest first in the answer */
	size_t limit;       /* 0: 1000 */
};
size_t history_list(struct db *db, struct arena *arena, const struct history_query *query,
		    struct message **list_r);

/* How far `read --new` has been shown; account 0 is the cursor of all accounts together. */
int64_t history_cursor(struct db *db, int64_t account);
void history_set_cursor(struct db *db, int64_t account, int64_t id); /* never backwards */
int64_t history_unread(struct db *db, int64_t account);              /* how many are behind the cursor */

#endif
