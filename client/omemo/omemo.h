/*
 * omemo.h -- OMEMO Encryption (XEP-0384 0.3.0, `eu.siacs.conversations.axolotl`) for one account of this
 * home.
 *
 * Owns this device's identity, prekeys and sessions, all kept in the database: nothing is cached between
 * calls, so that a rolled back transaction takes the ratchet back with the text. All calls that change
 * something are made inside a transaction of db.h (they assert it), except omemo_open. `now` is wall-clock
 * milliseconds.
 *
 * Never encrypts to a device that is undecided, rejected or changed. Never uses a (key, IV) pair twice.
 * Never decides trust by what libsignal says: that is device.h.
 */
#ifndef CLIENT_OMEMO_OMEMO_H
#define CLIENT_OMEMO_OMEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/db/device.h"
#include "client/db/history.h"

struct arena;
struct db;
struct omemo;
struct xml;

/* Makes the identity, device id and first keys when the account has none (its own transaction). */
struct omemo *omemo_open(struct db *db, int64_t account, int64_t now, char **error_r);
void omemo_close(struct omemo **omemo);
uint32_t omemo_device(const struct omemo *omemo); /* own device id, 1..2^31-1 */
const char *omemo_jid(const struct omemo *omemo); /* own bare JID */
void omemo_identity(const struct omemo *omemo, uint8_t identity_r[static IDENTITY_LEN]);

/*
 * Publishing. While omemo_list_due()/omemo_bundle_due() is not 0, publish the tree to the node
 * NS_OMEMO_DEVICES resp. "NS_OMEMO_BUNDLES:<device>", item "current", access open; when the relay has
 * answered, hand the number back. Things that changed meanwhile make it due again. The list must be fetched
 * before it is first published: it is merged.
 */
unsigned omemo_list_due(struct omemo *omemo);
unsigned omemo_bundle_due(struct omemo *omemo);
struct xml *omemo_list_tree(struct omemo *omemo, struct arena *arena);   /* <list/> with all own devices */
struct xml *omemo_bundle_tree(struct omemo *omemo, struct arena *arena); /* <bundle/> */
void omemo_list_published(struct omemo *omemo, unsigned due);
void omemo_bundle_published(struct omemo *omemo, unsigned due);
void omemo_publish_again(struct omemo *omemo); /* both are due: new relay, or lost there */
void omemo_remove_own_device(struct omemo *omemo, uint32_t device); /* from the list, then due */

/* How many days keys are kept for messages that have not come: the longest custody that is reckoned with; and used
 * one-time prekeys, by which a first message can be read once more. The person's to set; 1 to OMEMO_KEEP_MOST. */
enum { OMEMO_KEEP_MOST = 3650 };
struct omemo_keep {
	int late;  /* 400 */
	int first; /* 90 */
};
struct omemo_keep omemo_keep(struct db *db, int64_t account);
void omemo_set_keep(struct db *db, int64_t account, const struct omemo_keep *keep); /* in a transaction */

/* Once a day and after each catch-up: rotate the signed prekey (30 days), forget what is older than it is to be kept
 * (used one-time prekeys, signed ones, keys of messages that did not come), refill to 100 published and 40 in reserve.
 * Makes the bundle due when it changed. */
void omemo_maintain(struct omemo *omemo, int64_t now);
/* By which time things may expire: the clock's, but after a jump of two months or backwards that of the last upkeep
 * until a later one, a day after or more, finds the clock where it was. */
int64_t omemo_agreed_time(struct db *db, int64_t account, int64_t now);

/* What PEP brought. `jid` is bare and is who the relay says owns the node: own events come with our own. */
enum omemo_list {
	OMEMO_LIST_SAME,
	OMEMO_LIST_CHANGED,   /* devices came or went; for our own list: omemo_list_due() tells whether we are
				 missing in it */
	OMEMO_LIST_MALFORMED, /* nothing was changed */
};
/* `list` may be NULL: the node or item does not exist, this JID has no OMEMO. */
enum omemo_list omemo_take_list(struct omemo *omemo, const char *jid, const struct xml *list, int64_t now);

