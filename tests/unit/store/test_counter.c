/* test_counter.c -- how far a resumable stream was: written with its messages, of a batch the last, whatever else fails. */
#include "config.h"

#include "harness.h"

#include <stdio.h>
#include <string.h>
#include "relay/store/store-private.h"

static struct store *
with_accounts(void **state)
{
	struct place *place = *state;

	assert_int_equal(add_account(place->store, "ana"), TXN_COMMITTED);
	assert_int_equal(add_account(place->store, "beto"), TXN_COMMITTED);
	return place->store;
}

static void
see(void *arg, bool failed, int64_t count, int64_t bytes)
{
	(void)bytes;
	assert_false(failed);
	*(int64_t *)arg = count;
}

static int64_t
counter(struct store *store, const char *node, const char *id)
{
	int64_t count = -2;

	read_counter(store, node, id, see, &count);
	return count;
}

static enum txn_result
note(struct store *store, const char *node, const char *id, int64_t h, int64_t time)
{
	return run(store, { .kind = OP_COUNTER, .account = node, .item = id, .id = h, .time = time });
}

/* A transaction of a batch to be run as one: a counter, and an invitation that exists already when it is to fail. */
static struct txn *
part(struct store *store, const char *node, const char *id, int64_t h, const char *token)
{
	struct txn *txn = txn_new(store);

	txn_add(txn, &(struct op){ .kind = OP_COUNTER, .account = node, .item = id, .id = h, .time = 1 });
	if (token != NULL)
		txn_add(txn, &(struct op){ .kind = OP_INVITE_NEW, .token = token, .time = 1, .expires = 0 });
	return txn;
}

static void
run_batch(struct store *store, struct txn **parts, size_t count)
{
	struct txn_list list;

	txn_list_init(&list);
	for (size_t i = 0; i < count; i++) {
		store->uncommitted += parts[i]->bytes;
		txn_list_add(&list, parts[i]);
	}
	batch_run(store->db, &store->reserve, list.first);
	txn_list_finish(&list);
}

static void
of_its_account_alone(void **state)
{
	struct store *store = with_accounts(state);

	assert_int_equal(counter(store, "ana", "one"), -1);
	assert_int_equal(note(store, "ana", "one", 5, 1), TXN_COMMITTED);
	assert_int_equal(note(store, "beto", "two", 6, 1), TXN_COMMITTED);
	assert_int_equal(counter(store, "ana", "one"), 5);
	assert_int_equal(counter(store, "beto", "one"), -1);
	assert_int_equal(counter(store, "nadie", "one"), -1);
	assert_int_equal(counter(store, "beto", "two"), 6);
	assert_int_equal(note(store, "ana", "one", 4294967295, 2), TXN_COMMITTED);
	assert_int_equal(counter(store, "ana", "one"), 4294967295);
	assert_int_equal(note(store, "ana", "one", 0, 3), TXN_COMMITTED); /* the wrap: the last, not the highest */
	assert_int_equal(counter(store, "ana", "one"), 0);
	assert_int_equal(note(store, "nadie", "one", 1, 3), TXN_COMMITTED);
}

static void
of_a_batch_the_last(void **state)
{
	struct store *store = with_accounts(state);
	struct txn *parts[200];

	for (int i = 0; i < 200; i++)
		parts[i] = part(store, i % 2 == 0 ? "ana" : "beto", i % 4 < 2 ? "x" : "y", i, NULL);
	run_batch(store, parts, 200);
	assert_int_equal(counter(store, "ana", "x"), 196);
	assert_int_equal(counter(store, "beto", "x"), 197);
	assert_int_equal(counter(store, "ana", "y"), 198);
	assert_int_equal(counter(store, "beto", "y"), 199);
}

static void
not_of_what_failed(void **state)
{
	struct store *store = with_accounts(state);
	struct txn *parts[4];

	assert_int_equal(run(store, { .kind = OP_INVITE_NEW, .token = "taken", .time = 1 }), TXN_COMMITTED);
	parts[0] = part(store, "ana", "x", 1, NULL);
	parts[1] = part(store, "ana", "x", 2, "free");
	parts[2] = part(store, "ana", "x", 3, "taken");
	parts[3] = part(store, "beto", "z", 3, "taken");
	run_batch(store, parts, 4);
	assert_int_equal(counter(store, "ana", "x"), 2);
	assert_int_equal(counter(store, "beto", "z"), -1);
}

static void
twenty_of_an_account(void **state)
{
	struct place *place = *state;
	struct store *store = with_accounts(state);
	char id[16];

	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof id, "s%d", i);
		assert_int_equal(note(store, "ana", id, i, 1000 + i), TXN_COMMITTED);
		assert_int_equal(note(store, "beto", id, i, 1000 + i), TXN_COMMITTED);
	}
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM counter"), 40);
	assert_int_equal(counter(store, "ana", "s29"), -1);
	assert_int_equal(counter(store, "ana", "s30"), 30);
	assert_int_equal(note(store, "ana", "late", 7, 1), TXN_COMMITTED); /* the clock has gone back */
	assert_int_equal(counter(store, "ana", "late"), 7);
	assert_int_equal(counter(store, "ana", "s30"), -1);
	assert_int_equal(counter(store, "ana", "s49"), 49);
}

static void
they_leave(void **state)
{
	struct place *place = *state;
	struct store *store = with_accounts(state);

	assert_int_equal(note(store, "ana", "old", 1, 100), TXN_COMMITTED);
	assert_int_equal(note(store, "ana", "new", 2, 200), TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_COUNTER_EXPIRE, .time = 200 }), TXN_COMMITTED);
	assert_int_equal(counter(store, "ana", "old"), -1);
	assert_int_equal(counter(store, "ana", "new"), 2);
	/* With the account: who takes the name later is another. */
	assert_int_equal(run(store, { .kind = OP_ACCOUNT_DEL, .account = "ana" }), TXN_COMMITTED);
	assert_int_equal(counter(store, "ana", "new"), -1);
	assert_int_equal(add_account(store, "ana"), TXN_COMMITTED);
	assert_int_equal(counter(store, "ana", "new"), -1);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM counter"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(of_its_account_alone, place_setup, place_teardown),
		cmocka_unit_test_setup_teardown(of_a_batch_the_last, place_setup, place_teardown),
		cmocka_unit_test_setup_teardown(not_of_what_failed, place_setup, place_teardown),
		cmocka_unit_test_setup_teardown(twenty_of_an_account, place_setup, place_teardown),
		cmocka_unit_test_setup_teardown(they_leave, place_setup, place_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
