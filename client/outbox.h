/*
 * outbox.h -- custody of what we wrote, from "safe here" to "delivered".
 *
 *     outbox_send ---> WAITING --keys came--> READY --outbox_sent--> SENT --outbox_accepted--> ACCEPTED
 *                \______________________________^ ^----------------'                              |
 *                                               outbox_unsent                        DELIVERED (0184),
 *                                                                                    DISPLAYED (0333)
 *
 * outbox_cancel: WAITING, READY -> CANCELLED. outbox_refused: -> REFUSED(reason). outbox_retry: back to
 * READY.
 *
 * Once outbox_send() has answered, ciphertext, ratchet, history and outbox row are on disk: one transaction.
 * What is sent again is sent in the same bytes. Without keys the text waits here, is said to wait, and never
 * goes in clear. States are enum sent of history.h.
 *
 * Beside messages the outbox carries what must not be lost either: receipts, markers, empty OMEMO messages
 * and supplements (<same-as xmlns='urn:lazo:custody:0' id=/>) for devices that the recipient added before
 * delivery; these leave when accepted. Each call below is its own transaction, or part of the one that is
 * open.
 */
#ifndef CLIENT_OUTBOX_H
#define CLIENT_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/db/history.h"
#include "client/omemo/omemo.h"

struct arena;
struct db;
struct xml;

enum { OUTBOX_TEXT_MAX = 64 * 1024 /* bytes of one message's text */ };

enum outbox_kind { OUTBOX_MESSAGE, OUTBOX_SUPPLEMENT, OUTBOX_EMPTY, OUTBOX_RECEIPT, OUTBOX_MARKER };

struct outbox_item {
	int64_t id;
	enum outbox_kind kind;
	int64_t message;       /* history id; 0 when not a message */
	const char *to;        /* bare */
	const char *origin_id; /* also the stanza's id */
	enum sent state;
	const char *reason; /* a word: why waiting, or the refusal's condition; "" */
	int64_t created;
	int64_t last; /* last put on the wire, 0 never */
	int64_t tries;
	const char *body;   /* of a message, "" otherwise */
	const char *stanza; /* bytes as sent, without `from`; NULL while waiting */
	size_t stanza_len;
};

enum outbox_result {
	OUTBOX_READY,       /* written and safe here */
	OUTBOX_WAITING,     /* safe here, waits for keys; .reason says why */
	OUTBOX_EMPTY_TEXT,  /* refused: nothing to send */
	OUTBOX_TOO_LONG,    /* refused: over OUTBOX_TEXT_MAX */
	OUTBOX_NOT_TEXT,    /* refused: not UTF-8, or characters that XML does not allow */
	OUTBOX_NOT_TRUSTED, /* refused: no trusted device, or a changed key (.reason) and the caller did not
			       ask to wait */
	OUTBOX_BLOCKED,     /* refused: the contact is blocked here */
	OUTBOX_FAILED,      /* the disk: .error; nothing was kept */
};
enum outbox_flags {
	OUTBOX_PLAIN =
	    1, /* in clear, if and only if the contact is known to have no OMEMO devices; otherwise waits */
	OUTBOX_WAIT = 2, /* with a changed or untrusted key: wait for the decision rather than refuse */
};
struct outbox_sent {
	enum outbox_result result;
	int64_t id;            /* of the item */
	int64_t message;       /* of the history */
	const char *origin_id; /* in the arena */
	const char *reason;    /* a word, "" */
	const char *error;     /* in the arena, NULL */
};
/* `to` is bare. */
void outbox_send(struct db *db, struct omemo *omemo, struct arena *arena, int64_t account, const char *to,
		 const char *text, unsigned flags, int64_t now, struct outbox_sent *sent_r);

/* For the link, in order: the first item after `after` that is READY (all kinds). The stanza is in the arena,
 * with id. */
bool outbox_next(struct db *db, struct arena *arena, int64_t account, int64_t after,
		 struct outbox_item *item_r);
bool outbox_sent(struct db *db, int64_t id, int64_t now); /* is about to be written: before the bytes leave */
bool outbox_accepted(struct db *db, const int64_t *ids, size_t count,
		     int64_t now);                  /* <a h/> or the ping's answer */
bool outbox_unsent(struct db *db, int64_t account); /* the stream is gone: SENT of all becomes READY */
/* A stanza of type error came for this id from `from` (bare). False: not ours. */
bool outbox_refused(struct db *db, int64_t account, const char *from, const char *origin_id,
		    const char *condition, int64_t now);

/* Keys of `jid` (NULL: anyone's, our own) came or trust changed: take out of what has not left the keys of those
 * who may not read it any more, encrypt what waits, write supplements; to retry what could not be decrypted is
 * inbox_retry(). Returns how many items became READY. */
size_t outbox_keys_came(struct db *db, struct omemo *omemo, int64_t account, const char *jid, int64_t now);

/* For people. */
bool outbox_get(struct db *db, struct arena *arena, int64_t account, int64_t id, struct outbox_item *item_r);
size_t outbox_list(struct db *db, struct arena *arena, int64_t account,
		   struct outbox_item **list_r); /* messages not delivered */
bool outbox_cancel(struct db *db, int64_t account, int64_t id,
		   int64_t now); /* false: none such, or already sent */
bool outbox_retry(struct db *db, int64_t account, int64_t id, int64_t now); /* 0: all refused and sent */

int64_t outbox_by_origin(struct db *db, int64_t account, const char *to, const char *origin_id); /* 0: none */

/* Called by the inbox, and by the person's reading. */
/* What we wrote to `from` under this id has come (SENT_DELIVERED) or was shown (SENT_DISPLAYED), they say. */
void outbox_receipt(struct db *db, int64_t account, const char *from, const char *origin_id, enum sent state,
		    int64_t now);
/* The same, or SENT_ACCEPTED, as our relay knows it (proto/spec/custody.md), with its time. */
void outbox_told(struct db *db, int64_t account, const char *to, const char *origin_id, enum sent state, int64_t time);
void outbox_add_receipt(struct db *db, int64_t account, const char *to, const char *id,
			int64_t now);                                                    /* XEP-0184 */
void outbox_add_displayed(struct db *db, int64_t account, int64_t message, int64_t now); /* XEP-0333 */
/* OMEMO_READY: it was written. */
enum omemo_ready outbox_add_empty(struct db *db, struct omemo *omemo, int64_t account, const char *to,
				  uint32_t device, int64_t now);
/* This device wrote something that this home knows nothing of: the home was put back from an older copy, or
 * lives twice. Its ratchets are behind what was sent with them: new sessions with everyone, once a day at most,
 * and what is not delivered yet is written anew. In a transaction. The account's value "set_back" tells when. */
void outbox_set_back(struct db *db, struct omemo *omemo, int64_t account, int64_t now);

#endif
