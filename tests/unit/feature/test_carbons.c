/* test_carbons.c -- which messages are copied, to whom, and as what (XEP-0280 6.1): a table, and who gets none. */
#include "config.h"

#include "tests/unit/route/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "relay/feature/feature_table.h"
#include "relay/route/quiet.h"

#define ENABLE  "<iq type='set' id='e'><enable xmlns='urn:xmpp:carbons:2'/></iq>"
#define DISABLE "<iq type='set' id='d'><disable xmlns='urn:xmpp:carbons:2'/></iq>"

static struct world *world;
static struct client *ana, *ana2, *beto, *beto2; /* the second of each wants copies */

static struct client *
come(const char *node, const char *resource, bool copies)
{
	struct client *client = client_new(world, node, resource);

	client_say(client, "<presence/>");
	if (copies)
		client_say(client, ENABLE);
	return client;
}

static void
forget_all(void)
{
	client_forget(ana);
	client_forget(ana2);
	client_forget(beto);
	client_forget(beto2);
}

static int
setup(void **state)
{
	(void)state;
	world = world_new(&feature_carbons);
	world_user(world, "ana");
	world_user(world, "beto");
	ana = come("ana", "a", false);
	ana2 = come("ana", "a2", true);
	beto = come("beto", "b", false);
	beto2 = come("beto", "b2", true);
	forget_all();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	client_free(&ana);
	client_free(&ana2);
	client_free(&beto);
	client_free(&beto2);
	world_free(&world);
	return 0;
}

/* To beto's first device by name: the other is a candidate for a copy. */
static void
which(void **state)
{
	static const struct {
		const char *type, *inner;
		bool copied;
	} rows[] = {
		{ "chat", "<body>x</body>", true },
		{ "chat", "", true },
		{ "chat", "<composing xmlns='http://jabber.org/protocol/chatstates'/>", true },
		{ "normal", "<body>x</body>", true },
		{ "normal", "", false },
		{ "normal", "<received xmlns='urn:xmpp:receipts' id='1'/>", true },
		{ "normal", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", true },
		{ "normal", "<x xmlns='jabber:x:conference' jid='room@conference.example'/>", true },
		{ "headline", "<body>x</body>", false },
		{ "groupchat", "<body>x</body>", false },
		{ "error", "<body>x</body><error type='cancel'/>", true },
		{ "error", "<error type='cancel'/>", false },
		{ "chat", "<body>x</body><private xmlns='urn:xmpp:carbons:2'/>", false },
		{ "chat", "<body>x</body><no-copy xmlns='urn:xmpp:hints'/>", false },
		{ "chat", "<body>x</body><x xmlns='http://jabber.org/protocol/muc#user'/>", false },
		{ "normal", "<x xmlns='http://jabber.org/protocol/muc#user'><invite/></x>", true },
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		snprintf(text, sizeof text, "<message to='beto@familia.example/b' type='%s' id='m'>%s</message>",
			 rows[i].type, rows[i].inner);
		client_say(ana, text);
		if (client_count(beto2, "<received xmlns='urn:xmpp:carbons:2'>") != rows[i].copied)
			fail_msg("%s: a copy or none, otherwise than wanted", text);
		assert_false(client_has(beto2, "<sent xmlns='urn:xmpp:carbons:2'>"));
		assert_false(client_has(beto, "urn:xmpp:carbons:2'><forwarded"));
		forget_all();
	}
}

static void
of_what_one_sends(void **state)
{
	(void)state;
	client_say(ana, "<message to='beto@familia.example' type='chat' id='m'><body>hola</body></message>");
	assert_int_equal(client_count(ana2, "<sent xmlns='urn:xmpp:carbons:2'>"), 1);
	assert_true(client_has(ana2, "<message from='ana@familia.example' to='ana@familia.example/a2' type='chat'>"));
	assert_true(client_has(ana2, "by='ana@familia.example'"));
	assert_int_equal(client_count(ana, "<body>hola</body>"), 0);
	/* Both of beto's get the message itself: no copies of it. */
	assert_int_equal(client_count(beto, "<body>hola</body>"), 1);
	assert_int_equal(client_count(beto2, "<body>hola</body>"), 1);
	assert_false(client_has(beto2, "urn:xmpp:carbons:2"));
	forget_all();
	/* From one's own to one's own: sent, and not received as well. */
	client_say(ana, "<message to='ana@familia.example/a' type='chat' id='m'><body>nota</body></message>");
	assert_int_equal(client_count(ana2, "<sent xmlns='urn:xmpp:carbons:2'>"), 1);
	assert_int_equal(client_count(ana2, "<received xmlns='urn:xmpp:carbons:2'>"), 0);
}

static void
not_of_what_was_refused(void **state)
{
	(void)state;
	client_say(ana, "<message to='nadie@familia.example' type='chat' id='m'><body>hola</body></message>");
	assert_true(client_has(ana, "type='error'"));
	assert_false(client_has(ana2, "<sent xmlns='urn:xmpp:carbons:2'>"));
}

static void
switched_off_and_gone(void **state)
{
	(void)state;
	client_say(beto2, DISABLE);
	assert_true(client_has(beto2, "type='result'"));
	forget_all();
	client_say(ana, "<message to='beto@familia.example/b' type='chat' id='m'><body>x</body></message>");
	assert_false(client_has(beto2, "<body>x</body>"));
	client_say(beto2, ENABLE);
	client_say(beto2, ENABLE); /* twice is once */
	client_forget(beto2);
	client_say(ana, "<message to='beto@familia.example/b' type='chat' id='m'><body>y</body></message>");
	assert_int_equal(client_count(beto2, "<body>y</body>"), 1);
	client_forget(beto2);
	client_say(ana, "<message to='beto@familia.example/b2' type='chat' id='m'><body>z</body></message>");
	assert_false(client_has(beto2, "urn:xmpp:carbons:2"));
	assert_int_equal(client_count(beto2, "<body>z</body>"), 1);
}

/* A copy confirms nothing: the row waits for who got the message itself. */
static void
confirms_nothing(void **state)
{
	(void)state;
	client_say(ana, "<message to='beto@familia.example/b' type='chat' id='m'><body>x</body></message>");
	assert_int_equal(client_count(beto2, "<body>x</body>"), 1);
	while (world_ring() > 0)
		continue;
	assert_false(client_pong(beto2));
	assert_int_equal(world_pending(world, "beto"), 1);
	assert_true(client_pong(beto));
	assert_int_equal(world_pending(world, "beto"), 0);
}

/* Of a chat state, while nobody looks, the latest (XEP-0352). */
static void
states_wait(void **state)
{
	static const char *const states[] = { "composing", "paused", "active" };
	char text[256];

	(void)state;
	quiet_set(beto2->session, true);
	for (size_t i = 0; i < 3; i++) {
		snprintf(text, sizeof text,
			 "<message to='beto@familia.example/b' type='chat'><%s xmlns='http://jabber.org/protocol/chatstates'/>"
			 "</message>",
			 states[i]);
		client_say(ana, text);
	}
	assert_int_equal(client_count(beto2, "chatstates"), 0);
	quiet_set(beto2->session, false);
	assert_int_equal(client_count(beto2, "chatstates"), 1);
	assert_true(client_has(beto2, "<active "));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(which),           TEST(of_what_one_sends), TEST(not_of_what_was_refused), TEST(switched_off_and_gone),
		TEST(confirms_nothing), TEST(states_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
