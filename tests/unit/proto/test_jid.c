/* test_jid.c -- addresses: their parts, limits and one canonical form. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <stringprep.h>

#include "proto/arena.h"
#include "proto/jid.h"

static void
test_good(void **state)
{
	static const char *const rows[][2] = {
		{ "relay.example", "relay.example" },
		{ "maria@relay.example", "maria@relay.example" },
		{ "Maria@Relay.EXAMPLE./Mi Tel\xC3\xA9"
		  "fono",
		  "maria@relay.example/Mi Tel\xC3\xA9"
		  "fono" },
		{ "a@b/c@d/e", "a@b/c@d/e" },
		{ "a/b@c", "a/b@c" },
		{ "b//", "b//" },
		{ "a@b/ ", "a@b/ " },
		{ "localhost", "localhost" },
		{ "a@127.0.0.1", "a@127.0.0.1" },
		{ "a@[::1]/x", "a@[::1]/x" },
		{ "[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]" },
		{ "[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]" },
		{ "JOS\xC3\x89@espa\xC3\xB1"
		  "a.example",
		  "jos\xC3\xA9@espa\xC3\xB1"
		  "a.example" },
		{ "a@xn--espaa-rta.example", "a@espa\xC3\xB1"
					     "a.example" },
		{ "a@XN--ESPAA-RTA.example", "a@espa\xC3\xB1"
					     "a.example" },
		{ "a@ESPA\xC3\x91"
		  "A.example.",
		  "a@espa\xC3\xB1"
		  "a.example" },
		{ "a@a\xE3\x80\x82"
		  "b",
		  "a@a.b" },                                  /* U+3002 is a dot in IDNA */
		{ "\xEF\xBC\xA1@b", "a@b" },                  /* full-width A */
		{ "jose\xCC\x81@b", "jos\xC3\xA9@b" },        /* composed */
		{ "a@fa\xC3\x9F.example", "a@fass.example" }, /* nameprep, as RFC 3491 has it */
		{ "\xE2\x84\xA6@b", "\xCF\x89@b" },           /* OHM SIGN */
		{ "a@b/\xE2\x84\xA6", "a@b/\xCE\xA9" },       /* a resource keeps its case */
		{ "a\xC2\xAD"
		  "b@c",
		  "ab@c" }, /* SOFT HYPHEN goes */
		{ "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D@b",
		  "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D@b" }, /* right to left */
		{ "a!#$%^*()_+-={}[]|;,.?~`\\@b", "a!#$%^*()_+-={}[]|;,.?~`\\@b" },
		{ "\\20a@b", "\\20a@b" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena *arena = arena_new();
		struct jid jid, again;

		if (!jid_parse_text(arena, rows[i][0], &jid))
			fail_msg("refused: %s", rows[i][0]);
		assert_string_equal(jid_text(arena, &jid), rows[i][1]);
		/* The canonical form is its own canonical form. */
		assert_true(jid_parse_text(arena, rows[i][1], &again));
		assert_true(jid_equal(&jid, &again));
		arena_free(&arena);
	}
}

static void
test_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"@",
		"/",
		"@b",
		"a@",
		"a@/c",
		"/c",
		"a@b/",
		"a@b@c",
		"@b/c",
		"a b@c",
		"a\"@c",
		"a&@c",
		"a'@c",
		"a:@c",
		"a<@c",
		"a>@c",
		"a\x7F@c",
		"a\x01@c",
		"a@b c",
		"a@b_c",
		"a@-b",
		"a@b-",
		"a@b-.c",
		"a@.b",
		"a@b..c",
		"a@.",
		"a@b..",
		"..",
		"a@[",
		"a@[]",
		"a@[::1",
		"a@[::g]",
		"a@::1",
		"a@[127.0.0.1]",
		"a@[::1%lo]",
		"a@[::1].",
		"a@b/\x01",
		"a@b/\n",
		"a@b/\x7F",
		"a@b\xC3",
		"\xFF@b",
		"a@b/\xFF",
		"\xC0\x80@b",
		"\xED\xA0\x80@b",
		"a@b/\xED\xA0\x80",
		"a\xC2\xA0@b", /* no-break space in a node */
		"\xEF\xBC\xA0@b",
		"\xEF\xBC\x8F@b", /* full-width @ and / become the real ones */
		"a@b\xEF\xBC\x8Fx",
		"a@b\xEF\xBC\xA0x",
		"\xF0\x9F\x98\x80@b",
		"a@b/\xF0\x9F\x98\x80", /* U+1F600: newer than Unicode 3.2, so unassigned in stringprep */
		"a@\xF0\x9F\x98\x80.example",
		"a\xE2\x80\xAE@b",
		"a@b/\xE2\x80\xAE", /* RIGHT-TO-LEFT OVERRIDE */
		"\xEE\x80\x80@b",
		"a@b/\xEF\xBF\xBD", /* private use, REPLACEMENT CHARACTER */
		"\xD7\xA9"
		"a@b", /* right to left and left to right mixed (RFC 3454 6) */
		"\xC2\xAD@b",
		"a@b/\xC2\xAD", /* nothing is left */
		"a@xn--",
		"a@xn--a",
		"a@xn--zzzzzzzzzz99999.b",
		"a@a.xn--ls8h.b",
		"a@0123456789012345678901234567890123456789012345678901234567890123.b" /* a label of 64 */
	};
	struct arena *arena = arena_new();
	struct jid jid;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (jid_parse_text(arena, rows[i], &jid))
			fail_msg("taken: %s as %s", rows[i], jid_text(arena, &jid));
		assert_null(jid.node);
		assert_null(jid.domain);
		assert_null(jid.resource);
	}
	assert_false(jid_parse_text(arena, NULL, &jid));
	assert_false(jid_parse(arena, "a\0b@c", 5, &jid));
	assert_false(jid_parse(arena, "a@c\0", 4, &jid));
	assert_false(jid_parse(arena, "a@c/\0", 5, &jid));
	assert_true(jid_parse(arena, "a@c/dxxx", 5, &jid));
	assert_string_equal(jid.resource, "d");
	arena_free(&arena);
}

