/*
 * device.h -- what is known of everyone's OMEMO devices (our own other ones too): lists, identity keys, kept
 * bundles, trust.
 *
 * Trust is blind until the first device of a contact was verified by hand, then strict. A known device whose
 * identity key changes is stopped in every mode until a person decides. Nothing is pruned by age: long
 * silence is normal here. Keyed by own account. Writing calls are made in a transaction. What comes from
 * outside goes through omemo.h.
 */
#ifndef CLIENT_DB_DEVICE_H
#define CLIENT_DB_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct db;

enum {
	IDENTITY_LEN = 33 /* 0x05 and the Curve25519 point */,
	FINGERPRINT_LEN = 64 /* hex digits of the point */
};

enum trust {
	TRUST_NONE,      /* in clear: no device involved */
	TRUST_BLIND,     /* "blind": nobody looked; messages go to it */
	TRUST_VERIFIED,  /* "verified": by hand or a verified card */
	TRUST_UNDECIDED, /* "undecided": came after a verification; nothing goes to it until the person says
			    so */
	TRUST_REJECTED,  /* "untrusted": the person said no */
	TRUST_CHANGED,   /* "changed": another identity key than the known one was offered; hard stop */
	TRUSTS
};
const char *trust_word(enum trust trust);

struct device {
	const char *jid; /* bare */
	uint32_t id;
	bool known_identity; /* identity is set: a bundle, card or message was seen */
	uint8_t identity[IDENTITY_LEN];
	bool offers; /* another key stands against the known one, and nobody has decided: `offered` */
	bool shown;  /* the person was shown that other key */
	uint8_t offered[IDENTITY_LEN];
	enum trust trust;
	bool listed;  /* in the present device list */
	bool session; /* messages can be written without its bundle */
	bool bundle;  /* a bundle is kept */
	int64_t added;
	int64_t heard;   /* last message from it, 0: never */
	int64_t fetched; /* the kept bundle is from, 0: none */
};

size_t device_list(struct db *db, struct arena *arena, int64_t account, const char *jid,
		   struct device **list_r);
bool device_get(struct db *db, struct arena *arena, int64_t account, const char *jid, uint32_t id,
		struct device *device_r);
/* Someone else was heard with this key, or verified to have it. */
bool device_key_of_another(struct db *db, int64_t account, const char *jid,
			   const uint8_t identity[static IDENTITY_LEN]);

/* The person's decision. device_verify(): this very key was compared and is right; the contact is strict from
 * now on. With two keys it settles which: the known one, and the offer is forgotten; or the offered one, and
 * what stood on the old one goes (session, bundles). False: the device has no such key; nothing was changed. */
bool device_verify(struct db *db, int64_t account, const char *jid, uint32_t id,
		   const uint8_t key[static IDENTITY_LEN]);
void device_reject(struct db *db, int64_t account, const char *jid, uint32_t id);
/* The person has seen the key that each of these devices offers now. */
void device_set_shown(struct db *db, int64_t account, const char *jid);

/* What the person has not been told: devices that came to someone who had one before, or to ourselves, and
 * changed keys. After device_set_told() nothing is left of it. */
size_t device_news(struct db *db, struct arena *arena, int64_t account, struct device **list_r);
void device_set_told(struct db *db, int64_t account);

/* What must be fetched, for the sync: lists of known people (contact_is_known) never fetched or older than
 * `age_ms`, of people that messages wait for, and then bundles of listed devices likewise. A failed fetch is
 * not asked for again within an hour. */
struct device_want {
	const char *jid;
	uint32_t device; /* 0: the device list */
};
size_t device_wanted(struct db *db, struct arena *arena, int64_t account, int64_t now, int64_t age_ms,
		     struct device_want **list_r);
/* The answer was an error. `absent`: item-not-found, so there is nothing to fetch; else try again later. */
void device_fetch_failed(struct db *db, int64_t account, const char *jid, uint32_t device, bool absent,
			 int64_t now);

/* For omemo.h. A device that is not known yet is trusted as its owner's devices are now: blindly, or
 * undecided once one was verified. */
void device_know(struct db *db, int64_t account, const char *jid, uint32_t id, int64_t now);
/* Its identity key was seen. False: it is not the one known; the device is stopped and the other key kept. */
bool device_identify(struct db *db, int64_t account, const char *jid, uint32_t id,
		     const uint8_t identity[static IDENTITY_LEN], int64_t now);
void device_heard(struct db *db, int64_t account, const char *jid, uint32_t id, int64_t now);
/* The present list; what is not in it stays known, unlisted. True: something came or went. */
bool device_set_list(struct db *db, int64_t account, const char *jid, const uint32_t *ids, size_t count,
		     int64_t now);
bool device_list_known(struct db *db, int64_t account, const char *jid); /* was fetched, be it empty */
/* Nobody's list was seen, but this device is surely theirs (a card, a first message): as if listed, and to be
 * fetched. */
void device_assume_listed(struct db *db, int64_t account, const char *jid, uint32_t id);
void device_list_want(struct db *db, int64_t account, const char *jid); /* is out of date: fetch it again */

/* An empty message should go to this device, to complete its session or to heal it: healing once a day at
 * most. */
void device_set_answer(struct db *db, int64_t account, const char *jid, uint32_t id, bool answer);
void device_heal(struct db *db, int64_t account, const char *jid, uint32_t id, int64_t now);
/* A healing that was not enough, and device_renew_all(), end a session for writing: the next message begins a
 * new one, from the bundle. What is under way in the old one stays readable. device_renewed(): it was begun. */
void device_renewed(struct db *db, int64_t account, const char *jid, uint32_t id);
/* All that have a session, and nothing of their bundles is used again (omemo_set_back). */
void device_renew_all(struct db *db, int64_t account);
size_t device_answers(struct db *db, struct arena *arena, int64_t account, struct device_want **list_r);

/* Fingerprints: 64 hex digits; in 8 groups of 8 for people. */
void device_fingerprint(char out[static FINGERPRINT_LEN + 1], const uint8_t identity[static IDENTITY_LEN]);
void device_fingerprint_groups(char out[static FINGERPRINT_LEN + 8],
			       const uint8_t identity[static IDENTITY_LEN]);

#endif
