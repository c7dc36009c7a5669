/* test_text.c -- what peers write is harmless on a terminal (attack R13), stands in columns, and is cut between characters. */
#include "config.h"

#include <locale.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client/text.h"
#include "proto/arena.h"

static struct arena *arena;

static int
set_up(void **state)
{
	(void)state;
	arena = arena_new();
	return setlocale(LC_CTYPE, "C.UTF-8") == NULL;
}

static int
tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void
test_escapes_become_marks(void **state)
{
	static const struct {
		const char *text, *line;
	} cases[] = {
		{ "hola", "hola" },
		{ "a\033[31mb", "a<U+001B>[31mb" },
		{ "\033]8;;http://x\a", "<U+001B>]8;;http://x<U+0007>" },
		{ "\xc2\x9b" "31m", "<U+009B>31m" },            /* C1: CSI in one character */
		{ "\xe2\x80\xae" "abc", "<U+202E>abc" },         /* right-to-left override */
		{ "\xe2\x81\xa6" "abc", "<U+2066>abc" },         /* isolate */
		{ "a\xe2\x80\xa8" "b", "a<U+2028>b" },           /* line separator */
		{ "a\r\nb\tc", "a  b c" },
		{ "\xf3\xa0\x81\x81", "<U+E0041>" },             /* tag */
		{ "\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },      /* overlong slash */
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* surrogate */
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },      /* cut short */
		{ "ñ€😀", "ñ€😀" },
		{ "\x7f", "<U+007F>" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(text_line(arena, cases[i].text), cases[i].line);
}

static void
test_every_short_text_is_harmless(void **state)
{
	(void)state;
	srand(7);
	for (int i = 0; i < 50000; i++) {
		char text[9] = "";
		const char *line;

		for (int j = 0; j < 8; j++)
			text[j] = (char)(rand() % 3 == 0 ? rand() % 32 + 1 : rand() % 255 + 1);
		line = text_line(arena, text);
		assert_true(text_is_utf8(line, strlen(line)));
		for (const char *at = line; *at != '\0'; at++)
			assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
		assert_null(strstr(line, "\xc2\x9b"));
	}
}

static void
test_lines_of_a_block_cannot_pose_as_others(void **state)
{
	(void)state;
	assert_string_equal(text_block(arena, "uno\n12:00  Ana: dos\n\n", 4), "uno\n    12:00  Ana: dos");
}

static void
test_columns(void **state)
{
	(void)state;
	assert_int_equal(text_width("hola"), 4);
	assert_int_equal(text_width("ñandú"), 5);
	assert_int_equal(text_width("漢字"), 4);
	assert_int_equal(text_width("e\xcc\x81"), 1); /* a combining accent takes none */
	assert_string_equal(text_pad(arena, "ñ", 3), "ñ  ");
	assert_string_equal(text_cut(arena, "漢字漢字", 5), "漢字…");
	assert_string_equal(text_cut(arena, "corto", 5), "corto");
	assert_string_equal(text_cut(arena, "largo…", 5), "larg…");
}

static void
test_utf8(void **state)
{
	(void)state;
	assert_true(text_is_utf8("", 0));
	assert_true(text_is_utf8("\xf4\x8f\xbf\xbf", 4));
	assert_false(text_is_utf8("\xf4\x90\x80\x80", 4));
	assert_false(text_is_utf8("\xe0\x80\x80", 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escapes_become_marks),
		cmocka_unit_test(test_every_short_text_is_harmless),
		cmocka_unit_test(test_lines_of_a_block_cannot_pose_as_others),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
