/* test_bookmark.c -- a bookmark in its two forms (XEP-0402, XEP-0048), and which say the same. */
#include "config.h"

#include "relay/feature/bookmark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"

#define NEW "xmlns='urn:xmpp:bookmarks:1'"
#define OLD "xmlns='storage:bookmarks'"

static struct xml *
parsed(struct arena *arena, const char *text)
{
	enum stream_error error;
	struct xml *node = xmlin_parse(arena, text, strlen(text), &xmlin_limits_stored, &error);

	assert_non_null(node);
	return node;
}

static const char *
written(struct arena *arena, const struct xml *node)
{
	struct buf out = { 0 };
	const char *text;

	xmlout(&out, node, NULL);
	text = arena_strndup(arena, out.data, out.len);
	buf_free(&out);
	return text;
}

/* Both forms of each, written by us: what is read from one is written as the other. */
static const struct {
	const char *id, *item, *old;
} forms[] = {
	{ "a@rooms.example", "<conference " NEW " autojoin='false'/>",
	  "<conference jid='a@rooms.example' autojoin='false'/>" },
	{ "a@rooms.example",
	  "<conference " NEW
	  " name='Un &amp; otro' autojoin='true'><nick>yo</nick><password>p</password></conference>",
	  "<conference jid='a@rooms.example' name='Un &amp; otro' "
	  "autojoin='true'><nick>yo</nick><password>p</password></conference>" },
	{ "a@rooms.example",
	  "<conference " NEW " autojoin='false'><extensions><s xmlns='urn:x' a='1'/><t "
			     "xmlns='urn:y'/></extensions></conference>",
	  "<conference jid='a@rooms.example' autojoin='false'><s xmlns='urn:x' a='1'/><t "
	  "xmlns='urn:y'/></conference>" },
};

static void
both_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct arena *arena = arena_new();
		struct bookmark bookmark;
		struct xml *storage = xml_new(arena, "storage", "storage:bookmarks");
		const char *wanted = written(
		    arena, parsed(arena, arena_printf(arena, "<storage " OLD ">%s</storage>", forms[i].old)));

		assert_true(bookmark_read_item(arena, forms[i].id, parsed(arena, forms[i].item), &bookmark));
		bookmark_add_old(arena, storage, &bookmark);
		assert_string_equal(written(arena, storage), wanted);
		assert_true(bookmark_read_old(arena, xml_first(parsed(arena, wanted)), &bookmark));
		assert_string_equal(bookmark.room, forms[i].id);
		assert_string_equal(written(arena, bookmark_item(arena, &bookmark)),
				    written(arena, parsed(arena, forms[i].item)));
		arena_free(&arena);
	}
}

static void
no_bookmarks(void **state)
{
	struct arena *arena = arena_new();
	struct bookmark bookmark;

	(void)state;
	assert_false(bookmark_read_item(arena, "@", parsed(arena, forms[0].item), &bookmark));
	assert_false(
	    bookmark_read_item(arena, "a@rooms.example/nick", parsed(arena, forms[0].item), &bookmark));
	assert_false(bookmark_read_item(arena, "a@rooms.example", parsed(arena, "<x " NEW "/>"), &bookmark));
	assert_false(bookmark_read_old(arena, parsed(arena, "<url " OLD " url='http://x/'/>"), &bookmark));
	assert_false(bookmark_read_old(arena, parsed(arena, "<conference " OLD "/>"), &bookmark));
	arena_free(&arena);
}

static void
sameness(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} row[] = {
		{ "autojoin='1'", "autojoin='true'", true },
		{ "", "autojoin='0'", true },
		{ "", "autojoin='true'", false },
		{ "name='x'", "name='y'", false },
		{ "name=''", "", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		struct arena *arena = arena_new();
		struct bookmark a, b;

		assert_true(bookmark_read_item(
		    arena, "A@rooms.example",
		    parsed(arena, arena_printf(arena, "<conference " NEW " %s/>", row[i].a)), &a));
		assert_true(bookmark_read_old(
		    arena,
		    parsed(arena,
			   arena_printf(arena, "<conference " OLD " jid='a@ROOMS.example' %s/>", row[i].b)),
		    &b));
		assert_int_equal(bookmark_same(arena, &a, &b), row[i].same);
		assert_string_equal(a.id, "A@rooms.example");
		arena_free(&arena);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_forms),
		cmocka_unit_test(no_bookmarks),
		cmocka_unit_test(sameness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
