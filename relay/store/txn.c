/*
 * txn.c -- the door: collecting one transaction's operations, handing it to the writer, telling its end.
 *
 * Belongs to the loop's thread (or to the caller's, in a store without a loop). Owns every byte of an
 * operation until it was told.
 */
#include "config.h"

#include "relay/store/txn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"
#include "relay/store/store-private.h"

struct txn *
txn_new(struct store *store)
{
	struct txn *txn = xcalloc(1, sizeof *txn);

	txn->store = store;
	txn->last = &txn->first;
	return txn;
}

bool
txn_is_empty(const struct txn *txn)
{
	return txn->first == NULL;
}

static size_t
text_len(const char *text)
{
	return text == NULL ? 0 : strlen(text) + 1;
}

/* Everything variable of an operation, in the order in which own_copies() lays it down. */
static size_t
copies_len(const struct op *op)
{
	const struct roster_row *roster = op->roster;
	size_t len = text_len(op->account) + text_len(op->from) + text_len(op->to) + text_len(op->peer) +
		     text_len(op->node) + text_len(op->item) + text_len(op->config) +
		     text_len(op->publisher) + text_len(op->token) + op->body_len;

	if (roster != NULL)
		len += sizeof *roster + text_len(roster->contact) + text_len(roster->name) +
		       text_len(roster->groups) + text_len(roster->request);
	if (op->keys != NULL)
		len += sizeof *op->keys;
	return op->key == NULL ? len : len + 32;
}

static const void *
lay_bytes(char **at, const void *bytes, size_t len)
{
	if (bytes == NULL)
		return NULL;
	char *copy = *at;
	memcpy(copy, bytes, len);
	*at += len;
	return copy;
}

static const char *
lay_text(char **at, const char *text)
{
	return lay_bytes(at, text, text_len(text));
}

static void
own_copies(struct txn_op *own)
{
	struct op *op = &own->op;
	char *at = own->bytes;

	/* The two structs first: `bytes` is aligned for them, what follows is not. */
	if (op->roster != NULL) {
		struct roster_row *row = (void *)(uintptr_t)lay_bytes(&at, op->roster, sizeof *row);
		op->roster = row;
	}
	op->keys = lay_bytes(&at, op->keys, sizeof *op->keys);
	if (op->roster != NULL) {
		struct roster_row *row = (struct roster_row *)(uintptr_t)op->roster;
		row->contact = lay_text(&at, row->contact);
		row->name = lay_text(&at, row->name);
		row->groups = lay_text(&at, row->groups);
		row->request = lay_text(&at, row->request);
	}
	const char **texts[] = { &op->account, &op->from,   &op->to,        &op->peer, &op->node,
				 &op->item,    &op->config, &op->publisher, &op->token };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		*texts[i] = lay_text(&at, *texts[i]);
	op->key = lay_bytes(&at, op->key, 32);
	op->body = lay_bytes(&at, op->body, op->body_len);
}

static_assert(offsetof(struct txn_op, bytes) % _Alignof(struct roster_row) == 0, "rows are laid there");
static_assert(sizeof(struct roster_row) % _Alignof(struct scram_keys) == 0, "and keys behind them");

void
txn_add(struct txn *txn, const struct op *op)
{
	size_t len = copies_len(op);
	struct txn_op *own = xmalloc(sizeof *own + len);

	assert(op->body != NULL || op->body_len == 0);
	*own = (struct txn_op){ .op = *op };
	own_copies(own);
	*txn->last = own;
	txn->last = &own->next;
	txn->ops++;
	txn->bytes += sizeof *own + len;
	txn->counts = txn->counts || op->kind == OP_COUNTER;
	txn->grows = txn->grows || op_grows(op->kind);
}

static void
txn_free(struct txn *txn)
{
	struct txn_op *next;

	for (struct txn_op *op = txn->first; op != NULL; op = next) {
		next = op->next;
		if (op->op.keys != NULL)
			cleanse((void *)(uintptr_t)op->op.keys, sizeof *op->op.keys);
		if (op->op.kind == OP_COURIER_KEY_NEW)
			cleanse((void *)(uintptr_t)op->op.token, strlen(op->op.token));
		free(op);
	}
	free(txn);
}

void
txn_abandon(struct txn **txn)
{
	if (*txn != NULL)
		txn_free(*txn);
	*txn = NULL;
}

void
txn_submit(struct txn **handle, txn_done_fn *done, void *arg)
{
	struct txn *txn = *handle;
	struct store *store = txn->store;

	*handle = NULL;
	txn->done = done;
	txn->arg = arg;
	store->uncommitted += txn->bytes;
	if (store->uncommitted > UNCOMMITTED_MOST)
		store->crowded = true;
	if (store->writer != NULL) {
		writer_submit(store->writer, txn);
		return;
	}
	struct txn_list alone;
	txn_list_init(&alone);
	txn_list_add(&alone, txn);
	batch_run(store->db, &store->reserve, txn);
	upkeep_note(&store->upkeep, txn);
	txn_list_finish(&alone);
	while (upkeep_slice(&store->upkeep, store->db, true))
		continue;
}

void
txn_list_init(struct txn_list *list)
{
	*list = (struct txn_list){ .first = NULL };
	list->last = &list->first;
}

void
txn_list_add(struct txn_list *list, struct txn *txn)
{
	txn->next = NULL;
	*list->last = txn;
	list->last = &txn->next;
	list->ops += txn->ops;
	list->bytes += txn->bytes;
}

void
txn_list_take_batch(struct txn_list *from, struct txn_list *batch_r)
{
	txn_list_init(batch_r);
	do {
		struct txn *txn = from->first;
		from->first = txn->next;
		from->ops -= txn->ops;
		from->bytes -= txn->bytes;
		txn_list_add(batch_r, txn);
	} while (from->first != NULL && batch_r->ops + from->first->ops <= BATCH_OPS &&
		 batch_r->bytes + from->first->bytes <= BATCH_BYTES);
	if (from->first == NULL)
		from->last = &from->first;
}

static void
tell_left(const struct txn *txn)
{
	for (const struct txn_op *own = txn->first; own != NULL; own = own->next) {
		struct pending_tally *left = own->op.left;
		if (left == NULL)
			continue;
		left->count += own->left.count;
		left->bytes += own->left.bytes;
		left->strange += own->left.strange;
		left->strange_bytes += own->left.strange_bytes;
	}
}

void
txn_list_finish(struct txn_list *list)
{
	struct txn *next;

	for (struct txn *txn = list->first; txn != NULL; txn = next) {
		struct store *store = txn->store;
		next = txn->next;
		store->uncommitted -= txn->bytes;
		if (txn->result == TXN_COMMITTED)
			tell_left(txn);
		if (txn->done != NULL)
			txn->done(txn->arg, txn->result);
		txn_free(txn);
		if (store->crowded && store->uncommitted < UNCOMMITTED_AGAIN) {
			store->crowded = false;
			if (store->room != NULL)
				store->room(store->room_arg);
		}
	}
	txn_list_init(list);
}
