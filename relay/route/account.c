/*
 * account.c -- which accounts are in memory: reading them, keeping them, letting them go. See account.h.
 *
 * One object a node, in a balanced tree. It is read when first asked for and again when it is stale, but
 * only once no event that changed it is on its way to the disk: an answer that lacks such a change would
 * make memory forget it. Unreferenced objects stay in a list, the least recently used first; beyond 1,000
 * the first is freed.
 * DIAGNOSTICS: a failed read tells those who wait `failed` and is tried again at the next asking.
 */
#include "config.h"

#include "relay/route/account.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"
#include "relay/route/route-private.h"
#include "relay/store/read.h"

struct waiter {
	struct waiter *next;
	account_fn *fn;
	void *arg;
};

static struct account_body *
body_of(const struct account *account)
{
	return (struct account_body *)(uintptr_t)account;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct account *)a)->node, ((const struct account *)b)->node);
}

static struct account_body *
find(struct router *router, const char *node)
{
	struct account key = { .node = (char *)(uintptr_t)node };
	void *found = tfind(&key, &router->accounts, compare);

	return found == NULL ? NULL : *(struct account_body **)found;
}

static void
idle_remove(struct account_body *body)
{
	struct router *router = body->account.router;

	if (!body->idle)
		return;
	*(body->idle_prev != NULL ? &body->idle_prev->idle_next : &router->idle_first) = body->idle_next;
	*(body->idle_next != NULL ? &body->idle_next->idle_prev : &router->idle_last) = body->idle_prev;
	body->idle_prev = body->idle_next = NULL;
	body->idle = false;
	router->idle_count--;
}

static void
idle_add(struct account_body *body)
{
	struct router *router = body->account.router;

	body->idle = true;
	body->idle_prev = router->idle_last;
	*(router->idle_last != NULL ? &router->idle_last->idle_next : &router->idle_first) = body;
	router->idle_last = body;
	router->idle_count++;
}

static void
destroy(struct account_body *body)
{
	assert(body->account.refs == 0 && body->waiters == NULL && !body->reading);
	idle_remove(body);
	if (body->account.router != NULL)
		tdelete(body, &body->account.router->accounts, compare);
	account_data_free(body);
	free(body->account.node);
	free(body->account.jid);
	free(body);
}

static struct account_body *
find_or_make(struct router *router, const char *node)
{
	struct account_body *body = find(router, node);

	if (body != NULL)
		return body;
	body = xcalloc(1, sizeof *body);
	body->account.node = xstrdup(node);
	body->account.jid = xasprintf("%s@%s", node, router->domain);
	body->account.router = router;
	body->waiters_end = &body->waiters;
	if (tsearch(body, &router->accounts, compare) == NULL)
		xcalloc(SIZE_MAX, SIZE_MAX); /* out of memory: dies as mem.h says */
	return body;
}

struct account *
account_ref(struct account *account)
{
	idle_remove(body_of(account));
	account->refs++;
	return account;
}

void
account_unref(struct account **account)
{
	struct account_body *body = body_of(*account);

	*account = NULL;
	if (body == NULL || --body->account.refs > 0)
		return;
	if (body->account.router == NULL || !body->loaded || body->absent || body->account.stale) {
		destroy(body);
		return;
	}
	idle_add(body);
	if (body->account.router->idle_count > ACCOUNTS_IDLE_MOST)
		destroy(body->account.router->idle_first);
}

bool
account_is_ready(const struct account *account)
{
	const struct account_body *body = body_of(account);

	return body->loaded && !body->absent && !account->stale && !body->reading;
}

bool
account_is_loaded(const struct account *account)
{
	const struct account_body *body = body_of(account);

	return body->loaded && !body->absent;
}

bool
account_is_absent(const struct account *account)
{
	return body_of(account)->absent;
}

static void read_now(struct account_body *body);

/* Everyone who waits now; who asks again from inside waits for the next answer. The caller holds a
 * reference. */
static void
tell(struct account_body *body, bool failed)
{
	struct waiter *waiter = body->waiters, *next;

	body->waiters = NULL;
	body->waiters_end = &body->waiters;
	for (; waiter != NULL; waiter = next) {
		next = waiter->next;
		waiter->fn(waiter->arg, failed || body->absent ? NULL : &body->account, failed);
		free(waiter);
	}
}

