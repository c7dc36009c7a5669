/*
 * account_block.c -- whom an account wants nothing from (XEP-0191), and when it was last here (XEP-0012):
 * memory and disk together. See account.h.
 *
 * The list is a sorted array of texts: each stanza looks up at most four forms of one address in it.
 */
#include "config.h"

#include "relay/route/account.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "relay/route/route-private.h"
#include "relay/store/read.h"

/* Where the text is or would be. */
static size_t
place(const struct account *account, const char *jid, bool *found_r)
{
	size_t low = 0, high = account->block_count, mid;
	int order;

	*found_r = false;
	while (low < high) {
		mid = low + (high - low) / 2;
		order = strcmp(account->blocks[mid], jid);
		if (order == 0) {
			*found_r = true;
			return mid;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void
account_blocks_free(struct account *account)
{
	for (size_t i = 0; i < account->block_count; i++)
		free(account->blocks[i]);
	free(account->blocks);
	free(account->left_status);
	account->blocks = NULL;
	account->block_count = 0;
	account->left_status = NULL;
}

static void
insert(struct account *account, const char *jid)
{
	bool found;
	size_t at = place(account, jid, &found);

	if (found)
		return;
	account->blocks = xrealloc(account->blocks, (account->block_count + 1) * sizeof *account->blocks);
	memmove(&account->blocks[at + 1], &account->blocks[at],
		(account->block_count - at) * sizeof *account->blocks);
	account->blocks[at] = xstrdup(jid);
	account->block_count++;
}

void
account_blocks_fill(struct account *account, const struct account_view *view)
{
	for (size_t i = 0; i < view->block_count; i++)
		insert(account, view->blocks[i]);
	account->left = view->left;
	if (view->account.last > view->left) /* the relay was not there when it went */
		account->left = view->account.last;
	else if (view->left_status != NULL)
		account->left_status = xstrdup(view->left_status);
}

bool
account_block_has(const struct account *account, const char *jid)
{
	bool found;

	(void)place(account, jid, &found);
	return found;
}

/* XEP-0191 5. */
static bool
matches(const struct account *account, struct arena *arena, const struct jid *who)
{
	struct jid domain = { .domain = who->domain };

	return account_block_has(account, jid_text(arena, who)) ||
	       account_block_has(account, jid_bare_text(arena, who)) ||
	       account_block_has(account, jid_text(arena, &domain));
}

bool
account_blocks(const struct account *account, const struct jid *who)
{
	struct arena *arena;
	bool blocked;

	if (account->block_count == 0 || who->domain == NULL || account_is_self(account, who) ||
	    (who->node == NULL && router_is_local(account->router, who->domain)))
		return false;
	arena = arena_new();
	blocked = matches(account, arena, who);
	arena_free(&arena);
	return blocked;
}

bool
account_blocks_text(const struct account *account, const char *jid)
{
	struct arena *arena;
	struct jid who;
	bool blocked;

	if (account->block_count == 0 || jid == NULL)
		return false;
	arena = arena_new();
	blocked = jid_parse_text(arena, jid, &who) && account_blocks(account, &who);
	arena_free(&arena);
	return blocked;
}

void
account_block_add(struct account *account, struct event *event, const char *jid)
{
	event_touch(event, account);
	event_add(event, &(struct op){ .kind = OP_BLOCK, .account = account->node, .peer = jid });
	insert(account, jid);
}

void
account_block_del(struct account *account, struct event *event, const char *jid)
{
	bool found;
	size_t at = place(account, jid, &found);

	if (!found)
		return;
	event_touch(event, account);
	event_add(event, &(struct op){ .kind = OP_UNBLOCK, .account = account->node, .peer = jid });
	free(account->blocks[at]);
	account->block_count--;
	memmove(&account->blocks[at], &account->blocks[at + 1],
		(account->block_count - at) * sizeof *account->blocks);
}

void
account_left_set(struct account *account, int64_t time, const char *status)
{
	struct txn *txn = txn_new(account->router->store);

	txn_add(txn, &(struct op){
			 .kind = OP_ACCOUNT_LEFT, .account = account->node, .time = time, .config = status });
	txn_submit(&txn, NULL, NULL);
	account->left = time;
	free(account->left_status);
	account->left_status = status == NULL ? NULL : xstrdup(status);
}
