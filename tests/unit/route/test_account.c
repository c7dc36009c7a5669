/*
 * test_account.c -- accounts in memory say what the disk says, sessions come and go by the rules, nobody
 * speaks for another.
 */
#include "config.h"

#include "tests/unit/route/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ANA  "ana@familia.example"
#define BETO "beto@familia.example"

/* A feature whose request changes the roster and then asks the store for what it will refuse. */
static bool first_seen;

static enum verdict
ask_too_much(struct event *event, void *state)
{
	struct roster_row row = { .contact = "never@familia.example", .flags = ROSTER_VISIBLE };
	struct scram_keys keys = { .iterations = 1 };

	(void)state;
	account_roster_set(event->target, event, &row);
	event_add(event, &(struct op){ .kind = OP_ACCOUNT_NEW, .account = "ana", .time = 1, .keys = &keys });
	event_reply_result(event);
	return HANDLED;
}

static void
is_first(struct event *event, void *arg)
{
	(void)arg;
	first_seen = true;
	event_reply_result(event);
	event_finish(event, HANDLED);
}

static enum verdict
later(struct event *event, void *state)
{
	(void)state;
	event_when_first(event, is_first, NULL);
	return LATER;
}

static const struct iq_handler handlers[] = {
	{ "fail", "urn:test", ON_SET, TO_SELF, ask_too_much },
	{ "later", "urn:test", ON_GET, TO_SELF, later },
	{ 0 },
};
static const struct feature failing = { .name = "failing", .iq = handlers };

#define FAIL     "<iq type='set' id='f'><fail xmlns='urn:test'/></iq>"
#define LATER_IQ "<iq type='get' id='l'><later xmlns='urn:test'/></iq>"
#define GET      "<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq>"
#define SET(jid) "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='" jid "'/></query></iq>"

static void
refused_change_is_forgotten(void **state)
{
	struct world *world = world_new(&failing);
	struct client *ana;
	int64_t version;

	(void)state;
	world_user(world, "ana");
	ana = client_new(world, "ana", "a");
	client_say(ana, SET(BETO));
	version = account_resident(world->router, "ana")->roster_version;
	client_forget(ana);
	client_say(ana, FAIL);
	assert_true(client_has(ana, "type='error'") && client_has(ana, "<conflict"));
	assert_false(client_has(ana, "type='result'"));
	client_forget(ana);
	client_say(ana, GET);
	assert_false(client_has(ana, "never@"));
	assert_true(client_has(ana, BETO));
	assert_int_equal(account_resident(world->router, "ana")->roster_version, version);
	client_free(&ana);
	world_free(&world);
}

/* While other changes are on their way, the account is not read again too early: they would be lost from
 * memory. */
static void
later_changes_survive_the_reading_again(void **state)
{
	struct world *world = world_new_threaded(&failing);
	struct client *ana;

	(void)state;
	world_user(world, "ana");
	ana = client_new(world, "ana", "a");
	client_say(ana, SET(BETO));
	world_turn(world); /* the account is there */
	client_forget(ana);
	client_say(ana, FAIL);
	client_say(ana, SET("carla@familia.example"));
	client_say(ana, GET);
	assert_int_equal(ana->out.len, 0); /* nothing before the commit */
	world_turn(world);
	world_turn(world);
	assert_true(strstr(ana->out.data, "id='f'") <
		    strstr(ana->out.data, "id='s'")); /* in the stream's order */
	assert_true(strstr(ana->out.data, "id='s'") < strstr(ana->out.data, "id='g'"));
	client_forget(ana);
	client_say(ana, GET);
	world_turn(world);
	assert_true(client_has(ana, "carla@"));
	assert_true(client_has(ana, BETO));
	assert_false(client_has(ana, "never@"));
	client_free(&ana);
	world_free(&world);
}

