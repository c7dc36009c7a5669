/*
 * test_mailbox.c -- what waits, what is flushed, what confirms (design 3.2, XEP-0160, XEP-0203).
 */
#include "config.h"

#include "tests/unit/route/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "relay/feature/mailbox-private.h"

static struct world *world;
static struct client *ana; /* who writes */

static int
setup(void **state)
{
	(void)state;
	world = world_new(NULL);
	world_user(world, "ana");
	world_user(world, "beto");
	ana = client_new(world, "ana", "a");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	client_free(&ana);
	world_free(&world);
	return 0;
}

static void
say(const char *to, int number)
{
	char text[256];

	snprintf(text, sizeof text, "<message type='chat' to='%s' id='m%d'><body>text %d.</body></message>",
		 to, number, number);
	client_say(ana, text);
}

static struct client *
beto(const char *resource, const char *presence)
{
	struct client *client = client_new(world, "beto", resource);

	client_say(client, presence);
	return client;
}

static void
live_row_waits_until_confirmed(void **state)
{
	struct client *b = beto("b", "<presence/>");
	char id[64], text[128];

	(void)state;
	say("beto@familia.example", 1);
	assert_int_equal(client_count(b, "<body>text 1.</body>"), 1);
	assert_true(client_has(b, "by='beto@familia.example'"));
	assert_false(client_has(b, "urn:xmpp:delay"));
	assert_int_equal(world_pending(world, "beto"), 1);
	assert_false(client_ping(b, id)); /* not before 10 s */
	assert_int_equal(world_ring(), 1);
	assert_true(client_ping(b, id));
	assert_int_equal(world_ring(), 0); /* at most one outstanding */
	say("beto@familia.example", 2);
	assert_int_equal(world_ring(), 0);
	assert_int_equal(client_count(b, "<ping xmlns"), 1);
	/* Nothing else confirms: another id, another iq, presence, a message. */
	client_say(b, "<iq type='result' id='x' to='familia.example'/>");
	client_say(b, "<iq type='get' id='y'><query xmlns='jabber:iq:roster'/></iq>");
	client_say(b, "<presence/>");
	snprintf(text, sizeof text, "<iq type='result' id='%s' to='familia.example'/>", id);
	client_say(ana, text); /* not by another's answer */
	assert_int_equal(world_pending(world, "beto"), 2);
	/* An error is an answer, and confirms what was sent before the ping alone. */
	snprintf(text, sizeof text, "<iq type='error' id='%s' to='familia.example'/>", id);
	client_say(b, text);
	assert_int_equal(world_pending(world, "beto"), 1);
	client_forget(b);
	assert_int_equal(world_ring(), 1);
	assert_true(client_pong(b));
	assert_int_equal(world_pending(world, "beto"), 0);
	assert_int_equal(world_ring(), 0);
	client_free(&b);
}

static void
flush_goes_by_windows(void **state)
{
	struct client *b;

	(void)state;
	for (int i = 0; i < 2 * MAILBOX_WINDOW + 50; i++)
		say("beto@familia.example", i);
	b = beto("b", "<presence/>");
	assert_int_equal(client_count(b, "<body>"), MAILBOX_WINDOW);
	assert_int_equal(client_count(b, "<delay xmlns='urn:xmpp:delay' from='familia.example' stamp='"),
			 MAILBOX_WINDOW);
	assert_int_equal(client_count(b, "<ping xmlns"), 1);
	say("beto@familia.example", 1000); /* waits behind them */
	assert_int_equal(client_count(b, "<body>"), MAILBOX_WINDOW);
	assert_true(client_pong(b));
	assert_int_equal(world_pending(world, "beto"), MAILBOX_WINDOW + 51);
	assert_true(client_has(b, "text 100."));
	assert_int_equal(client_count(b, "<body>"), MAILBOX_WINDOW);
	assert_true(client_pong(b));
	assert_int_equal(client_count(b, "<body>"), 51);
	assert_true(strstr(b->out.data, "text 249.") < strstr(b->out.data, "text 1000."));
	assert_int_equal(client_count(b, "<ping xmlns"), 1); /* at once behind the end */
	assert_true(client_pong(b));
	assert_int_equal(world_pending(world, "beto"), 0);
	assert_false(client_has(b, "<body>"));
	client_free(&b);
}

static void
exactly_one_window(void **state)
{
	struct client *b;

	(void)state;
	for (int i = 0; i < MAILBOX_WINDOW; i++)
		say("beto@familia.example", i);
	b = beto("b", "<presence/>");
	assert_true(client_pong(b));
	assert_int_equal(world_pending(world, "beto"), 0);
	assert_false(client_has(b, "<ping xmlns"));
	say("beto@familia.example", 500); /* it is live now */
	assert_true(client_has(b, "text 500."));
	assert_false(client_has(b, "urn:xmpp:delay"));
	client_free(&b);
}

