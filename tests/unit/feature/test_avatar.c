/* test_avatar.c -- pictures by their hash, and what presence says of them (XEP-0084, 0398 4). */
#include "config.h"

#include "relay/feature/avatar_image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"

#define ABC    "a9993e364706816aba3e25717850c26c9cd0d89d" /* SHA-1 of "abc" */
#define UPDATE "vcard-temp:x:update"

static struct xml *
parsed(struct arena *arena, const char *text)
{
	enum stream_error error;
	struct xml *node = xmlin_parse(arena, text, strlen(text), &xmlin_limits_stored, &error);

	assert_non_null(node);
	return node;
}

static void
images(void **state)
{
	static const struct {
		const char *base64, *id, *type;
	} row[] = {
		{ "YWJj", ABC, NULL },
		{ " YW\r\nJj\t", ABC, NULL },
		{ "iVBORw0KGgo=", NULL, "image/png" },
		{ "/9j/4A==", NULL, "image/jpeg" },
		{ "R0lGODlh", NULL, "image/gif" },
		{ "UklGRgAAAABXRUJQ", NULL, "image/webp" },
	};
	static const char *const bad[] = { "", " ", "YWJ", "YW=j", "****", "YWJj=" };
	struct arena *arena = arena_new();
	struct avatar_image image;

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		assert_true(avatar_image_read(arena, row[i].base64, &image));
		if (i < 2)
			assert_string_equal(image.id, row[i].id);
		if (row[i].type == NULL)
			assert_null(image.type);
		else
			assert_string_equal(image.type, row[i].type);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(avatar_image_read(arena, bad[i], &image));
	assert_true(avatar_type_valid("image/svg+xml"));
	assert_false(avatar_type_valid("image"));
	assert_false(avatar_type_valid("image/"));
	assert_false(avatar_type_valid("image/p ng"));
	assert_false(avatar_type_valid("a/b/c"));
	arena_free(&arena);
}

static void
metadata(void **state)
{
	static const struct {
		const char *infos, *avatar;
	} row[] = {
		{ "", NULL },
		{ "<info id='" ABC "' type='image/png' bytes='3'/>", ABC " image/png" },
		{ "<info id='" ABC "' type='image/jpeg' url='https://x/'/><info id='" ABC
		  "' type='image/gif'/>",
		  ABC " image/gif" },
		{ "<info id='" ABC "' url='https://x/'/>", NULL },
		{ "<info id='" ABC "' type='x y'/>", ABC " image/png" },
		{ "<info id='../../etc/passwd' type='image/png'/>", NULL },
		{ "<info id='" ABC "00' type='image/png'/>", NULL },
		{ "<info type='image/png'/>", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		struct arena *arena = arena_new();
		const char *got = avatar_of_metadata(
		    arena,
		    parsed(arena,
			   arena_printf(arena, "<metadata xmlns='urn:xmpp:avatar:metadata'>%s</metadata>",
					row[i].infos)));
		if (row[i].avatar == NULL)
			assert_null(got);
		else
			assert_string_equal(got, row[i].avatar);
		arena_free(&arena);
	}
}

#define X(inner) "<x xmlns='" UPDATE "'>" inner "</x>"

static void
presence(void **state)
{
	static const struct {
		const char *said, *with, *without; /* inside of <presence/> */
	} row[] = {
		{ "", X("<photo>" ABC "</photo>"), "" },
		{ X(""), X("<photo>" ABC "</photo>"), X("<photo/>") },
		{ X("<photo/>"), X("<photo/>"), X("<photo/>") },
		{ X("<photo>00</photo>"), X("<photo>" ABC "</photo>"), X("<photo>00</photo>") },
		{ X("<photo>00</photo>") X("<photo>11</photo>"), X("<photo>" ABC "</photo>"),
		  X("<photo>00</photo>") X("<photo>11</photo>") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		for (int with = 0; with < 2; with++) {
			struct arena *arena = arena_new();
			struct buf got = { 0 }, wanted = { 0 };
			struct xml *node =
			    parsed(arena, arena_printf(arena, "<presence xmlns='jabber:client'>%s</presence>",
						       row[i].said));

			avatar_stamp(arena, node, with ? ABC " image/png" : NULL);
			xmlout(&got, node, NULL);
			xmlout(
			    &wanted,
			    parsed(arena, arena_printf(arena, "<presence xmlns='jabber:client'>%s</presence>",
						       with ? row[i].with : row[i].without)),
			    NULL);
			assert_string_equal(got.data, wanted.data);
			buf_free(&got);
			buf_free(&wanted);
			arena_free(&arena);
		}
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(images),
		cmocka_unit_test(metadata),
		cmocka_unit_test(presence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