static void
first_waits_for_all_before_it(void **state)
{
	struct world *world = world_new_threaded(&failing);
	struct client *ana;

	(void)state;
	world_user(world, "ana");
	ana = client_new(world, "ana", "a");
	client_say(ana, GET);
	world_turn(world);
	first_seen = false;
	client_say(ana, SET(BETO));
	client_say(ana, LATER_IQ);
	assert_false(first_seen);
	world_turn(world);
	assert_true(first_seen);
	/* A stream that goes takes nothing with it that others wait for. */
	first_seen = false;
	client_say(ana, SET("carla@familia.example"));
	client_say(ana, LATER_IQ);
	client_free(&ana);
	world_turn(world);
	assert_true(first_seen);
	assert_non_null(account_roster_find(account_resident(world->router, "ana"), "carla@familia.example"));
	world_free(&world);
}

static void
change_by_a_tool_is_seen(void **state)
{
	struct world *world = world_new(NULL);
	struct roster_row row = { .contact = BETO, .flags = ROSTER_VISIBLE };
	struct client *ana;

	(void)state;
	world_user(world, "ana");
	ana = client_new(world, "ana", "a");
	client_say(ana, GET);
	assert_false(client_has(ana, BETO));
	world_apply(world, &(struct op){ .kind = OP_ROSTER_SET, .account = "ana", .roster = &row });
	client_say(ana, GET);
	assert_true(client_has(ana, BETO));
	world_apply(world, &(struct op){ .kind = OP_ACCOUNT_DEL, .account = "ana" });
	assert_int_equal(ana->closed, STREAM_NOT_AUTHORIZED); /* its account is gone */
	client_free(&ana);
	world_free(&world);
}

static void
idle_accounts_are_bounded(void **state)
{
	struct world *world = world_new(NULL);
	struct client *ana;
	char node[16], text[128];
	unsigned resident = 0;

	(void)state;
	world_user(world, "ana");
	ana = client_new(world, "ana", "a");
	for (int i = 0; i < 1010; i++) {
		struct scram_keys keys = { .iterations = 1 };
		struct txn *txn = txn_new(world->store);

		snprintf(node, sizeof node, "u%d", i);
		txn_add(txn,
			&(struct op){ .kind = OP_ACCOUNT_NEW, .account = node, .time = 1, .keys = &keys });
		txn_submit(&txn, NULL, NULL);
		snprintf(text, sizeof text, "<message type='headline' to='%s@familia.example'/>", node);
		client_say(ana, text);
	}
	for (int i = 0; i < 1010; i++) {
		snprintf(node, sizeof node, "u%d", i);
		resident += account_resident(world->router, node) != NULL;
	}
	assert_int_equal(resident, 1000);
	assert_null(account_resident(world->router, "u0")); /* the least recently used */
	assert_non_null(account_resident(world->router, "u1009"));
	/* Names of nobody are not kept at all. */
	client_say(ana, "<message to='nobody@familia.example'><body>x</body></message>");
	assert_null(account_resident(world->router, "nobody"));
	client_free(&ana);
	world_free(&world);
}

static void
resource_goes_to_the_newcomer(void **state)
{
	struct world *world = world_new(NULL);
	struct client *ana, *old, *again, *any[2];

	(void)state;
	world_user(world, "ana");
	ana = client_new(world, "ana", "other");
	client_say(ana, "<presence/>");
	old = client_new(world, "ana", "phone");
	client_say(old, "<presence/>");
	client_forget(ana);
	again = client_new(world, "ana", "phone");
	assert_int_equal(old->closed, STREAM_CONFLICT);
	assert_null(old->session);
	assert_true(client_has(ana, "type='unavailable'"));
	assert_non_null(again->session);
	for (int i = 0; i < 2; i++)
		any[i] = client_new(world, "ana", NULL);
	assert_int_equal(strlen(any[0]->session->jid.resource), 32);
	assert_string_not_equal(any[0]->session->jid.resource, any[1]->session->jid.resource);
	for (int i = 0; i < 2; i++)
		client_free(&any[i]);
	client_free(&again);
	client_free(&old);
	client_free(&ana);
	assert_int_equal(router_session_count(world->router), 0);
	world_free(&world);
}

