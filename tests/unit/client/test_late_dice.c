/*
 * test_late_dice.c -- conversations by dice, their letters months under way by one, two or three ways; and what bounds
 * the vault, however hostile the sender.
 *
 * LAZO_SEED sets the seed, which is printed. Control: the same conversation with a vault that is emptied must lose.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "client/omemo/vault.h"
#include "proto/arena.h"
#include "tests/unit/client/late.h"

#define ANA  "ana@madrid.example"
#define JOSE "jose@maracaibo.example"
#define HOUR ((int64_t)60 * 60 * 1000)

enum { LETTERS = 4000, LETTERS_CONTROL = 400, WAYS_MOST = 3, FORGED_EVERY = 5 };

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

static uint64_t
dice(uint64_t *seed, uint64_t sides)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed % sides;
}

/* -- a conversation by dice -------------------------------------------------------------------------------- */

struct arrival {
	int64_t time;
	struct mail *mail;
	bool forged;
};

struct schedule {
	struct arena *arena;
	struct arrival *arrivals; /* a heap: the earliest first */
	size_t count;
	struct mail **mails;
	size_t written;
	size_t lost, twice, forged;
};

static void
sift(struct arrival *heap, size_t count, size_t at)
{
	for (size_t least = at;; at = least) {
		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
			least = heap[child].time < heap[least].time ? child : least;
		if (least == at)
			return;
		struct arrival kept = heap[at];
		heap[at] = heap[least];
		heap[least] = kept;
	}
}

static void
arrive(struct schedule *schedule, struct mail *mail, int64_t time, bool forged)
{
	size_t at = schedule->count++;
	schedule->arrivals[at] = (struct arrival){ time, mail, forged };
	for (; at > 0 && schedule->arrivals[(at - 1) / 2].time > schedule->arrivals[at].time; at = (at - 1) / 2) {
		struct arrival kept = schedule->arrivals[at];
		schedule->arrivals[at] = schedule->arrivals[(at - 1) / 2];
		schedule->arrivals[(at - 1) / 2] = kept;
	}
}

/* Half of them within an hour, some in days, some in months: a line, a stick, a cousin who travels. */
static int64_t
delay(uint64_t *seed)
{
	static const int64_t most[] = { HOUR, HOUR, HOUR, 3 * DAY, 40 * DAY, 300 * DAY };
	return (int64_t)dice(seed, (uint64_t)most[dice(seed, sizeof most / sizeof most[0])]);
}

static void
write_letter(struct schedule *schedule, struct person *from, struct person *to, uint64_t *seed, int64_t now)
{
	char text[32];
	snprintf(text, sizeof text, "%zu", schedule->written);
	struct mail *mail = mail_write(schedule->arena, from, to, text, now);
	schedule->mails[schedule->written++] = mail;
	for (uint64_t way = 0, ways = 1 + dice(seed, WAYS_MOST); way < ways; way++)
		arrive(schedule, mail, now + delay(seed), false);
	if (dice(seed, FORGED_EVERY) == 0)
		arrive(schedule, mail_forge(schedule->arena, mail, -12), now + delay(seed) / 8, true);
}

static void
take_arrival(struct schedule *schedule, struct pair *p, bool vault)
{
	struct arrival next = schedule->arrivals[0];
	schedule->arrivals[0] = schedule->arrivals[--schedule->count];
	sift(schedule->arrivals, schedule->count, 0);
	enum omemo_outcome outcome = mail_deliver(next.mail, next.time);
	if (next.forged) {
		/* a forger may come after the letter itself: then its place is known */
		assert_true(outcome == OMEMO_UNREADABLE || outcome == OMEMO_DUPLICATE);
		schedule->forged += outcome == OMEMO_UNREADABLE;
	}
	if (!vault) {
		mail_sql(&p->ana, "DELETE FROM vault");
		mail_sql(&p->jose, "DELETE FROM vault");
	}
}

static void
maintain(struct person *person, int64_t now)
{
	db_begin(person->db);
	omemo_maintain(person->omemo, now);
	assert_true(db_commit(person->db, NULL));
}

