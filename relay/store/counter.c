/*
 * counter.c -- how many stanzas of a resumable stream are handled, as far as a crash must not forget it (design 3.1).
 *
 * A message's transaction names its place in its stream (OP_COUNTER). Nothing is written for each: behind the last
 * transaction of a batch, and in the same commit, each stream's last place is. So the number on disk is that of the
 * newest message on disk, never above it and never below.
 * Bounded: the 20 streams of an account that were written last; what is old leaves by OP_COUNTER_EXPIRE.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"
#include "relay/store/store-private.h"

enum { COUNTERS_MOST = 20 /* of an account: as many sessions as it may have */ };

struct place {
	const struct op *op;
	size_t order;
};

/* Streams together, in each the last to come first. */
static int
compare(const void *a, const void *b)
{
	const struct place *left = a, *right = b;
	int order = strcmp(left->op->item, right->op->item);

	if (order == 0)
		order = strcmp(left->op->account, right->op->account);
	if (order == 0)
		order = left->order > right->order ? -1 : 1;
	return order;
}

static bool
is_same_stream(const struct op *a, const struct op *b)
{
	return strcmp(a->item, b->item) == 0 && strcmp(a->account, b->account) == 0;
}

static enum db_result
write_one(struct db *db, const struct op *op)
{
	enum db_result result;
	int64_t account;

	result = db_run(db, SQL_COUNTER_SET, v_text(op->account), v_text(op->item), v_int(op->id), v_int(op->time));
	if (result != DB_OK || db_changes(db) > 0)
		return result;
	if ((result = db_number(db, SQL_ACCOUNT_FIND, v_text(op->account), &account)) != DB_OK)
		return result == DB_CONFLICT ? DB_OK : result; /* it has been deleted */
	result = db_run(db, SQL_COUNTER_NEW, v_int(account), v_text(op->item), v_int(op->id), v_int(op->time));
	if (result != DB_OK)
		return result;
	return db_run(db, SQL_COUNTER_TRIM, v_int(account), v_text(op->item), v_int(COUNTERS_MOST - 1));
}

static size_t
collect(const struct txn *first, struct place *places)
{
	size_t count = 0;

	for (const struct txn *txn = first; txn != NULL; txn = txn->next) {
		if (txn->decided || !txn->counts)
			continue;
		for (const struct txn_op *own = txn->first; own != NULL; own = own->next) {
			if (own->op.kind != OP_COUNTER)
				continue;
			if (places != NULL)
				places[count] = (struct place){ &own->op, count };
			count++;
		}
	}
	return count;
}

enum db_result
counters_write(struct db *db, const struct txn *first)
{
	size_t count = collect(first, NULL);
	enum db_result result = DB_OK;
	struct place *places;

	if (count == 0)
		return DB_OK;
	places = xcalloc(count, sizeof *places);
	collect(first, places);
	qsort(places, count, sizeof *places, compare);
	for (size_t i = 0; i < count && result == DB_OK; i++)
		if (i == 0 || !is_same_stream(places[i].op, places[i - 1].op))
			result = write_one(db, places[i].op);
	free(places);
	return result;
}

enum db_result
op_counter_expire(struct db *db, struct txn_op *own)
{
	return db_run(db, SQL_COUNTER_EXPIRE, v_int(own->op.time));
}