static void
sessions_are_bounded(void **state)
{
	struct world *world = world_new(NULL);
	struct client *row[SESSION_MOST + 1];

	(void)state;
	world_user(world, "ana");
	for (int i = 0; i <= SESSION_MOST; i++)
		row[i] = client_new(world, "ana", NULL);
	assert_null(row[SESSION_MOST]->session);
	assert_int_equal(row[SESSION_MOST]->refused, STANZA_RESOURCE_CONSTRAINT);
	for (int i = 0; i <= SESSION_MOST; i++)
		client_free(&row[i]);
	world_free(&world);
}

static void
nobody_speaks_for_another(void **state)
{
	static const char *const own[] = { "ana@familia.example", "ana@familia.example/a",
					   "ANA@Familia.Example/a" };
	static const char *const foreign[] = { BETO, "ana@familia.example/b", "familia.example", "@",
					       "ana@elsewhere.example" };
	struct world *world = world_new(NULL);
	struct client *ana, *beto;
	char text[256];

	(void)state;
	world_user(world, "ana");
	world_user(world, "beto");
	beto = client_new(world, "beto", "b");
	client_say(beto, "<presence/>");
	ana = client_new(world, "ana", "a");
	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		snprintf(text, sizeof text, "<message from='%s' to='" BETO "'><body>x</body></message>",
			 own[i]);
		client_forget(beto);
		client_say(ana, text);
		assert_true(client_has(beto, "from='ana@familia.example/a'"));
	}
	client_free(&ana);
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
		ana = client_new(world, "ana", "a");
		client_forget(beto);
		snprintf(text, sizeof text, "<message from='%s' to='" BETO "'><body>x</body></message>",
			 foreign[i]);
		client_say(ana, text);
		assert_int_equal(ana->closed, STREAM_INVALID_FROM);
		assert_false(client_has(beto, "<body>"));
		client_free(&ana);
	}
	client_free(&beto);
	world_free(&world);
}

static void
another_domain_is_told(void **state)
{
	static const struct {
		const char *stanza;
		bool told;
	} row[] = {
		{ "<message to='x@elsewhere.example'><body>x</body></message>", true },
		{ "<iq type='get' id='i' to='x@elsewhere.example'><ping xmlns='urn:xmpp:ping'/></iq>", true },
		{ "<presence type='subscribe' to='x@elsewhere.example'/>", true },
		{ "<presence to='room@elsewhere.example/ana'/>", true },
		{ "<presence type='unavailable' to='room@elsewhere.example/ana'/>", false },
		{ "<message type='error' to='x@elsewhere.example'><error type='cancel'/></message>", false },
		{ "<iq type='result' id='i' to='x@elsewhere.example'/>", false },
	};
	struct world *world = world_new(NULL);
	struct client *ana;

	(void)state;
	world_user(world, "ana");
	ana = client_new(world, "ana", "a");
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		client_forget(ana);
		client_say(ana, row[i].stanza);
		assert_int_equal(client_has(ana, "remote-server-not-found"), row[i].told);
		assert_int_equal(ana->out.len > 0, row[i].told);
	}
	/* The request that went nowhere left no trace. */
	assert_int_equal(world_flags(world, "ana", "x@elsewhere.example"), 0);
	client_say(ana, GET);
	assert_false(client_has(ana, "<item"));
	client_say(ana, "<message to='@bad@/'><body>x</body></message>");
	assert_true(client_has(ana, "jid-malformed") && client_has(ana, "from='familia.example'"));
	client_free(&ana);
	world_free(&world);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_change_is_forgotten),
		cmocka_unit_test(later_changes_survive_the_reading_again),
		cmocka_unit_test(first_waits_for_all_before_it),
		cmocka_unit_test(change_by_a_tool_is_seen),
		cmocka_unit_test(idle_accounts_are_bounded),
		cmocka_unit_test(resource_goes_to_the_newcomer),
		cmocka_unit_test(sessions_are_bounded),
		cmocka_unit_test(nobody_speaks_for_another),
		cmocka_unit_test(another_domain_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
