/* test_fifo.c -- a stream's order: handled when done and all before it are done (design 3.1). */
#include "config.h"

#include "relay/stream/fifo.h"
#include "relay/stream/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/ns.h"
#include "proto/xml.h"

/* What came out, in order: "1" for the reply of slot 1, "a1" for its callback. */
static char seen[4096];
static int moves;

static void
on_reply(struct stream *stream, const char *bytes, size_t len)
{
	const char *id = memmem(bytes, len, "id='", 4);

	(void)stream;
	assert_non_null(id);
	strncat(seen, id + 4, strcspn(id + 4, "'"));
	strcat(seen, " ");
}

static void
on_moved(struct stream *stream)
{
	(void)stream;
	moves++;
}

static void
on_handled(struct stream *stream, bool asked)
{
	(void)stream;
	strcat(seen, asked ? "? " : "");
}

static const struct fifo_owner owner = { .reply = on_reply, .handled = on_handled, .moved = on_moved };

static size_t all;

static struct fifo *
fresh(void)
{
	seen[0] = '\0';
	moves = 0;
	return fifo_new(&owner, (struct stream *)seen, &all);
}

static void
say(void *arg)
{
	strcat(seen, arg);
	strcat(seen, " ");
}

static void
reply(struct slot *slot, const char *id)
{
	struct arena *arena = arena_new();
	struct xml *iq = xml_new(arena, "iq", NS_CLIENT);

	xml_set(arena, iq, "id", id);
	slot_reply(slot, iq);
	arena_free(&arena);
}

static struct slot *
slot_with(struct fifo *fifo, const char *id, char *after)
{
	struct slot *slot = fifo_add(fifo);

	reply(slot, id);
	slot_after(slot, say, after);
	slot_decided(slot);
	return slot;
}

static void
test_in_order_whatever_is_done_first(void **state)
{
	struct fifo *fifo = fresh();
	struct slot *one = slot_with(fifo, "1", "a1"), *two = slot_with(fifo, "2", "a2"), *three = slot_with(fifo, "3", "a3");

	(void)state;
	slot_done(&three);
	assert_null(three);
	assert_string_equal(seen, "");
	slot_done(&one);
	assert_string_equal(seen, "1 a1 ");
	assert_int_equal(fifo_unhandled(fifo), 2);
	slot_done(&two);
	assert_string_equal(seen, "1 a1 2 a2 3 a3 ");
	assert_int_equal(fifo_unhandled(fifo), 0);
	fifo_leave(&fifo);
	assert_null(fifo);
}

/* While a mailbox is read for the stream, what is done waits; the stream's end is the end of waiting. */
static void
test_held(void **state)
{
	struct fifo *fifo = fresh();
	struct slot *one = slot_with(fifo, "1", "a1"), *two = slot_with(fifo, "2", "a2"), *three = slot_with(fifo, "3", "a3");

	(void)state;
	slot_done(&one);
	fifo_hold(fifo, true);
	slot_done(&two);
	assert_string_equal(seen, "1 a1 ");
	fifo_hold(fifo, false);
	assert_string_equal(seen, "1 a1 2 a2 ");
	fifo_hold(fifo, true);
	slot_done(&three);
	assert_string_equal(seen, "1 a1 2 a2 ");
	fifo_leave(&fifo);
	assert_string_equal(seen, "1 a1 2 a2 a3 "); /* no reply to who is gone */
}

static void
test_undecided(void **state)
{
	struct fifo *fifo = fresh();
	struct slot *one = fifo_add(fifo), *two;

	(void)state;
	assert_true(fifo_is_undecided(fifo));
	slot_decided(one);
	assert_int_equal(moves, 1);
	assert_false(fifo_is_undecided(fifo));
	two = fifo_add(fifo);
	slot_decided(one); /* told twice: the newest one is still undecided */
	assert_true(fifo_is_undecided(fifo));
	slot_done(&two); /* implies decided */
	assert_false(fifo_is_undecided(fifo));
	assert_int_equal(fifo_unhandled(fifo), 2);
	slot_done(&one);
	assert_int_equal(fifo_unhandled(fifo), 0);
	fifo_leave(&fifo);
}

