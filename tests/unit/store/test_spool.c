/* test_spool.c -- messages held for other relays (store/spool.h): order, known domains, settling, ends, doubts, references. */
#include "config.h"

#include "harness.h"

#include <string.h>
#include "relay/store/spool_list.h"

static const uint8_t key[32] = { 0x9f, 0x0b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0x44, 0xff };

struct seen {
	size_t count;
	struct spool_row rows[40];
	char domains[40][16];
};

static void
see(void *arg, bool failed, const struct spool_row *rows, size_t count)
{
	struct seen *seen = arg;

	assert_false(failed);
	assert_true(count <= 40);
	seen->count = count;
	if (count > 0)
		memcpy(seen->rows, rows, count * sizeof *rows);
	for (size_t i = 0; i < count; i++)
		strcpy(seen->domains[i], rows[i].domain);
}

static void
see_domains(void *arg, bool failed, const struct spool_domain *rows, size_t count)
{
	struct seen *seen = arg;

	assert_false(failed);
	seen->count = count;
	for (size_t i = 0; i < count; i++) {
		strcpy(seen->domains[i], rows[i].domain);
		seen->rows[i] = (struct spool_row){ .tries = rows[i].tries, .next = rows[i].next, .state = rows[i].known };
	}
}

static int64_t
hold(struct store *store, const char *domain, bool stranger)
{
	int64_t id = store_next_id(store);

	assert_int_equal(run(store,
	    { .kind = OP_MESSAGE, .id = id, .time = 1000, .from = "ana@a/x", .to = "luis@b", .body = "<message/>", .body_len = 10 },
	    { .kind = OP_SPOOL_NEW, .id = id, .peer = domain, .key = key, .item = "m1", .time = 1000, .expires = 9000, .most = 5000,
	      .stranger = stranger }), TXN_COMMITTED);
	return id;
}

static struct seen
held(struct store *store, const char *domain)
{
	struct seen seen;

	read_spool(store, domain, 0, 40, see, &seen);
	return seen;
}

static void
rows_of_a_domain_come_in_order(void **state)
{
	struct place *place = *state;
	int64_t first = hold(place->store, "b", false), other = hold(place->store, "c", false), second = hold(place->store, "b", false);
	struct seen seen = held(place->store, "b");

	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.rows[0].id, first);
	assert_int_equal(seen.rows[1].id, second);
	assert_string_equal(seen.rows[0].custody, "9f0b0102030405060708090a0b0c0d44");
	assert_int_equal(seen.rows[0].expires, 9000);
	read_spool(place->store, "b", first, 40, see, &seen);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.rows[0].id, second);
	read_spool_domains(place->store, see_domains, &seen);
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.domains[0], "b");
	assert_string_equal(seen.domains[1], "c");
	read_spool_list(place->store, first, 40, see, &seen);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.rows[0].id, other);
	assert_references_hold(place->dir);
}

static void
an_unknown_domain_has_less_time_until_it_is_known(void **state)
{
	struct place *place = *state;
	struct seen seen;

	hold(place->store, "b", true);
	assert_int_equal(held(place->store, "b").rows[0].expires, 5000);
	assert_int_equal(run(place->store, { .kind = OP_PEER_SEEN, .peer = "b", .time = 1500, .most = 20000 }), TXN_COMMITTED);
	assert_int_equal(held(place->store, "b").rows[0].expires, 21000);
	hold(place->store, "b", true);
	assert_int_equal(held(place->store, "b").rows[1].expires, 9000);
	assert_int_equal(run(place->store, { .kind = OP_PEER_SEEN, .peer = "b", .time = 1600, .most = 30000 }), TXN_COMMITTED);
	assert_int_equal(held(place->store, "b").rows[0].expires, 21000);
	hold(place->store, "c", false); /* somebody knows it */
	hold(place->store, "c", true);
	assert_int_equal(held(place->store, "c").rows[1].expires, 9000);
	assert_int_equal(run(place->store, { .kind = OP_PEER_TRIED, .peer = "c", .id = 3, .time = 1, .expires = 77, .config = "no" }),
	    TXN_COMMITTED);
	read_spool_domain(place->store, "c", see_domains, &seen);
	assert_int_equal(seen.rows[0].tries, 3);
	assert_int_equal(seen.rows[0].next, 77);
	assert_true(seen.rows[0].state); /* known */
	read_spool_domain(place->store, "d", see_domains, &seen);
	assert_int_equal(seen.count, 0);
}

