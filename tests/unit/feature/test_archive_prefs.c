/* test_archive_prefs.c -- what a user wants archived (XEP-0441 2.3). */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/jid.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"
#include "relay/feature/archive_prefs.h"

static struct xml *
tree(struct arena *arena, const char *text)
{
	enum stream_error error;
	struct xml *xml = xmlin_parse(arena, text, strlen(text), &xmlin_limits_default, &error);

	assert_non_null(xml);
	return xml;
}

static const char both[] = "<prefs xmlns='urn:xmpp:mam:2' default='never'><always><jid>Eva@Lejos</jid>"
			   "<jid>beto@a/pc</jid></always><never><jid>eva@lejos/movil</jid></never></prefs>";

static void
reads_and_writes(void **state)
{
	struct arena *arena = arena_new();
	struct buf out = { 0 };
	enum stanza_error error;
	const char *text = archive_prefs_read(arena, tree(arena, both), &error);
	struct xml *parent = xml_new(arena, "iq", NS_CLIENT);

	(void)state;
	assert_string_equal(text, "never\n+eva@lejos\n+beto@a/pc\n-eva@lejos/movil\n");
	archive_prefs_write(arena, parent, text);
	xmlout(&out, xml_first(parent), NULL);
	struct xml *again = tree(arena, out.data);
	assert_string_equal(archive_prefs_read(arena, again, &error), text);
	parent = xml_new(arena, "iq", NS_CLIENT);
	archive_prefs_write(arena, parent, NULL);
	assert_string_equal(xml_attr(xml_first(parent), "default"), "always");
	assert_non_null(xml_find(xml_first(parent), "never", NS_MAM));
	buf_free(&out);
	arena_free(&arena);
}

static void
refuses(void **state)
{
	struct arena *arena = arena_new();
	struct buf many = { 0 };
	enum stanza_error error;

	(void)state;
	assert_null(archive_prefs_read(arena, tree(arena, "<prefs xmlns='urn:xmpp:mam:2'/>"), &error));
	assert_int_equal(error, STANZA_BAD_REQUEST);
	assert_null(archive_prefs_read(
	    arena,
	    tree(arena, "<prefs xmlns='urn:xmpp:mam:2' default='roster'><never><jid>@</jid></never></prefs>"),
	    &error));
	assert_int_equal(error, STANZA_JID_MALFORMED);
	buf_adds(&many, "<prefs xmlns='urn:xmpp:mam:2' default='roster'><never>");
	for (int i = 0; i <= ARCHIVE_PREFS_MOST; i++)
		buf_printf(&many, "<jid>u%d@a</jid>", i);
	buf_adds(&many, "</never></prefs>");
	assert_null(archive_prefs_read(arena, tree(arena, many.data), &error));
	assert_int_equal(error, STANZA_POLICY_VIOLATION);
	buf_free(&many);
	arena_free(&arena);
}

static void
decides(void **state)
{
	static const struct {
		const char *text, *peer;
		bool in_roster, wanted;
	} rows[] = {
		{ NULL, "a@b/c", false, true },
		{ "always\n", "a@b/c", false, true },
		{ "never\n", "a@b/c", true, false },
		{ "roster\n", "a@b/c", true, true },
		{ "roster\n", "a@b/c", false, false },
		{ "never\n+a@b\n", "a@b/c", false, true },
		{ "never\n+a@b\n", "a@b", false, true },
		{ "never\n+a@b/c\n", "a@b", false, false },
		{ "never\n+a@b/c\n", "a@b/c", false, true },
		{ "always\n-a@b\n", "a@b/c", true, false },
		{ "always\n-a@b/c\n+a@b\n", "a@b/c", false, false },
		{ "always\n-a@b/c\n+a@b\n", "a@b/d", false, true },
		{ "never\n+a@b/c\n-a@b\n", "a@b/c", false, true },
		{ "never\n+aa@b\n", "a@b", false, false }, /* no part of another */
		{ "never\n+a@bb\n", "a@b", false, false },
		{ "never\n+b@a\n", "always", false, false },
	};
	struct arena *arena = arena_new();
	struct jid peer;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_true(jid_parse_text(arena, rows[i].peer, &peer));
		if (archive_prefs_wants(arena, rows[i].text, &peer, rows[i].in_roster) != rows[i].wanted)
			fail_msg("row %zu", i);
	}
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes),
		cmocka_unit_test(refuses),
		cmocka_unit_test(decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
