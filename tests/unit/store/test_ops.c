/* test_ops.c -- every operation of txn.h, its conflict, and what read.h then answers. */
#include "config.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"

static struct store *
with_accounts(void **state)
{
	struct place *place = *state;

	assert_int_equal(add_account(place->store, "ana"), TXN_COMMITTED);
	assert_int_equal(add_account(place->store, "beto"), TXN_COMMITTED);
	return place->store;
}

struct seen_account {
	int calls;
	bool exists;
	int64_t created, last, pending, roster_version;
	uint32_t iterations;
	char salt[17], stored[33];
	size_t roster_count, node_count;
	unsigned flags;
	char contact[64], name[64], groups[64], request[64], node[64], config[64];
};

static void
copy(char *out, const char *text)
{
	strncpy(out, text == NULL ? "(null)" : text, 63);
}

static void
see_account(void *arg, bool failed, const struct account_view *view)
{
	struct seen_account *seen = arg;

	assert_false(failed);
	*seen = (struct seen_account){ .calls = seen->calls + 1,
				       .exists = view->exists,
				       .created = view->account.created,
				       .last = view->account.last,
				       .pending = view->account.pending,
				       .roster_version = view->roster_version,
				       .iterations = view->account.keys.iterations,
				       .roster_count = view->roster_count,
				       .node_count = view->node_count };
	memcpy(seen->salt, view->account.keys.salt, 16);
	memcpy(seen->stored, view->account.keys.stored_sha256, 32);
	if (view->roster_count > 0) {
		seen->flags = view->roster[0].flags;
		copy(seen->contact, view->roster[0].contact);
		copy(seen->name, view->roster[0].name);
		copy(seen->groups, view->roster[0].groups);
		copy(seen->request, view->roster[0].request);
	}
	if (view->node_count > 0) {
		copy(seen->node, view->nodes[0].name);
		copy(seen->config, view->nodes[0].config);
	}
}

static struct seen_account
get_account(struct store *store, const char *node)
{
	struct seen_account seen = { .calls = 0 };

	read_account(store, node, see_account, &seen);
	assert_int_equal(seen.calls, 1);
	return seen;
}

static void
see_keys(void *arg, bool failed, bool exists, const struct scram_keys *keys)
{
	assert_false(failed);
	*(uint32_t *)arg = exists ? keys->iterations : 0;
}

static void
logged_in(struct store *store, int64_t time, int64_t noted)
{
	assert_int_equal(run(store, { .kind = OP_ACCOUNT_SEEN, .account = "ana", .time = time }), TXN_COMMITTED);
	assert_int_equal(get_account(store, "ana").last, noted);
}

static void
account_is_made_changed_seen_and_deleted(void **state)
{
	struct store *store = with_accounts(state);
	struct scram_keys other = some_keys;
	uint32_t iterations = 1;

	assert_int_equal(add_account(store, "ana"), TXN_CONFLICT);
	struct seen_account seen = get_account(store, "ana");
	assert_true(seen.exists);
	assert_int_equal(seen.created, 1000);
	assert_int_equal(seen.last, 0);
	assert_int_equal(seen.iterations, 10000);
	assert_string_equal(seen.salt, "0123456789abcde");
	assert_string_equal(seen.stored, "s256");
	assert_false(get_account(store, "nadie").exists);

	other.iterations = 20000;
	assert_int_equal(run(store, { .kind = OP_ACCOUNT_KEYS, .account = "ana", .keys = &other }),
			 TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_ACCOUNT_KEYS, .account = "nadie", .keys = &other }),
			 TXN_CONFLICT);
	assert_int_equal(run(store, { .kind = OP_ACCOUNT_SEEN, .account = "ana", .time = 777 }),
			 TXN_COMMITTED);
	read_keys(store, "ana", see_keys, &iterations);
	assert_int_equal(iterations, 20000);
	read_keys(store, "nadie", see_keys, &iterations);
	assert_int_equal(iterations, 0);
	assert_int_equal(get_account(store, "ana").last, 777);
	logged_in(store, 777 + 59999, 777); /* not written so soon again */
	logged_in(store, 777 + 60000, 777 + 60000);
	logged_in(store, 5000, 5000); /* the clock was set back */

	assert_int_equal(run(store, { .kind = OP_ACCOUNT_DEL, .account = "ana" }), TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_ACCOUNT_DEL, .account = "ana" }), TXN_CONFLICT);
	assert_false(get_account(store, "ana").exists);
	assert_int_equal(add_account(store, "ana"), TXN_COMMITTED);
}

