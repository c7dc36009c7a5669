/*
 * ops_items.c -- pubsub nodes and their items. See ops.c.
 *
 * The bytes of an account's items are counted where they change, and an item that would take them past the limit
 * is not kept.
 */
#include "config.h"

#include "relay/store/ops-private.h"

static enum db_result
node_find(struct db *db, const struct op *op, int64_t *account_r, int64_t *node_r)
{
	enum db_result result = op_account_find(db, op->account, account_r);

	if (result != DB_OK)
		return result;
	struct stmt *stmt = db_ask(db, SQL_NODE_FIND, v_int(*account_r), v_text(op->node));
	result = db_next(db, stmt);
	if (result != DB_ROW)
		return result == DB_OK ? DB_CONFLICT : result;
	*node_r = col_int(stmt, 0);
	db_end(stmt);
	return DB_OK;
}

enum db_result
op_node_set(struct db *db, struct txn_op *own)
{
	int64_t account;
	enum db_result result = op_account_find(db, own->op.account, &account);

	return result != DB_OK
		   ? result
		   : db_run(db, SQL_NODE_SET, v_int(account), v_text(own->op.node), v_text(own->op.config));
}

static enum db_result
count_bytes(struct db *db, int64_t account, int64_t more, int64_t most)
{
	enum db_result result = db_run(db, SQL_USAGE_ITEMS, v_int(account), v_int(more), v_int(most));

	return result == DB_OK && db_changes(db) == 0 ? DB_OVER : result;
}

static enum db_result
purge(struct db *db, int64_t account, int64_t node)
{
	int64_t freed;
	enum db_result result = db_sum(db, SQL_NODE_PURGE, &freed, v_int(node));

	return result == DB_OK ? count_bytes(db, account, -freed, 0) : result;
}

enum db_result
op_node_del(struct db *db, struct txn_op *own)
{
	int64_t account, node;
	enum db_result result;

	if ((result = node_find(db, &own->op, &account, &node)) != DB_OK)
		return op_none_is_ok(result);
	result = purge(db, account, node);
	return result != DB_OK ? result : db_run(db, SQL_NODE_END, v_int(node));
}

enum db_result
op_node_purge(struct db *db, struct txn_op *own)
{
	int64_t account, node;
	enum db_result result = node_find(db, &own->op, &account, &node);

	return result != DB_OK ? op_none_is_ok(result) : purge(db, account, node);
}

enum db_result
op_item_set(struct db *db, struct txn_op *own)
{
	const struct op *op = &own->op;
	int64_t account, node, replaced, trimmed = 0;
	enum db_result result;

	/* Deleted and inserted: the order of ids is the order of publication. */
	if ((result = node_find(db, op, &account, &node)) != DB_OK ||
	    (result = db_sum(db, SQL_ITEM_END, &replaced, v_int(node), v_text(op->item))) != DB_OK ||
	    (result = db_run(db, SQL_ITEM_NEW, v_int(node), v_text(op->item), v_text(op->publisher),
			     v_int(op->time), v_blob(op->body, op->body_len))) != DB_OK)
		return result;
	if (op->max_items > 0)
		result = db_sum(db, SQL_ITEM_TRIM, &trimmed, v_int(node), v_int(op->max_items));
	if (result != DB_OK)
		return result;
	return count_bytes(db, account, (int64_t)op->body_len - replaced - trimmed, op->most);
}

enum db_result
op_item_del(struct db *db, struct txn_op *own)
{
	int64_t account, node, freed;
	enum db_result result;

	if ((result = node_find(db, &own->op, &account, &node)) != DB_OK)
		return op_none_is_ok(result);
	result = db_sum(db, SQL_ITEM_END, &freed, v_int(node), v_text(own->op.item));
	return result == DB_OK ? count_bytes(db, account, -freed, 0) : result;
}
