/* test_expiry.c -- keys and archived messages leave in time, and never while the clock may be wrong. */
#include "config.h"

#include "tests/unit/route/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sqlite3.h>
#include "relay/conf.h"
#include "relay/feature/feature_table.h"
#include "relay/net/clock.h"

/* ---- clocks in the hand (linked with --wrap) ---- */

static int64_t wall, mono;

int64_t __wrap_now_wall(void);
int64_t __wrap_now_mono(void);

int64_t
__wrap_now_wall(void)
{
	return wall;
}

int64_t
__wrap_now_mono(void)
{
	return mono;
}

static const int64_t MINUTE = 60000, DAY = 24 * 60 * 60000;

static void
pass(int64_t ms)
{
	wall += ms;
	mono += ms;
}

static int64_t
rows(const struct world *world, const char *table)
{
	char path[128], sql[64];
	sqlite3 *db;
	sqlite3_stmt *stmt;
	int64_t count;

	snprintf(path, sizeof path, "%s/lazo.db", world->dir);
	snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	count = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return count;
}

static void
put(struct world *world, int64_t time, size_t len)
{
	struct txn *txn = txn_new(world->store);
	int64_t id = store_next_id(world->store);
	char *body = calloc(1, len + 1);
	uint8_t key[32] = { 0 };

	memset(body, 'x', len);
	memcpy(key, &id, sizeof id);
	txn_add(txn, &(struct op){ .kind = OP_SEEN, .key = key, .expires = time + DAY });
	txn_add(txn, &(struct op){ .kind = OP_MESSAGE,
				   .id = id,
				   .time = time,
				   .from = "a@b/c",
				   .to = "ana@familia.example",
				   .body = body,
				   .body_len = len });
	txn_add(txn, &(struct op){ .kind = OP_BOX, .account = "ana", .id = id, .peer = "a@b" });
	txn_submit(&txn, NULL, NULL);
	free(body);
}

static struct conf conf = { .host = (char[]){ "familia.example" } };

static struct world *
begin(int64_t age, int64_t bytes)
{
	struct world *world;

	wall = 1000 * DAY;
	mono = 5;
	world = world_new(&feature_expiry);
	conf.quota_archive_age = age;
	conf.quota_archive = bytes;
	router_set_conf(world->router, &conf);
	world_user(world, "ana");
	return world;
}

/* A minute, and all that it sets going. */
static void
minute(void)
{
	pass(MINUTE);
	for (int i = 0; i < 20; i++)
		(void)world_ring();
	/* The look was rung with the rest: what is counted is only the state of the clocks. */
}

static void
by_age(void **state)
{
	struct world *world = begin(10 * 24 * 3600, 0);

	(void)state;
	for (int i = 0; i < 700; i++)
		put(world, wall - 20 * DAY, 10);
	put(world, wall, 10);
	for (int i = 0; i < 9; i++)
		minute();
	assert_int_equal(rows(world, "box"), 701); /* not in the first ten minutes */
	assert_int_equal(rows(world, "seen"), 701);
	for (int i = 0; i < 12; i++)
		minute();
	assert_int_equal(rows(world, "box"), 1);
	assert_int_equal(rows(world, "msg"), 1);
	assert_int_equal(rows(world, "seen"), 1);
	world_free(&world);
}

static void
not_after_a_jump(void **state)
{
	struct world *world = begin(10 * 24 * 3600, 0);

	(void)state;
	put(world, wall, 10);
	for (int i = 0; i < 20; i++)
		minute();
	wall += 3650 * DAY; /* an operator's slip */
	for (int i = 0; i < 60; i++)
		minute();
	assert_int_equal(rows(world, "box"), 1);
	assert_int_equal(rows(world, "seen"), 1);
	wall -= 3650 * DAY;
	for (int i = 0; i < 60; i++)
		minute();
	assert_int_equal(rows(world, "box"), 1);
	pass(25 * 60 * MINUTE);
	minute();
	assert_int_equal(rows(world, "seen"), 0);
	assert_int_equal(rows(world, "box"), 1);
	world_free(&world);
}

static void
by_size(void **state)
{
	struct world *world = begin(0, 1000);

	(void)state;
	for (int i = 0; i < 30; i++)
		put(world, wall, 100);
	minute();
	assert_int_equal(rows(world, "box"), 10); /* needs no clock */
	world_free(&world);
}

static void
counters(void **state)
{
	struct world *world = begin(0, 0);

	(void)state;
	conf.resume = 3600;
	world_apply(world, &(struct op){ .kind = OP_COUNTER, .account = "ana", .item = "x", .id = 1, .time = wall });
	pass(7 * DAY);
	for (int i = 0; i < 30; i++)
		minute();
	assert_int_equal(rows(world, "counter"), 1); /* a week, and the hour in which it could have been taken up */
	for (int i = 0; i < 50; i++)
		minute();
	assert_int_equal(rows(world, "counter"), 0);
	world_free(&world);
	conf.resume = 0;
}

static void
without_limits(void **state)
{
	struct world *world = begin(0, 0);

	(void)state;
	put(world, 1, 100);
	pass(DAY);
	for (int i = 0; i < 30; i++)
		minute();
	assert_int_equal(rows(world, "box"), 1);
	world_free(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_age),
		cmocka_unit_test(not_after_a_jump),
		cmocka_unit_test(by_size),
		cmocka_unit_test(counters),
		cmocka_unit_test(without_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
