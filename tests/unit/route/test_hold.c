/* test_hold.c -- messages to and from other domains (feature/hold.c): held with the transaction, known again, their ends told. */
#include "config.h"

#include "tests/unit/route/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/feature/feature_table.h"
#include "relay/queue/queue.h"
#include "relay/store/spool.h"

#define FAR "otra.example"

static struct {
	int wanted, sent;
	char last[2048];
} line;

static void
on_wanted(void *arg, const char *domain)
{
	(void)arg;
	assert_string_equal(domain, FAR);
	line.wanted++;
}

static enum queue_taken
on_send(void *arg, const char *domain, const char *stanza, size_t len)
{
	(void)arg;
	(void)domain;
	line.sent++;
	snprintf(line.last, sizeof line.last, "%.*s", (int)len, stanza);
	return QUEUE_TAKEN;
}

static struct queue *
begin(struct world *world)
{
	struct queue *queue = router_queue(world->router);

	memset(&line, 0, sizeof line);
	world_user(world, "ana");
	queue_set_line(queue, &(struct queue_line){ .wanted = on_wanted, .send = on_send });
	world_ring();
	return queue;
}

static struct client *
present(struct world *world)
{
	struct client *ana = client_new(world, "ana", "a");

	client_say(ana, "<presence/>");
	client_forget(ana);
	return ana;
}

static void
count_rows(void *arg, bool failed, const struct spool_row *rows, size_t count)
{
	(void)rows;
	assert_false(failed);
	*(size_t *)arg = count;
}

static size_t
held(struct world *world)
{
	size_t count = 99;

	read_spool_list(world->store, 0, 50, count_rows, &count);
	return count;
}

static void
goes_out_with_its_custody(void **state)
{
	struct world *world = world_new(&feature_hold);
	struct queue *queue = begin(world);
	struct client *ana = present(world);

	(void)state;
	client_say(ana, "<message to='luis@OTRA.example' type='chat' id='m1'><body>x</body>"
	    "<custody xmlns='urn:lazo:custody:0' id='forged'/></message>");
	assert_int_equal(held(world), 1);
	client_say(ana, "<message to='luis@" FAR "' type='headline' id='m2'><body>of the moment</body></message>");
	assert_int_equal(held(world), 1);
	client_forget(ana);
	world_ring();
	assert_int_equal(line.wanted, 1);
	queue_up(queue, FAR, true);
	world_ring();
	assert_int_equal(line.sent, 1);
	assert_non_null(strstr(line.last, "to='luis@" FAR "'"));
	assert_non_null(strstr(line.last, "<custody xmlns='urn:lazo:custody:0' id='"));
	assert_null(strstr(line.last, "forged"));
	assert_null(strstr(line.last, "jabber:client"));
	queue_acked(queue, FAR, 1);
	assert_int_equal(held(world), 0);
	assert_false(client_has(ana, "<error"));
	client_free(&ana);
	world_free(&world);
}

static void
an_end_is_told_and_kept(void **state)
{
	struct world *world = world_new(&feature_hold);
	struct queue *queue = begin(world);
	struct client *ana = present(world);

	(void)state;
	client_say(ana, "<message to='luis@" FAR "' type='chat' id='m1'><body>x</body></message>");
	world_ring();
	queue_down(queue, FAR, QUEUE_NO_SERVICE, "it says that it has no such service");
	world_ring();
	assert_int_equal(held(world), 0);
	assert_true(client_has(ana, "id='m1'"));
	assert_true(client_has(ana, "type='error'"));
	assert_true(client_has(ana, "from='luis@" FAR "'"));
	assert_true(client_has(ana, "remote-server-not-found"));
	assert_int_equal(world_pending(world, "ana"), 1); /* for who is away */
	assert_int_equal(ana->session->account->waiting.count, 1);
	client_free(&ana);
	world_free(&world);
}

static void
receive(struct world *world, const char *type, const char *id, const char *custody, const char *condition)
{
	struct arena *arena = arena_new();
	struct xml *message = stanza_new(arena, "message", "luis@" FAR "/r", "ana@familia.example/a", type, id), *error;

	if (condition == NULL)
		xml_add_leaf(arena, message, "body", NULL, "x");
	if (custody != NULL)
		xml_set(arena, xml_add(arena, message, "custody", NS_CUSTODY), "id", custody);
	if (condition != NULL) {
		error = xml_add(arena, message, "error", NULL);
		xml_set(arena, error, "type", "cancel");
		xml_add(arena, error, condition, NS_STANZA_ERRORS);
	}
	router_receive(world->router, NULL, arena, message);
}

static void
what_comes_twice_is_taken_once(void **state)
{
	static const char first[] = "0123456789abcdef0123456789abcdef", other[] = "0123456789abcdef0123456789abcdee";
	struct world *world = world_new(&feature_hold);

	(void)state;
	(void)begin(world);
	receive(world, "chat", "a", first, NULL);
	assert_int_equal(world_pending(world, "ana"), 1);
	receive(world, "chat", "a", first, NULL);
	assert_int_equal(world_pending(world, "ana"), 1);
	receive(world, "chat", "a", other, NULL);
	assert_int_equal(world_pending(world, "ana"), 2);
	receive(world, "chat", "a", NULL, NULL); /* the control: without, each is another */
	receive(world, "chat", "a", NULL, NULL);
	assert_int_equal(world_pending(world, "ana"), 4);
	world_free(&world);
}

static void
an_error_in_answer_ends_it(void **state)
{
	struct world *world = world_new(&feature_hold);
	struct queue *queue = begin(world);
	struct client *ana = present(world);

	(void)state;
	client_say(ana, "<message to='luis@" FAR "' type='chat' id='m1'><body>x</body></message>");
	queue_up(queue, FAR, true);
	world_ring();
	queue_acked(queue, FAR, 1);
	client_forget(ana);
	receive(world, "error", "m1", NULL, "forbidden");
	assert_int_equal(client_count(ana, "<forbidden"), 1);
	assert_int_equal(world_pending(world, "ana"), 1);
	receive(world, "error", "m1", NULL, "forbidden"); /* not ours any more: an error like any */
	assert_int_equal(client_count(ana, "<forbidden"), 2);
	assert_int_equal(world_pending(world, "ana"), 1);
	client_free(&ana);
	world_free(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_out_with_its_custody),
		cmocka_unit_test(an_end_is_told_and_kept),
		cmocka_unit_test(what_comes_twice_is_taken_once),
		cmocka_unit_test(an_error_in_answer_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
