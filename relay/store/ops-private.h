/* ops-private.h -- what the files of ops share: see ops.c. */
#ifndef RELAY_STORE_OPS_PRIVATE_H
#define RELAY_STORE_OPS_PRIVATE_H

#include <stddef.h>
#include <stdint.h>
#include "relay/store/store-private.h"

/* A statement that had to change a row. */
enum db_result op_none_is_conflict(struct db *db, enum db_result result);
/* For operations that find nothing to do when the account is not there. */
enum db_result op_none_is_ok(enum db_result result);
enum db_result op_account_find(struct db *db, const char *node, int64_t *id_r);

/* ops_message.c */
enum db_result op_message(struct db *db, struct txn_op *own);
enum db_result op_box(struct db *db, struct txn_op *own);
enum db_result op_box_expire(struct db *db, struct txn_op *own);
enum db_result op_pending(struct db *db, struct txn_op *own);
enum db_result op_pending_clear(struct db *db, struct txn_op *own);
enum db_result op_device_seen(struct db *db, struct txn_op *own);
enum db_result op_device_ack(struct db *db, struct txn_op *own);
/* far.c */
enum db_result op_far_set(struct db *db, struct txn_op *own);
enum db_result op_far_keep(struct db *db, struct txn_op *own);
enum db_result op_far_tidy(struct db *db, struct txn_op *own);
/* ops_items.c */
enum db_result op_node_set(struct db *db, struct txn_op *own);
enum db_result op_node_del(struct db *db, struct txn_op *own);
enum db_result op_node_purge(struct db *db, struct txn_op *own);
enum db_result op_item_set(struct db *db, struct txn_op *own);
enum db_result op_item_del(struct db *db, struct txn_op *own);

#endif
