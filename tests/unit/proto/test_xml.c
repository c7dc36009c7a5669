/* test_xml.c -- building and reading trees. */
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
#include "proto/xml.h"
#include "proto/xmlout.h"

static void
assert_out(struct xml *node, const char *want)
{
	struct buf out = { 0 };

	xmlout(&out, node, NS_CLIENT);
	assert_string_equal(out.data, want);
	buf_free(&out);
}

static void
test_attrs(void **state)
{
	struct arena *arena = arena_new();
	struct xml *node = xml_new(arena, "a", NS_CLIENT);
	struct xml_attr lang = { .ns = NS_XML, .name = "lang", .value = "es" };

	(void)state;
	node->attrs = &lang;
	xml_set(arena, node, "lang", "fr");
	assert_string_equal(xml_attr(node, "lang"), "fr");
	assert_string_equal(xml_attr_ns(node, "lang", NS_XML), "es");
	assert_string_equal(xml_attr_ns(node, "lang", NULL), "fr");
	assert_null(xml_attr_ns(node, "lang", "urn:x"));
	xml_set(arena, node, "lang", xml_attr(node, "lang")); /* its own value */
	assert_string_equal(xml_attr(node, "lang"), "fr");
	xml_setf(arena, node, "n", "%d", 7);
	xml_set(arena, node, "lang", NULL);
	xml_set(arena, node, "none", NULL);
	assert_null(xml_attr(node, "lang"));
	assert_out(node, "<a xml:lang='es' n='7'/>");
	arena_free(&arena);
}

static void
test_children(void **state)
{
	struct arena *arena = arena_new();
	struct xml *node = xml_new(arena, "a", NS_CLIENT);

	(void)state;
	assert_null(xml_first(node));
	assert_string_equal(xml_text(arena, node), "");
	xml_add_text(arena, node, "one", 3);
	struct xml *b = xml_add(arena, node, "b", NULL);
	struct xml *c = xml_add_leaf(arena, node, "b", "urn:x", "in");

	xml_add_text(arena, node, "two", 3);
	xml_add_leaf(arena, node, "d", NULL, NULL);
	assert_string_equal(xml_text(arena, node), "onetwo");
	assert_string_equal(xml_child_text(arena, node, "b", "urn:x"), "in");
	assert_string_equal(xml_child_text(arena, node, "d", NULL), "");
	assert_null(xml_child_text(arena, node, "e", NULL));
	assert_ptr_equal(xml_first(node), b);
	assert_ptr_equal(xml_find(node, "b", NULL), b);
	assert_ptr_equal(xml_find(node, "b", "urn:x"), c);
	assert_ptr_equal(xml_find(node, NULL, "urn:x"), c);
	assert_ptr_equal(xml_next(b, "b", NULL), c);
	assert_null(xml_next(c, "b", NULL));
	assert_false(xml_is(node->first, NULL, NULL)); /* text */
	assert_true(xml_is(c, "b", "urn:x"));

	xml_remove(node, b);
	xml_remove(node, node->first);
	xml_remove(node, node->last);
	assert_out(node, "<a><b xmlns='urn:x'>in</b>two</a>");
	xml_append(node, b);
	assert_out(node, "<a><b xmlns='urn:x'>in</b>two<b/></a>");
	xml_remove(node, b);
	xml_remove(node, c);
	xml_remove(node, node->first);
	assert_out(node, "<a/>");
	xml_append(node, c);
	assert_out(node, "<a><b xmlns='urn:x'>in</b></a>");
	arena_free(&arena);
}

/* A copy lives on when what it was made from is gone. */
static void
test_copy(void **state)
{
	struct arena *arena = arena_new(), *other = arena_new();
	struct xml *node = xml_new(arena, "a", NS_CLIENT), *sub = xml_add(arena, node, "b", "urn:x");

	(void)state;
	xml_set(arena, sub, "id", "1");
	xml_add_leaf(arena, sub, "c", NULL, "t\0u");
	xml_add_text(arena, sub, "x", 1);
	xml_add(arena, node, "d", NULL);
	struct xml *copy = xml_copy(other, node), *part = xml_copy(other, sub);

	memset(sub, 0xA5, sizeof(*sub));
	arena_free(&arena);
	assert_out(copy, "<a><b xmlns='urn:x' id='1'><c>t</c>x</b><d/></a>");
	assert_out(part, "<b xmlns='urn:x' id='1'><c>t</c>x</b>");
	assert_null(part->next);
	arena_free(&other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attrs),
		cmocka_unit_test(test_children),
		cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests_name("proto/xml", tests, NULL, NULL);
}