static void
deleted_account_takes_all_with_it(void **state)
{
	struct place *place = *state;
	struct store *store = with_accounts(state);
	const struct roster_row row = { .contact = "beto@a", .flags = ROSTER_TO };

	for (int i = 0; i < 450; i++) /* more than two slices */
		add_message(store, "hola");
	assert_int_equal(run(store, { .kind = OP_ROSTER_SET, .account = "beto", .roster = &row },
			     { .kind = OP_BLOCK, .account = "beto", .peer = "x@evil" },
			     { .kind = OP_NODE_SET, .account = "beto", .node = "urn:x", .config = "c" }),
			 TXN_COMMITTED);
	for (int i = 0; i < 250; i++) {
		char item[16];
		snprintf(item, sizeof item, "%d", i);
		assert_int_equal(run(store, { .kind = OP_ITEM_SET,
					      .account = "beto",
					      .node = "urn:x",
					      .item = item,
					      .body = "<x/>",
					      .body_len = 4 }),
				 TXN_COMMITTED);
	}
	assert_int_equal(run(store, { .kind = OP_ACCOUNT_DEL, .account = "beto" }), TXN_COMMITTED);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM account"), 1);
	assert_int_equal(sql_number(place->dir,
				    "SELECT (SELECT count(*) FROM pending) + (SELECT count(*) FROM node)"
				    " + (SELECT count(*) FROM item) + (SELECT count(*) FROM roster)"
				    " + (SELECT count(*) FROM block)"),
			 0);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM msg"),
			 450); /* ana's archive keeps them */
	assert_references_hold(place->dir);
	assert_int_equal(run(store, { .kind = OP_ACCOUNT_DEL, .account = "ana" }), TXN_COMMITTED);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM msg"), 0);
}

static void
message_waits_until_cleared(void **state)
{
	struct place *place = *state;
	struct store *store = with_accounts(state);
	struct mail mail;
	int64_t first = add_message(store, "uno"), second = add_message(store, "dos"),
		third = add_message(store, "tres");

	get_pending(store, "beto", 0, 10, &mail);
	assert_int_equal(mail.count, 3);
	assert_int_equal(mail.rows[0].id, first);
	assert_int_equal(mail.rows[0].time, 5000 + first);
	assert_int_equal(mail.rows[0].expires, 9000);
	assert_string_equal(mail.rows[0].from, "ana@a/x");
	assert_string_equal(mail.rows[0].to, "beto@a");
	assert_string_equal(mail.rows[0].body, "uno");
	assert_string_equal(mail.rows[2].body, "tres");
	get_pending(store, "beto", first, 1, &mail);
	assert_int_equal(mail.count, 1);
	assert_int_equal(mail.rows[0].id, second);
	assert_int_equal(get_pending_count(store, "beto"), 3);
	assert_int_equal(get_account(store, "beto").pending, 3);

	assert_int_equal(run(store, { .kind = OP_PENDING_CLEAR, .account = "beto", .id = second }),
			 TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_PENDING_CLEAR, .account = "beto", .id = second }),
			 TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_PENDING_CLEAR, .account = "nadie", .id = second }),
			 TXN_COMMITTED);
	get_pending(store, "beto", 0, 10, &mail);
	assert_int_equal(mail.count, 2);
	assert_int_equal(mail.rows[1].id, third);
	get_pending(store, "ana", 0, 10, &mail);
	assert_int_equal(mail.count, 0);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM msg"), 3); /* still in both archives */
	assert_references_hold(place->dir);
}

static enum txn_result
bare_message(struct store *store, int64_t id)
{
	return run(store,
		   { .kind = OP_MESSAGE,
		     .id = id,
		     .from = "x@y/",
		     .to = "ana@a/casa/2",
		     .body = "b",
		     .body_len = 1 },
		   { .kind = OP_PENDING, .id = id, .account = "ana" });
}