static void
fill(char *out, size_t len, const char *with)
{
	for (size_t i = 0; i < len; i++)
		out[i] = with[i % strlen(with)];
	out[len] = '\0';
}

/* RFC 7622 3: 1023 bytes a part. */
static void
test_limits(void **state)
{
	struct arena *arena = arena_new();
	char part[2000], domain[2000];
	struct jid jid;

	(void)state;
	fill(domain, JID_PART_MAX, "abcdefghijklmnopqrstuvwxyz0123.");
	domain[JID_PART_MAX - 1] = 'z';
	for (size_t len = JID_PART_MAX - 1; len <= JID_PART_MAX + 1; len++) {
		bool fits = len <= JID_PART_MAX;

		fill(part, len, "a");
		assert_int_equal(jid_make(arena, part, "b", NULL, &jid), fits);
		assert_int_equal(jid_make(arena, NULL, "b", part, &jid), fits);
		assert_int_equal(jid_make(arena, part, domain, part, &jid), fits);
		assert_int_equal(fits ? strlen(jid_text(arena, &jid)) : 0,
				 fits ? 2 * len + JID_PART_MAX + 2 : 0);
		fill(part, len, "abcdefghijklmnopqrstuvwxyz01234.");
		if (part[len - 1] == '.')
			part[len - 1] = 'a';
		assert_int_equal(jid_make(arena, NULL, part, NULL, &jid), fits);
		fill(part, len & ~(size_t)1, "\xC3\xB1");
		assert_int_equal(jid_make(arena, part, "b", part, &jid), (len & ~(size_t)1) <= JID_PART_MAX);
	}
	/* U+0390 grows from 2 bytes to more when its case is folded: the limit holds afterwards too. */
	fill(part, 1022, "\xCE\x90");
	if (jid_make(arena, part, "b", NULL, &jid))
		assert_true(strlen(jid.node) <= JID_PART_MAX);
	fill(part, 1023, "\xEF\xB7\xBA"); /* U+FDFA becomes 18 characters */
	assert_false(jid_make(arena, NULL, "b", part, &jid));
	arena_free(&arena);
}

/* jid_make takes parts, in which separators have no meaning but their own. */
static void
test_make(void **state)
{
	struct arena *arena = arena_new();
	struct jid jid;

	(void)state;
	assert_true(jid_make(arena, "A", "B", "C", &jid));
	assert_string_equal(jid_text(arena, &jid), "a@b/C");
	assert_true(jid_make(arena, NULL, "b", "x/y@z", &jid));
	assert_false(jid_make(arena, "a@b", "c", NULL, &jid));
	assert_false(jid_make(arena, "a/b", "c", NULL, &jid));
	assert_false(jid_make(arena, "a", "c/d", NULL, &jid));
	assert_false(jid_make(arena, "", "c", NULL, &jid));
	assert_false(jid_make(arena, "a", "", NULL, &jid));
	assert_false(jid_make(arena, "a", NULL, NULL, &jid));
	assert_false(jid_make(arena, "a", "b", "", &jid));
	arena_free(&arena);
}

