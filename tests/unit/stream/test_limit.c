/* test_limit.c -- login attempts are slowed down, and nobody is locked out (attack S10). */
#include "config.h"

#include "relay/stream/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char home[] = "192.0.2.1:1111", home_again[] = "192.0.2.1:2222", away[] = "198.51.100.7:1";

static void
test_rate_of_one_address(void **state)
{
	struct limiter *limiter = limiter_new(10);
	int64_t now = 1000000, wait = 0;
	int free_of_charge = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		wait = limiter_attempt(limiter, i % 2 ? home : home_again, "ana", now);
		free_of_charge += wait == 0;
		assert_true(wait <= LIMIT_WAIT_MOST);
	}
	assert_in_range(free_of_charge, 20, 20); /* two seconds' worth at once */
	assert_int_equal(wait, LIMIT_WAIT_MOST); /* and never refused */
	assert_int_equal(limiter_attempt(limiter, away, "ana", now), 0); /* another address does not wait */
	assert_int_equal(limiter_attempt(limiter, home, "ana", now + 60000), 0);
	limiter_free(&limiter);
}

/* All of one IPv6 customer count as one. */
static void
test_ipv6_by_64(void **state)
{
	struct limiter *limiter = limiter_new(10);
	char peer[80];
	int64_t wait = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(peer, sizeof peer, "[2001:db8:1:2::%x]:5222", i);
		wait = limiter_attempt(limiter, peer, "ana", 1000);
	}
	assert_int_equal(wait, LIMIT_WAIT_MOST);
	assert_int_equal(limiter_attempt(limiter, "[2001:db8:1:3::1]:5222", "ana", 1000), 0);
	limiter_free(&limiter);
}

static void
test_failures_of_one_address(void **state)
{
	struct limiter *limiter = limiter_new(10);
	int64_t now = 5000, last = 0, wait;

	(void)state;
	for (int i = 0; i < 12; i++) {
		wait = limiter_failed(limiter, home, "ana", now);
		assert_true(wait >= last && wait > 0 && wait <= LIMIT_FAILURE_MOST);
		last = wait;
	}
	assert_int_equal(last, LIMIT_FAILURE_MOST);
	assert_true(limiter_failed(limiter, away, "bea", now) < 1000);
	/* Forgiven with time. */
	assert_true(limiter_failed(limiter, home, "ana", now + 3600000) < 1000);
	limiter_free(&limiter);
}

/* Thousands guess from everywhere: the owner waits at most a little, and not at all where the password was known. */
static void
test_owner_is_never_locked_out(void **state)
{
	struct limiter *limiter = limiter_new(10);
	char peer[80];
	int64_t now = 1;

	(void)state;
	for (int i = 0; i < 5000; i++, now += 10) {
		snprintf(peer, sizeof peer, "10.%d.%d.1:4", i / 250, i % 250);
		assert_true(limiter_attempt(limiter, peer, "ana", now) <= LIMIT_ACCOUNT_MOST);
		limiter_failed(limiter, peer, "ana", now);
	}
	assert_int_equal(limiter_attempt(limiter, home, "ana", now), LIMIT_ACCOUNT_MOST);
	limiter_passed(limiter, home, "ana", now);
	assert_int_equal(limiter_attempt(limiter, home_again, "ana", now), 0);
	assert_int_equal(limiter_attempt(limiter, away, "ana", now), LIMIT_ACCOUNT_MOST);
	assert_int_equal(limiter_attempt(limiter, away, "bea", now), 0);
	limiter_free(&limiter);
}

/* Memory is bounded, and the sweep lets go of what is over. */
static void
test_many_addresses(void **state)
{
	struct limiter *limiter = limiter_new(10);
	char peer[80], node[32];

	(void)state;
	for (int i = 0; i < 50000; i++) {
		snprintf(peer, sizeof peer, "%d.%d.%d.1:4", 1 + i / 62500, i / 250 % 250, i % 250);
		snprintf(node, sizeof node, "user%d", i);
		assert_true(limiter_attempt(limiter, peer, node, 1) <= LIMIT_WAIT_MOST);
		limiter_failed(limiter, peer, node, 1);
	}
	assert_int_equal(limiter_attempt(limiter, "203.0.113.1:1", "somebody", 24 * 3600 * 1000), 0);
	limiter_free(&limiter);
}

static void
test_off(void **state)
{
	struct limiter *limiter = limiter_new(0);

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(limiter_attempt(limiter, home, "ana", 1), 0);
		assert_int_equal(limiter_failed(limiter, home, "ana", 1), 0);
	}
	limiter_passed(limiter, home, "ana", 1);
	limiter_free(&limiter);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate_of_one_address),
		cmocka_unit_test(test_ipv6_by_64),
		cmocka_unit_test(test_failures_of_one_address),
		cmocka_unit_test(test_owner_is_never_locked_out),
		cmocka_unit_test(test_many_addresses),
		cmocka_unit_test(test_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
