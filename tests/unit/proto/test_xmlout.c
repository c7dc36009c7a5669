/*
 * test_xmlout.c -- what xmlout writes is read as the same tree by xmlin (expat) and by libxml2 (attack X12).
 * Random trees: 5,000, with LAZO_LONG 100,000. The seed is printed; LAZO_SEED repeats a run.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <libxml/parser.h>
#include <libxml/tree.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/error.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"
#include "trees.h"

static void
assert_out(struct xml *node, const char *outer, const char *want)
{
	struct buf out = { 0 };

	xmlout(&out, node, outer);
	assert_string_equal(out.data, want);
	buf_free(&out);
}

static void
test_namespaces(void **state)
{
	(void)state;
	struct arena *arena = arena_new();
	struct xml *message = xml_new(arena, "message", NS_CLIENT);

	assert_out(message, NS_CLIENT, "<message/>");
	assert_out(message, NULL, "<message xmlns='jabber:client'/>");
	struct xml *x = xml_add(arena, message, "x", "urn:x");

	xml_add(arena, x, "y", NULL);
	xml_add(arena, message, "z", "");
	assert_out(message, NS_CLIENT, "<message><x xmlns='urn:x'><y/></x><z xmlns=''/></message>");
	xml_append(xml_add(arena, message, "forwarded", "urn:f"), xml_new(arena, "iq", NS_CLIENT));
	assert_out(message, NS_CLIENT,
		   "<message><x xmlns='urn:x'><y/></x><z xmlns=''/>"
		   "<forwarded xmlns='urn:f'><iq xmlns='jabber:client'/></forwarded></message>");
	arena_free(&arena);
}

static void
test_escapes(void **state)
{
	(void)state;
	struct arena *arena = arena_new();
	struct xml *node = xml_new(arena, "a", NULL);

	xml_set(arena, node, "b", "'\"<>&\t\r\n");
	xml_add_text(arena, node, "'\"<>&\t\r\n", 8);
	assert_out(node, NULL, "<a b='&apos;\"&lt;>&amp;&#x9;&#xD;&#xA;'>'\"&lt;>&amp;\t&#xD;\n</a>");
	struct buf out = { 0 };

	xmlout_escape(&out, "'\"<>&", 5);
	assert_string_equal(out.data, "&apos;&quot;&lt;&gt;&amp;");
	buf_free(&out);
	arena_free(&arena);
}

/* What XML cannot carry becomes U+FFFD, byte by byte. */
static void
test_impossible(void **state)
{
	static const char *const rows[][2] = {
		{ "\x01", "\xEF\xBF\xBD" },
		{ "a\x0B"
		  "b",
		  "a\xEF\xBF\xBD"
		  "b" },
		{ "\xFF", "\xEF\xBF\xBD" },
		{ "\xC0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD" },
		{ "\xC3", "\xEF\xBF\xBD" },
		{ "\xE2\x82", "\xEF\xBF\xBD\xEF\xBF\xBD" },
		{ "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
		{ "\xEF\xBF\xBE", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
		{ "\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
		{ "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out = { 0 };

		xmlout_escape(&out, rows[i][0], strlen(rows[i][0]));
		assert_string_equal(out.data, rows[i][1]);
		buf_free(&out);
	}
	struct buf out = { 0 };

	xmlout_escape(&out, "a\0b", 3);
	assert_string_equal(out.data, "a\xEF\xBF\xBD"
				      "b");
	buf_free(&out);
}

/* A tree deeper than any that is read costs no C stack. */
static void
test_deep(void **state)
{
	(void)state;
	struct arena *arena = arena_new();
	struct xml *root = xml_new(arena, "a", NULL), *at = root;
	struct buf out = { 0 };

	for (int i = 0; i < 200000; i++)
		at = xml_add(arena, at, "a", NULL);
	xmlout(&out, xml_copy(arena, root), NULL);
	assert_int_equal(out.len, 200000 * 7 + 4);
	buf_free(&out);
	arena_free(&arena);
}

static const char *
string_of(const xmlChar *text)
{
	return text == NULL ? "" : (const char *)text;
}

static int
by_name(const void *a, const void *b)
{
	const xmlAttr *const *x = a, *const *y = b;
	int order = strcmp((*x)->ns == NULL ? "" : string_of((*x)->ns->href),
			   (*y)->ns == NULL ? "" : string_of((*y)->ns->href));

	return order != 0 ? order : strcmp(string_of((*x)->name), string_of((*y)->name));
}

static void
libxml_attrs(struct buf *out, xmlNode *node)
{
	xmlAttr *row[64];
	size_t count = 0;

	for (xmlAttr *attr = node->properties; attr != NULL && count < 64; attr = attr->next)
		row[count++] = attr;
	qsort(row, count, sizeof(row[0]), by_name);
	for (size_t i = 0; i < count; i++) {
		const char *ns = row[i]->ns == NULL ? "" : string_of(row[i]->ns->href);
		xmlChar *value = xmlNodeGetContent((xmlNode *)row[i]);

		trees_string(out, 'A', ns, strlen(ns));
		trees_string(out, '\0', string_of(row[i]->name), strlen(string_of(row[i]->name)));
		trees_string(out, '\0', string_of(value), strlen(string_of(value)));
		xmlFree(value);
	}
}

static void
libxml_text(struct buf *out, xmlNode *node)
{
	const char *ns = node->ns == NULL ? "" : string_of(node->ns->href);
	struct buf text = { 0 };

	trees_string(out, 'E', ns, strlen(ns));
	trees_string(out, '\0', string_of(node->name), strlen(string_of(node->name)));
	libxml_attrs(out, node);
	for (xmlNode *child = node->children;; child = child->next) {
		if (child != NULL && child->type != XML_ELEMENT_NODE) {
			assert_true(child->type == XML_TEXT_NODE);
			buf_adds(&text, string_of(child->content));
			continue;
		}
		if (text.len > 0)
			trees_string(out, 'T', text.data, text.len);
		buf_clear(&text);
		if (child == NULL)
			break;
		libxml_text(out, child);
	}
	buf_adds(out, "Z");
	buf_free(&text);
}

static void
check_expat(struct arena *arena, const struct buf *bytes, const struct buf *want)
{
	enum stream_error error;
	struct buf got = { 0 };
	struct xml *again = xmlin_parse(arena, bytes->data, bytes->len, &xmlin_limits_default, &error);

	assert_non_null(again);
	trees_text(&got, again);
	assert_string_equal(got.data, want->data);
	buf_free(&got);
}

static void
check_libxml(const struct buf *bytes, const struct buf *want)
{
	struct buf got = { 0 };
	/* NOENT: without it libxml2 leaves &#38; for & in the names of namespaces (2.9.14). */
	xmlDoc *doc =
	    xmlReadMemory(bytes->data, (int)bytes->len, "tree.xml", "UTF-8",
			  XML_PARSE_NOENT | XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);

	assert_non_null(doc);
	libxml_text(&got, xmlDocGetRootElement(doc));
	assert_string_equal(got.data, want->data);
	buf_free(&got);
	xmlFreeDoc(doc);
}

static void
test_same_tree(void **state)
{
	unsigned rounds = getenv("LAZO_LONG") != NULL ? 100000 : 5000;
	uint64_t random = trees_seed();

	(void)state;
	printf("seed %llu, %u trees\n", (unsigned long long)random, rounds);
	for (unsigned i = 0; i < rounds; i++) {
		struct arena *arena = arena_new();
		struct buf bytes = { 0 }, want = { 0 }, outer = { 0 };
		struct xml *tree = trees_make(arena, &random);

		trees_text(&want, tree);
		xmlout(&bytes, tree, NULL);
		check_expat(arena, &bytes, &want);
		check_libxml(&bytes, &want);

		/* The same inside a stream, where a namespace is in force. */
		buf_adds(&outer, "<o xmlns='jabber:client'>");
		xmlout(&outer, tree, NS_CLIENT);
		buf_adds(&outer, "</o>");
		buf_clear(&bytes);
		buf_adds(&bytes, "E13:jabber:client1:o");
		buf_add(&bytes, want.data, want.len);
		buf_adds(&bytes, "Z");
		check_expat(arena, &outer, &bytes);

		/* And a copy is the same tree. */
		buf_clear(&bytes);
		trees_text(&bytes, xml_copy(arena, tree));
		assert_string_equal(bytes.data, want.data);
		buf_free(&bytes);
		buf_free(&want);
		buf_free(&outer);
		arena_free(&arena);
	}
}

/* The comparison can fail: another tree has another text. */
static void
test_control(void **state)
{
	(void)state;
	struct arena *arena = arena_new();
	enum stream_error error;
	static const char *const others[] = {
		"<a b='1'>t</a>",           "<a b='2'>t</a>",    "<a c='1'>t</a>",
		"<a b='1'>u</a>",           "<a b='1'><t/></a>", "<b b='1'>t</b>",
		"<a xmlns='x' b='1'>t</a>", "<a b='1'/>",        "<a xmlns:x='x' x:b='1'>t</a>",
		"<a b='1'>t </a>"
	};
	struct buf texts[10] = { { 0 } };

	for (size_t i = 0; i < 10; i++) {
		trees_text(&texts[i],
			   xmlin_parse(arena, others[i], strlen(others[i]), &xmlin_limits_default, &error));
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(texts[i].data, texts[k].data);
	}
	for (size_t i = 0; i < 10; i++)
		buf_free(&texts[i]);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_namespaces), cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_impossible), cmocka_unit_test(test_deep),
		cmocka_unit_test(test_same_tree),  cmocka_unit_test(test_control),
	};
	int failed = cmocka_run_group_tests_name("proto/xmlout", tests, NULL, NULL);

	xmlCleanupParser();
	return failed;
}
