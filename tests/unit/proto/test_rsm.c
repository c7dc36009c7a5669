/* test_rsm.c -- result sets (XEP-0059): requests read, answers written. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/error.h"
#include "proto/ns.h"
#include "proto/rsm.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"

#define SET(inside) "<query><set xmlns='http://jabber.org/protocol/rsm'>" inside "</set></query>"

static void
test_parse(void **state)
{
	static const struct {
		const char *text;
		bool good;
		struct rsm want;
	} rows[] = {
		{ "<query/>", true, { false, -1, -1, NULL, NULL } },
		{ "<query><set/></query>", true, { false, -1, -1, NULL, NULL } },
		{ SET(""), true, { true, -1, -1, NULL, NULL } },
		{ SET("<max>10</max>"), true, { true, 10, -1, NULL, NULL } },
		{ SET("<max>0</max>"), true, { true, 0, -1, NULL, NULL } },
		{ SET("<max> 10\n</max><after>a&lt;b</after>"), true, { true, 10, -1, "a<b", NULL } },
		{ SET("<before/>"), true, { true, -1, -1, NULL, "" } },
		{ SET("<before>x</before>"), true, { true, -1, -1, NULL, "x" } },
		{ SET("<after/>"), true, { true, -1, -1, NULL, NULL } },
		{ SET("<index>371</index>"), true, { true, -1, 371, NULL, NULL } },
		{ SET("<max>2147483647</max>"), true, { true, 2147483647, -1, NULL, NULL } },
		{ SET("<max>2147483648</max>"), false, { 0 } },
		{ SET("<max>99999999999999999999999</max>"), false, { 0 } },
		{ SET("<max/>"), false, { 0 } },
		{ SET("<max>-1</max>"), false, { 0 } },
		{ SET("<max>ten</max>"), false, { 0 } },
		{ SET("<max>1 0</max>"), false, { 0 } },
		{ SET("<max>0x10</max>"), false, { 0 } },
		{ SET("<max>1e3</max>"), false, { 0 } },
		{ SET("<index>x</index>"), false, { 0 } },
		{ "<query><set xmlns='" NS_RSM "'/><set xmlns='" NS_RSM "'/></query>", false, { 0 } },
	};
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum stream_error error;
		struct rsm got;
		struct xml *query =
		    xmlin_parse(arena, rows[i].text, strlen(rows[i].text), &xmlin_limits_default, &error);

		assert_non_null(query);
		assert_int_equal(rsm_parse(arena, query, &got), rows[i].good);
		if (!rows[i].good)
			continue;
		assert_int_equal(got.present, rows[i].want.present);
		assert_int_equal(got.max, rows[i].want.max);
		assert_int_equal(got.index, rows[i].want.index);
		assert_string_equal(got.after ? got.after : "(null)",
				    rows[i].want.after ? rows[i].want.after : "(null)");
		assert_string_equal(got.before ? got.before : "(null)",
				    rows[i].want.before ? rows[i].want.before : "(null)");
	}
	arena_free(&arena);
}

static void
assert_child(struct arena *arena, struct xml *parent, const char *want)
{
	struct buf out = { 0 };

	(void)arena;
	xmlout(&out, parent->last, NS_RSM);
	assert_string_equal(out.data, want);
	buf_free(&out);
}

static void
test_build(void **state)
{
	(void)state;
	struct arena *arena = arena_new();
	struct xml *fin = xml_new(arena, "fin", NS_MAM);

	rsm_add(arena, fin, "a", 0, "b", 800);
	assert_child(arena, fin, "<set><first index='0'>a</first><last>b</last><count>800</count></set>");
	rsm_add(arena, fin, "a", -1, "b", -1);
	assert_child(arena, fin, "<set><first>a</first><last>b</last></set>");
	rsm_add(arena, fin, NULL, -1, NULL, 0);
	assert_child(arena, fin, "<set><count>0</count></set>");
	rsm_request(arena, fin, 50, NULL, "");
	assert_child(arena, fin, "<set><max>50</max><before/></set>");
	rsm_request(arena, fin, -1, "x", NULL);
	assert_child(arena, fin, "<set><after>x</after></set>");
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_build),
	};

	return cmocka_run_group_tests_name("proto/rsm", tests, NULL, NULL);
}
