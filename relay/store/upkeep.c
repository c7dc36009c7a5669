/*
 * upkeep.c -- what the writer does between batches, in slices short enough that no commit waits long behind
 * one.
 *
 * - Checkpoints: the log's frames are copied into the file when enough have gathered, sooner when nobody
 * waits.
 * - Deleted accounts: what they owned is cleared away, some hundred rows a transaction.
 * - Free pages: given back to the disk, 100 a transaction, while there are 8 MiB of them and nobody waits.
 */
#include "config.h"

#include "relay/log.h"
#include "relay/store/store-private.h"

enum {
	FRAMES_BUSY = 1000, /* 4 MiB: a checkpoint also under load */
	FRAMES_IDLE = 250,
	ROWS_SLICE = 200,
	PAGES_FREE = 2000, /* 8 MiB: less is soon used again */
};

static void
checkpoint(struct upkeep *upkeep, struct db *db, bool idle)
{
	int64_t frames = db_wal_frames(db);

	if (frames < upkeep->copied) /* the log began anew */
		upkeep->copied = 0;
	if (frames - upkeep->copied < (idle ? FRAMES_IDLE : FRAMES_BUSY))
		return;
	if (db_checkpoint(db, false, &upkeep->copied) == DB_BUSY)
		log_debug(NULL, "checkpoint waits for a reader");
}

/* One row of `find` after the other, through `end`; at most ROWS_SLICE. *left_r: stopped by the limit. */
static enum db_result
clear_references(struct db *db, int64_t account, enum sql find, enum sql end, bool *left_r)
{
	enum db_result result = DB_OK;
	int64_t id;

	for (int n = 0; n < ROWS_SLICE && result == DB_OK; n++) {
		result = db_number(db, find, v_int(account), &id);
		if (result == DB_CONFLICT)
			return DB_OK;
		if (result == DB_OK)
			result = db_run(db, end, v_int(account), v_int(id));
		if (result == DB_OK)
			result = op_message_drop(db, id);
	}
	*left_r = true;
	return result;
}

static enum db_result
clear_nodes(struct db *db, int64_t account, bool *left_r)
{
	int64_t node, item;
	enum db_result result = db_number(db, SQL_GONE_NODE, v_int(account), &node);

	if (result == DB_CONFLICT)
		return DB_OK;
	*left_r = true;
	if (result == DB_OK)
		result = db_run(db, SQL_GONE_ITEMS, v_int(node));
	if (result == DB_OK)
		result = db_number(db, SQL_GONE_ITEMS_LEFT, v_int(node), &item);
	return result == DB_CONFLICT ? db_run(db, SQL_GONE_NODE_END, v_int(node)) : result;
}

static enum db_result
clear_account(struct db *db, int64_t account)
{
	bool left = false;
	enum db_result result = clear_references(db, account, SQL_GONE_BOX, SQL_GONE_BOX_END, &left);

	if (result == DB_OK && !left)
		result = clear_references(db, account, SQL_GONE_PENDING, SQL_PENDING_END, &left);
	if (result == DB_OK && !left)
		result = clear_nodes(db, account, &left);
	if (result == DB_OK && !left) {
		result = db_run(db, SQL_GONE_STATUS, v_int(account));
		left = result == DB_OK && db_changes(db) > 0;
	}
	if (result != DB_OK || left)
		return result;
	if ((result = db_run(db, SQL_GONE_ROSTER, v_int(account))) != DB_OK ||
	    (result = db_run(db, SQL_BLOCK_NONE, v_int(account))) != DB_OK ||
	    (result = db_run(db, SQL_GONE_DEVICE, v_int(account))) != DB_OK ||
	    (result = db_run(db, SQL_GONE_STATUS_CHANGE, v_int(account))) != DB_OK ||
	    (result = db_run(db, SQL_GONE_COUNTER, v_int(account))) != DB_OK ||
	    (result = db_run(db, SQL_GONE_USAGE, v_int(account))) != DB_OK ||
	    (result = db_run(db, SQL_GONE_TOKEN, v_int(account))) != DB_OK)
		return result;
	return db_run(db, SQL_GONE_END, v_int(account));
}

static bool
clear_gone(struct upkeep *upkeep, struct db *db)
{
	int64_t account;
	enum db_result result = db_number(db, SQL_GONE_FIND, v_int(1), &account);

	upkeep->gone = result == DB_OK;
	if (result != DB_OK || (result = db_begin(db)) != DB_OK)
		return false;
	result = clear_account(db, account);
	if (result == DB_OK)
		result = db_commit(db);
	if (result != DB_OK)
		db_rollback(db);
	return result == DB_OK;
}

static bool
give_back(struct db *db)
{
	struct stmt *stmt = db_ask0(db, SQL_FREE_PAGES);
	int64_t pages = db_next(db, stmt) == DB_ROW ? col_int(stmt, 0) : 0;

	if (stmt != NULL)
		db_end(stmt);
	return pages >= PAGES_FREE && db_run0(db, SQL_FREE_SLICE) == DB_OK;
}

void
upkeep_note(struct upkeep *upkeep, const struct txn *first)
{
	for (const struct txn *txn = first; txn != NULL; txn = txn->next)
		for (const struct txn_op *op = txn->first; op != NULL; op = op->next)
			upkeep->gone = upkeep->gone || op->op.kind == OP_ACCOUNT_DEL;
}

bool
upkeep_slice(struct upkeep *upkeep, struct db *db, bool idle)
{
	if (!upkeep->tool)
		checkpoint(upkeep, db, idle);
	if (!idle)
		return false;
	if (upkeep->gone)
		return clear_gone(upkeep, db);
	return !upkeep->tool && give_back(db);
}
