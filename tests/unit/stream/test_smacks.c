/* test_smacks.c -- the numbers of stream management: what is a number, what may be acknowledged, the wrap
 * (attack M2). */
#include "config.h"

#include "relay/stream/smacks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void
test_what_is_a_number(void **state)
{
	static const char *const bad[] = {
		NULL,          "",    " 1",      "1 ",  "+1",         "-1",         "0x10",
		"1e3",         "1.0", "nan",     "inf", "4294967296", "9999999999", "18446744073709551617",
		"00000000001", "1\n", "\xd9\xa1"
	};
	static const struct {
		const char *text;
		uint32_t h;
	} good[] = { { "0", 0 },
		     { "1", 1 },
		     { "0000000007", 7 },
		     { "4294967295", UINT32_MAX },
		     { "2147483648", 1U << 31 } };
	uint32_t h;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(smacks_parse_h(bad[i], &h));
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_true(smacks_parse_h(good[i].text, &h));
		assert_int_equal(h, good[i].h);
	}
}

static void
test_never_more_than_sent_never_less_than_before(void **state)
{
	struct smacks_count count = { .sent = 8, .acked = 3 };

	(void)state;
	assert_false(smacks_count_acked(&count, 9));
	assert_false(smacks_count_acked(&count, UINT32_MAX));
	assert_false(smacks_count_acked(&count, 2));
	assert_false(smacks_count_acked(&count, 0));
	assert_int_equal(count.acked, 3);
	assert_true(smacks_count_acked(&count, 3));
	assert_int_equal(count.acked, 3);
	assert_true(smacks_count_acked(&count, 8));
	assert_int_equal(count.acked, 8);
}

/* From 2^32-3, ten more. */
static void
test_wrap_of_what_we_sent(void **state)
{
	const uint64_t start = UINT32_MAX - 2;
	struct smacks_count count = { .sent = start, .acked = start };

	(void)state;
	for (unsigned i = 1; i <= 10; i++) {
		count.sent++;
		assert_false(smacks_count_acked(&count, (uint32_t)(start + i + 1)));
		assert_true(smacks_count_acked(&count, (uint32_t)(start + i)));
		assert_int_equal(count.acked, start + i);
	}
	assert_int_equal((uint32_t)count.acked, 7);
	count.sent += 5;
	assert_false(smacks_count_acked(&count, UINT32_MAX)); /* the number of before the wrap */
	assert_true(smacks_count_acked(&count, 12));
	/* In one step over the wrap. */
	count = (struct smacks_count){ .sent = start + 10, .acked = start };
	assert_true(smacks_count_acked(&count, 0));
	assert_int_equal(count.acked, UINT64_C(1) << 32);
	assert_true(smacks_count_acked(&count, 7));
	assert_false(smacks_count_acked(&count, 8));
	assert_int_equal(count.acked, start + 10);
}

static void
test_wrap_of_what_we_handled(void **state)
{
	struct smacks_count count = { .handled = UINT32_MAX };

	(void)state;
	count.handled++;
	assert_int_equal(count.handled, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_a_number),
		cmocka_unit_test(test_never_more_than_sent_never_less_than_before),
		cmocka_unit_test(test_wrap_of_what_we_sent),
		cmocka_unit_test(test_wrap_of_what_we_handled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