static void
unconfirmed_comes_again_with_the_same_id(void **state)
{
	struct client *b = beto("b", "<presence/>");
	char first[64] = "", again[64] = "";

	(void)state;
	say("beto@familia.example", 1);
	sscanf(strstr(b->out.data, "by='beto@familia.example' id='"),
	       "by='beto@familia.example' id='%32[0-9a-f]", first);
	client_free(&b);
	assert_int_equal(world_pending(world, "beto"), 1);
	b = beto("c", "<presence/>");
	sscanf(strstr(b->out.data, "by='beto@familia.example' id='"),
	       "by='beto@familia.example' id='%32[0-9a-f]", again);
	assert_int_equal(strlen(first), 32);
	assert_string_equal(first, again);
	client_free(&b);
	assert_int_equal(world_pending(world, "beto"), 1);
}

static void
first_confirmation_clears_for_the_account(void **state)
{
	struct client *b = beto("b", "<presence/>"), *c = beto("c", "<presence/>");

	(void)state;
	say("beto@familia.example", 1);
	assert_int_equal(client_count(b, "<body>") + client_count(c, "<body>"), 2);
	assert_int_equal(world_ring(), 2);
	assert_true(client_pong(b));
	assert_int_equal(world_pending(world, "beto"), 0);
	assert_true(client_pong(c)); /* nothing left to clear, and no harm */
	assert_int_equal(world_ring(), 0);
	say("beto@familia.example", 2);
	assert_int_equal(world_ring(), 2);
	client_free(&b);
	assert_int_equal(world_pending(world, "beto"), 1);
	client_free(&c);
	assert_int_equal(world_pending(world, "beto"), 1);
}

static void
flush_no_is_honoured(void **state)
{
	struct client *b = client_new(world, "beto", "b");

	(void)state;
	say("beto@familia.example", 1);
	client_say(b, "<iq type='set' id='f'><mailbox xmlns='urn:lazo:custody:0' flush='no'/></iq>");
	assert_true(client_has(b, "type='result'") || client_has(b, "type=\"result\""));
	client_say(b, "<presence/>");
	assert_false(client_has(b, "text 1."));
	assert_int_equal(world_pending(world, "beto"), 1);
	say("beto@familia.example", 2); /* live ones come */
	assert_true(client_has(b, "text 2."));
	client_forget(b);
	client_say(b, "<iq type='set' id='g'><mailbox xmlns='urn:lazo:custody:0' flush='yes'/></iq>");
	assert_true(client_has(b, "unexpected-request")); /* too late */
	client_free(&b);
}

static void
negative_priority_gets_none(void **state)
{
	struct client *b;

	(void)state;
	say("beto@familia.example", 1);
	b = beto("b", "<presence><priority>-1</priority></presence>");
	assert_false(client_has(b, "<body>"));
	say("beto@familia.example", 2);
	assert_false(client_has(b, "<body>"));
	client_say(b, "<presence><priority>0</priority></presence>"); /* rose: RFC 6121, XEP-0160 2 */
	assert_int_equal(client_count(b, "<body>"), 2);
	client_free(&b);
}

/* Sent to one resource that went before it confirmed: the others get it, and get nothing twice. */
static void
others_take_over(void **state)
{
	struct client *b = beto("b", "<presence/>"), *c = beto("c", "<presence/>");

	(void)state;
	say("beto@familia.example/b", 1);
	say("beto@familia.example", 2);
	assert_false(client_has(c, "text 1."));
	client_free(&b);
	assert_int_equal(client_count(c, "text 1."), 1);
	assert_int_equal(client_count(c, "text 2."), 1);
	assert_true(client_pong(c));
	assert_int_equal(world_pending(world, "beto"), 0);
	client_free(&c);
}

