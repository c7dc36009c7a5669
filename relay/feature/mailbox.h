/*
 * feature/mailbox.h -- messages that wait for an account until one of its resources has confirmed them
 * (design 3.2).
 *
 *              available, not negative           row read, window full
 *     LIVE <----------------------------- FLUSH <--------------------> PAUSED (a ping is behind the window)
 *      |   nothing more waits                                             ^
 *      '------------- too much unconfirmed, or the peer reads too slowly -'
 *
 * In LIVE a message is written when it is committed; in the other states it waits its turn in the database,
 * so that order holds. What a session was sent is confirmed by the answer to the ping behind it and by
 * nothing else; the first confirmation by any resource clears the row for the account. A row is never
 * deleted before that.
 */
#ifndef RELAY_FEATURE_MAILBOX_H
#define RELAY_FEATURE_MAILBOX_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct session;
struct store;

enum {
	MAILBOX_WINDOW = 100,              /* rows of a flush between two pings */
	MAILBOX_LIVE_MOST = 1000,          /* unconfirmed live rows before the session is paused */
	MAILBOX_QUEUED_MOST = 256 * 1024,  /* bytes that the peer has not taken */
	MAILBOX_PING_AFTER = 10 * 1000,    /* ms after an unconfirmed row */
};

/* A committed mailbox row for this session. `body`: the stanza as stored. */
void mailbox_deliver(struct session *session, int64_t id, const char *body, size_t len);

/* It was just sent a waiting row in another way (as an archive result): not flushed again, confirmed like the
 * others, when the session is eligible or said before its presence that it pages. */
void mailbox_sent(struct session *session, int64_t id);

/* Append the stored stanza with its <stanza-id by=account/> (XEP-0359) and, with received other than 0, a
 * delay of the relay (XEP-0203). */
void mailbox_write(struct buf *out, const struct session *session, int64_t id, int64_t received,
    const char *body, size_t len);
/* The same of one that was read from the disk: when it is damaged, an empty message with its id. */
void mailbox_write_stored(struct buf *out, const struct session *session, int64_t id, int64_t received,
    const char *body, size_t len);

#endif
