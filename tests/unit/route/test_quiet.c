/* test_quiet.c -- what may wait while nobody looks: the latest of each key, in order, and no more than is bounded (XEP-0352). */
#include "config.h"

#include "tests/unit/route/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "relay/route/quiet.h"

static struct world *world;
static struct client *ana;

static int
setup(void **state)
{
	(void)state;
	world = world_new(NULL);
	world_user(world, "ana");
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
hold(const char *key, const char *text)
{
	quiet_send(ana->session, key, text, strlen(text));
}

static void
assert_was_sent(const char *text)
{
	buf_add(&ana->out, "", 1);
	assert_string_equal(ana->out.data, text);
	client_forget(ana);
}

static void
active_is_not_held(void **state)
{
	(void)state;
	hold("a", "<one/>");
	assert_was_sent("<one/>");
	quiet_set(ana->session, true);
	quiet_set(ana->session, false);
	hold("a", "<two/>");
	assert_was_sent("<two/>");
	assert_null(ana->session->quiet);
}

static void
the_latest_of_each_key(void **state)
{
	(void)state;
	quiet_set(ana->session, true);
	hold("a", "<a1/>");
	hold("b", "<b1/>");
	hold("a", "<a2/>");
	hold("c", "<c1/>");
	assert_was_sent("");
	quiet_set(ana->session, false);
	assert_was_sent("<b1/><a2/><c1/>"); /* what replaces another goes behind all */
	quiet_set(ana->session, false);
	assert_was_sent("");
}

static void
ahead_of_what_does_not_wait(void **state)
{
	(void)state;
	quiet_set(ana->session, true);
	hold("a", "<a/>");
	session_send_bytes(ana->session, "<message/>", 10);
	assert_was_sent("<a/><message/>");
	hold("a", "<a/>"); /* and it is still quiet */
	assert_was_sent("");
	session_send_row(ana->session, "<row/>", 6);
	assert_was_sent("<a/><row/>");
}

static void
so_many(void **state)
{
	char key[16];

	(void)state;
	quiet_set(ana->session, true);
	for (int i = 0; i < QUIET_ROWS; i++) {
		snprintf(key, sizeof key, "%d", i);
		hold(key, "<x/>");
	}
	hold("7", "<y/>"); /* replaces */
	assert_was_sent("");
	hold("new", "<z/>");
	assert_int_equal(client_count(ana, "<x/>"), QUIET_ROWS - 1);
	assert_int_equal(client_count(ana, "<y/>"), 1);
	assert_false(client_has(ana, "<z/>"));
	client_forget(ana);
	quiet_set(ana->session, false);
	assert_was_sent("<z/>");
}

static void
so_much(void **state)
{
	static char large[QUIET_BYTES], half[QUIET_BYTES / 2];

	(void)state;
	memset(large, 'l', sizeof large);
	memset(half, 'h', sizeof half);
	quiet_set(ana->session, true);
	quiet_send(ana->session, "a", half, sizeof half);
	for (int i = 0; i < 100; i++) /* replacing costs nothing */
		quiet_send(ana->session, "a", half, sizeof half);
	assert_int_equal(ana->out.len, 0);
	quiet_send(ana->session, "b", half, sizeof half);
	assert_int_equal(ana->out.len, sizeof half);
	client_forget(ana);
	quiet_send(ana->session, "c", large, sizeof large); /* alone too much: behind what is held, at once */
	assert_int_equal(ana->out.len, sizeof half + sizeof large);
	assert_int_equal(ana->out.data[ana->out.len - 1], 'l');
	client_forget(ana);
	quiet_set(ana->session, false);
	assert_int_equal(ana->out.len, 0);
}

static void
gone_with_the_session(void **state)
{
	struct session *session = session_ref(ana->session);

	(void)state;
	quiet_set(session, true);
	hold("a", "<a/>");
	session_close(session, STREAM_CONFLICT, NULL);
	assert_null(session->quiet);
	quiet_send(session, "a", "<b/>", 4);
	quiet_set(session, false);
	assert_was_sent("");
	session_unref(&session);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(active_is_not_held), TEST(the_latest_of_each_key), TEST(ahead_of_what_does_not_wait),
		TEST(so_many),            TEST(so_much),                TEST(gone_with_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
