/* test_block.c -- which addresses a block list catches (XEP-0191 5), and that a refused change leaves it as
 * it was. */
#include "config.h"

#include "tests/unit/route/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static bool refuse;

static enum verdict
block(struct event *event, void *state)
{
	struct scram_keys keys = { .iterations = 1 };

	(void)state;
	account_block_add(event->target, event, xml_attr(event->payload, "jid"));
	if (refuse)
		event_add(event,
			  &(struct op){ .kind = OP_ACCOUNT_NEW, .account = "ana", .time = 1, .keys = &keys });
	event_reply_result(event);
	return HANDLED;
}

static const struct iq_handler handlers[] = { { "test-block", "urn:test", ON_SET, TO_SELF, block }, { 0 } };
static const struct feature blocker = { .name = "blocker", .iq = handlers };

static void
matching(void **state)
{
	static const struct {
		const char *blocked, *who;
		bool caught;
	} row[] = {
		{ "x@evil.example", "x@evil.example", true },
		{ "x@evil.example", "x@evil.example/r", true },
		{ "x@evil.example", "X@EVIL.example/r", true },
		{ "x@evil.example", "y@evil.example", false },
		{ "x@evil.example", "evil.example", false },
		{ "x@evil.example", "x@sub.evil.example", false },
		{ "x@evil.example/r", "x@evil.example/r", true },
		{ "x@evil.example/r", "x@evil.example", false },
		{ "x@evil.example/r", "x@evil.example/s", false },
		{ "evil.example", "evil.example", true },
		{ "evil.example", "evil.example/r", true },
		{ "evil.example", "x@evil.example/r", true },
		{ "evil.example", "x@sub.evil.example", false },
		{ "evil.example/r", "evil.example/r", true },
		{ "evil.example/r", "evil.example", false },
		{ "evil.example/r", "x@evil.example/r", false },
		{ "familia.example", "beto@familia.example/r", true },
		{ "familia.example", "ana@familia.example/r", false }, /* never the account itself */
		{ "familia.example", "familia.example", false },       /* nor the relay */
		{ "ana@familia.example", "ana@familia.example", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		struct world *world = world_new(NULL);
		struct client *ana;

		world_user(world, "ana");
		world_apply(world,
			    &(struct op){ .kind = OP_BLOCK, .account = "ana", .peer = row[i].blocked });
		ana = client_new(world, "ana", "a");
		client_say(ana, "<iq type='get' id='p'><query xmlns='jabber:iq:roster'/></iq>");
		if (account_blocks_text(account_resident(world->router, "ana"), row[i].who) != row[i].caught)
			fail_msg("%s, %s", row[i].blocked, row[i].who);
		client_free(&ana);
		world_free(&world);
	}
}

static void
kept_or_taken_back(void **state)
{
	struct world *world = world_new(&blocker);
	struct client *ana;
	const struct account *account;

	(void)state;
	world_user(world, "ana");
	ana = client_new(world, "ana", "a");
	refuse = false;
	client_say(ana, "<iq type='set' id='1'><test-block xmlns='urn:test' jid='x@evil.example'/></iq>");
	refuse = true;
	client_say(ana, "<iq type='set' id='2'><test-block xmlns='urn:test' jid='y@evil.example'/></iq>");
	assert_true(client_has(ana, "conflict"));
	client_say(ana, "<iq type='get' id='p'><query xmlns='jabber:iq:roster'/></iq>");
	account = account_resident(world->router, "ana");
	assert_true(account_blocks_text(account, "x@evil.example/r"));
	assert_false(account_blocks_text(account, "y@evil.example/r"));
	assert_false(account_blocks_text(account, NULL));
	assert_false(account_blocks_text(account, "@"));
	client_free(&ana);
	world_free(&world);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(matching),
		cmocka_unit_test(kept_or_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
