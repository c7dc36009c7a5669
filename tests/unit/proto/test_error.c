/* test_error.c -- the tables of errors are whole, without doubles, and lead back. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/error.h"

static void
test_stream(void **state)
{
	(void)state;
	for (int i = 1; i < STREAM_ERRORS; i++)
		assert_int_equal(stream_error_by_name(stream_error_name((enum stream_error)i)), i);
	assert_string_equal(stream_error_name(STREAM_NOT_WELL_FORMED), "not-well-formed");
	assert_int_equal(stream_error_by_name("xml-not-well-formed"), STREAM_UNDEFINED_CONDITION);
	assert_int_equal(stream_error_by_name(NULL), STREAM_UNDEFINED_CONDITION);
}

static void
test_stanza(void **state)
{
	static const char *const types[] = { "auth", "cancel", "continue", "modify", "wait" };

	(void)state;
	for (int i = 1; i < STANZA_ERRORS; i++) {
		bool known = false;

		assert_int_equal(stanza_error_by_name(stanza_error_name((enum stanza_error)i)), i);
		for (size_t k = 0; k < 5; k++)
			known |= strcmp(types[k], stanza_error_type((enum stanza_error)i)) == 0;
		assert_true(known);
	}
	assert_string_equal(stanza_error_type(STANZA_RESOURCE_CONSTRAINT), "wait");
	assert_int_equal(stanza_error_by_name("x"), STANZA_UNDEFINED_CONDITION);
	assert_int_equal(stanza_error_by_name(NULL), STANZA_UNDEFINED_CONDITION);
}

static void
test_sasl(void **state)
{
	(void)state;
	for (int i = 1; i < SASL_ERRORS; i++)
		for (int k = 1; k < i; k++)
			assert_string_not_equal(sasl_error_name((enum sasl_error)i),
						sasl_error_name((enum sasl_error)k));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_stanza),
		cmocka_unit_test(test_sasl),
	};

	return cmocka_run_group_tests_name("proto/error", tests, NULL, NULL);
}
