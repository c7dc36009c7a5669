/* test_courier.c -- courier keys and pins (store/courier.h): one key in use, one pin a domain, what is offered beside it, the bound. */
#include "config.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "relay/store/courier.h"

struct seen {
	size_t count;
	char text[256]; /* of the first */
};

static void
see_keys(void *arg, bool failed, const struct courier_key_row *rows, size_t count)
{
	struct seen *seen = arg;

	assert_false(failed);
	seen->count = count;
	if (count > 0)
		snprintf(seen->text, sizeof seen->text, "%s %d %d", rows[0].pem, (int)rows[0].made, (int)rows[0].retired);
}

static void
see_pins(void *arg, bool failed, const struct courier_pin_row *rows, size_t count)
{
	struct seen *seen = arg;

	assert_false(failed);
	seen->count = count;
	if (count > 0)
		snprintf(seen->text, sizeof seen->text, "%s %s %s %d %s %d", rows[0].domain, rows[0].pem, rows[0].how, (int)rows[0].time,
		    rows[0].offered == NULL ? "-" : rows[0].offered, (int)rows[0].offered_time);
}

static void
has_pin(struct store *store, const char *domain, const char *wanted)
{
	struct seen seen = { 0 };

	read_courier_pins(store, domain, see_pins, &seen);
	assert_int_equal(seen.count, wanted == NULL ? 0 : 1);
	if (wanted != NULL)
		assert_string_equal(seen.text, wanted);
}

static enum txn_result
pin(struct store *store, const char *domain, const char *pem, const char *how, int64_t time, bool replace)
{
	return run(store, { .kind = OP_COURIER_PIN, .peer = domain, .token = pem, .config = how, .time = time, .max_items = replace });
}

static enum txn_result
offer(struct store *store, const char *domain, const char *pem, int64_t time)
{
	return run(store, { .kind = OP_COURIER_OFFERED, .peer = domain, .token = pem, .time = time });
}

static void
test_one_key(void **state)
{
	struct store *store = ((struct place *)*state)->store;
	struct seen seen = { 0 };

	read_courier_keys(store, see_keys, &seen);
	assert_int_equal(seen.count, 0);
	assert_int_equal(run(store, { .kind = OP_COURIER_KEY_NEW, .token = "first", .time = 5 }), TXN_COMMITTED);
	assert_int_equal(run(store, { .kind = OP_COURIER_KEY_NEW, .token = "second", .time = 6 }), TXN_CONFLICT);
	read_courier_keys(store, see_keys, &seen);
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.text, "first 5 0");
}

static void
test_pins(void **state)
{
	struct store *store = ((struct place *)*state)->store;
	struct seen all = { 0 };

	has_pin(store, "a.example", NULL);
	assert_int_equal(offer(store, "a.example", "x", 1), TXN_COMMITTED);
	has_pin(store, "a.example", NULL);
	assert_int_equal(pin(store, "a.example", "x", COURIER_HOW_STREAM, 1, false), TXN_COMMITTED);
	assert_int_equal(pin(store, "a.example", "y", COURIER_HOW_STREAM, 2, false), TXN_CONFLICT);
	assert_int_equal(pin(store, "a.example", "y", COURIER_HOW_FILE, 2, false), TXN_CONFLICT);
	assert_int_equal(offer(store, "a.example", "y", 3), TXN_COMMITTED);
	has_pin(store, "a.example", "a.example x stream 1 y 3");
	assert_int_equal(offer(store, "a.example", NULL, 4), TXN_COMMITTED);
	has_pin(store, "a.example", "a.example x stream 1 - 0");
	assert_int_equal(offer(store, "a.example", "y", 5), TXN_COMMITTED);
	assert_int_equal(pin(store, "a.example", "y", COURIER_HOW_FILE, 6, true), TXN_COMMITTED);
	has_pin(store, "a.example", "a.example y file 6 - 0");
	assert_int_equal(pin(store, "b.example", "z", COURIER_HOW_FILE, 7, false), TXN_COMMITTED);
	read_courier_pins(store, NULL, see_pins, &all);
	assert_int_equal(all.count, 2);
}

static void
test_strangers_do_not_fill_it(void **state)
{
	struct store *store = ((struct place *)*state)->store;
	struct op *ops = calloc(COURIER_PINS_MOST, sizeof *ops);
	char(*names)[24] = calloc(COURIER_PINS_MOST, sizeof *names);

	for (int i = 0; i < COURIER_PINS_MOST; i++) {
		snprintf(names[i], sizeof names[i], "n%d.example", i);
		ops[i] = (struct op){ .kind = OP_COURIER_PIN, .peer = names[i], .token = "x", .config = COURIER_HOW_STREAM, .time = 1 };
	}
	assert_int_equal(run_ops(store, ops, COURIER_PINS_MOST), TXN_COMMITTED);
	assert_int_equal(pin(store, "more.example", "x", COURIER_HOW_STREAM, 2, false), TXN_CONFLICT);
	assert_int_equal(pin(store, "more.example", "x", COURIER_HOW_FILE, 2, false), TXN_COMMITTED);
	free(names);
	free(ops);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_key, place_setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_pins, place_setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_strangers_do_not_fill_it, place_setup, place_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