/* The same while the other is just reading: what it takes over is older than where it was. */
static void
others_take_over_while_they_read(void **state)
{
	struct world *threaded = world_new_threaded(NULL);
	struct client *from, *b, *c;

	(void)state;
	world_user(threaded, "ana");
	world_user(threaded, "beto");
	from = client_new(threaded, "ana", "a");
	b = client_new(threaded, "beto", "b");
	client_say(b, "<presence/>");
	c = client_new(threaded, "beto", "c");
	client_say(c, "<presence/>");
	world_turn(threaded);
	client_say(from, "<message type='chat' to='beto@familia.example/b'><body>to b</body></message>");
	world_turn(threaded);
	assert_true(client_has(b, "to b"));
	assert_false(client_has(c, "to b"));
	client_say(c, "<presence type='unavailable'/>");
	client_say(from, "<message type='chat' to='beto@familia.example/b'><body>also</body></message>");
	world_turn(threaded);
	client_say(c, "<presence/>"); /* asks the database */
	client_free(&b);              /* and now it is c's */
	world_turn(threaded);
	assert_int_equal(client_count(c, "to b"), 1);
	assert_int_equal(client_count(c, "also"), 1);
	assert_true(client_pong(c));
	world_turn(threaded);
	assert_false(client_has(c, "<body>"));
	client_free(&c);
	client_free(&from);
	world_turn(threaded);
	world_free(&threaded);
}

/* One that is in the middle of a flush takes over what lies behind it. */
static void
others_take_over_from_the_beginning(void **state)
{
	struct world *threaded = world_new_threaded(NULL);
	struct client *from, *b, *c;
	char text[128];

	(void)state;
	world_user(threaded, "ana");
	world_user(threaded, "beto");
	from = client_new(threaded, "ana", "a");
	b = client_new(threaded, "beto", "b");
	client_say(b, "<presence/>");
	c = client_new(threaded, "beto", "c");
	client_say(c, "<presence/>");
	world_turn(threaded);
	client_say(from, "<message type='chat' to='beto@familia.example/b'><body>old</body></message>");
	world_turn(threaded);
	c->queued = MAILBOX_QUEUED_MOST + 1; /* c pauses behind it */
	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof text,
			 "<message type='chat' to='beto@familia.example'><body>new %d.</body></message>", i);
		client_say(from, text);
	}
	world_turn(threaded);
	c->queued = 0;
	assert_true(client_pong(c)); /* reads on behind "old" */
	client_free(&b);
	world_turn(threaded);
	assert_int_equal(client_count(c, "<body>old"), 1);
	assert_int_equal(client_count(c, "<body>new"), 3);
	client_free(&c);
	client_free(&from);
	world_turn(threaded);
	world_free(&threaded);
}

static void
slow_reader_is_not_filled(void **state)
{
	struct client *b = beto("b", "<presence/>");

	(void)state;
	b->queued = MAILBOX_QUEUED_MOST + 1;
	for (int i = 0; i < 5; i++)
		say("beto@familia.example", i);
	assert_false(client_has(b, "<body>"));
	assert_int_equal(client_count(b, "<ping xmlns"), 1);
	b->queued = 0;
	assert_true(client_pong(b));
	assert_int_equal(client_count(b, "<body>"), 5);
	assert_true(client_pong(b));
	assert_int_equal(world_pending(world, "beto"), 0);
	/* And one that takes nothing of what is not kept is closed. */
	b->queued = SESSION_QUEUED_MOST + 1;
	client_say(ana, "<message type='headline' to='beto@familia.example'><body>x</body></message>");
	assert_int_equal(b->closed, STREAM_RESOURCE_CONSTRAINT);
	client_free(&b);
}

static void
going_unavailable_stops_a_flush(void **state)
{
	struct client *b;

	(void)state;
	for (int i = 0; i < MAILBOX_WINDOW + 1; i++)
		say("beto@familia.example", i);
	b = beto("b", "<presence/>");
	client_say(b, "<presence type='unavailable'/>");
	assert_true(client_pong(b)); /* what it had got is confirmed all the same */
	assert_int_equal(world_pending(world, "beto"), 1);
	assert_false(client_has(b, "<body>"));
	client_say(b, "<presence/>");
	assert_int_equal(client_count(b, "<body>"), 1);
	client_free(&b);
}

static void
quota_is_told(void **state)
{
	(void)state;
	for (int i = 0; i < 500; i++) /* half of it: she is in no roster */
		say("beto@familia.example", i);
	assert_false(client_has(ana, "<error"));
	say("beto@familia.example", 1000);
	assert_int_equal(client_count(ana, "service-unavailable"), 1);
	assert_int_equal(world_pending(world, "beto"), 500);
}

static void
repetition_is_one(void **state)
{
	static const char text[] = "<message type='chat' to='beto@familia.example'><body>%s</body>"
				   "<origin-id xmlns='urn:xmpp:sid:0' id='o'/></message>";
	static const char *const bodies[] = { "once", "once", "other" };
	char message[256];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		snprintf(message, sizeof message, text, bodies[i]);
		client_say(ana, message);
	}
	assert_int_equal(world_pending(world, "beto"), 2);
	assert_false(client_has(ana, "<error"));
	assert_int_equal(account_resident(world->router, "beto")->waiting.count, 2);
}

