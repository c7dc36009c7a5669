/* test_caps_hash.c -- the examples of XEP-0115 5.2 and 5.3, and what must not be believed (5.4, 8.2). */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proto/arena.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "relay/feature/caps_announcement.h"
#include "relay/feature/caps_hash.h"
#include "relay/feature/caps_set.h"

#define QUERY(inside) "<query xmlns='http://jabber.org/protocol/disco#info'>" inside "</query>"
#define FEATURES                                                                                             \
	"<feature var='http://jabber.org/protocol/muc'/><feature var='http://jabber.org/protocol/caps'/>"    \
	"<feature var='http://jabber.org/protocol/disco#items'/><feature "                                   \
	"var='http://jabber.org/protocol/disco#info'/>"
#define FORM(type)                                                                                           \
	"<x xmlns='jabber:x:data' type='result'><field var='software'><value>Psi</value></field>"            \
	"<field var='FORM_TYPE' type='" type "'><value>urn:xmpp:dataforms:softwareinfo</value></field>"      \
	"<field var='ip_version'><value>ipv6</value><value>ipv4</value></field><field "                      \
	"var='os'><value>Mac</value></field>"                                                                \
	"<field var='os_version'><value>10.5.1</value></field><field "                                       \
	"var='software_version'><value>0.11</value></field></x>"
#define PSI                                                                                                  \
	"<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>"                              \
	"<identity xml:lang='el' category='client' name='\xce\xa8 0.11' type='pc'/>"

static const struct {
	const char *what, *xml, *ver; /* ver NULL: ill-formed */
} cases[] = {
	{ "5.2", QUERY("<identity category='client' type='pc' name='Exodus 0.9.1'/>" FEATURES),
	  "QgayPKawpkPSDYmwT/WM94uAlu0=" },
	{ "5.3", QUERY(PSI FEATURES FORM("hidden")), "q07IKJEyjvHSyhy//CH0CxmKi8w=" },
	{ "a form whose FORM_TYPE is not hidden does not count",
	  QUERY("<identity category='client' type='pc' name='Exodus 0.9.1'/>" FEATURES FORM("text-single")),
	  "QgayPKawpkPSDYmwT/WM94uAlu0=" },
	{ "an identity twice",
	  QUERY("<identity category='client' type='pc'/><identity category='client' type='pc'/>"), NULL },
	{ "a feature twice", QUERY("<feature var='a'/><feature var='a'/>"), NULL },
	{ "a form twice", QUERY(FORM("hidden") FORM("hidden")), NULL },
	{ "a separator inside a feature", QUERY("<feature var='a&lt;b'/>"), NULL },
	{ "a separator inside a type", QUERY("<identity category='client' type='pc/x'/>"), NULL },
};

static void
test_hash(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct arena *arena = arena_new();
		enum stream_error error;
		struct xml *query =
		    xmlin_parse(arena, cases[i].xml, strlen(cases[i].xml), &xmlin_limits_default, &error);
		char out[CAPS_HASH_MAX] = "";
		assert_non_null(query);
		print_message("%s\n", cases[i].what);
		assert_int_equal(caps_hash(arena, query, DIGEST_SHA1, out), cases[i].ver != NULL);
		if (cases[i].ver != NULL)
			assert_string_equal(out, cases[i].ver);
		arena_free(&arena);
	}
}

static void
test_kind(void **state)
{
	enum digest kind;

	(void)state;
	assert_true(caps_hash_kind("sha-1", &kind));
	assert_int_equal(kind, DIGEST_SHA1);
	assert_true(caps_hash_kind("sha-256", &kind));
	assert_false(caps_hash_kind("md5", &kind));
}

static void
test_announcement(void **state)
{
	static const struct {
		const char *xml;
		const char *key; /* NULL: of no use */
	} said[] = {
		{ "<c node='urn:n' ver='v' hash='sha-1'/>", "sha-1\nv\nurn:n" },
		{ "<c node='urn:n' ver='v' hash='md5'/>", "\na@b/c\nurn:n#v" },
		{ "<c node='urn:n' ver='v'/>", "\na@b/c\nurn:n#v" },
		{ "<c ver='v' hash='sha-1'/>", NULL },
		{ "<c node='urn:n' hash='sha-1'/>", NULL },
		{ "<c node='urn:n' ver='a&#10;b' hash='sha-1'/>", NULL },
	};
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
		struct caps_announcement out;
		enum stream_error error;
		struct xml *c =
		    xmlin_parse(arena, said[i].xml, strlen(said[i].xml), &xmlin_limits_default, &error);
		assert_int_equal(caps_announcement_read(arena, "a@b/c", c, &out), said[i].key != NULL);
		if (said[i].key != NULL)
			assert_string_equal(out.key, said[i].key);
	}
	arena_free(&arena);
}

static void
test_verified(void **state)
{
	struct arena *arena = arena_new();
	enum stream_error error;
	struct xml *query =
	    xmlin_parse(arena, cases[0].xml, strlen(cases[0].xml), &xmlin_limits_default, &error);

	(void)state;
	assert_true(caps_key_verified(arena, "sha-1\nQgayPKawpkPSDYmwT/WM94uAlu0=\nurn:n", query));
	assert_false(caps_key_verified(arena, "sha-1\nQgayPKawpkPSDYmwT/WM94uAlu0\nurn:n", query));
	assert_false(caps_key_verified(arena, "sha-256\nQgayPKawpkPSDYmwT/WM94uAlu0=\nurn:n", query));
	assert_false(caps_key_verified(arena, "\na@b/c\nurn:n#QgayPKawpkPSDYmwT/WM94uAlu0=", query));
	arena_free(&arena);
}

static void
test_set(void **state)
{
	static const char text[] =
	    QUERY("<feature var='urn:b+notify'/><feature var='urn:a'/><feature var='+notify'/>"
		  "<feature var='urn:a+notify'/><feature var='urn:c+notify+'/>");
	struct arena *arena = arena_new();
	enum stream_error error;
	struct caps_set *set =
	    caps_set_new(xmlin_parse(arena, text, sizeof text - 1, &xmlin_limits_default, &error));

	(void)state;
	assert_true(caps_set_has(set, "urn:a"));
	assert_true(caps_set_has(set, "urn:b"));
	assert_false(caps_set_has(set, "urn:c"));
	assert_false(caps_set_has(set, ""));
	assert_false(caps_set_has(NULL, "urn:a"));
	caps_set_unref(&set);
	set = caps_set_new(NULL);
	assert_false(caps_set_has(set, "urn:a"));
	caps_set_unref(&set);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash),         cmocka_unit_test(test_kind),
		cmocka_unit_test(test_announcement), cmocka_unit_test(test_verified),
		cmocka_unit_test(test_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
