/*
 * read.c -- asking: a question is made, goes to the reader's thread (or is answered at once in a store
 * without a loop), is told, ends.
 */
#include "config.h"

#include "relay/store/read.h"

#include <stdlib.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "relay/store/question.h"
#include "relay/store/store-private.h"

struct question *
question_new(const struct question_kind *kind, union question_fn fn, void *arg, const char *node,
	     const char *name)
{
	struct question *q = xcalloc(1, sizeof *q);

	q->kind = kind;
	q->arena = arena_new();
	q->fn = fn;
	q->arg = arg;
	q->node = node == NULL ? NULL : arena_strdup(q->arena, node);
	q->name = name == NULL ? NULL : arena_strdup(q->arena, name);
	return q;
}

void
question_ask(struct store *store, struct question *q)
{
	if (store->reader != NULL) {
		reader_ask(store->reader, q);
		return;
	}
	question_answer(store->db, q);
	question_tell(&q);
}

void
question_answer(struct db *db, struct question *q)
{
	q->failed = q->kind->answer(db, q) != DB_OK;
	if (!q->failed)
		return;
	q->rows.count = q->nodes.count = q->blocks.count = 0;
	q->view = (struct account_view){ .exists = false };
	q->count = q->bytes = 0;
	q->page = (struct archive_page){ .total = -1 };
}

void
question_tell(struct question **handle)
{
	struct question *q = *handle;

	*handle = NULL;
	q->kind->tell(q);
	cleanse(&q->view, sizeof q->view);
	free(q->rows.items);
	free(q->nodes.items);
	free(q->blocks.items);
	arena_free(&q->arena);
	free(q);
}

struct question **
question_next(struct question *q)
{
	return &q->next;
}

void
read_account(struct store *store, const char *node, read_account_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_account, (union question_fn){ .account = fn }, arg, node, NULL));
}

void
read_keys(struct store *store, const char *node, read_keys_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_keys, (union question_fn){ .keys = fn }, arg, node, NULL));
}

void
read_pending(struct store *store, const char *node, int64_t after, size_t limit, read_messages_fn *fn,
	     void *arg)
{
	read_pending_device(store, node, NULL, after, limit, fn, arg);
}

void
read_pending_device(struct store *store, const char *node, const char *resource, int64_t after, size_t limit,
		    read_messages_fn *fn, void *arg)
{
	struct question *q =
	    question_new(&ask_pending, (union question_fn){ .messages = fn }, arg, node, resource);

	q->after = after;
	q->limit = limit;
	question_ask(store, q);
}

void
read_pending_count(struct store *store, const char *node, read_count_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_pending_count, (union question_fn){ .count = fn }, arg, node, NULL));
}

void
read_counter(struct store *store, const char *node, const char *id, read_count_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_counter, (union question_fn){ .count = fn }, arg, node, id));
}

void
read_items(struct store *store, const char *node, const char *pubsub_node, const char *item, size_t limit,
	   read_items_fn *fn, void *arg)
{
	struct question *q =
	    question_new(&ask_items, (union question_fn){ .items = fn }, arg, node, pubsub_node);

	q->item = item == NULL ? NULL : arena_strdup(q->arena, item);
	q->limit = limit;
	question_ask(store, q);
}

void
read_items_from(struct store *store, const char *node, const char *pubsub_node, size_t skip, size_t limit,
		read_items_fn *fn, void *arg)
{
	struct question *q = question_new(&ask_items, (union question_fn){ .items = fn }, arg, node, pubsub_node);

	q->skip = skip;
	q->limit = limit;
	question_ask(store, q);
}

void
read_last_items(struct store *store, const char *node, const char *const *pubsub_nodes, size_t count,
		read_items_fn *fn, void *arg)
{
	struct question *q =
	    question_new(&ask_last_items, (union question_fn){ .items = fn }, arg, node, NULL);

	q->names = arena_alloc(q->arena, (count + 1) * sizeof *q->names);
	for (size_t i = 0; i < count; i++)
		q->names[i] = arena_strdup(q->arena, pubsub_nodes[i]);
	q->limit = count;
	question_ask(store, q);
}

void
read_accounts(struct store *store, read_accounts_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_accounts, (union question_fn){ .accounts = fn }, arg, NULL, NULL));
}

void
read_invite(struct store *store, const char *token, read_invites_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_invites, (union question_fn){ .invites = fn }, arg, NULL, token));
}

void
read_invites(struct store *store, read_invites_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_invites, (union question_fn){ .invites = fn }, arg, NULL, NULL));
}

void
read_unsent(struct store *store, size_t limit, read_contacts_fn *fn, void *arg)
{
	struct question *q = question_new(&ask_unsent, (union question_fn){ .contacts = fn }, arg, NULL, NULL);

	q->limit = limit;
	question_ask(store, q);
}

void
read_reports(struct store *store, read_reports_fn *fn, void *arg)
{
	question_ask(store, question_new(&ask_reports, (union question_fn){ .reports = fn }, arg, NULL, NULL));
}
