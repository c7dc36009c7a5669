/* test_archive.c -- pages of an archive, times and ids, what expires, and what may not. */
#include "config.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/store/archive.h"

struct seen {
	int calls;
	bool missing, complete;
	size_t count;
	int64_t ids[512], total;
	bool pending[512];
};

static void
see(void *arg, bool failed, const struct archive_page *page)
{
	struct seen *seen = arg;

	assert_false(failed);
	*seen = (struct seen){ .calls = seen->calls + 1,
			       .missing = page->missing,
			       .complete = page->complete,
			       .count = page->count,
			       .total = page->total };
	assert_true(page->count <= 512);
	for (size_t i = 0; i < page->count; i++) {
		seen->ids[i] = page->rows[i].message.id;
		seen->pending[i] = page->rows[i].pending;
	}
}

static void
ask_query(struct store *store, const char *node, struct seen *seen, const struct archive_query *query)
{
	seen->calls = 0;
	read_archive(store, node, query, see, seen);
	assert_int_equal(seen->calls, 1);
}
#define ask(store, node, seen, ...)                                                                          \
	ask_query((store), (node), (seen), &(const struct archive_query){ __VA_ARGS__ })

static int64_t
put(struct store *store, int64_t time, const char *from, const char *to, const char *peer)
{
	int64_t id = store_next_id(store);

	assert_int_equal(TXN_COMMITTED, run(store,
					    { .kind = OP_MESSAGE,
					      .id = id,
					      .time = time,
					      .from = from,
					      .to = to,
					      .body = "<message/>",
					      .body_len = 10 },
					    { .kind = OP_BOX, .id = id, .account = "ana", .peer = peer }));
	return id;
}

static struct store *
with_accounts(void **state)
{
	struct place *place = *state;

	assert_int_equal(add_account(place->store, "ana"), TXN_COMMITTED);
	assert_int_equal(add_account(place->store, "beto"), TXN_COMMITTED);
	return place->store;
}

static void
pages(void **state)
{
	struct store *store = with_accounts(state);
	struct seen seen = { 0 };
	int64_t ids[10];

	ask(store, "ana", &seen, .most = 100);
	assert_int_equal(seen.count, 0);
	assert_true(seen.complete && seen.total == 0);
	for (int i = 0; i < 10; i++)
		ids[i] = add_message(store, "<message/>");
	ask(store, "ana", &seen, .most = 4);
	assert_int_equal(seen.count, 4);
	assert_memory_equal(seen.ids, ids, 4 * sizeof *ids);
	assert_false(seen.complete);
	assert_int_equal(seen.total, 10);
	ask(store, "ana", &seen, .most = 4, .back = true, .before = ids[8]);
	assert_memory_equal(seen.ids, ids + 4, 4 * sizeof *ids);
	assert_false(seen.complete);
	ask(store, "ana", &seen, .most = 6, .after = ids[3]);
	assert_memory_equal(seen.ids, ids + 4, 6 * sizeof *ids);
	assert_true(seen.complete);
	ask(store, "ana", &seen, .above = ids[1], .below = ids[5], .back = true, .most = 2);
	assert_memory_equal(seen.ids, ids + 3, 2 * sizeof *ids);
	assert_int_equal(seen.total, 3);
	ask(store, "ana", &seen, .ids = (const int64_t[]){ ids[2], ids[7] }, .id_count = 2, .most = 100);
	assert_true(seen.count == 2 && seen.ids[0] == ids[2] && seen.ids[1] == ids[7] && seen.complete);
	ask(store, "ana", &seen, .after = ids[9] + 1, .most = 100);
	assert_true(seen.missing && seen.count == 0);
	ask(store, "nadie", &seen, .most = 100);
	assert_true(seen.count == 0 && seen.complete);
}

static void
waiting_rows_are_told(void **state)
{
	struct store *store = with_accounts(state);
	struct seen seen = { 0 };
	int64_t first = add_message(store, "<message/>");

	add_message(store, "<message/>");
	assert_int_equal(run(store, { .kind = OP_PENDING_CLEAR, .account = "beto", .id = first }),
			 TXN_COMMITTED);
	ask(store, "beto", &seen, .most = 100);
	assert_true(seen.count == 2 && !seen.pending[0] && seen.pending[1]);
	ask(store, "ana", &seen, .most = 100);
	assert_true(seen.count == 2 && !seen.pending[0] && !seen.pending[1]);
}