static void
message_that_nobody_keeps_goes(void **state)
{
	struct place *place = *state;
	struct store *store = with_accounts(state);
	struct mail mail;
	int64_t id = store_next_id(store);

	assert_int_equal(bare_message(store, id), TXN_COMMITTED);
	assert_int_equal(bare_message(store, id), TXN_FAILED); /* an id is used once */
	get_pending(store, "ana", 0, 10, &mail);
	assert_int_equal(mail.count, 1);
	assert_string_equal(mail.rows[0].from, "x@y/");
	assert_string_equal(mail.rows[0].to, "ana@a/casa/2"); /* a resource may hold a slash */
	assert_int_equal(run(store, { .kind = OP_PENDING_CLEAR, .account = "ana", .id = id }), TXN_COMMITTED);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM msg"), 0);

	/* A stanza may lack an address. */
	id = store_next_id(store);
	assert_int_equal(run(store,
			     { .kind = OP_MESSAGE, .id = id, .from = "x@y/r", .body = "b", .body_len = 1 },
			     { .kind = OP_PENDING, .id = id, .account = "ana" }),
			 TXN_COMMITTED);
	get_pending(store, "ana", 0, 10, &mail);
	assert_string_equal(mail.rows[0].to, "");
	assert_int_equal(run(store, { .kind = OP_PENDING_CLEAR, .account = "ana", .id = id }), TXN_COMMITTED);

	/* Without any reference it is not even written. */
	assert_int_equal(
	    run(store,
		{ .kind = OP_MESSAGE, .id = id + 1, .from = "a@b", .to = "c@d", .body = "x", .body_len = 1 }),
	    TXN_COMMITTED);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM msg"), 0);
}

static void
reference_needs_account_and_message(void **state)
{
	struct place *place = *state;
	struct store *store = with_accounts(state);
	int64_t id = add_message(store, "hola");

	/* No conflict: a sender whose repetitions are handled in silence has to be told. */
	assert_int_equal(run(store, { .kind = OP_PENDING, .id = id, .account = "nadie" }), TXN_FAILED);
	assert_int_equal(run(store, { .kind = OP_BOX, .id = id, .account = "nadie", .peer = "a@b" }),
			 TXN_FAILED);
	assert_int_equal(run(store, { .kind = OP_PENDING, .id = id + 1, .account = "ana" }), TXN_CONFLICT);
	assert_int_equal(run(store, { .kind = OP_BOX, .id = id + 1, .account = "ana", .peer = "a@b" }),
			 TXN_CONFLICT);
	assert_int_equal(run(store, { .kind = OP_PENDING, .id = id, .account = "ana" }),
			 TXN_COMMITTED); /* later is allowed */
	assert_int_equal(run(store, { .kind = OP_PENDING, .id = id, .account = "ana" }),
			 TXN_COMMITTED); /* and twice is once */
	assert_int_equal(get_pending_count(store, "ana"), 1);
	assert_references_hold(place->dir);

	/* To oneself: both archives are one. */
	int64_t note = store_next_id(store);
	assert_int_equal(run(store,
			     { .kind = OP_MESSAGE,
			       .id = note,
			       .from = "ana@a/x",
			       .to = "ana@a",
			       .body = "n",
			       .body_len = 1 },
			     { .kind = OP_BOX, .id = note, .account = "ana", .peer = "ana@a" },
			     { .kind = OP_BOX, .id = note, .account = "ana", .peer = "ana@a" }),
			 TXN_COMMITTED);
	assert_references_hold(place->dir);
}

