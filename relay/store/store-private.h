/*
 * store-private.h -- what the files of store/ share: the store, a transaction in the making, and the steps
 * between them.
 *
 *   txn.c (submit) -> writer.c (open batch) -> batch.c (one commit) -> ops.c (one operation) -> db.c
 *   read.c (ask, tell) -> reader.c (in order, in the other thread) -> db.c
 */
#ifndef RELAY_STORE_PRIVATE_H
#define RELAY_STORE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/store/db.h"
#include "relay/store/read.h"
#include "relay/store/store.h"
#include "relay/store/txn.h"

enum {
	STORE_SECRET_LEN = 32,
	BATCH_OPS = 1000,
	BATCH_BYTES = 4 << 20,
	UNCOMMITTED_MOST = 8 << 20,  /* beyond: the router stops reading */
	UNCOMMITTED_AGAIN = 4 << 20, /* below: it goes on */
};

/* ---- a transaction: its operations with their own copies of all they point to */
struct txn_op {
	struct op op;
	struct txn_op *next;
	bool counted;   /* an earlier OP_MESSAGE of this transaction has counted this reference */
	int64_t number; /* OP_IDS: the end of the block taken; OP_BOX, counted: bytes of the message */
	struct pending_tally left; /* what the operation took out of a mailbox */
	char bytes[];
};
struct txn {
	struct store *store;
	struct txn_op *first, **last;
	size_t ops, bytes;
	bool counts;  /* has an OP_COUNTER */
	bool grows;   /* needs room: refused while the disk is full */
	bool decided; /* result holds already, before the commit */
	enum txn_result result;
	txn_done_fn *done;
	void *arg;
	struct txn *next;
};
struct txn_list {
	struct txn *first, **last;
	size_t ops, bytes;
};
void txn_list_init(struct txn_list *list);
void txn_list_add(struct txn_list *list, struct txn *txn);
/* From the front: at least one, else as many as fit into BATCH_OPS and BATCH_BYTES. */
void txn_list_take_batch(struct txn_list *from, struct txn_list *batch_r);
/* In the loop: tells and frees them in order. */
void txn_list_finish(struct txn_list *list);

/* ---- operations */
/* Ids rise with time but for so much: a message that is older than the one before it by more sets meta "stepped". */
#define CLOCK_SPARE_MS (3600 * INT64_C(1000))
/* Takes a block of op.id message ids. Ours alone, behind the public kinds. */
enum { OP_IDS = OP_COURIER_OFFERED + 1 };
bool op_grows(enum op_kind kind);
enum db_result op_apply(struct db *db, struct txn_op *op);
/* spool.c */
enum db_result op_spool_new(struct db *db, struct txn_op *own);
enum db_result op_spool_settle(struct db *db, struct txn_op *own);
enum db_result op_spool_end(struct db *db, struct txn_op *own);
enum db_result op_spool_clean(struct db *db, struct txn_op *own);
enum db_result op_spool_defer(struct db *db, struct txn_op *own);
enum db_result op_spool_doubt(struct db *db, struct txn_op *own);
enum db_result op_spool_retry(struct db *db, struct txn_op *own);
enum db_result op_peer_tried(struct db *db, struct txn_op *own);
enum db_result op_peer_seen(struct db *db, struct txn_op *own);
/* courier.c */
enum db_result op_courier_key_new(struct db *db, struct txn_op *own);
enum db_result op_courier_pin(struct db *db, struct txn_op *own);
enum db_result op_courier_offered(struct db *db, struct txn_op *own);
/* token.c */
enum db_result op_token_new(struct db *db, struct txn_op *own);
enum db_result op_token_use(struct db *db, struct txn_op *own);
enum db_result op_token_del(struct db *db, struct txn_op *own);
/* A row that refers to the message was asked for; `added` says whether it is new. */
enum db_result op_message_refer(struct db *db, const struct txn_op *own, bool added);
/* One message row less refers to it; gone with the last. */
enum db_result op_message_drop(struct db *db, int64_t id);
enum db_result op_jid_intern(struct db *db, const char *text, size_t len, int64_t *id_r);
/* status.c. op_delivered: a device of `recipient` (account id) has confirmed it; before the message may go. */
enum db_result op_delivered(struct db *db, int64_t recipient, int64_t id, int64_t time);
/* Custody of message `id` has moved (how: enum spool_how), or it has ended otherwise. */
enum db_result op_held(struct db *db, int64_t id, int64_t time); /* again: it had been handed over */
enum db_result op_handed(struct db *db, int64_t id, int64_t time, int how);
enum db_result op_ended(struct db *db, int64_t id, int64_t time, const char *reason);
enum db_result op_status_new(struct db *db, struct txn_op *op);
enum db_result op_status_delivered(struct db *db, struct txn_op *op);
enum db_result op_status_received(struct db *db, struct txn_op *op);
enum db_result op_status_displayed(struct db *db, struct txn_op *op);
enum db_result op_status_held(struct db *db, struct txn_op *op);
enum db_result op_status_expire(struct db *db, struct txn_op *op);

