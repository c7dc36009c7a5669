/*
 * test_late.c -- what comes late: any order, two ways, gaps, turns long past.
 *
 * The permutations are exhaustive; between two the receiver's database is put back by a rollback, since nothing of the
 * ratchet is kept anywhere else. Schedules by dice and bounds: test_late_dice.c.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/db/device.h"
#include "client/omemo/vault.h"
#include "proto/arena.h"
#include "tests/unit/client/late.h"

#define ANA  "ana@madrid.example"
#define JOSE "jose@maracaibo.example"

enum { LATE_MOST = 8 };

struct pair {
	struct person ana;
	struct person jose;
};

static int
setup(void **state)
{
	static struct pair pair;
	home_open(&pair.ana, ANA);
	home_open(&pair.jose, JOSE);
	home_meet(&pair.ana, &pair.jose);
	mail_know(&pair.ana, JOSE);
	mail_know(&pair.jose, ANA);
	*state = &pair;
	return 0;
}

static int
teardown(void **state)
{
	struct pair *pair = *state;
	home_close(&pair->ana);
	home_close(&pair->jose);
	return 0;
}

/* One order: each is read when it comes first, and known when it comes again. */
static void
one_order(struct mail *const *mails, size_t count)
{
	struct person *to = mails[0]->to;
	db_begin(to->db);
	for (size_t i = 0; i < count; i++)
		mails[i]->reads = 0;
	for (size_t i = 0; i < count; i++) {
		enum omemo_outcome expected = mails[i]->reads ? OMEMO_DUPLICATE : OMEMO_OK;
		if (mail_deliver(mails[i], T0) != expected)
			fail_msg("%s, the %zu. of this order", mails[i]->text, i + 1);
	}
	db_rollback(to->db);
}

/* All orders from the `at`th on; the same one is not put at the same place twice. */
static size_t
all_orders(struct mail **mails, size_t at, size_t count)
{
	size_t orders = 0;
	if (at == count) {
		one_order(mails, count);
		return 1;
	}
	for (size_t i = at; i < count; i++) {
		bool before = false;
		for (size_t j = at; j < i; j++)
			before = before || mails[j] == mails[i];
		if (before)
			continue;
		struct mail *swapped = mails[at];
		mails[at] = mails[i];
		mails[i] = swapped;
		orders += all_orders(mails, at + 1, count);
		mails[i] = mails[at];
		mails[at] = swapped;
	}
	return orders;
}

static void
test_first_words_in_all_orders(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	struct mail *mails[LATE_MOST];
	for (int i = 0; i < 4; i++)
		mails[i] = mails[i + 4] = mail_write(arena, &p->ana, &p->jose, arena_printf(arena, "%d", i), T0);
	assert_int_equal(all_orders(mails, 0, 4), 24);
	assert_int_equal(all_orders(mails, 0, 8), 2520); /* each by two ways */
	arena_free(&arena);
}

/* The end of one chain and the beginning of the next, after an answer. */
static void
test_two_turns_in_all_orders(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	struct mail *mails[LATE_MOST];
	mail_turn(&p->ana, &p->jose, T0);
	mails[0] = mail_write(arena, &p->ana, &p->jose, "the end", T0);
	mails[1] = mail_write(arena, &p->ana, &p->jose, "of one", T0);
	struct mail *heard = mail_write(arena, &p->ana, &p->jose, "in between", T0);
	mail_read(heard, T0);
	mail_read(mail_write(arena, &p->jose, &p->ana, "an answer", T0), T0);
	mails[2] = mail_write(arena, &p->ana, &p->jose, "beginning", T0);
	mails[3] = mail_write(arena, &p->ana, &p->jose, "of the next", T0);
	for (int i = 0; i < 4; i++)
		mails[i + 4] = mails[i];
	assert_int_equal(all_orders(mails, 0, 8), 2520);
	arena_free(&arena);
}

/* Both begin at once, while apart: two sessions, each with an end that is late. */
static void
test_crossed_sessions_in_all_orders(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	struct mail *mails[LATE_MOST];
	for (int i = 0; i < 3; i++)
		mails[i] = mail_write(arena, &p->ana, &p->jose, arena_printf(arena, "%d", i), T0);
	mail_read(mail_write(arena, &p->jose, &p->ana, "at the same time", T0), T0);
	for (int i = 3; i < 6; i++)
		mails[i] = mail_write(arena, &p->ana, &p->jose, arena_printf(arena, "%d", i), T0);
	assert_int_equal(all_orders(mails, 0, 6), 720);
	arena_free(&arena);
}