static void
converse(struct pair *p, struct schedule *schedule, size_t letters, uint64_t seed, bool vault)
{
	int64_t now = T0, maintained = T0;
	schedule->arena = arena_new();
	schedule->mails = arena_alloc(schedule->arena, letters * sizeof *schedule->mails);
	schedule->arrivals = arena_alloc(schedule->arena, (letters * (WAYS_MOST + 1)) * sizeof *schedule->arrivals);
	while (schedule->written < letters || schedule->count > 0) {
		now += (int64_t)dice(&seed, (uint64_t)(4 * HOUR));
		while (schedule->count > 0 && (schedule->arrivals[0].time <= now || schedule->written == letters))
			take_arrival(schedule, p, vault);
		if (now - maintained > 10 * DAY) {
			maintain(&p->ana, now);
			maintain(&p->jose, now);
			maintained = now;
		}
		bool ana = dice(&seed, 2);
		for (uint64_t more = 1 + dice(&seed, dice(&seed, 8) ? 3 : 40); more > 0 && schedule->written < letters; more--)
			write_letter(schedule, ana ? &p->ana : &p->jose, ana ? &p->jose : &p->ana, &seed, now);
	}
	for (size_t i = 0; i < schedule->written; i++) {
		schedule->lost += schedule->mails[i]->reads == 0;
		schedule->twice += schedule->mails[i]->reads > 1;
	}
}

