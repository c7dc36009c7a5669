/* test_token.c -- tokens of clients (store/token.h): issued, used, replaced, counted, bounded, ended. */
#include "config.h"

#include "harness.h"

#include <stdio.h>
#include <string.h>
#include "relay/store/token.h"

#define CLIENT "d4565fa7-4d72-4749-b3d3-740edbf87770"

static void
see(void *arg, bool failed, const struct token_rows *rows)
{
	assert_false(failed);
	*(struct token_rows *)arg = *rows;
}

static struct token_rows
get(struct store *store, const char *node, const char *client)
{
	struct token_rows rows = { .salt = { 1 } };

	read_tokens(store, node, client, see, &rows);
	return rows;
}

/* "current,new"; "-" for a place that is empty. */
static void
has(struct store *store, const char *wanted)
{
	struct token_rows rows = get(store, "ana", CLIENT);
	char text[2 * TOKEN_TEXT_MAX + 8];

	snprintf(text, sizeof text, "%s,%s", rows.place[TOKEN_CURRENT].there ? rows.place[TOKEN_CURRENT].text : "-",
	    rows.place[TOKEN_NEW].there ? rows.place[TOKEN_NEW].text : "-");
	assert_string_equal(text, wanted);
}

static enum txn_result
issue(struct store *store, const char *client, const char *token, int64_t time, const struct scram_keys *keys)
{
	return run(store, { .kind = OP_TOKEN_NEW, .account = "ana", .item = client, .config = "HT-SHA-256-EXPR",
	    .token = token, .time = time, .expires = time + 1000, .keys = keys });
}

static enum txn_result
use(struct store *store, const char *token, int64_t time, int64_t count)
{
	return run(store, { .kind = OP_TOKEN_USE, .account = "ana", .item = CLIENT, .token = token, .time = time, .most = count });
}

static struct store *
with_ana(void **state)
{
	struct place *place = *state;

	assert_int_equal(add_account(place->store, "ana"), TXN_COMMITTED);
	return place->store;
}

static void
new_one_takes_the_place_when_used(void **state)
{
	struct store *store = with_ana(state);
	struct token_rows rows;

	assert_int_equal(issue(store, CLIENT, "a", 100, NULL), TXN_COMMITTED);
	has(store, "-,a");
	rows = get(store, "ana", CLIENT);
	assert_string_equal(rows.place[TOKEN_NEW].mechanism, "HT-SHA-256-EXPR");
	assert_int_equal(rows.place[TOKEN_NEW].issued, 100);
	assert_int_equal(rows.place[TOKEN_NEW].expires, 1100);
	assert_int_equal(use(store, "a", 200, 0), TXN_COMMITTED);
	has(store, "a,-");
	assert_int_equal(issue(store, CLIENT, "b", 300, NULL), TXN_COMMITTED);
	has(store, "a,b");
	assert_int_equal(issue(store, CLIENT, "c", 400, NULL), TXN_COMMITTED); /* b was never used */
	has(store, "a,c");
	assert_int_equal(use(store, "b", 500, 0), TXN_CONFLICT);
	assert_int_equal(use(store, "a", 500, 0), TXN_COMMITTED); /* still good */
	has(store, "a,c");
	assert_int_equal(use(store, "c", 500, 0), TXN_COMMITTED);
	has(store, "c,-");
	assert_int_equal(use(store, "a", 500, 0), TXN_CONFLICT);
	assert_int_equal(use(store, "c", 1400, 0), TXN_CONFLICT); /* expired */
}

static void
count_rises(void **state)
{
	struct store *store = with_ana(state);

	assert_int_equal(issue(store, CLIENT, "a", 100, NULL), TXN_COMMITTED);
	assert_int_equal(use(store, "a", 200, 3), TXN_COMMITTED);
	assert_int_equal(use(store, "a", 200, 3), TXN_CONFLICT);
	assert_int_equal(use(store, "a", 200, 2), TXN_CONFLICT);
	assert_int_equal(use(store, "a", 200, 0), TXN_COMMITTED);
	assert_int_equal(use(store, "a", 200, 4), TXN_COMMITTED);
	assert_int_equal(get(store, "ana", CLIENT).place[TOKEN_CURRENT].count, 4);
	assert_int_equal(issue(store, CLIENT, "b", 300, NULL), TXN_COMMITTED);
	assert_int_equal(get(store, "ana", CLIENT).place[TOKEN_NEW].count, 0);
}

static void
other_password_issues_nothing_and_ends_all(void **state)
{
	struct store *store = with_ana(state);
	struct scram_keys other = some_keys;

	other.stored_sha256[0] ^= 1;
	assert_int_equal(issue(store, CLIENT, "a", 100, &other), TXN_CONFLICT);
	has(store, "-,-");
	assert_int_equal(issue(store, CLIENT, "a", 100, &some_keys), TXN_COMMITTED);
	has(store, "-,a");
	assert_int_equal(run(store, { .kind = OP_ACCOUNT_KEYS, .account = "ana", .keys = &other }), TXN_COMMITTED);
	has(store, "-,-");
	assert_int_equal(issue(store, CLIENT, "b", 100, &some_keys), TXN_CONFLICT);
}

static void
one_client_ends_or_all(void **state)
{
	struct store *store = with_ana(state);

	assert_int_equal(issue(store, CLIENT, "a", 100, NULL), TXN_COMMITTED);
	assert_int_equal(issue(store, "other", "b", 100, NULL), TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_TOKEN_DEL, .account = "ana", .item = "other" }), TXN_COMMITTED);
	has(store, "-,a");
	assert_false(get(store, "ana", "other").place[TOKEN_NEW].there);
	assert_int_equal(run(store, { .kind = OP_TOKEN_DEL, .account = "ana" }), TXN_COMMITTED);
	has(store, "-,-");
	assert_int_equal(run(store, { .kind = OP_TOKEN_DEL, .account = "nadie" }), TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_TOKEN_USE, .account = "nadie", .item = CLIENT, .token = "a" }), TXN_CONFLICT);
}

static void
account_takes_its_tokens_along(void **state)
{
	struct place *place = *state;
	struct store *store = with_ana(state);

	assert_int_equal(issue(store, CLIENT, "a", 100, NULL), TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_ACCOUNT_DEL, .account = "ana" }), TXN_COMMITTED);
	has(store, "-,-");
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM token"), 0);
	assert_int_equal(add_account(store, "ana"), TXN_COMMITTED);
	has(store, "-,-");
}

static void
clients_are_bounded_and_the_expired_go(void **state)
{
	struct place *place = *state;
	struct store *store = with_ana(state);
	char client[TOKEN_CLIENT_MAX + 1];

	for (int i = 0; i < 25; i++) {
		snprintf(client, sizeof client, "client %d", i);
		assert_int_equal(issue(store, client, "a", 100 + i, NULL), TXN_COMMITTED);
	}
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM token"), 20);
	assert_false(get(store, "ana", "client 4").place[TOKEN_NEW].there);
	assert_true(get(store, "ana", "client 5").place[TOKEN_NEW].there);
	assert_int_equal(issue(store, CLIENT, "b", 1120, NULL), TXN_COMMITTED);
	assert_int_equal(sql_number(place->dir, "SELECT count(*) FROM token"), 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(new_one_takes_the_place_when_used),
		TEST(count_rises),
		TEST(other_password_issues_nothing_and_ends_all),
		TEST(one_client_ends_or_all),
		TEST(account_takes_its_tokens_along),
		TEST(clients_are_bounded_and_the_expired_go),
	};

	return cmocka_run_group_tests_name("store/token", tests, NULL, NULL);
}
