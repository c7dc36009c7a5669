/*
 * inbox.h -- what came: decrypted, stored and answered, a batch at a time.
 *
 * inbox_begin() opens one transaction; each inbox_take() is a SAVEPOINT in it, so that a message that fails
 * leaves no trace but its ciphertext in `pending_decrypt`; inbox_end() commits. Only then may anything be
 * acknowledged to the relay (stream management's h, a ping's answer, the archive cursor: set it by
 * account_set() inside the batch). At most INBOX_BATCH messages a batch.
 *
 * Shown once: the same ciphertext by `read`, the same text by origin-id or stanza-id and content; the same id
 * with other content is another message. Duplicates are ignored silently. Text in clear is stored as not
 * encrypted; a fallback body beside <encrypted/> is never shown. Receipts and markers (XEP-0184, 0333) are
 * settled in the outbox, and ours written to it. Never believes a carbon that does not come from our own bare
 * JID (CVE-2017-5589 and its kin), nor a stanza-id by anyone else.
 */
#ifndef CLIENT_INBOX_H
#define CLIENT_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/db/history.h"
#include "client/omemo/omemo.h"

struct arena;
struct db;
struct inbox;
struct xml;

enum { INBOX_BATCH = 500 };

enum inbox_outcome {
	INBOX_MESSAGE,    /* a new row of the history: .message */
	INBOX_NOTHING,    /* nothing to show: receipt, marker, chat state, key transport, an unknown kind */
	INBOX_DUPLICATE,  /* was here before */
	INBOX_UNREADABLE, /* stored as such: .message, .unreadable; ciphertext kept */
	INBOX_ERROR,      /* type error: settled in the outbox where it was ours */
	INBOX_REFUSED,    /* forged or malformed: a carbon from someone else, no sender; not stored */
	INBOX_BLOCKED,    /* from someone blocked: not stored */
};
struct inbox_result {
	enum inbox_outcome outcome;
	int64_t message;
	enum unreadable unreadable;
	const char *peer; /* bare, in the arena given to inbox_take */
};
struct inbox_meta {
	enum way way;
	const char *stanza_id; /* archive result's id; NULL: taken from <stanza-id by=own/> */
	int64_t delay;         /* of the <forwarded/>; 0: taken from the message's own <delay/>, else now */
	int64_t now;
};

struct inbox *inbox_begin(struct db *db, struct omemo *omemo, int64_t account);
/* `message` as it came over the stream (with from and to), or the message inside an archive result's
 * <forwarded/>. */
void inbox_take(struct inbox *inbox, struct arena *arena, const struct xml *message,
		const struct inbox_meta *meta, struct inbox_result *result_r);
size_t inbox_count(const struct inbox *inbox);        /* taken in this batch */
bool inbox_end(struct inbox **inbox, char **error_r); /* false: nothing of the batch was kept */
void inbox_abandon(struct inbox **inbox);

/* After keys or trust came, at the end of a catch-up: try what could not be decrypted. Its own transactions.
 * Returns how many became readable. `jid` NULL: all. Past their deadline they leave, and the history keeps
 * the unreadable row. */
size_t inbox_retry(struct db *db, struct omemo *omemo, int64_t account, const char *jid, int64_t now);
/* At the end of a catch-up: complete sessions by empty messages, once a device (own transaction). */
void inbox_caught_up(struct db *db, struct omemo *omemo, int64_t account, int64_t now);

#endif
