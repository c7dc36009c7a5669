/*
 * store/txn.h -- the one door to the disk. The API is a sentence: begin, add, submit, done.
 *
 * All operations of one txn are durable together or not at all. Transactions go into the open batch; when the
 * writer is free it takes the whole batch (at most 1,000 operations or 4 MiB) as one SQLite transaction; done
 * callbacks come in order of submission, in a later loop turn, after the fsync. When one operation of a batch
 * fails, the batch is rolled back and run again with a SAVEPOINT a txn, so that only the failing one is told.
 */
#ifndef RELAY_STORE_TXN_H
#define RELAY_STORE_TXN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;
struct txn;

enum txn_result {
	TXN_COMMITTED, /* on disk */
	TXN_FULL,      /* no room; nothing of it was kept (stanza error resource-constraint, wait) */
	TXN_CONFLICT, /* a condition in it did not hold: account exists, invite already used, no such account;
			 nothing was kept */
	TXN_OVER,     /* a limit that it named would be passed; nothing was kept */
	TXN_FAILED,   /* any other error, logged; nothing was kept */
};
typedef void txn_done_fn(void *arg, enum txn_result result);

/* Accounts are named by their node part (one host a relay), contacts by JID text in canonical form. */
enum op_kind {
	OP_MESSAGE, /* a message row: body kept once, while anything refers to it; comes before the BOX and
		       PENDING of its id */
	OP_BOX, /* an archive entry of one account for that message; conflict: no such account or message */
	OP_BOX_EXPIRE, /* at most 200 of the oldest leave the archive of this account: those older than `time`
			  (0: none), and more while it holds more than `most` bytes (0: no limit) */
	OP_PENDING,       /* the message waits in the mailbox of this account, `stranger`: from nobody in its roster; conflict as
			     above */
	OP_PENDING_CLEAR, /* acknowledged (at `time`, 0: given up): gone from the mailbox; nothing when it was not there */
	OP_DEVICE_SEEN,   /* mailbox = device: the resource `item` is there at `time`; the 20 seen last are remembered */
	OP_DEVICE_ACK,    /* that resource has confirmed all rows up to `id`; rows that each device seen since `expires`
			     has confirmed leave the mailbox, at most 1,000 at a time */
	OP_COUNTER,        /* XEP-0198: of the account's stream with the resumption id `item`, `id` stanzas are handled at
			      `time`; of a batch's the last is written */
	OP_COUNTER_EXPIRE, /* forget at most 500 of those last written before `time` */
	OP_ACCOUNT_NEW,   /* conflict: exists */
	OP_ACCOUNT_KEYS,  /* new password's SCRAM keys; conflict: no such account */
	OP_ACCOUNT_ARCHIVE, /* config: what it wants archived, opaque; conflict: no such account */
	OP_ACCOUNT_DEL,   /* with everything it owns; conflict: no such account */
	OP_ACCOUNT_SEEN,  /* last login; nothing, and no sync, within a minute of the one noted */
	OP_ACCOUNT_AVATAR, /* config: "SHA-1 type" of what it shows, NULL: nothing */
	OP_ACCOUNT_LEFT,  /* its last session ended at `time`, with `config` as its status (NULL: none) */
	OP_BLOCK,         /* peer: JID text that the account wants nothing from; nothing when it is there. Conflict: no such account */
	OP_UNBLOCK,       /* peer NULL: all of them */
	OP_REPORT,        /* for the operator: `account` reports `peer` at `time` for `item` (reason), with the words `config`
			     and about the messages `node` (each may be NULL); the 10,000 newest are kept */
	OP_REPORT_DEL,    /* by `id`; conflict: no such */
	OP_ROSTER_SET, /* whole item, insert or replace; adds 1 to the account's roster version; conflict: no
			  such account */
	OP_ROSTER_DEL, /* adds 1 too, also when it was not there; conflict: no such account */
	OP_NODE_SET,   /* pubsub node with configuration; conflict: no such account */
	OP_NODE_DEL,   /* with its items */
	OP_NODE_PURGE, /* items only */
	OP_ITEM_SET,   /* publish: insert or replace as newest; then keep only the newest max_items; conflict:
			  no such node; over: the account's items take more than `most` bytes then (0: no limit) */
	OP_ITEM_DEL,
	OP_INVITE_NEW, /* account: the address it is for, NULL: any free one; conflict: token exists */
	OP_INVITE_USE, /* at op.time; account non-NULL must be the one it is for; conflict: unknown, used,
			  expired, another's */
	OP_INVITE_DEL,
	OP_SEEN,        /* a deduplication key; conflict: already there and not expired at op.time */
	OP_SEEN_EXPIRE, /* forget at most 500 keys that expired by op.time; when that is safe is for the
			   caller to know */
	/* status.h; all of them: nothing to do when there is no such account or record */
	OP_STATUS_NEW,       /* message `id` of this account to `peer`, `item` its own name for it (NULL: none) */
	OP_STATUS_DELIVERED, /* message `id` was confirmed by a device of this account, its recipient; OP_PENDING_CLEAR
				(with `time`) says so itself */
	OP_STATUS_RECEIVED,  /* `peer` says that what this account called `item` has come */
	OP_STATUS_DISPLAYED, /* and was displayed */
	OP_STATUS_HELD,      /* of what is held for the domain `peer` from message `id` on the newest 1000: it waits since `time` */
	OP_STATUS_EXPIRE,    /* forget at most 500 of the oldest, accepted by op.time */
	/* spool.h: messages held for other relays */
	OP_SPOOL_NEW,   /* message `id`, which the stanza calls `item` (NULL: nothing), is held for the domain `peer` with the custody
			   id `key` (of its 32 bytes the first 16) until `expires`; until `most` when nobody here knows that domain.
			   stranger: the sender's roster does not have the recipient */
	OP_SPOOL_SETTLE, /* message `id`: the peer has it (`max_items`: enum spool_how); its body is kept until `expires` */
	OP_SPOOL_END,    /* message `id` is held no more; `config` why (NULL: it had been settled). Conflict: it is not there */
	OP_SPOOL_CLEAN,  /* at most 500 of those settled whose body was to be kept until `time` */
	OP_SPOOL_DEFER,  /* message `id`: not before `expires`, for the reason `config` */
	OP_SPOOL_DOUBT,  /* message `id` was sent, and the line lost before the answer; after `most` times it is not sent again by itself */
	OP_SPOOL_RETRY,  /* message `id`, 0: all for the domain `peer`, NULL: for all, as if never tried */
	OP_PEER_TRIED,   /* the domain `peer`, for the `id`th time in vain, because of `config`; next at `expires` */
	OP_PEER_SEEN,    /* the domain `peer` was there at `time`; was it not known, what waits for it is now held for `most` ms */
	/* far.h: public items of contacts at other relays */
	OP_FAR_SET,  /* the item of the contact `peer` in its node `node`, as it was at `time` */
	OP_FAR_KEEP, /* of the contact `peer` only these nodes are kept: `config`, a line end before and behind each */
	OP_FAR_TIDY, /* nothing is kept of the contact `peer` (NULL: of any) whose presence nobody here sees */
	OP_TOKEN_NEW, /* store/token.h: `token` for the client `item` and the mechanism `config` until `expires`, into its
			 new place; keys: those it has logged in by, or NULL. Conflict: no such account, other keys */
	OP_TOKEN_USE, /* `token` of the client `item` was used at `time`, with count `most` (0: none): it becomes the current
			 one, those before it end. Conflict: not there, expired, count not above the last */
	OP_TOKEN_DEL, /* tokens of the client `item` end; NULL: of all */
	/* store/courier.h; PEM texts */
	OP_COURIER_KEY_NEW, /* `token`, private key and certificate, is ours from `time` on. Conflict: there is one */
	OP_COURIER_PIN,     /* the certificate `token` of the domain `peer` is believed from `time` on; `config`: how it came (COURIER_HOW_*).
			       max_items 1: in place of what was. Else conflict: one is there, or there are too many for one that came by a stream */
	OP_COURIER_OFFERED, /* the domain `peer` showed another one, `token`, at `time`; NULL: the one believed. Nothing without a pin */
};

