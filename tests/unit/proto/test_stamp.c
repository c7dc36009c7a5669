/* test_stamp.c -- dates and times (XEP-0082). */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <time.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/ns.h"
#include "proto/stamp.h"
#include "proto/xml.h"
#include "proto/xmlout.h"

static void
test_parse(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1969-12-31T23:59:59.999Z", -1 },
		{ "1969-07-21T02:56:15Z", -14159025000 },
		{ "1969-07-20T21:56:15-05:00", -14159025000 }, /* XEP-0082 3.2 */
		{ "2026-11-22T14:37:05.123Z", 1795358225123 },
		{ "2026-11-22T14:37:05.1Z", 1795358225100 },
		{ "2026-11-22T14:37:05.123999999Z", 1795358225123 },
		{ "2026-11-22T14:37:05+00:00", 1795358225000 },
		{ "2026-11-22T20:22:05.123+05:45", 1795358225123 },
		{ "2000-02-29T00:00:00Z", 951782400000 },
		{ "2016-12-31T23:59:60Z", 1483228800000 }, /* a leap second */
		{ "0000-01-01T00:00:00Z", -62167219200000 },
		{ "9999-12-31T23:59:59.999Z", 253402300799999 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t ms;

		assert_true(stamp_parse(rows[i].text, &ms));
		assert_true(ms == rows[i].ms);
	}
}

static void
test_refused(void **state)
{
	static const char *const rows[] = { "",
					    "x",
					    "2026",
					    "2026-11-22",
					    "2026-11-22T14:37:05",
					    "2026-11-22T14:37Z",
					    "2026-11-22 14:37:05Z",
					    "2026-13-22T14:37:05Z",
					    "2026-00-22T14:37:05Z",
					    "2026-11-00T14:37:05Z",
					    "2026-11-31T14:37:05Z",
					    "2026-02-29T00:00:00Z",
					    "1900-02-29T00:00:00Z",
					    "2026-11-22T24:00:00Z",
					    "2026-11-22T14:60:05Z",
					    "2026-11-22T14:37:61Z",
					    "2026-11-22T14:37:05.Z",
					    "2026-11-22T14:37:05.1",
					    "2026-11-22T14:37:05+0100",
					    "2026-11-22T14:37:05+24:00",
					    "2026-11-22T14:37:05+01:60",
					    "2026-11-22T14:37:05ZZ",
					    "2026-11-22T14:37:05Z ",
					    " 2026-11-22T14:37:05Z",
					    "-026-11-22T14:37:05Z",
					    "12026-11-22T14:37:05Z",
					    "20261122T14:37:05",
					    "2026-1-22T14:37:05Z",
					    "+026-11-22T14:37:05Z",
					    "2026-11-22t14:37:05z" };
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_false(stamp_parse(rows[i], &ms));
	assert_false(stamp_parse(NULL, &ms));
}

/* Against the C library, some days of every month of 3,000 years. */
static void
test_calendar(void **state)
{
	(void)state;
	for (int64_t s = -62167219200; s < 34000000000; s += 1111111) {
		char ours[STAMP_LEN + 1], theirs[64];
		time_t when = (time_t)s;
		struct tm tm;
		int64_t again;

		stamp_format(ours, s * 1000 + 7);
		gmtime_r(&when, &tm);
		snprintf(theirs, sizeof(theirs), "%04d-%02d-%02dT%02d:%02d:%02d.007Z", tm.tm_year + 1900,
			 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
		assert_string_equal(ours, theirs);
		assert_true(stamp_parse(ours, &again));
		assert_true(again == s * 1000 + 7);
	}
}

static void
test_clamped(void **state)
{
	char text[STAMP_LEN + 1];

	(void)state;
	stamp_format(text, INT64_MAX);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
	stamp_format(text, INT64_MIN);
	assert_string_equal(text, "0000-01-01T00:00:00.000Z");
	stamp_format(text, -1);
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

static void
test_delay(void **state)
{
	(void)state;
	struct arena *arena = arena_new();
	struct xml *message = xml_new(arena, "message", NS_CLIENT);
	struct buf out = { 0 };

	stamp_delay(arena, message, "relay.example", 1795358225123);
	stamp_delay(arena, message, NULL, 0);
	xmlout(&out, message, NS_CLIENT);
	assert_string_equal(
	    out.data,
	    "<message><delay xmlns='urn:xmpp:delay' from='relay.example' stamp='2026-11-22T14:37:05.123Z'/>"
	    "<delay xmlns='urn:xmpp:delay' stamp='1970-01-01T00:00:00.000Z'/></message>");
	buf_free(&out);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),    cmocka_unit_test(test_refused),
		cmocka_unit_test(test_calendar), cmocka_unit_test(test_clamped),
		cmocka_unit_test(test_delay),
	};

	return cmocka_run_group_tests_name("proto/stamp", tests, NULL, NULL);
}
