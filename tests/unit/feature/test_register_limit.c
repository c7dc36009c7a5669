/* test_register_limit.c -- tries and accounts an hour and address. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "relay/feature/register_limit.h"

enum { HOUR = 3600 * 1000 };

static int
setup(void **state)
{
	*state = register_limit_new();
	return 0;
}

static int
teardown(void **state)
{
	register_limit_free((struct register_limit **)state);
	return 0;
}

static void
test_tries(void **state)
{
	for (int i = 0; i < REGISTER_TRIES_AN_HOUR; i++) {
		char peer[32];
		snprintf(peer, sizeof peer, "192.0.2.7:%d", 1000 + i); /* another port is the same address */
		assert_true(register_limit_try(*state, peer, i));
	}
	assert_false(register_limit_try(*state, "192.0.2.7:1", 100));
	assert_true(register_limit_try(*state, "192.0.2.8:1", 100));
	assert_false(register_limit_try(*state, "192.0.2.7:1", HOUR));
	assert_true(register_limit_try(*state, "192.0.2.7:1", HOUR + 1));
}

static void
test_accounts(void **state)
{
	for (int i = 0; i < REGISTER_ACCOUNTS_AN_HOUR; i++) {
		assert_false(register_limit_has_made_all(*state, "[2001:db8::1]:5222", i));
		register_limit_made(*state, "[2001:db8::1]:5222", i);
	}
	assert_true(register_limit_has_made_all(*state, "[2001:db8::2]:5222", 100)); /* of the same /64 */
	assert_false(register_limit_has_made_all(*state, "[2001:db8:0:1::1]:5222", 100));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tries, setup, teardown),
		cmocka_unit_test_setup_teardown(test_accounts, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