static void
bytes_are_bounded(void **state)
{
	struct store *store = with_accounts(state);
	struct seen seen = { 0 };
	size_t len = 100 * 1024;
	char *body = malloc(len + 1);

	memset(body, 'x', len);
	body[len] = '\0';
	for (int i = 0; i < 5; i++)
		add_message(store, body);
	ask(store, "ana", &seen, .most = 100);
	assert_int_equal(seen.count, 3);
	assert_false(seen.complete);
	ask(store, "ana", &seen, .after = seen.ids[2], .most = 100);
	assert_int_equal(seen.count, 2);
	assert_true(seen.complete);
	free(body);
}

static void
with_one(void **state)
{
	struct store *store = with_accounts(state);
	struct seen seen = { 0 };
	int64_t ids[] = { put(store, 1, "ana@a/x", "beto@a", "beto@a"),
			  put(store, 2, "beto@a/pc", "ana@a", "beto@a"),
			  put(store, 3, "beto@a/movil", "ana@a/x", "beto@a"),
			  put(store, 4, "eva@a/x", "ana@a", "eva@a") };

	ask(store, "ana", &seen, .with = "beto@a", .most = 100);
	assert_true(seen.count == 3 && seen.total == 3);
	assert_memory_equal(seen.ids, ids, 3 * sizeof *ids);
	ask(store, "ana", &seen, .with = "beto@a", .resource = "pc", .most = 100);
	assert_true(seen.count == 1 && seen.ids[0] == ids[1]);
	ask(store, "ana", &seen, .with = "nadie@lejos", .most = 100);
	assert_true(seen.count == 0 && seen.complete && seen.total == 0);
}

enum { HOUR = 3600 * 1000 };

static void
times(void **state)
{
	struct store *store = with_accounts(state);
	struct place *place = *state;
	struct seen seen = { 0 };
	int64_t ids[200];

	/* Times rise but for some minutes of disorder, as when one stanza waits for its account. */
	for (int i = 0; i < 200; i++)
		ids[i] =
		    put(store, (int64_t)HOUR * (i + 10) - (i % 3) * 60000, "ana@a/x", "beto@a", "beto@a");
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM meta WHERE key = 'stepped'"), 0);
	for (int i = 0; i < 200; i += 7) {
		int64_t from = (int64_t)HOUR * (i + 10) - 90000;
		size_t wanted = 0;
		for (int j = 0; j < 200; j++)
			wanted += (int64_t)HOUR * (j + 10) - (j % 3) * 60000 >= from;
		ask(store, "ana", &seen, .most = 250, .start = from);
		assert_int_equal(seen.count, wanted);
		ask(store, "ana", &seen, .most = 250, .end = from - 1, .back = true);
		assert_int_equal(seen.count, 200 - wanted);
	}
	ask(store, "ana", &seen, .start = (int64_t)HOUR * 10, .end = (int64_t)HOUR * 10, .most = 250);
	assert_true(seen.count == 1 && seen.ids[0] == ids[0]);
	ask(store, "ana", &seen, .end = -1, .most = 250);
	assert_int_equal(seen.count, 0);
}

/* The clock is set back by a year: rows that are found by their time alone are still all found. */
static void
times_after_a_step(void **state)
{
	struct store *store = with_accounts(state);
	struct place *place = *state;
	struct seen seen = { 0 };
	const int64_t year = (int64_t)HOUR * 24 * 365;

	for (int i = 0; i < 20; i++)
		put(store, 10 * year + i, "ana@a/x", "beto@a", "beto@a");
	for (int i = 0; i < 20; i++)
		put(store, 9 * year + i, "ana@a/x", "beto@a", "beto@a");
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM meta WHERE key = 'stepped'"), 1);
	ask(store, "ana", &seen, .start = 10 * year + 5, .most = 100);
	assert_int_equal(seen.count, 15);
	ask(store, "ana", &seen, .end = 9 * year + 5, .most = 100);
	assert_int_equal(seen.count, 6);
}