/* Of each of four turns one or two are late, all more than six turns. */
static void
test_six_turns_late_in_all_orders(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	struct mail *mails[LATE_MOST];
	for (int i = 0; i < 4; i++) {
		mails[i] = mail_write(arena, &p->ana, &p->jose, arena_printf(arena, "late %d", i), T0);
		if (i % 2)
			mail_turn(&p->ana, &p->jose, T0);
		else /* the last of its chain, behind what was heard */
			mail_read(mail_write(arena, &p->jose, &p->ana, "turn", T0), T0);
		if (i % 2 == 0)
			mail_turn(&p->ana, &p->jose, T0);
		mails[i + 4] = mails[i];
	}
	for (int i = 0; i < 6; i++)
		mail_turn(&p->ana, &p->jose, T0);
	assert_int_equal(all_orders(mails, 0, 8), 2520);
	struct mail *forged = mail_forge(arena, mails[0], -12);
	assert_int_equal(mail_refused(forged, T0), UNREADABLE_BAD);
	for (int i = 0; i < 4; i++)
		mail_read(mails[i], T0);
	assert_int_equal(mail_sql(&p->jose, "SELECT count(*) FROM vault"), 0);
	assert_int_equal(mail_sql(&p->jose, "SELECT count(*) FROM skipped"), 0);
	arena_free(&arena);
}

static void
test_two_hundred_turns_late(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	mail_turn(&p->ana, &p->jose, T0);
	struct mail *early = mail_write(arena, &p->ana, &p->jose, "passed over", T0);
	mail_read(mail_write(arena, &p->ana, &p->jose, "heard", T0), T0);
	struct mail *last = mail_write(arena, &p->ana, &p->jose, "the last of its chain", T0);
	struct mail *never = mail_write(arena, &p->ana, &p->jose, "control", T0);
	mail_turn(&p->jose, &p->ana, T0);
	assert_int_equal(mail_sql(&p->jose, "SELECT count(*) FROM vault WHERE key IS NOT NULL"), 1);
	for (int i = 0; i < 200; i++)
		mail_turn(&p->ana, &p->jose, T0);
	mail_read(last, T0);
	mail_read(early, T0);
	assert_int_equal(mail_deliver(last, T0), OMEMO_DUPLICATE);
	/* control: the vault is what does it */
	assert_int_equal(mail_sql(&p->jose, "DELETE FROM vault"), 1);
	assert_int_equal(mail_refused(never, T0), UNREADABLE_KEY_GONE);
	mail_turn(&p->ana, &p->jose, T0);
	arena_free(&arena);
}

/* `lost` messages before the one that comes; some of them do come in the end. */
static void
gap(struct pair *p, unsigned lost, int64_t now)
{
	struct arena *arena = arena_new();
	struct mail *first = mail_write(arena, &p->ana, &p->jose, "first of the gap", now);
	mail_lose(&p->ana, &p->jose, lost / 2);
	struct mail *middle = mail_write(arena, &p->ana, &p->jose, "middle of the gap", now);
	mail_lose(&p->ana, &p->jose, lost - lost / 2 - 2);
	struct mail *last = mail_write(arena, &p->ana, &p->jose, "behind the gap", now);
	mail_read(last, now);
	mail_read(mail_write(arena, &p->ana, &p->jose, "in order", now), now);
	mail_read(middle, now);
	mail_turn(&p->ana, &p->jose, now);
	for (int i = 0; i < 6; i++)
		mail_turn(&p->ana, &p->jose, now);
	assert_int_equal(mail_refused(mail_forge(arena, first, -12), now), UNREADABLE_BAD);
	mail_read(first, now);
	assert_int_equal(mail_deliver(middle, now), OMEMO_DUPLICATE);
	arena_free(&arena);
}

static void
test_gaps(void **state)
{
	struct pair *p = *state;
	gap(p, 2001, T0); /* first arrival of a new session */
	gap(p, 2001, T0); /* first after a reply */
	mail_turn(&p->ana, &p->jose, T0);
	struct arena *arena = arena_new();
	mail_read(mail_write(arena, &p->ana, &p->jose, "inside a chain", T0), T0);
	gap(p, 25000, T0);
	gap(p, 25000, T0);
	assert_in_range(mail_sql(&p->jose, "SELECT length(record) FROM session"), 1, 1500);
	arena_free(&arena);
}