static void
roster_item_is_set_replaced_and_removed(void **state)
{
	struct store *store = with_accounts(state);
	const struct roster_row row = { .contact = "beto@a",
					.flags = ROSTER_TO | ROSTER_VISIBLE,
					.name = "Beto",
					.groups = "Amigos\nCasa\n",
					.request = "<presence/>" };
	const struct roster_row again = { .contact = "beto@a", .flags = ROSTER_FROM };
	const struct roster_row other = { .contact = "nunca@visto" };

	assert_int_equal(get_account(store, "ana").roster_version,
			 1000); /* an older account's cache is not taken for ours */
	assert_int_equal(run(store, { .kind = OP_ROSTER_SET, .account = "nadie", .roster = &row }),
			 TXN_CONFLICT);
	assert_int_equal(run(store, { .kind = OP_ROSTER_DEL, .account = "nadie", .roster = &row }),
			 TXN_CONFLICT);
	assert_int_equal(run(store, { .kind = OP_ROSTER_SET, .account = "ana", .roster = &row }),
			 TXN_COMMITTED);
	struct seen_account seen = get_account(store, "ana");
	assert_int_equal(seen.roster_version, 1001);
	assert_int_equal(seen.roster_count, 1);
	assert_int_equal(seen.flags, ROSTER_TO | ROSTER_VISIBLE);
	assert_string_equal(seen.contact, "beto@a");
	assert_string_equal(seen.name, "Beto");
	assert_string_equal(seen.groups, "Amigos\nCasa\n");
	assert_string_equal(seen.request, "<presence/>");

	assert_int_equal(run(store, { .kind = OP_ROSTER_SET, .account = "ana", .roster = &again }),
			 TXN_COMMITTED);
	seen = get_account(store, "ana");
	assert_int_equal(seen.roster_count, 1);
	assert_int_equal(seen.flags, ROSTER_FROM);
	assert_string_equal(seen.name, "(null)");
	assert_int_equal(run(store, { .kind = OP_ROSTER_DEL, .account = "ana", .roster = &other }),
			 TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_ROSTER_DEL, .account = "ana", .roster = &again }),
			 TXN_COMMITTED);
	seen = get_account(store, "ana");
	assert_int_equal(seen.roster_count, 0);
	assert_int_equal(seen.roster_version, 1004);
}

struct items {
	size_t count;
	struct {
		bool none;
		char item[32], publisher[32], body[32];
		int64_t time;
	} rows[16];
};

static void
see_items(void *arg, bool failed, const struct item_row *rows, size_t count)
{
	struct items *items = arg;

	assert_false(failed);
	assert_true(count <= 16);
	items->count = count;
	for (size_t i = 0; i < count; i++) {
		items->rows[i].none = rows[i].item == NULL;
		if (rows[i].item == NULL)
			continue;
		snprintf(items->rows[i].item, 32, "%s", rows[i].item);
		snprintf(items->rows[i].publisher, 32, "%s", rows[i].publisher);
		snprintf(items->rows[i].body, 32, "%.*s", (int)rows[i].len, rows[i].body);
		items->rows[i].time = rows[i].time;
	}
}

static struct items
get_items(struct store *store, const char *node, const char *item, size_t limit)
{
	struct items items = { .count = 99 };

	read_items(store, "ana", node, item, limit, see_items, &items);
	return items;
}

static enum txn_result
publish(struct store *store, const char *item, const char *body, int max)
{
	return run(store, { .kind = OP_ITEM_SET,
			    .account = "ana",
			    .node = "urn:x",
			    .item = item,
			    .publisher = "ana@a/x",
			    .time = 42,
			    .body = body,
			    .body_len = strlen(body),
			    .max_items = max });
}

