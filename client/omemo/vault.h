/*
 * vault.h -- what the ratchet library forgets, kept until it is needed: keys of messages that were passed over, and
 * of chains whose sender has gone on while something of them is still under way.
 *
 * The library keeps 2000 keys a chain and 5 chains a session, inside the session's record. Here a key that was passed
 * over leaves the record at once, as the seed its keys are made from; and when a new chain begins, the one before it
 * is closed: its key leaves the record too, and with it goes how many messages that chain had (the previous counter,
 * authenticated by the first message of the new chain). So a late message needs no session, and a session's record is
 * small whatever is late.
 *
 * Never keeps a key by which something could be read that was read: a seed leaves in the transaction that stores its
 * text, a chain key moves on in it. Never keeps root keys or own private ratchet keys. Bounded: see vault_trim().
 */
#ifndef CLIENT_OMEMO_VAULT_H
#define CLIENT_OMEMO_VAULT_H

#include <session_record.h>
#include <stdbool.h>
#include <stdint.h>
#include "client/db/skipped.h"
#include "client/omemo/ratchet-private.h"

enum {
	VAULT_JUMP = 100000,        /* how far ahead in a chain a message may be, from people we know */
	VAULT_JUMP_STRANGER = 2000, /* from others, and from all once forgers have cost too much: the library's own limit */
	VAULT_WASTE = 1000000,      /* steps for forged messages until then: a second or two of one processor */
	VAULT_PERSON = 200000,      /* keys kept of one person */
	VAULT_STRANGERS = 20000,    /* of all together whom we do not know */
	VAULT_ALL = 1000000,        /* of an account: some 60 MB */
};

/* The place in a record of a chain whose key left it, and of no message. */
#define VAULT_CLOSED_AT UINT32_MAX

/* A chain key and its place. */
struct vault_key {
	uint8_t bytes[PROVIDER_CHAIN];
	uint32_t at;
};
bool vault_key_of(const ratchet_chain_key *key, struct vault_key *key_r);
ratchet_chain_key *vault_key_library(struct ratchet *ratchet, const struct vault_key *key); /* NULL: failed */
bool vault_key_walk(struct ratchet *ratchet, struct vault_key *key, uint32_t to); /* forward, in memory only */
bool vault_key_message(struct ratchet *ratchet, const struct vault_key *key, ratchet_message_keys *keys_r);

/* How far a message of that person may be ahead now. */
uint32_t vault_reach(struct ratchet *ratchet, const char *jid);

enum vault_found {
	VAULT_ELSEWHERE, /* not here: ask the session */
	VAULT_FOUND,     /* in .keys; vault_spend() when the message proved authentic */
	VAULT_SPENT,     /* was here, or expired */
	VAULT_NEVER,     /* the sender says that the chain never came so far */
	VAULT_FAR,       /* beyond vault_reach() */
};
struct vault_slot {
	struct skipped_chain row; /* .identity: the sender's */
	bool single;              /* one key that was passed over; else of the rest of a closed chain */
	struct vault_key after;
	ratchet_message_keys keys;
};
enum vault_found vault_find(struct ratchet *ratchet, const char *jid, int64_t chain, uint32_t counter,
			    struct vault_slot *slot_r);
void vault_spend(struct ratchet *ratchet, int64_t chain, uint32_t counter, struct vault_slot *slot);

/* Keep the keys from `from` up to `to`, that one not. `from` is used up. */
void vault_keep(struct ratchet *ratchet, int64_t chain, const uint8_t identity[static IDENTITY_LEN],
		struct vault_key *from, uint32_t to);
/* All chains of a session are left by their sender, or the session is about to be forgotten: what can still come of
 * them is kept here, and the record has no use for their keys any more. `previous`: see wire.h; `said` false: nobody
 * said it. */
void vault_close_session(struct ratchet *ratchet, const char *jid, uint32_t device, session_state *state, bool said,
			 uint32_t previous);
/* The record is about to take one more session: close the one that falls out of it, if any. */
void vault_close_last(struct ratchet *ratchet, const char *jid, uint32_t device, session_record *record);

/* Keep to the bounds: the oldest of whoever has too much leaves; of all strangers together and of the account, of whoever
 * has most. */
void vault_trim(struct ratchet *ratchet);

#endif