/* counter.c: the last OP_COUNTER of each stream in these transactions, but not of those that have failed. */
enum db_result counters_write(struct db *db, const struct txn *first);
enum db_result op_counter_expire(struct db *db, struct txn_op *own);

/* ---- the reserve: room for deletions and acknowledgements on a full disk */
enum { RESERVE_BYTES = 4 << 20 };
struct reserve {
	char *path;      /* NULL: a tool's store, which has none */
	bool out;        /* let go: the disk was full */
	int64_t retried; /* ms, monotonic */
};
void reserve_open(struct reserve *reserve, const char *dir);
void reserve_close(struct reserve *reserve);
void reserve_release(struct reserve *reserve);
/* Looks at most once a second whether there is room again. true: nothing is out. */
bool reserve_is_whole(struct reserve *reserve);

/* ---- one batch, one commit: sets the result of each */
void batch_run(struct db *db, struct reserve *reserve, struct txn *first);

/* ---- what the writer does between batches */
struct upkeep {
	int64_t copied; /* frames of the log that are in the file */
	bool gone;      /* accounts may wait to be cleared away */
	bool tool;      /* the relay does the rest */
};
/* Has one of these transactions left work behind? */
void upkeep_note(struct upkeep *upkeep, const struct txn *first);
/* idle: nobody waits. Returns true when there is more to do soon. */
bool upkeep_slice(struct upkeep *upkeep, struct db *db, bool idle);

/* ---- the two threads */
struct writer;
struct writer *writer_start(struct store *store);
void writer_submit(struct writer *writer, struct txn *txn);
bool writer_is_busy(const struct writer *writer);
void writer_drain(struct writer *writer); /* waits for all that was submitted and tells it */
void writer_stop(struct writer **writer);

struct reader;
struct question; /* read.c */
struct reader *reader_start(struct store *store, struct db *db);
void reader_ask(struct reader *reader, struct question *question);
bool reader_is_busy(const struct reader *reader);
void reader_drain(struct reader *reader);
void reader_stop(struct reader **reader);

void question_answer(struct db *db, struct question *question); /* any thread */
void question_tell(struct question **question);                 /* in the loop; frees it */
struct question **question_next(struct question *question);

/* ---- ids */
struct ids {
	int64_t next, end;        /* [next, end) is ours for good */
	int64_t spare, spare_end; /* the block behind it; 0, 0: none */
	struct txn_op *asking;    /* a block is being taken */
	void *seal, *open;        /* EVP_CIPHER_CTX of the stanza-id */
	uint8_t secret[STORE_SECRET_LEN];
};
bool ids_open(struct store *store, char **error_r);
void ids_close(struct store *store);

struct store {
	char *dir, *path;
	int lock; /* -1: a tool */
	bool foreign; /* the database is not for this program */
	struct loop *loop;
	struct db *db; /* the writer's; without a loop, everybody's */
	struct db *reading;
	struct writer *writer;
	struct reader *reader;
	struct reserve reserve;
	struct upkeep upkeep;
	struct ids ids;
	size_t uncommitted;
	bool crowded;
	void (*room)(void *arg);
	void *room_arg;
};

#endif