static void
items_are_published_in_order_and_bounded(void **state)
{
	struct store *store = with_accounts(state);
	static const char *const nodes[] = { "urn:none", "urn:x", "urn:y" };

	assert_int_equal(publish(store, "1", "<a/>", 0), TXN_CONFLICT); /* no such node */
	assert_int_equal(run(store, { .kind = OP_NODE_SET, .account = "nadie", .node = "urn:x" }),
			 TXN_CONFLICT);
	assert_int_equal(run(store,
			     { .kind = OP_NODE_SET, .account = "ana", .node = "urn:x", .config = "uno" },
			     { .kind = OP_NODE_SET, .account = "ana", .node = "urn:y" }),
			 TXN_COMMITTED);
	assert_int_equal(
	    run(store, { .kind = OP_NODE_SET, .account = "ana", .node = "urn:x", .config = "dos" }),
	    TXN_COMMITTED);
	struct seen_account seen = get_account(store, "ana");
	assert_int_equal(seen.node_count, 2);
	assert_string_equal(seen.node, "urn:x");
	assert_string_equal(seen.config, "dos");

	assert_int_equal(publish(store, "1", "<a/>", 3), TXN_COMMITTED);
	assert_int_equal(publish(store, "2", "<b/>", 3), TXN_COMMITTED);
	assert_int_equal(publish(store, "3", "<c/>", 3), TXN_COMMITTED);
	assert_int_equal(publish(store, "1", "<d/>", 3), TXN_COMMITTED); /* again: now the newest */
	struct items items = get_items(store, "urn:x", NULL, 10);
	assert_int_equal(items.count, 3);
	assert_string_equal(items.rows[0].item, "1");
	assert_string_equal(items.rows[0].body, "<d/>");
	assert_string_equal(items.rows[0].publisher, "ana@a/x");
	assert_int_equal(items.rows[0].time, 42);
	assert_string_equal(items.rows[2].item, "2");
	assert_int_equal(publish(store, "4", "<e/>", 2), TXN_COMMITTED); /* only the two newest stay */
	items = get_items(store, "urn:x", NULL, 10);
	assert_int_equal(items.count, 2);
	assert_string_equal(items.rows[0].item, "4");
	assert_string_equal(items.rows[1].item, "1");
	assert_int_equal(get_items(store, "urn:x", NULL, 1).count, 1);
	assert_int_equal(get_items(store, "urn:x", "1", 10).count, 1);
	assert_int_equal(get_items(store, "urn:x", "2", 10).count, 0);
	read_last_items(store, "ana", nodes, 3, see_items, &items);
	assert_int_equal(items.count, 3);
	assert_true(items.rows[0].none && items.rows[2].none);
	assert_string_equal(items.rows[1].item, "4");

	assert_int_equal(run(store, { .kind = OP_ITEM_DEL, .account = "ana", .node = "urn:x", .item = "4" }),
			 TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_ITEM_DEL, .account = "ana", .node = "urn:x", .item = "4" }),
			 TXN_COMMITTED);
	assert_int_equal(get_items(store, "urn:x", NULL, 10).count, 1);
	assert_int_equal(run(store, { .kind = OP_NODE_PURGE, .account = "ana", .node = "urn:x" }),
			 TXN_COMMITTED);
	assert_int_equal(get_items(store, "urn:x", NULL, 10).count, 0);
	assert_int_equal(run(store, { .kind = OP_NODE_DEL, .account = "ana", .node = "urn:x" }),
			 TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_NODE_DEL, .account = "ana", .node = "urn:x" }),
			 TXN_COMMITTED);
	assert_int_equal(publish(store, "1", "<a/>", 3), TXN_CONFLICT);
}

struct invites {
	size_t count;
	char token[32], node[32];
	bool used, free_address;
};

static void
see_invites(void *arg, bool failed, const struct invite_row *rows, size_t count)
{
	struct invites *invites = arg;

	assert_false(failed);
	invites->count = count;
	if (count == 0)
		return;
	snprintf(invites->token, 32, "%s", rows[0].token);
	snprintf(invites->node, 32, "%s", rows[0].node == NULL ? "" : rows[0].node);
	invites->used = rows[0].used;
	invites->free_address = rows[0].node == NULL;
}

static enum txn_result
use_invite(struct store *store, const char *token, const char *node, int64_t time)
{
	return run(store, { .kind = OP_INVITE_USE, .token = token, .account = node, .time = time });
}

static void
invitation_is_used_once_in_time_by_its_guest(void **state)
{
	struct store *store = ((struct place *)*state)->store;
	struct invites seen;

	assert_int_equal(run(store, { .kind = OP_INVITE_NEW, .token = "t1", .time = 10, .expires = 100 },
			     { .kind = OP_INVITE_NEW, .token = "t2", .account = "ana", .time = 11 }),
			 TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_INVITE_NEW, .token = "t1", .time = 10 }), TXN_CONFLICT);
	read_invites(store, see_invites, &seen);
	assert_int_equal(seen.count, 2);
	assert_true(seen.free_address);
	assert_int_equal(use_invite(store, "t1", "x", 100), TXN_CONFLICT); /* too late */
	assert_int_equal(use_invite(store, "t0", "x", 50), TXN_CONFLICT);
	assert_int_equal(use_invite(store, "t1", "x", 99), TXN_COMMITTED);
	assert_int_equal(use_invite(store, "t1", "x", 99), TXN_CONFLICT);
	assert_int_equal(use_invite(store, "t2", "beto", 50), TXN_CONFLICT);
	assert_int_equal(use_invite(store, "t2", "ana", 50), TXN_COMMITTED);
	read_invite(store, "t2", see_invites, &seen);
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.node, "ana");
	assert_true(seen.used);
	assert_int_equal(run(store, { .kind = OP_INVITE_DEL, .token = "t2" }), TXN_COMMITTED);
	read_invite(store, "t2", see_invites, &seen);
	assert_int_equal(seen.count, 0);
}