static void
what_is_settled_keeps_its_body_for_a_while(void **state)
{
	struct place *place = *state;
	int64_t id = hold(place->store, "b", false);
	struct seen seen;

	assert_int_equal(run(place->store, { .kind = OP_SPOOL_SETTLE, .id = id, .time = 2000, .expires = 3000, .max_items = SPOOL_DURABLE }),
	    TXN_COMMITTED);
	assert_int_equal(held(place->store, "b").count, 0);
	read_spool_list(place->store, 0, 40, see, &seen);
	assert_int_equal(seen.count, 0);
	read_spool_expired(place->store, 99999, 40, see, &seen);
	assert_int_equal(seen.count, 0);
	read_spool_named(place->store, "b", "m1", see, &seen);
	assert_int_equal(seen.count, 1);
	read_spool_named(place->store, "c", "m1", see, &seen);
	assert_int_equal(seen.count, 0);
	assert_int_equal(run(place->store, { .kind = OP_SPOOL_CLEAN, .time = 2999 }), TXN_COMMITTED);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM msg"), 1);
	assert_references_hold(place->dir);
	assert_int_equal(run(place->store, { .kind = OP_SPOOL_CLEAN, .time = 3000 }), TXN_COMMITTED);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM msg"), 0);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM spool"), 0);
}

static void
an_end_is_once(void **state)
{
	struct place *place = *state;
	int64_t id = hold(place->store, "b", false);
	struct seen seen;

	read_spool_expired(place->store, 8999, 40, see, &seen);
	assert_int_equal(seen.count, 0);
	read_spool_expired(place->store, 9000, 40, see, &seen);
	assert_int_equal(seen.count, 1);
	assert_int_equal(run(place->store, { .kind = OP_SPOOL_END, .id = id, .time = 1, .config = "x" }), TXN_COMMITTED);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM msg"), 0);
	assert_int_equal(run(place->store, { .kind = OP_SPOOL_END, .id = id, .time = 1, .config = "x" }), TXN_CONFLICT);
}

static void
doubts_end_repetition(void **state)
{
	struct place *place = *state;
	int64_t id = hold(place->store, "b", false);
	struct seen seen;

	for (int n = 0; n < 4; n++)
		assert_int_equal(run(place->store, { .kind = OP_SPOOL_DOUBT, .id = id, .most = 5 }), TXN_COMMITTED);
	assert_int_equal(held(place->store, "b").count, 1);
	assert_int_equal(run(place->store, { .kind = OP_SPOOL_DOUBT, .id = id, .most = 5 }), TXN_COMMITTED);
	assert_int_equal(held(place->store, "b").count, 0);
	read_spool_list(place->store, 0, 40, see, &seen); /* kept, and said */
	assert_int_equal(seen.rows[0].state, SPOOL_UNCONFIRMED);
	assert_int_equal(run(place->store, { .kind = OP_SPOOL_RETRY, .peer = "c" }), TXN_COMMITTED);
	assert_int_equal(held(place->store, "b").count, 0);
	assert_int_equal(run(place->store, { .kind = OP_SPOOL_RETRY, .peer = "b" }), TXN_COMMITTED);
	assert_int_equal(held(place->store, "b").count, 1);
	assert_int_equal(run(place->store, { .kind = OP_SPOOL_DEFER, .id = id, .expires = 500, .config = "full" }), TXN_COMMITTED);
	seen = held(place->store, "b");
	assert_int_equal(seen.rows[0].next, 500);
	assert_int_equal(seen.rows[0].tries, 1);
	assert_int_equal(run(place->store, { .kind = OP_SPOOL_RETRY }), TXN_COMMITTED);
	assert_int_equal(held(place->store, "b").rows[0].next, 0);
	assert_int_equal(run(place->store, { .kind = OP_SPOOL_RETRY, .id = id + 1 }), TXN_CONFLICT);
}

