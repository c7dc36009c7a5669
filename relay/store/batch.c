/*
 * batch.c -- one batch, one commit: all transactions at once; if one fails, again with a savepoint each.
 *
 * Promises: a result TXN_COMMITTED is on disk when batch_run() returns; every other result left nothing.
 *
 *     at once --ok--> committed
 *        | fails
 *        v
 *     one by one: the failing ones are told theirs, the rest is committed
 *        | no room: the reserve is let go, what needs room is refused, the rest is tried again
 */
#include "config.h"

#include <time.h>
#include "relay/log.h"
#include "relay/store/store-private.h"
#include "relay/tally.h"

enum {
	BUSY_TRIES = 12, /* of DB_BUSY_MS each */
	FULL_TRIES = 8,  /* 10 ms apart, for what needs no room but in the log */
};

static void
decide(struct txn *txn, enum txn_result result)
{
	txn->decided = true;
	txn->result = result;
}

/* Returns how many. */
static size_t
decide_rest(struct txn *first, enum txn_result result, bool only_growing)
{
	size_t count = 0;

	for (struct txn *txn = first; txn != NULL; txn = txn->next) {
		if (txn->decided || (only_growing && !txn->grows))
			continue;
		decide(txn, result);
		count++;
	}
	return count;
}

static size_t
undecided(const struct txn *first)
{
	size_t count = 0;

	for (const struct txn *txn = first; txn != NULL; txn = txn->next)
		count += !txn->decided;
	return count;
}

static enum db_result
apply(struct db *db, struct txn *txn)
{
	enum db_result result = DB_OK;

	for (struct txn_op *op = txn->first; op != NULL && result == DB_OK; op = op->next)
		result = op_apply(db, op);
	return result;
}

/* Of a transaction that was undone alone. */
static enum txn_result
told_of(enum db_result result)
{
	return result == DB_CONFLICT ? TXN_CONFLICT : result == DB_OVER ? TXN_OVER : TXN_FAILED;
}

/* One transaction in its savepoint. Not DB_OK: the whole attempt is over. */
static enum db_result
apply_alone(struct db *db, struct txn *txn)
{
	enum db_result result = db_savepoint(db);

	if (result != DB_OK)
		return result;
	result = apply(db, txn);
	if (result == DB_OK)
		return db_savepoint_end(db, true);
	if (result == DB_FULL)
		return result;
	decide(txn, told_of(result));
	return db_in_transaction(db) ? db_savepoint_end(db, false) : result;
}

/* Everything that is not decided, in one database transaction. Not DB_OK: rolled back. */
static enum db_result
attempt(struct db *db, struct txn *first, bool alone)
{
	enum db_result result = db_begin(db);

	for (struct txn *txn = first; txn != NULL && result == DB_OK; txn = txn->next)
		if (!txn->decided)
			result = alone ? apply_alone(db, txn) : apply(db, txn);
	if (result == DB_OK)
		result = counters_write(db, first);
	if (result == DB_OK)
		result = db_commit(db);
	if (result != DB_OK)
		db_rollback(db);
	return result;
}

static void
make_room(struct db *db, struct reserve *reserve, struct txn *first, unsigned *tries)
{
	static const struct timespec reader_leaves = { .tv_nsec = 10 * 1000 * 1000 };
	bool let_go = reserve->path != NULL && !reserve->out;
	int64_t copied;

	reserve_release(reserve);
	if (decide_rest(first, TXN_FULL, true) == 0 && !let_go && ++*tries == FULL_TRIES)
		decide_rest(first, TXN_FULL, false);
	if (*tries > 1)
		nanosleep(&reader_leaves, NULL);
	/* Frames copied to the file make the log start anew, in room that it has already, once no reader looks at it. */
	db_checkpoint(db, false, &copied);
}

void
batch_run(struct db *db, struct reserve *reserve, struct txn *first)
{
	enum db_result result = DB_OK;
	unsigned busy = 0, full = 0;

	if (!reserve_is_whole(reserve))
		decide_rest(first, TXN_FULL, true);
	bool alone = undecided(first) == 1;
	for (size_t left; (left = undecided(first)) > 0; alone = true) {
		result = attempt(db, first, alone);
		switch (result) {
		case DB_OK:
		case DB_ROW:
			decide_rest(first, TXN_COMMITTED, false);
			break;
		case DB_FULL:
			tally_add(TALLY_DISK_FULL, 1);
			make_room(db, reserve, first, &full);
			break;
		case DB_BUSY:
			log_warn(NULL, "another program keeps the database locked");
			if (++busy == BUSY_TRIES)
				decide_rest(first, TXN_FAILED, false);
			break;
		case DB_CONFLICT:
		case DB_OVER:
		case DB_ERROR:
			/* At once: look for the one. One by one: it is decided already, unless begin or
			 * commit failed. */
			if (alone && undecided(first) == left)
				decide_rest(first, TXN_FAILED, false);
			break;
		}
	}
}