static void
see_reports(void *arg, bool failed, const struct report_row *rows, size_t count)
{
	assert_false(failed);
	if (count == 1) {
		assert_string_equal(rows[0].node, "ana");
		assert_string_equal(rows[0].jid, "x@evil");
		assert_string_equal(rows[0].reason, "spam");
		assert_null(rows[0].words);
		assert_string_equal(rows[0].messages, "i1 i2");
		assert_int_equal(rows[0].time, 7);
	}
	*(size_t *)arg = count;
}

static void
see_blocks(void *arg, bool failed, const struct account_view *view)
{
	assert_false(failed);
	assert_int_equal(view->block_count, *(size_t *)arg);
	for (size_t i = 1; i < view->block_count; i++)
		assert_true(strcmp(view->blocks[i - 1], view->blocks[i]) < 0);
	assert_int_equal(view->left, 99);
	assert_string_equal(view->left_status, "home");
}

static void
blocks_reports_and_leaving(void **state)
{
	struct place *place = *state;
	struct store *store = with_accounts(state);
	size_t count = 2;

	assert_int_equal(run(store, { .kind = OP_BLOCK, .account = "ana", .peer = "z@evil" },
			     { .kind = OP_BLOCK, .account = "ana", .peer = "a@evil" },
			     { .kind = OP_BLOCK, .account = "ana", .peer = "z@evil" },
			     { .kind = OP_ACCOUNT_LEFT, .account = "ana", .time = 99, .config = "home" }),
			 TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_BLOCK, .account = "nobody", .peer = "z@evil" }), TXN_CONFLICT);
	read_account(store, "ana", see_blocks, &count);
	assert_int_equal(run(store, { .kind = OP_UNBLOCK, .account = "ana", .peer = "z@evil" }), TXN_COMMITTED);
	count = 1;
	read_account(store, "ana", see_blocks, &count);
	assert_int_equal(run(store, { .kind = OP_UNBLOCK, .account = "ana" }), TXN_COMMITTED);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM block"), 0);
	assert_int_equal(run(store, { .kind = OP_REPORT, .account = "ana", .peer = "x@evil", .item = "spam", .node = "i1 i2",
				      .time = 7 }),
			 TXN_COMMITTED);
	read_reports(store, see_reports, &count);
	assert_int_equal(count, 1);
	assert_int_equal(run(store, { .kind = OP_REPORT_DEL, .id = 1 }), TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_REPORT_DEL, .id = 1 }), TXN_CONFLICT);
}

static void
duplicate_key_is_a_conflict_until_it_expires(void **state)
{
	struct place *place = *state;
	struct store *store = place->store;
	static const uint8_t one[32] = { 1 }, two[32] = { 2 };

	assert_int_equal(run(store, { .kind = OP_SEEN, .key = one, .time = 10, .expires = 100 }),
			 TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_SEEN, .key = one, .time = 99, .expires = 200 }),
			 TXN_CONFLICT);
	assert_int_equal(run(store, { .kind = OP_SEEN, .key = one, .time = 100, .expires = 200 }),
			 TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_SEEN, .key = two, .time = 10, .expires = 0 }),
			 TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_SEEN, .key = two, .time = 9999, .expires = 0 }),
			 TXN_CONFLICT);
	assert_int_equal(run(store, { .kind = OP_SEEN_EXPIRE, .time = 199 }), TXN_COMMITTED);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM seen"), 2);
	assert_int_equal(run(store, { .kind = OP_SEEN_EXPIRE, .time = 200 }), TXN_COMMITTED);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM seen"), 1);
}

