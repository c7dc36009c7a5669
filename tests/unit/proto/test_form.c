/* test_form.c -- data forms: built, read, and found by FORM_TYPE. */
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
#include "proto/form.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"

static void
test_build(void **state)
{
	(void)state;
	struct arena *arena = arena_new();
	struct xml *form = form_new(arena, NULL, "form", NS_PUBSUB_CONFIG);
	struct xml *field = form_field(arena, form, "pubsub#access_model", "list-single", "Who", "open");
	struct buf out = { 0 };

	form_option(arena, field, "open");
	form_option(arena, field, "presence");
	form_field(arena, form, "pubsub#max_items", NULL, NULL, NULL);
	xmlout(&out, form, NS_FORM);
	assert_string_equal(
	    out.data,
	    "<x type='form'><field var='FORM_TYPE' type='hidden'><value>" NS_PUBSUB_CONFIG "</value></field>"
	    "<field var='pubsub#access_model' type='list-single' label='Who'><value>open</value>"
	    "<option><value>open</value></option><option><value>presence</value></option></field>"
	    "<field var='pubsub#max_items'/></x>");
	buf_free(&out);
	arena_free(&arena);
}

static void
test_read(void **state)
{
	static const char text[] =
	    "<iq><x xmlns='jabber:x:data' type='submit'><field "
	    "var='FORM_TYPE'><value>urn:other</value></field></x>"
	    "<x xmlns='urn:x'/><x xmlns='jabber:x:data' type='submit'><field/><field var='a'/>"
	    "<field var='FORM_TYPE' type='hidden'><value>urn:<![CDATA[mine]]></value></field>"
	    "<field var='b'><value>1</value><value>2</value></field><field var='c'><value/></field></x></iq>";
	struct arena *arena = arena_new();
	enum stream_error error;
	struct xml *iq = xmlin_parse(arena, text, sizeof(text) - 1, &xmlin_limits_default, &error);

	(void)state;
	assert_non_null(iq);
	struct xml *form = form_find(iq, "urn:mine");

	assert_non_null(form);
	assert_null(form_find(iq, "urn:min"));
	assert_null(form_find(iq, "urn:mine2"));
	assert_null(form_find(iq, ""));
	assert_string_equal(form_type(arena, form), "urn:mine");
	assert_string_equal(form_get(arena, form, "b"), "1");
	assert_string_equal(form_get(arena, form, "c"), "");
	assert_null(form_get(arena, form, "a"));
	assert_non_null(form_get_field(form, "a"));
	assert_null(form_get_field(form, "z"));

	/* Two text nodes, as a builder can make them. */
	struct xml *built = form_new(arena, iq, "submit", "urn:");

	xml_add_text(arena, xml_first(xml_first(built)), "built", 5);
	assert_ptr_equal(form_find(iq, "urn:built"), built);
	arena_free(&arena);
}

static void
test_bool(void **state)
{
	(void)state;
	assert_int_equal(form_bool("1"), 1);
	assert_int_equal(form_bool("true"), 1);
	assert_int_equal(form_bool("0"), 0);
	assert_int_equal(form_bool("false"), 0);
	assert_int_equal(form_bool("TRUE"), -1);
	assert_int_equal(form_bool(""), -1);
	assert_int_equal(form_bool(NULL), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_bool),
	};

	return cmocka_run_group_tests_name("proto/form", tests, NULL, NULL);
}
