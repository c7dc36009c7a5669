/* test_register_form.c -- what may be registered, and that passwords do not stay (XEP-0077 2.4). */
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
#include "proto/xmlout.h"
#include "relay/feature/register_form.h"

#define QUERY(inside) "<query xmlns='jabber:iq:register'>" inside "</query>"
#define FORM(name, password)                                                                                 \
	"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' "                                     \
	"type='hidden'><value>jabber:iq:register</value></field>"                                            \
	"<field var='username'><value>" name "</value></field><field var='password'><value>" password        \
	"</value></field></x>"

static struct xml *
parse(struct arena *arena, const char *text)
{
	enum stream_error error;
	struct xml *query = xmlin_parse(arena, text, strlen(text), &xmlin_limits_default, &error);

	assert_non_null(query);
	return query;
}

static const struct {
	const char *xml;
	enum stanza_error error;
	const char *node; /* NULL: a removal, or refused */
} cases[] = {
	{ QUERY("<username>rosa</username><password>x</password>"), STANZA_OK, "rosa" },
	{ QUERY("<password>x</password><username>Rosa</username><email>r@x</email>"), STANZA_OK, "rosa" },
	{ QUERY(FORM("rosa", "x")), STANZA_OK, "rosa" },
	{ QUERY("<remove/>"), STANZA_OK, NULL },
	{ QUERY("<remove/><username>rosa</username>"), STANZA_BAD_REQUEST, NULL },
	{ QUERY("<username>rosa</username><remove/>"), STANZA_BAD_REQUEST, NULL },
	{ QUERY(""), STANZA_NOT_ACCEPTABLE, NULL },
	{ QUERY("<username>rosa</username>"), STANZA_NOT_ACCEPTABLE, NULL },
	{ QUERY("<username>rosa</username><password/>"), STANZA_NOT_ACCEPTABLE, NULL },
	{ QUERY("<username/><password>x</password>"), STANZA_NOT_ACCEPTABLE, NULL },
	{ QUERY(FORM("", "x")), STANZA_NOT_ACCEPTABLE, NULL },
	{ QUERY("<username>a@b</username><password>x</password>"), STANZA_JID_MALFORMED, NULL },
	{ QUERY("<username>a b</username><password>x</password>"), STANZA_JID_MALFORMED, NULL },
	{ QUERY("<username>a/b</username><password>x</password>"), STANZA_JID_MALFORMED, NULL },
	{ QUERY("<username xmlns='urn:other'>rosa</username><password>x</password>"), STANZA_NOT_ACCEPTABLE,
	  NULL },
};

static void
test_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct arena *arena = arena_new();
		struct register_form form;
		enum stanza_error error =
		    register_form_read(arena, parse(arena, cases[i].xml), "familia.example", &form);
		if (error != cases[i].error)
			fail_msg("%s: %d", cases[i].xml, (int)error);
		if (error == STANZA_OK) {
			assert_int_equal(form.remove, cases[i].node == NULL);
			if (cases[i].node != NULL)
				assert_string_equal(form.jid.node, cases[i].node);
		}
		arena_free(&arena);
	}
}

static void
test_long_password(void **state)
{
	static const size_t lengths[] = { REGISTER_PASSWORD_MAX, REGISTER_PASSWORD_MAX + 1 };
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char password[REGISTER_PASSWORD_MAX + 2];
		struct register_form form;
		struct xml *query = parse(arena, QUERY("<username>rosa</username>"));
		memset(password, 'x', lengths[i]);
		password[lengths[i]] = '\0';
		xml_add_leaf(arena, query, "password", NULL, password);
		assert_int_equal(register_form_read(arena, query, "familia.example", &form),
				 i == 0 ? STANZA_OK : STANZA_NOT_ACCEPTABLE);
	}
	arena_free(&arena);
}

static void
test_forget(void **state)
{
	struct arena *arena = arena_new();
	struct xml *query =
	    parse(arena, QUERY("<username>rosa</username><password>secreta</password>" FORM("r", "secreta")));
	const struct xml *text = xml_find(query, "password", NULL)->first;
	struct buf out = { .data = NULL };

	(void)state;
	register_form_forget(query);
	assert_null(memchr(text->text, 's', text->len));
	xmlout(&out, query, NULL);
	assert_null(strstr(out.data, "secreta"));
	buf_free(&out);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_long_password),
		cmocka_unit_test(test_forget),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