static void
transaction_is_all_or_nothing(void **state)
{
	struct place *place = *state;
	struct store *store = with_accounts(state);
	static const uint8_t key[32] = { 7 };
	int64_t id = store_next_id(store);

	assert_int_equal(run(store, { .kind = OP_SEEN, .key = key }), TXN_COMMITTED);
	assert_int_equal(run(store,
			     { .kind = OP_MESSAGE,
			       .id = id,
			       .from = "nuevo@lejos/r",
			       .to = "ana@a",
			       .body = "x",
			       .body_len = 1 },
			     { .kind = OP_BOX, .id = id, .account = "ana", .peer = "nuevo@lejos" },
			     { .kind = OP_PENDING, .id = id, .account = "ana" },
			     { .kind = OP_SEEN, .key = key }),
			 TXN_CONFLICT);
	assert_int_equal(
	    sql_number(
		place->dir,
		"SELECT (SELECT count(*) FROM msg) + (SELECT count(*) FROM box)"
		" + (SELECT count(*) FROM pending) + (SELECT count(*) FROM jid WHERE text LIKE 'nuevo%')"),
	    0);
	struct txn *txn = txn_new(store);
	txn_add(txn, &(struct op){ .kind = OP_INVITE_NEW, .token = "abandoned" });
	txn_abandon(&txn);
	assert_null(txn);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM invite"), 0);
}

static void
words_of_sql_are_only_words(void **state)
{
	struct store *store = ((struct place *)*state)->store;
	const char *const nasty = "x'; DROP TABLE msg; --\"%_\\";

	assert_int_equal(add_account(store, nasty), TXN_COMMITTED);
	assert_true(get_account(store, nasty).exists);
	assert_int_equal(
	    run(store, { .kind = OP_NODE_SET, .account = nasty, .node = nasty, .config = nasty }),
	    TXN_COMMITTED);
	assert_string_equal(get_account(store, nasty).node, nasty);
	assert_false(get_account(store, "%").exists);
}

static void
flush_answers_are_bounded_in_bytes(void **state)
{
	struct store *store = with_accounts(state);
	size_t len = 1 << 20;
	char *body = xmalloc(len);
	struct mail mail;
	size_t got = 0;
	int64_t after = 0;

	memset(body, 'x', len);
	for (int i = 0; i < 9; i++) {
		int64_t id = store_next_id(store);
		assert_int_equal(run(store,
				     { .kind = OP_MESSAGE,
				       .id = id,
				       .from = "x@y",
				       .to = "ana@a",
				       .body = body,
				       .body_len = len },
				     { .kind = OP_PENDING, .id = id, .account = "ana" }),
				 TXN_COMMITTED);
	}
	do {
		get_pending(store, "ana", after, 9, &mail);
		assert_true(mail.count <= 5);
		got += mail.count;
		after = mail.count > 0 ? mail.rows[mail.count - 1].id : after;
	} while (mail.count > 0);
	assert_int_equal(got, 9);
	free(body);
}

static void
see_accounts(void *arg, bool failed, const struct account_row *rows, size_t count)
{
	assert_false(failed);
	assert_int_equal(count, 2);
	assert_string_equal(rows[0].node, "ana");
	assert_string_equal(rows[1].node, "beto");
	assert_int_equal(rows[1].pending, 1);
	*(int *)arg = 1;
}

static void
accounts_are_listed(void **state)
{
	struct store *store = with_accounts(state);
	int told = 0;

	add_message(store, "hola");
	read_accounts(store, see_accounts, &told);
	assert_int_equal(told, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(account_is_made_changed_seen_and_deleted),
		TEST(deleted_account_takes_all_with_it),
		TEST(message_waits_until_cleared),
		TEST(message_that_nobody_keeps_goes),
		TEST(reference_needs_account_and_message),
		TEST(roster_item_is_set_replaced_and_removed),
		TEST(items_are_published_in_order_and_bounded),
		TEST(invitation_is_used_once_in_time_by_its_guest),
		TEST(blocks_reports_and_leaving),
		TEST(duplicate_key_is_a_conflict_until_it_expires),
		TEST(transaction_is_all_or_nothing),
		TEST(words_of_sql_are_only_words),
		TEST(flush_answers_are_bounded_in_bytes),
		TEST(accounts_are_listed),
	};

	return cmocka_run_group_tests_name("store/ops", tests, NULL, NULL);
}