static void
forged_ids_are_taken_off(void **state)
{
	struct client *b = beto("b", "<presence/>");

	(void)state;
	client_say(ana, "<message type='chat' to='beto@familia.example'><body>x</body>"
			"<stanza-id xmlns='urn:xmpp:sid:0' by='Beto@FAMILIA.example' id='forged1'/>"
			"<stanza-id xmlns='urn:xmpp:sid:0' by='beto@familia.example' id='forged2'/>"
			"<stanza-id xmlns='urn:xmpp:sid:0' by='room@elsewhere.example' id='kept'/>"
			"<delay xmlns='urn:xmpp:delay' from='familia.example' stamp='2001-01-01T00:00:00Z'/>"
			"<custody xmlns='urn:lazo:custody:0' id='forged3'/>"
			"<same-as xmlns='urn:lazo:custody:0' id='first'/></message>");
	assert_false(client_has(b, "forged"));
	assert_false(client_has(b, "2001"));
	assert_true(client_has(b, "kept"));
	assert_true(client_has(b, "<same-as"));
	assert_int_equal(client_count(b, "<stanza-id"), 2);
	client_free(&b);
}

/* Under stream management (XEP-0198): <r/> in the ping's place, <a/> confirms what it counts. */
static struct client *
managed_beto(const char *resource)
{
	struct client *client = client_new(world, "beto", resource);

	client->managed = true;
	client_say(client, "<presence/>");
	return client;
}

static void
ack(struct client *client, uint64_t upto)
{
	router_stream_owner.acked(client->session, upto);
}

static void
acks_confirm_what_they_count(void **state)
{
	struct client *b = managed_beto("b");
	uint64_t before = b->sent;

	(void)state;
	say("beto@familia.example", 1);
	client_say(ana, "<message type='headline' to='beto@familia.example'><body>h</body></message>");
	say("beto@familia.example", 2);
	assert_int_equal(b->sent, before + 3);
	assert_int_equal(b->asked, 0);
	assert_int_equal(world_ring(), 1);
	assert_int_equal(b->asked, 1);
	assert_int_equal(world_ring(), 0); /* one question at a time */
	ack(b, before);
	assert_int_equal(world_pending(world, "beto"), 2);
	assert_int_equal(world_ring(), 1); /* asked again, in its time */
	ack(b, before + 2);                /* the row and the headline */
	assert_int_equal(world_pending(world, "beto"), 1);
	ack(b, before + 3);
	assert_int_equal(world_pending(world, "beto"), 0);
	assert_int_equal(world_ring(), 0);
	say("beto@familia.example", 3);
	ack(b, before + 4); /* nobody asked */
	assert_int_equal(world_pending(world, "beto"), 0);
	assert_false(client_has(b, "<ping xmlns"));
	client_free(&b);
}

static void
acks_go_by_windows(void **state)
{
	struct client *b;

	(void)state;
	for (int i = 0; i < MAILBOX_WINDOW + 30; i++)
		say("beto@familia.example", i);
	b = managed_beto("b");
	assert_int_equal(client_count(b, "<body>"), MAILBOX_WINDOW);
	assert_int_equal(b->asked, 1);
	ack(b, b->sent - MAILBOX_WINDOW); /* nothing new: not asked as fast as it answers */
	assert_int_equal(b->asked, 1);
	assert_int_equal(client_count(b, "<body>"), MAILBOX_WINDOW);
	ack(b, b->sent - MAILBOX_WINDOW + 20);
	assert_int_equal(client_count(b, "<body>"), MAILBOX_WINDOW + 20);
	ack(b, b->sent);
	assert_int_equal(client_count(b, "<body>"), MAILBOX_WINDOW + 30);
	ack(b, b->sent);
	assert_int_equal(world_pending(world, "beto"), 0);
	client_free(&b);
}

static void
fifty_live_rows_are_asked_for(void **state)
{
	struct client *b = managed_beto("b");

	(void)state;
	for (int i = 0; i < 49; i++)
		say("beto@familia.example", i);
	assert_int_equal(b->asked, 0);
	say("beto@familia.example", 49);
	assert_int_equal(b->asked, 1);
	ack(b, b->sent);
	assert_int_equal(world_pending(world, "beto"), 0);
	client_free(&b);
}