static void
test_use(void **state)
{
	struct arena *arena = arena_new(), *other = arena_new();
	struct jid a, b, c;

	(void)state;
	assert_true(jid_parse_text(arena, "a@b/c", &a));
	assert_true(jid_parse_text(arena, "A@B/c", &b));
	assert_true(jid_parse_text(arena, "a@b/C", &c));
	assert_true(jid_equal(&a, &b));
	assert_false(jid_equal(&a, &c));
	assert_true(jid_bare_equal(&a, &c));
	b = jid_bare(&c);
	assert_false(jid_equal(&b, &c));
	assert_true(jid_is_bare(&b));
	assert_false(jid_is_bare(&c));
	assert_string_equal(jid_bare_text(arena, &c), "a@b");
	assert_string_equal(jid_text(arena, &b), "a@b");
	b = jid_copy(other, &c);
	arena_free(&arena);
	assert_string_equal(jid_text(other, &b), "a@b/C");
	assert_true(jid_parse_text(other, "b", &a));
	assert_false(jid_bare_equal(&a, &b));
	assert_string_equal(jid_text(other, &a), "b");
	arena_free(&other);
	assert_true(jid_domain_valid("relay.example"));
	assert_true(jid_domain_valid("espa\xC3\xB1"
				     "a.example"));
	assert_false(jid_domain_valid("Relay.example"));
	assert_false(jid_domain_valid("relay.example."));
	assert_false(jid_domain_valid("xn--espaa-rta.example"));
	assert_false(jid_domain_valid("a b"));
	assert_false(jid_domain_valid(""));
	assert_false(jid_domain_valid(NULL));
}

/* The short way for ASCII gives what stringprep gives, for every pair of characters. */
static void
test_ascii(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	for (int i = 1; i < 128 * 128; i++) {
		char text[3] = { (char)(i / 128), (char)(i % 128), '\0' }, node[64], resource[64];
		struct jid jid;

		if (text[0] == '\0') {
			text[0] = text[1];
			text[1] = '\0';
		}
		if (text[0] == '\0')
			continue;
		memcpy(node, text, sizeof(text));
		memcpy(resource, text, sizeof(text));
		bool good = stringprep(node, sizeof(node), 0, stringprep_xmpp_nodeprep) == STRINGPREP_OK;

		assert_int_equal(jid_make(arena, text, "b", NULL, &jid), good);
		if (good)
			assert_string_equal(jid.node, node);
		good =
		    stringprep(resource, sizeof(resource), 0, stringprep_xmpp_resourceprep) == STRINGPREP_OK;
		assert_int_equal(jid_make(arena, NULL, "b", text, &jid), good);
		if (good)
			assert_string_equal(jid.resource, resource);
	}
	arena_free(&arena);
}

/* Every code point, alone and behind a letter: what is taken is taken again unchanged. */
static void
test_every_point(void **state)
{
	(void)state;
	for (uint32_t point = 0x80; point < 0x30000;
	     point += 1 + (point > 0x3400 && point < 0xD000 ? 97 : 0)) {
		struct arena *arena = arena_new();
		char text[16] = "a", *end = text + 1;
		struct jid jid, again;

		if (point >= 0x10000)
			*end++ = (char)(0xF0 | point >> 18);
		if (point >= 0x800)
			*end++ = (char)((point >= 0x10000 ? 0x80 : 0xE0) |
					(point >> 12 & (point >= 0x10000 ? 0x3F : 0x0F)));
		*end++ = (char)((point >= 0x800 ? 0x80 : 0xC0) | (point >> 6 & 0x3F));
		*end++ = (char)(0x80 | (point & 0x3F));
		for (const char *part = text; part <= text + 1; part++) {
			if (jid_make(arena, part, "b", NULL, &jid)) {
				assert_true(jid_parse_text(arena, jid_text(arena, &jid), &again));
				assert_true(jid_equal(&jid, &again));
			}
			if (jid_make(arena, NULL, part, NULL, &jid)) {
				assert_true(jid_domain_valid(jid.domain));
				assert_true(jid_parse_text(arena, jid.domain, &again));
				assert_true(jid_equal(&jid, &again));
			}
			if (jid_make(arena, NULL, "b", part, &jid)) {
				assert_true(jid_make(arena, NULL, "b", jid.resource, &again));
				assert_true(jid_equal(&jid, &again));
			}
		}
		arena_free(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),        cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),      cmocka_unit_test(test_make),
		cmocka_unit_test(test_use),         cmocka_unit_test(test_ascii),
		cmocka_unit_test(test_every_point),
	};

	return cmocka_run_group_tests_name("proto/jid", tests, NULL, NULL);
}