static void
test_gap_of_25000_comes_first(void **state)
{
	gap(*state, 25000, T0);
}

/* Nothing that was read can be read again with what is kept, not even by someone who has the file. */
static void
test_nothing_is_left(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	struct mail *mails[40];
	for (int i = 0; i < 40; i++) {
		mails[i] = mail_write(arena, &p->ana, &p->jose, arena_printf(arena, "%d", i), T0);
		if (i % 7 == 3)
			mail_turn(&p->ana, &p->jose, T0);
	}
	for (int i = 39; i >= 0; i--)
		mail_read(mails[i], T0);
	db_begin(p->jose.db);
	omemo_maintain(p->jose.omemo, T0 + 50 * DAY);
	omemo_maintain(p->jose.omemo, T0 + 91 * DAY); /* the one-time prekeys of the beginning are gone */
	assert_true(db_commit(p->jose.db, NULL));
	mail_sql(&p->jose, "DELETE FROM read");
	for (int i = 0; i < 40; i++)
		mail_refused(mails[i], T0);
	mail_sql(&p->jose, "DELETE FROM chain");
	for (int i = 0; i < 40; i++)
		mail_refused(mails[i], T0);
	mail_sql(&p->jose, "DELETE FROM session");
	for (int i = 0; i < 40; i++)
		mail_refused(mails[i], T0);
	arena_free(&arena);
}

static bool
wants_answer(struct pair *p)
{
	return mail_sql(&p->jose, "UPDATE device SET answer = 0 WHERE answer = 1") > 0;
}

/* An empty message completes a session, and answers a long chain, once; what comes late asks for none. Empty in the
 * old session first, in a new one when that brought nothing, and once a day. */
static void
test_answers(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	struct mail *beginning[2], *mail = NULL;
	for (int i = 0; i < 2; i++)
		beginning[i] = mail_write(arena, &p->ana, &p->jose, "beginning", T0);
	mail_read(mail_write(arena, &p->ana, &p->jose, "begun", T0), T0);
	assert_true(wants_answer(p));
	mail_read(beginning[0], T0);
	assert_true(wants_answer(p));
	mail_turn(&p->jose, &p->ana, T0);
	for (int i = 1; i <= 60; i++) {
		mail = mail_write(arena, &p->ana, &p->jose, "long", T0);
		if (i < 60)
			mail_read(mail, T0);
		assert_int_equal(wants_answer(p), i == 53);
	}
	mail_turn(&p->jose, &p->ana, T0);
	mail_read(mail, T0);
	assert_false(wants_answer(p));
	mail_read(beginning[1], T0);
	mail_lose(&p->ana, &p->jose, VAULT_JUMP + 1);
	for (int64_t hour = 0; hour < 72; hour++) {
		mail_refused(mail_write(arena, &p->ana, &p->jose, "too far", T0), T0 + DAY + hour * DAY / 24);
		bool renewed = mail_sql(&p->jose, "SELECT count(*) FROM device WHERE renew") > 0;
		assert_int_equal(wants_answer(p), hour % 25 == 0);
		assert_int_equal(renewed, hour >= 25);
	}
	arena_free(&arena);
}

/* Rekeyed more often than the library keeps sessions. */
static void
test_sixty_sessions(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	struct mail *late[60];
	for (int i = 0; i < 60; i++) {
		db_begin(p->ana.db);
		device_renew_all(p->ana.db, p->ana.account);
		assert_true(db_commit(p->ana.db, NULL));
		home_introduce(&p->ana, &p->jose);
		mail_read(mail_write(arena, &p->ana, &p->jose, "begun", T0), T0);
		late[i] = mail_write(arena, &p->ana, &p->jose, arena_printf(arena, "%d", i), T0);
	}
	for (int i = 0; i < 60; i++)
		mail_read(late[i], T0);
	mail_turn(&p->ana, &p->jose, T0);
	for (int i = 0; i < 60; i++)
		assert_int_equal(mail_deliver(late[i], T0), OMEMO_DUPLICATE);
	arena_free(&arena);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_words_in_all_orders),
		TEST(test_two_turns_in_all_orders),
		TEST(test_crossed_sessions_in_all_orders),
		TEST(test_six_turns_late_in_all_orders),
		TEST(test_two_hundred_turns_late),
		TEST(test_gaps),
		TEST(test_gap_of_25000_comes_first),
		TEST(test_nothing_is_left),
		TEST(test_answers),
		TEST(test_sixty_sessions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