enum omemo_bundle {
	OMEMO_BUNDLE_OK,
	OMEMO_BUNDLE_MALFORMED, /* or its signature is wrong: not kept */
	OMEMO_BUNDLE_CHANGED,   /* another identity key for a known device: the device is stopped
				   (TRUST_CHANGED) */
};
enum omemo_bundle omemo_take_bundle(struct omemo *omemo, const char *jid, uint32_t device,
				    const struct xml *bundle, int64_t now);

/* Can a message for `jid` be written now? */
enum omemo_ready {
	OMEMO_READY,
	OMEMO_NO_LIST,    /* "no-device-list": never fetched */
	OMEMO_NO_DEVICES, /* "no-omemo": fetched, and there are none */
	OMEMO_NO_BUNDLES, /* "no-keys": devices are known, keys of none */
	OMEMO_NO_TRUSTED, /* "untrusted": no device that messages may go to */
	OMEMO_CHANGED,    /* "changed-key": a device's identity key changed; a person must decide first */
	OMEMO_READIES
};
const char *omemo_ready_word(enum omemo_ready ready);
enum omemo_ready omemo_ready(struct omemo *omemo, const char *jid);

/* One device that a message was written for; the outbox keeps them. */
struct omemo_target {
	const char *jid;
	uint32_t device;
};

/*
 * Encrypt for all trusted devices of `jid` and all own other ones that keys are here for. `only`, when not
 * NULL, names the devices instead (a supplement), still under the rules of trust. `text` NULL makes a key
 * transport (empty message). Not OMEMO_READY: nothing was done. *encrypted_r is <encrypted/>; *targets_r
 * lists whom it is for.
 */
enum omemo_ready omemo_encrypt(struct omemo *omemo, struct arena *arena, const char *jid, const char *text,
			       const struct omemo_target *only, size_t only_count, int64_t now,
			       struct xml **encrypted_r, struct omemo_target **targets_r, size_t *count_r);

/* Where in which ratchet chain a message stands, before it is decrypted: nothing of it is authentic. False: no key
 * for this device in it, or none that is a ratchet message. */
struct omemo_place {
	uint8_t chain[IDENTITY_LEN];
	uint32_t counter;
};
bool omemo_place(const struct omemo *omemo, struct arena *arena, const struct xml *encrypted,
		 struct omemo_place *place_r);

enum omemo_outcome {
	OMEMO_OK,        /* text in .text */
	OMEMO_EMPTY,     /* a key transport: nothing to show */
	OMEMO_DUPLICATE, /* read before: ignore silently. .message is the history id it became, 0 if none */
	OMEMO_UNREADABLE /* .unreadable says why; the ratchet has not moved. Keep the ciphertext */
};
struct omemo_message {
	enum omemo_outcome outcome;
	enum unreadable unreadable;
	const char *text; /* UTF-8, legal in XML, in the arena */
	uint32_t device;  /* the sender's */
	enum trust trust; /* of that device, now */
	bool answer;      /* the session is not complete: an empty message should go back to that device */
	bool bundle_due;  /* a prekey was used: publish when the catch-up is over (omemo_bundle_due tells as
			     well) */
	bool list_wanted; /* a device that is in no list we know */
	int64_t message;
	int64_t chain; /* for omemo_mark_read */
	uint32_t counter;
};
/* Decrypt a message that came from bare `jid` (the real one: never an occupant's nickname). */
void omemo_decrypt(struct omemo *omemo, struct arena *arena, const char *jid, const struct xml *encrypted,
		   int64_t now, struct omemo_message *message_r);
/* After OMEMO_OK or OMEMO_EMPTY, in the same transaction: this key is spent and became that history row (0:
 * none). */
void omemo_mark_read(struct omemo *omemo, const struct omemo_message *message, int64_t history);

#endif
