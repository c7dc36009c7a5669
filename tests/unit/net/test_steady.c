/* test_steady.c -- when the clock may be trusted to throw away (design 3.4). */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "relay/net/steady.h"

#define MINUTE INT64_C(60000)

static void
not_in_the_first_minutes(void **state)
{
	struct steady steady = { 0 };

	(void)state;
	for (int64_t m = 0; m < 10; m++)
		assert_false(steady_look(&steady, 5000000 + m * MINUTE, 7 + m * MINUTE));
	assert_true(steady_look(&steady, 5000000 + 10 * MINUTE, 7 + 10 * MINUTE));
}

static void
jump(int64_t by)
{
	struct steady steady = { 0 };
	int64_t m = 0;

	for (; m <= 20; m++)
		(void)steady_look(&steady, m * MINUTE, m * MINUTE);
	assert_true(steady_look(&steady, m * MINUTE + 1000, m * MINUTE)); /* being adjusted */
	m++;
	for (int64_t end = m + 24 * 60; m < end; m++)
		assert_false(steady_look(&steady, m * MINUTE + by, m * MINUTE));
	assert_true(steady_look(&steady, m * MINUTE + by, m * MINUTE));
}

static void
not_for_a_day_after_a_jump(void **state)
{
	(void)state;
	jump(40 * 365 * 24 * 60 * MINUTE); /* from 1970 to now */
	jump(-5 * MINUTE);
	jump(MINUTE);
}

static void
a_jump_in_the_first_minutes_counts(void **state)
{
	struct steady steady = { 0 };

	(void)state;
	(void)steady_look(&steady, 0, 0);
	assert_false(steady_look(&steady, 1000 * 24 * 60 * MINUTE, MINUTE));
	assert_false(steady_look(&steady, 1000 * 24 * 60 * MINUTE + 20 * MINUTE, 21 * MINUTE));
	assert_true(
	    steady_look(&steady, 1000 * 24 * 60 * MINUTE + 24 * 60 * MINUTE, MINUTE + 24 * 60 * MINUTE));
}

static void
somebody_who_knows_is_believed(void **state)
{
	struct steady steady = { 0 };

	(void)state;
	assert_false(steady_look(&steady, 0, 0));
	steady_trust(&steady, 1000 * MINUTE, MINUTE);
	assert_true(steady_look(&steady, 1001 * MINUTE, 2 * MINUTE));
	assert_false(steady_look(&steady, 5000 * MINUTE, 3 * MINUTE)); /* until it jumps again */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_in_the_first_minutes),
		cmocka_unit_test(not_for_a_day_after_a_jump),
		cmocka_unit_test(a_jump_in_the_first_minutes_counts),
		cmocka_unit_test(somebody_who_knows_is_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