static void
test_stream_gone(void **state)
{
	struct fifo *fifo = fresh();
	struct slot *one = slot_with(fifo, "1", "a1"), *two = slot_with(fifo, "2", "a2");

	(void)state;
	assert_ptr_equal(slot_stream(one), seen);
	fifo_leave(&fifo);
	assert_null(slot_stream(one));
	reply(two, "late");
	slot_done(&two);
	assert_string_equal(seen, "");
	slot_done(&one);
	assert_string_equal(seen, "a1 a2 "); /* no replies, all callbacks, in order */
}

static struct slot *pending;

static void
finish_pending(void *arg)
{
	say(arg);
	slot_done(&pending);
}

/* A callback that ends the next slot: no recursion, no double run. */
static void
test_done_inside_a_callback(void **state)
{
	struct fifo *fifo = fresh();
	struct slot *one = fifo_add(fifo);

	(void)state;
	slot_after(one, finish_pending, "a1");
	slot_decided(one);
	pending = slot_with(fifo, "2", "a2");
	slot_done(&one);
	assert_string_equal(seen, "a1 2 a2 ");
	assert_int_equal(fifo_unhandled(fifo), 0);
	fifo_leave(&fifo);
}

static struct fifo *leaving;

static void
leave(void *arg)
{
	say(arg);
	fifo_leave(&leaving);
}

static void
test_stream_goes_inside_a_callback(void **state)
{
	struct slot *one, *two;

	(void)state;
	leaving = fresh();
	one = fifo_add(leaving);
	slot_after(one, leave, "a1");
	slot_decided(one);
	two = slot_with(leaving, "2", "a2");
	slot_done(&two);
	slot_done(&one);
	assert_string_equal(seen, "a1 a2 ");
}

/* A question waits for all that was there when it was asked. */
static void
test_asked_behind_what_is_there(void **state)
{
	struct fifo *fifo = fresh();
	struct slot *one, *two, *three;

	(void)state;
	assert_int_equal(fifo_ask(fifo), FIFO_NOTHING);
	one = slot_with(fifo, "1", "a1");
	two = slot_with(fifo, "2", "a2");
	reply(two, "2b");
	assert_int_equal(fifo_ask(fifo), FIFO_ASKED);
	assert_int_equal(fifo_ask(fifo), FIFO_ASKED_AGAIN);
	three = slot_with(fifo, "3", "a3");
	slot_done(&two);
	assert_string_equal(seen, "");
	slot_done(&one);
	assert_string_equal(seen, "1 a1 2 2b ? a2 ");
	slot_done(&three);
	assert_string_equal(seen, "1 a1 2 2b ? a2 3 a3 ");
	assert_int_equal(fifo_ask(fifo), FIFO_NOTHING);
	fifo_leave(&fifo);
}

/* Any order of ending gives one order of leaving. */
static void
test_random_orders(void **state)
{
	enum { SLOTS = 20, ROUNDS = 300 };

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct fifo *fifo = fresh();
		struct slot *slots[SLOTS];
		char ids[SLOTS][12], wanted[512] = "";
		uint8_t random[SLOTS];

		for (int i = 0; i < SLOTS; i++) {
			snprintf(ids[i], sizeof ids[i], "%d", i);
			slots[i] = slot_with(fifo, ids[i], "+");
			strcat(strcat(wanted, ids[i]), " + ");
		}
		random_bytes(random, sizeof random);
		for (int left = SLOTS; left > 0; left--) {
			int pick = random[left - 1] % left;

			slot_done(&slots[pick]);
			slots[pick] = slots[left - 1];
		}
		assert_string_equal(seen, wanted);
		fifo_leave(&fifo);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order_whatever_is_done_first),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_undecided),
		cmocka_unit_test(test_stream_gone),
		cmocka_unit_test(test_done_inside_a_callback),
		cmocka_unit_test(test_stream_goes_inside_a_callback),
		cmocka_unit_test(test_asked_behind_what_is_there),
		cmocka_unit_test(test_random_orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