static void
close_sessions(struct account_body *body)
{
	struct session *session;

	while ((session = body->account.sessions) != NULL)
		session_close(session, STREAM_NOT_AUTHORIZED, "the account is gone");
}

static void
answered(void *arg, bool failed, const struct account_view *view)
{
	struct account_body *body = arg;
	struct account *account = &body->account;

	body->reading = false;
	if (account->router == NULL) {
		account_unref(&account);
		return;
	}
	if (!failed &&
	    (account->stale || body->writing > 0)) { /* changed meanwhile: this answer is too old */
		account->stale = true;
		read_now(body);
		account_unref(&account);
		return;
	}
	if (failed) {
		account->stale = body->loaded;
	} else {
		account_data_fill(body, view);
		body->loaded = true;
		body->absent = !view->exists;
		if (body->absent)
			close_sessions(body);
	}
	tell(body, failed);
	account_unref(&account);
}

/* Unless one is under way, or changes are: account_written comes back here. */
static void
read_now(struct account_body *body)
{
	if (body->reading || body->writing > 0)
		return;
	body->reading = true;
	body->account.stale = false;
	account_ref(&body->account);
	read_account(body->account.router->store, body->account.node, answered, body);
}

void
account_with(struct router *router, const char *node, account_fn *fn, void *arg)
{
	struct account_body *body = find_or_make(router, node);
	struct account *account = account_ref(&body->account);
	struct waiter *waiter;

	if (account_is_ready(account)) {
		fn(arg, account, false);
	} else {
		waiter = xcalloc(1, sizeof *waiter);
		*waiter = (struct waiter){ .fn = fn, .arg = arg };
		*body->waiters_end = waiter;
		body->waiters_end = &waiter->next;
		read_now(body);
	}
	account_unref(&account);
}

struct account *
account_resident(struct router *router, const char *node)
{
	struct account_body *body = find(router, node);

	return body != NULL && body->loaded && !body->absent ? &body->account : NULL;
}

struct account *
account_open(struct router *router, const char *node)
{
	struct account *account = account_ref(&find_or_make(router, node)->account);

	if (!account_is_ready(account))
		read_now(body_of(account));
	return account;
}

void
account_written(struct account *account, bool failed)
{
	struct account_body *body = body_of(account);

	assert(body->writing > 0);
	body->writing--;
	if (failed)
		account->stale = true;
	if (account->stale && body->writing == 0 && account->router != NULL)
		read_now(body);
}

void
account_reload(struct account *account)
{
	account->stale = true;
	read_now(body_of(account));
}

void
router_account_changed(struct router *router, const char *node, bool deleted)
{
	struct account_body *body = find(router, node);
	struct account *account;

	if (body == NULL)
		return;
	account = account_ref(&body->account);
	if (deleted)
		close_sessions(body);
	account_reload(account);
	account_unref(&account);
}

static void
orphan(void *node)
{
	struct account_body *body = node;

	body->account.router = NULL;
	body->idle = false;
	if (body->account.refs == 0)
		destroy(body);
}

struct row {
	struct account **accounts;
	size_t count;
};

static void
collect(const void *node, VISIT visit, void *arg)
{
	struct row *row = arg;

	if (visit != postorder && visit != leaf)
		return;
	row->accounts = xrealloc(row->accounts, (row->count + 1) * sizeof(struct account *));
	row->accounts[row->count++] = account_ref(*(struct account *const *)node);
}

/* Those still referenced (by a read under way) free themselves when the last reference goes. */
void
accounts_free(struct router *router)
{
	struct row row = { 0 };

	twalk_r(router->accounts, collect, &row);
	for (size_t i = 0; i < row.count; i++)
		tell(body_of(row.accounts[i]), true);
	for (size_t i = 0; i < row.count; i++)
		account_unref(&row.accounts[i]);
	free(row.accounts);
	events_free(router);
	tdestroy(router->accounts, orphan);
	router->accounts = NULL;
	router->idle_first = router->idle_last = NULL;
	router->idle_count = 0;
}