static void
step_is_seen_across_a_restart(void **state)
{
	struct store *store = with_accounts(state);
	struct place *place = *state;

	put(store, (int64_t)HOUR * 100, "ana@a/x", "beto@a", "beto@a");
	store_close(&place->store);
	place->store = open_or_fail(place->dir);
	put(place->store, HOUR, "ana@a/x", "beto@a", "beto@a");
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM meta WHERE key = 'stepped'"), 1);
}

/* ---- limits ---- */

static void
see_over(void *arg, bool failed, const char *node)
{
	assert_false(failed);
	snprintf(arg, 16, "%s", node == NULL ? "" : node);
}

static const char *
over(struct store *store, int64_t before, int64_t most)
{
	static char node[16];

	read_archive_over(store, before, most, see_over, node);
	return node;
}

static void
age(void **state)
{
	struct store *store = with_accounts(state);
	struct place *place = *state;
	struct seen seen = { 0 };

	for (int i = 1; i <= 300; i++)
		put(store, i, "ana@a/x", "beto@a", "beto@a");
	assert_string_equal(over(store, 1, 0), "");
	assert_string_equal(over(store, 0, 0), "");
	assert_string_equal(over(store, 251, 0), "ana");
	assert_int_equal(run(store, { .kind = OP_BOX_EXPIRE, .account = "ana", .time = 251 }), TXN_COMMITTED);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM box"), 100); /* 200 a call */
	assert_int_equal(run(store, { .kind = OP_BOX_EXPIRE, .account = "ana", .time = 251 }), TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_BOX_EXPIRE, .account = "nadie", .time = 251 }),
			 TXN_COMMITTED);
	ask(store, "ana", &seen, .most = 100);
	assert_int_equal(seen.count, 50);
	assert_string_equal(over(store, 251, 0), "");
	assert_references_hold(place->dir);
	assert_int_equal(sql_number(place->dir, "SELECT bytes FROM usage"), 500);
}

/* What waits is not lost: the other's archive and mailbox keep the message. */
static void
size_and_what_waits(void **state)
{
	struct store *store = with_accounts(state);
	struct place *place = *state;
	struct mail mail;

	for (int i = 0; i < 10; i++)
		add_message(store, "0123456789");
	assert_string_equal(over(store, 0, 100), "");
	assert_string_equal(over(store, 0, 99), "ana");
	assert_int_equal(run(store, { .kind = OP_BOX_EXPIRE, .account = "ana", .most = 35 },
			     { .kind = OP_BOX_EXPIRE, .account = "beto", .most = 1 }),
			 TXN_COMMITTED);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM box"), 3);
	assert_int_equal(sql_number(place->dir, "SELECT sum(bytes) FROM usage"), 30);
	get_pending(store, "beto", 0, 64, &mail);
	assert_int_equal(mail.count, 10);
	assert_references_hold(place->dir);
	assert_int_equal(run(store, { .kind = OP_ACCOUNT_DEL, .account = "ana" }), TXN_COMMITTED);
	assert_int_equal(sql_number(place->dir, "SELECT sum(bytes) FROM usage"), 0);
	assert_references_hold(place->dir);
}

static void
see_ends(void *arg, bool failed, const struct archive_ends *ends)
{
	assert_false(failed);
	*(struct archive_ends *)arg = *ends;
}

static void
ends(void **state)
{
	struct store *store = with_accounts(state);
	struct archive_ends seen = { .first = 1 };

	read_archive_ends(store, "ana", see_ends, &seen);
	assert_int_equal(seen.first, 0);
	int64_t first = put(store, 5, "ana@a/x", "beto@a", "beto@a"),
		last = put(store, 7, "ana@a/x", "beto@a", "beto@a");
	read_archive_ends(store, "ana", see_ends, &seen);
	assert_true(seen.first == first && seen.last == last && seen.first_time == 5 && seen.last_time == 7);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {
		CASE(pages),
		CASE(waiting_rows_are_told),
		CASE(bytes_are_bounded),
		CASE(with_one),
		CASE(times),
		CASE(times_after_a_step),
		CASE(step_is_seen_across_a_restart),
		CASE(age),
		CASE(size_and_what_waits),
		CASE(ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