static uint64_t
seed_of_today(void)
{
	const char *given = getenv("LAZO_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	print_message("LAZO_SEED=%llu\n", (unsigned long long)seed);
	return seed * 2654435761U + 1;
}

static void
test_months_under_way(void **state)
{
	struct pair *p = *state;
	struct schedule schedule = { .count = 0 };
	converse(p, &schedule, LETTERS, seed_of_today(), true);
	print_message("%zu letters, %lld turns, %zu forged, %zu lost, %zu twice\n", schedule.written,
		      (long long)mail_sql(&p->jose, "SELECT count(*) FROM chain"), schedule.forged, schedule.lost,
		      schedule.twice);
	assert_int_equal(schedule.lost, 0);
	assert_int_equal(schedule.twice, 0);
	assert_true(schedule.forged > LETTERS / FORGED_EVERY / 4);
	/* everything has come: nothing of it is kept */
	assert_int_equal(mail_sql(&p->jose, "SELECT count(*) FROM vault"), 0);
	assert_int_equal(mail_sql(&p->ana, "SELECT count(*) FROM vault"), 0);
	arena_free(&schedule.arena);
}

static void
test_control_without_the_vault(void **state)
{
	struct pair *p = *state;
	struct schedule schedule = { .count = 0 };
	converse(p, &schedule, LETTERS_CONTROL, seed_of_today(), false);
	print_message("without the vault: %zu of %zu lost\n", schedule.lost, schedule.written);
	assert_true(schedule.lost > LETTERS_CONTROL / 20);
	arena_free(&schedule.arena);
}

/* -- bounds ------------------------------------------------------------------------------------------------ */

static int64_t
kept(struct person *person)
{
	return mail_sql(person, "SELECT count(*) FROM skipped");
}

/* 399 days late is read, 401 is not. */
static void
test_expiry(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	mail_turn(&p->ana, &p->jose, T0);
	struct mail *passed = mail_write(arena, &p->ana, &p->jose, "passed over", T0);
	struct mail *passed_too = mail_write(arena, &p->ana, &p->jose, "passed over too", T0);
	mail_read(mail_write(arena, &p->ana, &p->jose, "heard", T0), T0);
	struct mail *end = mail_write(arena, &p->ana, &p->jose, "the end", T0);
	struct mail *end_too = mail_write(arena, &p->ana, &p->jose, "the end too", T0);
	mail_turn(&p->jose, &p->ana, T0);
	maintain(&p->jose, T0 + 399 * DAY);
	mail_read(end, T0 + 399 * DAY);
	mail_read(passed, T0 + 399 * DAY);
	maintain(&p->jose, T0 + 401 * DAY);
	assert_int_equal(mail_refused(end_too, T0 + 401 * DAY), UNREADABLE_KEY_GONE);
	assert_int_equal(mail_refused(passed_too, T0 + 401 * DAY), UNREADABLE_KEY_GONE);
	assert_int_equal(mail_sql(&p->jose, "SELECT count(*) FROM vault"), 0);
	arena_free(&arena);
}

/* The person's own number of days. */
static void
test_expiry_as_set(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	const struct omemo_keep keep = { .late = 30, .first = 10 };
	struct mail *first = mail_write(arena, &p->ana, &p->jose, "first", T0);
	mail_read(mail_write(arena, &p->ana, &p->jose, "heard", T0), T0);
	db_begin(p->jose.db);
	omemo_set_keep(p->jose.db, p->jose.account, &keep);
	assert_true(db_commit(p->jose.db, NULL));
	maintain(&p->jose, T0 + 9 * DAY);
	assert_int_equal(mail_sql(&p->jose, "SELECT count(*) FROM prekey WHERE state = 3"), 1);
	maintain(&p->jose, T0 + 29 * DAY);
	assert_int_equal(mail_sql(&p->jose, "SELECT count(*) FROM prekey WHERE state = 3"), 0);
	assert_int_equal(kept(&p->jose), 1);
	maintain(&p->jose, T0 + 31 * DAY);
	assert_int_equal(kept(&p->jose), 0);
	assert_int_equal(mail_refused(first, T0 + 31 * DAY), UNREADABLE_KEY_GONE);
	arena_free(&arena);
}

/* A jump is bounded by who it comes from, and what was refused may be read when that changes. */
static void
test_jumps(void **state)
{
	struct pair *p = *state;
	struct person eve;
	struct arena *arena = arena_new();
	home_open(&eve, "eve@x.example");
	home_introduce(&eve, &p->jose);
	mail_read(mail_write(arena, &eve, &p->jose, "0", T0), T0);
	mail_lose(&eve, &p->jose, VAULT_JUMP_STRANGER + 1);
	struct mail *far = mail_write(arena, &eve, &p->jose, "far", T0);
	assert_int_equal(mail_refused(far, T0), UNREADABLE_GAP);
	assert_int_equal(kept(&p->jose), 0);
	mail_know(&p->jose, eve.jid);
	mail_read(far, T0);
	assert_int_equal(kept(&p->jose), VAULT_JUMP_STRANGER + 1);
	mail_lose(&eve, &p->jose, VAULT_JUMP + 1);
	assert_int_equal(mail_refused(mail_write(arena, &eve, &p->jose, "too far", T0), T0), UNREADABLE_GAP);
	/* an answer begins a new chain: she is heard again */
	home_introduce(&p->jose, &eve);
	mail_turn(&p->jose, &eve, T0);
	home_close(&eve);
	arena_free(&arena);
}

/* Nobody fills the vault: the oldest of one's own leaves. */
static void
test_a_person_who_leaves_gaps(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	mail_turn(&p->ana, &p->jose, T0);
	struct mail *oldest = mail_write(arena, &p->ana, &p->jose, "oldest", T0), *newest = NULL;
	for (int i = 0; i < 3; i++) {
		mail_lose(&p->ana, &p->jose, VAULT_JUMP - 1000);
		newest = mail_write(arena, &p->ana, &p->jose, "newest", T0);
		mail_read(mail_write(arena, &p->ana, &p->jose, "heard", T0), T0);
	}
	assert_in_range(kept(&p->jose), VAULT_PERSON / 2, VAULT_PERSON);
	assert_int_equal(mail_sql(&p->jose, "SELECT sum(held) FROM vault"), kept(&p->jose));
	assert_int_equal(mail_refused(oldest, T0), UNREADABLE_KEY_GONE);
	mail_read(newest, T0);
	mail_turn(&p->ana, &p->jose, T0);
	arena_free(&arena);
}

static void
test_strangers_share_little(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	enum { STRANGERS = 14 };
	mail_turn(&p->ana, &p->jose, T0);
	struct mail *friendly = mail_write(arena, &p->ana, &p->jose, "of a friend", T0);
	mail_lose(&p->ana, &p->jose, 30000);
	mail_read(mail_write(arena, &p->ana, &p->jose, "heard", T0), T0);
	for (int i = 0; i < STRANGERS; i++) {
		struct person eve;
		char jid[32];
		snprintf(jid, sizeof jid, "eve%02d@x.example", i);
		home_open(&eve, jid);
		home_introduce(&eve, &p->jose);
		mail_read(mail_write(arena, &eve, &p->jose, "0", T0), T0);
		mail_lose(&eve, &p->jose, VAULT_JUMP_STRANGER);
		mail_read(mail_write(arena, &eve, &p->jose, "1", T0), T0);
		home_close(&eve);
	}
	maintain(&p->jose, T0);
	assert_in_range(kept(&p->jose), 30001, 30001 + VAULT_STRANGERS);
	mail_read(friendly, T0);
	arena_free(&arena);
}

/* Who fills it loses of his own, not the one key of another, wherever in the alphabet they stand. */
static void
test_a_stranger_pushes_nobody_out(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	struct person eve, zoe;
	home_open(&eve, "eve@x.example");
	home_open(&zoe, "zoe@x.example");
	home_introduce(&eve, &p->jose);
	home_introduce(&zoe, &p->jose);
	struct mail *late = mail_write(arena, &zoe, &p->jose, "late", T0);
	mail_read(mail_write(arena, &zoe, &p->jose, "heard", T0), T0);
	mail_read(mail_write(arena, &eve, &p->jose, "begun", T0), T0);
	for (int i = 0; i < VAULT_STRANGERS / VAULT_JUMP_STRANGER + 2; i++) {
		mail_lose(&eve, &p->jose, VAULT_JUMP_STRANGER);
		mail_read(mail_write(arena, &eve, &p->jose, "gap", T0), T0);
	}
	maintain(&p->jose, T0);
	assert_in_range(kept(&p->jose), VAULT_STRANGERS / 2, VAULT_STRANGERS);
	mail_read(late, T0);
	home_close(&eve);
	home_close(&zoe);
	arena_free(&arena);
}

/* A signed prekey is kept from when it was replaced: it was the one to write to until then. */
static void
test_signed_prekeys_after_an_absence(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	const struct omemo_keep keep = { .late = 7, .first = 7 };
	db_begin(p->jose.db);
	omemo_set_keep(p->jose.db, p->jose.account, &keep);
	assert_true(db_commit(p->jose.db, NULL));
	struct mail *first = mail_write(arena, &p->ana, &p->jose, "first", T0 + 31 * DAY);
	maintain(&p->jose, T0 + 31 * DAY);
	assert_int_equal(mail_sql(&p->jose, "SELECT count(*) FROM signed_prekey"), 2);
	mail_read(first, T0 + 31 * DAY);
	maintain(&p->jose, T0 + 39 * DAY);
	assert_int_equal(mail_sql(&p->jose, "SELECT count(*) FROM signed_prekey"), 1);
	arena_free(&arena);
}

/* A clock that jumps takes nothing, until it has stayed where it is for a day. */
static void
test_a_clock_that_jumps(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	mail_write(arena, &p->ana, &p->jose, "late", T0);
	mail_read(mail_write(arena, &p->ana, &p->jose, "heard", T0), T0);
	maintain(&p->jose, T0 + DAY);
	maintain(&p->jose, T0 + 3650 * DAY);
	maintain(&p->jose, T0 + 3650 * DAY + HOUR);
	maintain(&p->jose, T0 + 2 * DAY);
	assert_int_equal(kept(&p->jose), 1);
	assert_int_equal(mail_sql(&p->jose, "SELECT count(*) FROM prekey WHERE state = 3"), 1);
	maintain(&p->jose, T0 + 500 * DAY);
	assert_int_equal(kept(&p->jose), 1);
	maintain(&p->jose, T0 + 502 * DAY);
	assert_int_equal(kept(&p->jose), 0);
	arena_free(&arena);
}

static double
seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Someone on the line sends forgeries far ahead: they cost a bounded time, move nothing, and the truth is read. */
static void
test_forgeries_cost_little(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	mail_turn(&p->ana, &p->jose, T0);
	struct mail *next = mail_write(arena, &p->ana, &p->jose, "next", T0);
	mail_lose(&p->ana, &p->jose, VAULT_JUMP - 10);
	struct mail *far = mail_write(arena, &p->ana, &p->jose, "far", T0);
	struct mail *forged = mail_forge(arena, far, -12);
	double start = seconds();
	unsigned cheap = 0;
	for (int i = 0; i < 1000; i++)
		cheap += mail_refused(forged, T0) == UNREADABLE_GAP;
	double spent = seconds() - start;
	print_message("1000 forgeries in %.2f s of CPU\n", spent);
	assert_true(getenv("LAZO_SLOW_MACHINE") || spent < 5);
	assert_true(cheap > 900);
	assert_int_equal(kept(&p->jose), 0);
	mail_read(next, T0);
	home_reopen(&p->jose); /* the next run begins anew */
	mail_read(far, T0);
	arena_free(&arena);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_months_under_way),
		TEST(test_control_without_the_vault),
		TEST(test_expiry),
		TEST(test_expiry_as_set),
		TEST(test_jumps),
		TEST(test_a_person_who_leaves_gaps),
		TEST(test_strangers_share_little),
		TEST(test_a_stranger_pushes_nobody_out),
		TEST(test_signed_prekeys_after_an_absence),
		TEST(test_a_clock_that_jumps),
		TEST(test_forgeries_cost_little),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
