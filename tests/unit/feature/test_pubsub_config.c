/* test_pubsub_config.c -- a node's configuration as form, as stored text and as precondition
 * (XEP-0060 7.1.5, 8.2). */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/arena.h"
#include "proto/form.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/feature/pubsub_config.h"

static int
setup(void **state)
{
	*state = arena_new();
	return 0;
}

static int
teardown(void **state)
{
	arena_free((struct arena **)state);
	return 0;
}

static const struct xml *
form_of(struct arena *arena, const char *var, const char *value)
{
	struct xml *form = form_new(arena, NULL, "submit", NS_PUBSUB_PUBLISH_OPTIONS);

	form_field(arena, form, var, NULL, NULL, value);
	return form;
}

static void
test_apply(void **state)
{
	static const struct {
		const char *var, *value;
		enum config_result result;
		bool changes;
	} cases[] = {
		{ "pubsub#access_model", "open", CONFIG_OK, true },
		{ "pubsub#access_model", "presence", CONFIG_OK, false },
		{ "pubsub#access_model", "authorize", CONFIG_BAD_ACCESS, false },
		{ "pubsub#access_model", "OPEN", CONFIG_BAD_ACCESS, false },
		{ "pubsub#persist_items", "true", CONFIG_OK, false },
		{ "pubsub#persist_items", "1", CONFIG_OK, false },
		{ "pubsub#persist_items", "false", CONFIG_OK, true },
		{ "pubsub#persist_items", "yes", CONFIG_BAD_VALUE, false },
		{ "pubsub#max_items", "max", CONFIG_OK, true },
		{ "pubsub#max_items", "1", CONFIG_OK, false },
		{ "pubsub#max_items", "0", CONFIG_BAD_VALUE, false },
		{ "pubsub#max_items", "1001", CONFIG_BAD_VALUE, false },
		{ "pubsub#max_items", "1 ", CONFIG_BAD_VALUE, false },
		{ "pubsub#max_items", "", CONFIG_BAD_VALUE, false },
		{ "pubsub#max_items", "99999999999999999999", CONFIG_BAD_VALUE, false },
		{ "pubsub#send_last_published_item", "never", CONFIG_OK, true },
		{ "pubsub#publish_model", "publishers", CONFIG_OK, false },
		{ "pubsub#publish_model", "open", CONFIG_BAD_VALUE, false },
		{ "pubsub#deliver_notifications", "true", CONFIG_OK, false },
		{ "pubsub#deliver_notifications", "0", CONFIG_BAD_VALUE, false },
		{ "pubsub#roster_groups_allowed", "Friends", CONFIG_OK, true },
		{ "pubsub#roster_groups_allowed", "a\nb", CONFIG_BAD_VALUE, false },
		{ "pubsub#title", "Fotos", CONFIG_OK, true },
		{ "pubsub#unheard_of", "1", CONFIG_UNKNOWN, false },
		{ "lazo#members", "mallory@otro.example", CONFIG_UNKNOWN, false },
	};
	struct arena *arena = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct pubsub_config config = pubsub_config_default;
		const char *var = NULL;
		enum config_result result = pubsub_config_apply(
		    arena, &config, form_of(arena, cases[i].var, cases[i].value), true, &var);
		if (result != cases[i].result)
			fail_msg("%s=%s: %d", cases[i].var, cases[i].value, (int)result);
		if (result != CONFIG_OK)
			assert_string_equal(var, cases[i].var);
		else if (pubsub_config_equal(&config, &pubsub_config_default) == cases[i].changes)
			fail_msg("%s=%s: %s", cases[i].var, cases[i].value,
				 cases[i].changes ? "equal" : "differs");
	}
}

static void
test_lenient(void **state)
{
	struct pubsub_config config = pubsub_config_default;
	const char *var;

	assert_int_equal(pubsub_config_apply(*state, &config,
					     form_of(*state, "lazo#members", "m@otro.example"), false, &var),
			 CONFIG_OK);
	assert_true(pubsub_config_equal(&config, &pubsub_config_default));
}

static void
test_stored(void **state)
{
	struct pubsub_config config = pubsub_config_default, *read;

	config.access = ACCESS_WHITELIST;
	config.max_items = PUBSUB_ITEMS_MAX;
	config.persist = 0;
	config.title = "<&'\" \xc3\xb1";
	config.groups = "a b\nc\n";
	config.members = "ana@familia.example\n";
	config.outcasts = "ex@familia.example\notro@familia.example\n";
	read = pubsub_config_parse(pubsub_config_text(*state, &config));
	assert_true(pubsub_config_equal(read, &config));
	assert_string_equal(read->outcasts, config.outcasts);
	free(read);
	read = pubsub_config_parse(pubsub_config_text(*state, &pubsub_config_default));
	assert_true(pubsub_config_equal(read, &pubsub_config_default));
	free(read);
}

/* What cannot be read lets nobody in but the owner. */
static void
test_broken(void **state)
{
	static const char *const texts[] = {
		NULL, "", "x", "<x xmlns='jabber:x:data'>",
		"<x xmlns='jabber:x:data'><field var='pubsub#access_model'><value>any</value></field></x>"
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct pubsub_config *config = pubsub_config_parse(texts[i]);
		assert_int_equal(config->access, ACCESS_WHITELIST);
		assert_string_equal(config->members, "");
		free(config);
	}
}

/* The form that owners see, submitted unchanged, changes nothing; and never shows the hidden lists. */
static void
test_form(void **state)
{
	struct pubsub_config config = pubsub_config_default, again = pubsub_config_default;
	struct xml *parent = xml_new(*state, "configure", NS_PUBSUB_OWNER), *form;
	const char *var;

	config.access = ACCESS_ROSTER;
	config.groups = "Familia\n";
	config.members = "ana@familia.example\n";
	form = pubsub_config_form(*state, parent, &config, "form");
	assert_ptr_equal(form_find(parent, NS_PUBSUB_CONFIG), form);
	assert_null(form_get_field(form, "lazo#members"));
	assert_string_equal(form_get(*state, form, "pubsub#access_model"), "roster");
	assert_int_equal(pubsub_config_apply(*state, &again, form, true, &var), CONFIG_OK);
	again.members = config.members;
	assert_true(pubsub_config_equal(&again, &config));
}

static void
test_lists(void **state)
{
	const char *list = pubsub_list_add(*state, "", "a");

	list = pubsub_list_add(*state, list, "bb");
	list = pubsub_list_add(*state, list, "a");
	assert_string_equal(list, "a\nbb\n");
	assert_string_equal(pubsub_list_remove(*state, list, "b"), "a\nbb\n");
	assert_string_equal(pubsub_list_remove(*state, list, "a"), "bb\n");
	assert_string_equal(pubsub_list_remove(*state, list, "bb"), "a\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_apply, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lenient, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_form, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