/* Rows from before <enable/> have no number: the ping asks for them, and an <a/> does not confirm them. */
static void
rows_from_before_enabling_are_pinged_for(void **state)
{
	struct client *b = beto("b", "<presence/>");

	(void)state;
	say("beto@familia.example", 1);
	b->managed = true;
	say("beto@familia.example", 2);
	ack(b, b->sent);
	assert_int_equal(world_pending(world, "beto"), 2);
	assert_int_equal(world_ring(), 1);
	assert_int_equal(b->asked, 0);
	assert_true(client_pong(b));
	assert_int_equal(world_pending(world, "beto"), 0);
	client_free(&b);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* As when the reader saw the commit before its completion ran in the loop. */
static void
told_late_of_what_a_flush_has_sent(void **state)
{
	static const char body[] = "<message xmlns='jabber:client'><body>text 1.</body></message>";
	struct client *b;
	int64_t id;

	(void)state;
	say("beto@familia.example", 1);
	b = beto("b", "<presence/>");
	assert_int_equal(client_count(b, "<body>text 1.</body>"), 1);
	assert_int_equal(b->session->mailbox->count, 1);
	id = b->session->mailbox->rows[0].id;
	mailbox_deliver(b->session, id, body, strlen(body));
	assert_int_equal(client_count(b, "<body>text 1.</body>"), 1);
	b->away = true;
	mailbox_deliver(b->session, id, body, strlen(body));
	assert_null(b->session->mailbox->owed);
	client_free(&b);
}

/* Taken up again while the mailbox still sends what it owes: an archive result waits behind that, and <a/> for what was sent
 * before says nothing of it. */
static void
an_archive_result_that_waits_is_not_confirmed(void **state)
{
	struct client *b = managed_beto("b");
	uint64_t had = b->sent;
	int64_t id;

	(void)state;
	say("beto@familia.example", 1);
	id = b->session->mailbox->rows[0].id;
	b->away = true;
	say("beto@familia.example", 2);
	b->away = false;
	b->queued = MAILBOX_QUEUED_MOST + 1;
	b->sent = had;
	mailbox_resumed(b->session, had);
	assert_non_null(b->session->mailbox->owed);
	assert_int_equal(b->session->mailbox->state, MAILBOX_PAUSED);
	mailbox_sent(b->session, id);
	ack(b, had);
	assert_int_equal(world_pending(world, "beto"), 2);
	client_free(&b);
}

static void
damaged_on_the_disk(void **state)
{
	static const char *const bodies[] = {
		"<message xmlns='jabber:client'><body>one</bodx></message>",
		"<message xmlns='jabber:client'><body>\xff</body></message>",
		"<iq xmlns='jabber:client'/>",
		"<message xmlns='jabber:client'/></message>",
		"<message xmlns='jabber:client'><body>good</body></message>",
	};
	enum { BODIES = sizeof bodies / sizeof *bodies };
	struct client *b;

	(void)state;
	for (int i = 0; i < BODIES; i++) {
		struct txn *txn = txn_new(world->store);
		int64_t id = store_next_id(world->store);

		txn_add(txn, &(struct op){ .kind = OP_MESSAGE, .id = id, .time = 1, .from = "ana@familia.example",
		                 .to = "beto@familia.example", .body = bodies[i], .body_len = strlen(bodies[i]) });
		txn_add(txn, &(struct op){ .kind = OP_PENDING, .account = "beto", .id = id });
		txn_submit(&txn, NULL, NULL);
	}
	b = beto("b", "<presence/>");
	assert_int_equal(client_count(b, "<stanza-id "), BODIES);
	assert_int_equal(client_count(b, "<message><stanza-id "), BODIES - 1);
	assert_int_equal(client_count(b, "<body>"), 1);
	assert_true(client_has(b, "<body>good</body>"));
	assert_true(client_pong(b));
	assert_int_equal(world_pending(world, "beto"), 0);
	client_free(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH(live_row_waits_until_confirmed),
		WITH(flush_goes_by_windows),
		WITH(exactly_one_window),
		WITH(unconfirmed_comes_again_with_the_same_id),
		WITH(first_confirmation_clears_for_the_account),
		WITH(flush_no_is_honoured),
		WITH(negative_priority_gets_none),
		WITH(others_take_over),
		WITH(others_take_over_while_they_read),
		WITH(others_take_over_from_the_beginning),
		WITH(slow_reader_is_not_filled),
		WITH(going_unavailable_stops_a_flush),
		WITH(quota_is_told),
		WITH(repetition_is_one),
		WITH(forged_ids_are_taken_off),
		WITH(acks_confirm_what_they_count),
		WITH(acks_go_by_windows),
		WITH(fifty_live_rows_are_asked_for),
		WITH(rows_from_before_enabling_are_pinged_for),
		WITH(told_late_of_what_a_flush_has_sent),
		WITH(an_archive_result_that_waits_is_not_confirmed),
		WITH(damaged_on_the_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
