/*
 * account_data.c -- what an account has in memory: its roster and its pubsub nodes, and changing both
 * together with the disk.
 *
 * Items are a sorted array: a roster is read far more often than changed. See account.h; the limits on how
 * many there may be are the features'.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "relay/route/route-private.h"
#include "relay/store/read.h"

struct change {
	struct account *account;
	const char *contact;
	unsigned before, after;
};

static struct account_body *
body_of(const struct account *account)
{
	return (struct account_body *)(uintptr_t)account;
}

/* Where the contact is or would be. */
static size_t
place(const struct account_body *body, const char *contact, bool *found_r)
{
	size_t low = 0, high = body->item_count, mid;
	int order;

	*found_r = false;
	while (low < high) {
		mid = low + (high - low) / 2;
		order = strcmp(body->items[mid].contact, contact);
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

static char *
copy(const char *text)
{
	return text == NULL || *text == '\0' ? NULL : xstrdup(text);
}

static void
item_clear(struct roster_item *item)
{
	free(item->contact);
	free(item->name);
	free(item->groups);
	free(item->request);
	*item = (struct roster_item){ 0 };
}

static struct roster_item *
item_insert(struct account_body *body, size_t at)
{
	if (body->item_count == body->item_room) {
		body->item_room = body->item_room == 0 ? 8 : body->item_room * 2;
		body->items = xrealloc(body->items, body->item_room * sizeof *body->items);
	}
	memmove(&body->items[at + 1], &body->items[at], (body->item_count - at) * sizeof *body->items);
	body->item_count++;
	body->items[at] = (struct roster_item){ 0 };
	return &body->items[at];
}

static void
item_remove(struct account_body *body, size_t at)
{
	item_clear(&body->items[at]);
	body->item_count--;
	memmove(&body->items[at], &body->items[at + 1], (body->item_count - at) * sizeof *body->items);
}

static void
item_write(struct account_body *body, const struct roster_row *row)
{
	bool found;
	size_t at = place(body, row->contact, &found);
	struct roster_item *item = found ? &body->items[at] : item_insert(body, at);
	/* The row may borrow from the item itself: copy before clearing. */
	struct roster_item next = { .contact = xstrdup(row->contact),
				    .flags = row->flags,
				    .name = copy(row->name),
				    .groups = copy(row->groups),
				    .request = copy(row->request) };

	item_clear(item);
	*item = next;
}

static void
node_free(struct pubsub_node **node)
{
	free((*node)->name);
	free((*node)->config);
	free((*node)->parsed);
	free(*node);
	*node = NULL;
}

void
account_data_free(struct account_body *body)
{
	for (size_t i = 0; i < body->item_count; i++)
		item_clear(&body->items[i]);
	for (size_t i = 0; i < body->node_count; i++)
		node_free(&body->nodes[i]);
	free(body->items);
	free(body->nodes);
	account_blocks_free(&body->account);
	free(body->account.archive);
	free(body->account.avatar);
	body->account.archive = body->account.avatar = NULL;
	body->items = NULL;
	body->nodes = NULL;
	body->item_count = body->item_room = body->node_count = body->node_room = 0;
}

static struct pubsub_node *
node_write(struct account_body *body, const char *name, const char *config)
{
	struct pubsub_node *node = account_node_find(&body->account, name);

	if (node == NULL) {
		if (body->node_count == body->node_room) {
			body->node_room = body->node_room == 0 ? 4 : body->node_room * 2;
			body->nodes = xrealloc(body->nodes, body->node_room * sizeof(struct pubsub_node *));
		}
		node = xcalloc(1, sizeof *node);
		node->name = xstrdup(name);
		body->nodes[body->node_count++] = node;
	}
	free(node->config);
	free(node->parsed);
	node->parsed = NULL;
	node->config = config == NULL ? NULL : xstrdup(config);
	return node;
}

void
account_data_fill(struct account_body *body, const struct account_view *view)
{
	account_data_free(body);
	/* Of a life that is known, memory has counted on meanwhile. */
	if (!body->loaded || body->account.created != view->account.created)
		body->account.waiting = view->waiting;
	body->account.created = view->account.created;
	body->account.roster_version = view->roster_version;
	body->account.archive = copy(view->archive);
	body->account.avatar = copy(view->avatar);
	account_blocks_fill(&body->account, view);
	for (size_t i = 0; i < view->roster_count; i++)
		item_write(body, &view->roster[i]);
	for (size_t i = 0; i < view->node_count; i++)
		node_write(body, view->nodes[i].name, view->nodes[i].config);
}

const struct roster_item *
account_roster_find(const struct account *account, const char *contact)
{
	bool found;
	size_t at = place(body_of(account), contact, &found);

	return found ? &body_of(account)->items[at] : NULL;
}

size_t
account_roster_count(const struct account *account)
{
	return body_of(account)->item_count;
}

const struct roster_item *
account_roster_at(const struct account *account, size_t index)
{
	assert(index < body_of(account)->item_count);
	return &body_of(account)->items[index];
}

static void
tell_change(struct event *event, void *arg)
{
	struct change *change = arg;

	(void)event;
	router_tell_roster(change->account, change->contact, change->before, change->after);
}

static void
note_change(struct account *account, struct event *event, const char *contact, unsigned before,
	    unsigned after)
{
	struct change *change;

	event_touch(event, account);
	account->roster_version++;
	if (before == after)
		return;
	change = arena_alloc(event->arena, sizeof *change);
	*change = (struct change){ .account = account,
				   .contact = arena_strdup(event->arena, contact),
				   .before = before,
				   .after = after };
	event_after(event, tell_change, change);
}

void
account_roster_set(struct account *account, struct event *event, const struct roster_row *row)
{
	const struct roster_item *item = account_roster_find(account, row->contact);
	unsigned before = item == NULL ? 0 : item->flags;

	if (row->flags == 0) {
		account_roster_del(account, event, row->contact);
		return;
	}
	event_add(event, &(struct op){ .kind = OP_ROSTER_SET, .account = account->node, .roster = row });
	note_change(account, event, row->contact, before, row->flags);
	item_write(body_of(account), row);
}

void
account_roster_del(struct account *account, struct event *event, const char *contact)
{
	bool found;
	size_t at = place(body_of(account), contact, &found);
	struct roster_row row = { .contact = contact };

	if (!found)
		return;
	event_add(event, &(struct op){ .kind = OP_ROSTER_DEL, .account = account->node, .roster = &row });
	note_change(account, event, contact, body_of(account)->items[at].flags, 0);
	item_remove(body_of(account), at);
}

bool
account_is_self(const struct account *account, const struct jid *who)
{
	return who->node != NULL && who->domain != NULL && strcmp(who->node, account->node) == 0 &&
	       router_is_local(account->router, who->domain);
}

unsigned
account_flags(const struct account *account, const struct jid *who)
{
	struct arena *arena = arena_new();
	const struct roster_item *item = account_roster_find(account, jid_bare_text(arena, who));
	unsigned flags = item == NULL ? 0 : item->flags;

	arena_free(&arena);
	return flags;
}

struct pubsub_node *
account_node_find(const struct account *account, const char *name)
{
	for (size_t i = 0; i < body_of(account)->node_count; i++)
		if (strcmp(body_of(account)->nodes[i]->name, name) == 0)
			return body_of(account)->nodes[i];
	return NULL;
}

size_t
account_node_count(const struct account *account)
{
	return body_of(account)->node_count;
}

struct pubsub_node *
account_node_at(const struct account *account, size_t index)
{
	assert(index < body_of(account)->node_count);
	return body_of(account)->nodes[index];
}

struct pubsub_node *
account_node_set(struct account *account, struct event *event, const char *name, const char *config)
{
	event_touch(event, account);
	event_add(event, &(struct op){
			     .kind = OP_NODE_SET, .account = account->node, .node = name, .config = config });
	return node_write(body_of(account), name, config);
}

void
account_node_del(struct account *account, struct event *event, const char *name)
{
	struct account_body *body = body_of(account);

	for (size_t i = 0; i < body->node_count; i++) {
		if (strcmp(body->nodes[i]->name, name) != 0)
			continue;
		event_touch(event, account);
		event_add(event, &(struct op){ .kind = OP_NODE_DEL, .account = account->node, .node = name });
		node_free(&body->nodes[i]);
		body->nodes[i] = body->nodes[--body->node_count];
		return;
	}
}

void
account_archive_set(struct account *account, struct event *event, const char *archive)
{
	event_touch(event, account);
	event_add(event, &(struct op){ .kind = OP_ACCOUNT_ARCHIVE, .account = account->node, .config = archive });
	free(account->archive);
	account->archive = xstrdup(archive);
}

void
account_avatar_set(struct account *account, struct event *event, const char *avatar)
{
	event_touch(event, account);
	event_add(event, &(struct op){ .kind = OP_ACCOUNT_AVATAR, .account = account->node, .config = avatar });
	free(account->avatar);
	account->avatar = avatar == NULL ? NULL : xstrdup(avatar);
}
