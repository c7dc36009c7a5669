/* test_stanza.c -- kinds and types of stanzas, their answers and errors. */
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
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"

static struct xml *
parse(struct arena *arena, const char *text)
{
	enum stream_error error;
	struct xml *node = xmlin_parse(arena, text, strlen(text), &xmlin_limits_default, &error);

	assert_non_null(node);
	return node;
}

static void
test_kinds(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	assert_int_equal(stanza_kind(parse(arena, "<iq xmlns='jabber:client'/>")), STANZA_IQ);
	assert_int_equal(stanza_kind(parse(arena, "<message xmlns='jabber:server'/>")), STANZA_MESSAGE);
	assert_int_equal(stanza_kind(parse(arena, "<presence xmlns='jabber:client'/>")), STANZA_PRESENCE);
	assert_int_equal(stanza_kind(parse(arena, "<iq/>")), STANZA_OTHER);
	assert_int_equal(stanza_kind(parse(arena, "<iq xmlns='urn:x'/>")), STANZA_OTHER);
	assert_int_equal(stanza_kind(parse(arena, "<query xmlns='jabber:client'/>")), STANZA_OTHER);
	arena_free(&arena);
}

static void
test_types(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	assert_int_equal(message_type(parse(arena, "<message/>")), MESSAGE_NORMAL);
	assert_int_equal(message_type(parse(arena, "<message type='x'/>")), MESSAGE_NORMAL);
	assert_int_equal(message_type(parse(arena, "<message type='headline'/>")), MESSAGE_HEADLINE);
	assert_int_equal(presence_type(parse(arena, "<presence/>")), PRESENCE_AVAILABLE);
	assert_int_equal(presence_type(parse(arena, "<presence type='available'/>")), PRESENCE_BAD);
	assert_int_equal(presence_type(parse(arena, "<presence type='probe'/>")), PRESENCE_PROBE);
	assert_int_equal(iq_type(parse(arena, "<iq/>")), IQ_BAD);
	assert_int_equal(iq_type(parse(arena, "<iq type='GET'/>")), IQ_BAD);
	assert_int_equal(iq_type(parse(arena, "<iq type='set'/>")), IQ_SET);
	arena_free(&arena);
}

static void
test_priority(void **state)
{
	static const struct {
		const char *text;
		int value;
	} rows[] = { { "", 0 },      { "5", 5 },   { "-1", -1 },     { "+7", 7 },   { " 12\n", 12 },
		     { "127", 127 }, { "128", 0 }, { "-128", -128 }, { "-129", 0 }, { "99999999999999", 0 },
		     { "x", 0 },     { "1x", 0 },  { "1 2", 0 },     { "-", 0 },    { "007", 7 } };
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct xml *presence = stanza_new(arena, "presence", NULL, NULL, NULL, NULL);

		xml_add_leaf(arena, presence, "priority", NULL, rows[i].text);
		assert_int_equal(presence_priority(arena, presence), rows[i].value);
	}
	assert_int_equal(presence_priority(arena, stanza_new(arena, "presence", NULL, NULL, NULL, NULL)), 0);
	arena_free(&arena);
}

static void
test_iq_valid(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	assert_true(iq_valid(parse(arena, "<iq type='get' id='1'><a/></iq>")));
	assert_true(iq_valid(parse(arena, "<iq type='result' id='1'/>")));
	assert_true(iq_valid(parse(arena, "<iq type='set' id='1'> <a/> </iq>")));
	assert_false(iq_valid(parse(arena, "<iq type='get'><a/></iq>")));
	assert_false(iq_valid(parse(arena, "<iq id='1'><a/></iq>")));
	assert_false(iq_valid(parse(arena, "<iq type='put' id='1'><a/></iq>")));
	assert_false(iq_valid(parse(arena, "<iq type='get' id='1'/>")));
	assert_false(iq_valid(parse(arena, "<iq type='set' id='1'><a/><b/></iq>")));
	arena_free(&arena);
}

static void
assert_out(struct xml *node, const char *want)
{
	struct buf out = { 0 };

	xmlout(&out, node, NS_CLIENT);
	assert_string_equal(out.data, want);
	buf_free(&out);
}

static void
test_answers(void **state)
{
	struct arena *arena = arena_new();
	struct xml *iq = parse(
	    arena, "<iq xmlns='jabber:client' type='get' from='a@b/c' to='d' id='7'><x xmlns='u'/></iq>");

	(void)state;
	assert_out(iq_result(arena, iq), "<iq from='d' to='a@b/c' type='result' id='7'/>");
	assert_out(stanza_error(arena, iq, STANZA_ITEM_NOT_FOUND, NULL, false),
		   "<iq from='d' to='a@b/c' type='error' id='7'><error type='cancel'>"
		   "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
	struct xml *error = stanza_error(arena, iq, STANZA_BAD_REQUEST, "why", true);

	assert_out(error, "<iq from='d' to='a@b/c' type='error' id='7'><x xmlns='u'/><error type='modify'>"
			  "<bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
			  "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>why</text></error></iq>");
	assert_int_equal(stanza_error_of(error), STANZA_BAD_REQUEST);

	/* Errors answer no errors and no results. */
	assert_null(stanza_error(arena, error, STANZA_BAD_REQUEST, NULL, true));
	assert_null(stanza_error(arena, iq_result(arena, iq), STANZA_BAD_REQUEST, NULL, true));
	assert_int_equal(stanza_error_of(iq), STANZA_UNDEFINED_CONDITION);
	assert_int_equal(
	    stanza_error_of(
		parse(arena, "<message type='error'><error type='wait'><text xmlns='" NS_STANZA_ERRORS "'/>"
			     "<conflict xmlns='" NS_STANZA_ERRORS "'/></error></message>")),
	    STANZA_CONFLICT);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),    cmocka_unit_test(test_types),
		cmocka_unit_test(test_priority), cmocka_unit_test(test_iq_valid),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests_name("proto/stanza", tests, NULL, NULL);
}