static void
an_error_for_nobody_is_no_failure(void **state)
{
	struct place *place = *state;
	int64_t id = store_next_id(place->store);
	struct op message = { .kind = OP_MESSAGE, .id = id, .time = 1, .from = "a", .to = "gone@a", .body = "x", .body_len = 1 };

	assert_int_equal(run(place->store, message, { .kind = OP_PENDING, .account = "gone", .id = id }), TXN_FAILED);
	assert_int_equal(run(place->store, message, { .kind = OP_PENDING, .account = "gone", .id = id, .optional = true }), TXN_COMMITTED);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM msg"), 0);
}

struct list {
	size_t count;
	struct spool_line lines[8];
	struct spool_sum sums[8];
	char names[8][16];
};

static void
see_lines(void *arg, bool failed, const struct spool_line *rows, size_t count)
{
	struct list *list = arg;

	assert_false(failed);
	assert_true(count <= 8);
	list->count = count;
	for (size_t i = 0; i < count; i++) {
		list->lines[i] = rows[i];
		strcpy(list->names[i], rows[i].domain);
		assert_string_equal(rows[i].from, "ana@a/x");
		assert_string_equal(rows[i].to, "luis@b");
	}
}

static void
see_sums(void *arg, bool failed, const struct spool_sum *rows, size_t count)
{
	struct list *list = arg;

	assert_false(failed);
	assert_true(count <= 8);
	list->count = count;
	for (size_t i = 0; i < count; i++) {
		list->sums[i] = rows[i];
		strcpy(list->names[i], rows[i].about.domain);
	}
}

static void
the_operator_sees_rows_and_sums(void **state)
{
	struct place *place = *state;
	int64_t first = hold(place->store, "b", true), second = hold(place->store, "c", true);
	struct list list;

	assert_int_equal(run(place->store, { .kind = OP_PEER_TRIED, .peer = "b", .id = 3, .time = 1, .expires = 77, .config = "no" },
	    { .kind = OP_PEER_SEEN, .peer = "d", .time = 7, .most = 5 }), TXN_COMMITTED);
	read_spool_lines(place->store, NULL, NULL, 0, 8, see_lines, &list);
	assert_int_equal(list.count, 2);
	assert_int_equal(list.lines[0].size, 10);
	assert_int_equal(list.lines[0].since, 1000);
	read_spool_lines(place->store, NULL, NULL, first, 8, see_lines, &list);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.lines[0].id, second);
	read_spool_lines(place->store, "b", "luis@b", 0, 8, see_lines, &list);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.lines[0].id, first);
	read_spool_lines(place->store, NULL, "ana@a", 0, 1, see_lines, &list);
	assert_int_equal(list.count, 1);
	read_spool_lines(place->store, "b", "nobody@b", 0, 8, see_lines, &list);
	assert_int_equal(list.count, 0);
	read_spool_sums(place->store, NULL, see_sums, &list);
	assert_int_equal(list.count, 3);
	assert_string_equal(list.names[0], "b");
	assert_int_equal(list.sums[0].waiting, 1);
	assert_int_equal(list.sums[0].bytes, 10);
	assert_int_equal(list.sums[0].about.next, 77);
	assert_int_equal(list.sums[1].about.tries, 0); /* c: only held for */
	assert_int_equal(list.sums[1].waiting, 1);
	assert_int_equal(list.sums[2].about.seen, 7); /* d: only seen */
	assert_int_equal(list.sums[2].waiting, 0);
	assert_int_equal(run(place->store, { .kind = OP_SPOOL_SETTLE, .id = second, .time = 1, .expires = 9 },
	    { .kind = OP_SPOOL_RETRY, .peer = "b" }), TXN_COMMITTED);
	read_spool_sums(place->store, "c", see_sums, &list);
	assert_int_equal(list.count, 0);
	read_spool_sums(place->store, "b", see_sums, &list);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.sums[0].about.next, 0); /* as if never tried */
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {
		TEST(rows_of_a_domain_come_in_order),
		TEST(an_unknown_domain_has_less_time_until_it_is_known),
		TEST(what_is_settled_keeps_its_body_for_a_while),
		TEST(an_end_is_once),
		TEST(doubts_end_repetition),
		TEST(an_error_for_nobody_is_no_failure),
		TEST(the_operator_sees_rows_and_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
