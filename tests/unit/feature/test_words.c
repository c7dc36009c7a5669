/* test_words.c -- words as people write them, and that every language says the same things with the same
 * arguments. */
#include "config.h"

#include "relay/feature/words_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "proto/arena.h"
#include "proto/utf8.h"

static void
reading(void **state)
{
	static const struct {
		const char *body, *lang, *tag;
		enum word word;
	} row[] = {
		{ "status", NULL, "en", WORD_STATUS },
		{ "Estado", NULL, "es", WORD_STATUS },
		{ "  ESTADO.\n", NULL, "es", WORD_STATUS },
		{ "¿estado?", NULL, "en", WORD_NONE },
		{ "estado?", "pt-BR", "pt", WORD_STATUS },
		{ "status", "es", "es", WORD_STATUS },
		{ "status", "ES-ar", "es", WORD_STATUS },
		{ "estado", "de", "es", WORD_STATUS },
		{ "état", NULL, "fr", WORD_STATUS },
		{ "ÉTAT", NULL, "fr", WORD_STATUS },
		{ "e\xcc\x81tat", NULL, "fr", WORD_STATUS }, /* decomposed */
		{ "situação", NULL, "pt", WORD_STATUS },
		{ "ayuda", NULL, "es", WORD_HELP },
		{ "ajuda!", NULL, "pt", WORD_HELP },
		{ "aide", "en-GB", "fr", WORD_HELP }, /* what libraries write unasked */
		{ "aide", "es", "es", WORD_HELP },
		{ "status", "en", "en", WORD_STATUS },
		{ "?", NULL, "en", WORD_HELP },
		{ "?", "fr", "fr", WORD_HELP },
		{ "", NULL, "en", WORD_NONE },
		{ "   ", "es", "es", WORD_NONE },
		{ "status please", NULL, "en", WORD_NONE },
		{ "statusstatusstatusstatusstatusstatusstatusstatusstatusstatusstatus", NULL, "en",
		  WORD_NONE },
		{ "x/y@z", "", "en", WORD_NONE },
		{ "hola", "fr-", "fr", WORD_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		struct arena *arena = arena_new();
		const struct words_text *text;

		if (words_read(arena, row[i].body, row[i].lang, &text) != row[i].word)
			fail_msg("'%s'", row[i].body);
		assert_string_equal(text->tag, row[i].tag);
		arena_free(&arena);
	}
}

/* The conversions of a format, in their order. */
static const char *
conversions(struct arena *arena, const char *format)
{
	const char *found = "";

	for (const char *at = strchr(format, '%'); at != NULL; at = strchr(at + 1, '%'))
		found = arena_printf(arena, "%s%.*s ", found, (int)strcspn(at, " ().:\xc2"), at);
	return found;
}

static void
languages(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	for (const struct words_text *at = words_texts; at->tag != NULL; at++) {
		const char *all[] = { at->held,      at->none_held, at->sent, at->sent_to, at->sent_more,
				      at->none_sent, at->untold,    at->help, at->failed, at->away, at->away_to,
				      at->away_next, at->none_away };
		for (size_t i = 0; i < sizeof all / sizeof *all; i++)
			assert_true(all[i] != NULL && *all[i] != '\0' && utf8_valid(all[i], strlen(all[i])));
		assert_string_equal(conversions(arena, at->held), "%lld %s ");
		assert_string_equal(conversions(arena, at->sent_to), "%s %lld %s ");
		assert_string_equal(conversions(arena, at->away_to), "%s %lld %s ");
		assert_int_equal(at->away_next[0] == ';' || at->away_next[0] == ' ', 1);
		assert_non_null(strstr(at->away_next, "%s"));
		assert_null(strchr(at->untold, '%'));
	}
	arena_free(&arena);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading),
		cmocka_unit_test(languages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