struct scram_keys { /* RFC 5802: never the password */
	uint8_t salt[16];
	uint32_t iterations;
	uint8_t stored_sha1[20], server_sha1[20];
	uint8_t stored_sha256[32], server_sha256[32];
};

/* The states of RFC 6121 appendix A, as bits. */
enum roster_flag {
	ROSTER_TO = 1,          /* we see them */
	ROSTER_FROM = 2,        /* they see us */
	ROSTER_PENDING_OUT = 4, /* ask='subscribe' */
	ROSTER_PENDING_IN = 8,  /* they asked; item may not be in the visible roster */
	ROSTER_APPROVED = 16,   /* pre-approval */
	ROSTER_VISIBLE = 32,    /* part of the roster proper (not only a pending-in request) */
	/* Of a contact of another relay, which does not know yet (feature/unsent.h): */
	ROSTER_ASK_UNSENT = 64,    /* whether we want to see them */
	ROSTER_GRANT_UNSENT = 128, /* whether they may see us */
};

struct roster_row {
	const char *contact; /* bare JID text */
	unsigned flags;      /* enum roster_flag */
	const char *name;    /* NULL: none */
	const char *groups;  /* each followed by '\n'; "" or NULL: none */
	const char *request; /* PENDING_IN: the subscribe stanza as XML, for delivery again; NULL */
};

/* What waits in a mailbox, and how much of it strangers have sent. */
struct pending_tally {
	int64_t count, bytes;
	int64_t strange, strange_bytes;
};

struct op {
	enum op_kind kind;
	const char *account;   /* node part; NULL where unused */
	int64_t id;            /* message id (store_next_id) */
	int64_t time;          /* ms; of receipt, publication, login */
	int64_t expires;       /* ms; 0: never */
	const char *from, *to; /* message: full JID texts as in the stanza */
	const char *peer;      /* box: the other party's bare JID */
	const void *body;      /* message: XML; item: payload XML */
	size_t body_len;
	const char *node, *item; /* pubsub */
	const char *config;      /* node: opaque text that the feature reads back */
	const char *publisher;   /* item: full JID */
	int64_t most;            /* OP_BOX_EXPIRE, OP_ITEM_SET: bytes */
	bool stranger;           /* OP_PENDING, OP_SPOOL_NEW */
	bool optional;           /* OP_PENDING: nothing to do, not a failure, when there is no such account */
	/* OP_PENDING_CLEAR, OP_DEVICE_ACK: what left the mailbox is added here before `done` of a committed transaction; the
	 * caller's until then; NULL: not asked. */
	struct pending_tally *left;
	int max_items;           /* OP_ITEM_SET: how many to keep; 0: all. OP_SPOOL_SETTLE */
	const struct roster_row *roster;
	const struct scram_keys *keys;
	const char *token;  /* invite; token; courier: PEM */
	const uint8_t *key; /* seen: 32 bytes */
};

/* All strings and bytes are copied. */
struct txn *txn_new(struct store *store);
void txn_add(struct txn *txn, const struct op *op);
bool txn_is_empty(const struct txn *txn);
/* Submit or abandon; both free it and null the pointer. done runs exactly once unless abandoned; done may be
 * NULL. */
void txn_submit(struct txn **txn, txn_done_fn *done, void *arg);
void txn_abandon(struct txn **txn);

#endif
