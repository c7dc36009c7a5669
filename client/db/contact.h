/*
 * contact.h -- the people of an account: the copy of the roster (RFC 6121 section 2), the names given here,
 * who is blocked (XEP-0191), and what was decided about sending in clear.
 *
 * A contact exists here before the relay knows of it: added without network, `roster_due` says that the relay
 * must still be told. Writing calls are made in a transaction.
 */
#ifndef CLIENT_DB_CONTACT_H
#define CLIENT_DB_CONTACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct db;

enum contact_due { CONTACT_DUE_NOTHING, CONTACT_DUE_SET, CONTACT_DUE_REMOVE };

struct contact {
	int64_t id;
	const char *jid;          /* bare */
	const char *name;         /* what the person calls them, "" when never named */
	const char *subscription; /* none, to, from, both; "" while not in the roster */
	bool asked;               /* ask='subscribe' */
	bool blocked;
	bool block_due;     /* the relay must still be told of `blocked` */
	bool plain;         /* may be written to in clear while they have no OMEMO devices */
	bool verified_once; /* a device of theirs was verified by hand: new ones are no longer trusted blindly
			     */
	enum contact_due roster_due;
	int64_t added;
};

bool contact_get(struct db *db, struct arena *arena, int64_t account, const char *jid,
		 struct contact *contact_r);
/* By name (exact, then without regard to case, then a beginning that only one has) or address. Returns how
 * many fit; the first is in *contact_r. 0: none, 1: that one, more: ambiguous. */
size_t contact_find(struct db *db, struct arena *arena, int64_t account, const char *name_or_jid,
		    struct contact *contact_r);
size_t contact_list(struct db *db, struct arena *arena, int64_t account,
		    struct contact **list_r); /* by name, address */

/* Someone of ours: named, in the roster, written to or verified, or ourselves. Others are strangers: their
 * keys are not asked for, and nothing is kept of what they announce. */
bool contact_is_known(struct db *db, int64_t account, const char *jid);
/* May learn that we are here, by receipts or empty messages (XEP-0184, 8): ourselves, those we named or wrote
 * to, and those who see our presence. */
bool contact_may_know(struct db *db, int64_t account, const char *jid);

void contact_add(struct db *db, int64_t account, const char *jid, const char *name,
		 int64_t now); /* also renames; NULL name keeps */
void contact_know(struct db *db, int64_t account, const char *jid,
		  int64_t now); /* a row, nothing told to the relay */
/* Two addresses of one person, by the user's act or by a card signed with a verified key. */
void contact_join(struct db *db, int64_t account, const char *jid, const char *other);
bool contact_same_person(struct db *db, int64_t account, const char *jid, const char *other);
void contact_remove(struct db *db, int64_t account, const char *jid);
void contact_set_blocked(struct db *db, int64_t account, const char *jid, bool blocked, bool due);
void contact_set_plain(struct db *db, int64_t account, const char *jid, bool plain);

/* The relay's word. contact_roster_begin() marks all as not in the roster (full result); items follow; _end()
 * forgets those that were removed there. A push is one contact_roster_item(). subscription "remove" removes.
 */
void contact_roster_begin(struct db *db, int64_t account);
void contact_roster_item(struct db *db, int64_t account, const char *jid, const char *name,
			 const char *subscription, bool asked, int64_t now);
void contact_roster_end(struct db *db, int64_t account);
void contact_roster_told(struct db *db, int64_t account, const char *jid); /* roster_due was done */
/* The relay's block list replaces ours, except where block_due. */
void contact_blocklist(struct db *db, int64_t account, const char *const *jids, size_t count, int64_t now);

#endif
