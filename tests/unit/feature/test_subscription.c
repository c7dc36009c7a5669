/*
 * test_subscription.c -- runs every cell of subscription.cells through a router with a real roster; then
 * the stories that cells cannot tell.
 */
#include "config.h"

#include "tests/unit/route/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/arena.h"
#include "proto/xml.h"

#define ANA  "ana@familia.example"
#define BETO "beto@familia.example"

/* ---- what reaches the contact is seen by a feature before all others, and goes no further ---- */

static char reached[256];

static enum verdict catch (struct event *event, void *state) {
	const char *type = xml_attr(event->stanza, "type");

	(void)state;
	if (strcmp(event->target->node, "beto") != 0) return PASS;
	snprintf(reached + strlen(reached), sizeof reached - strlen(reached), "%s ",
		 type == NULL ? "available" : type);
	return HANDLED;
}

static const struct hook hooks[] = { { POINT_PRESENCE, ORDER_GUARD, catch }, { 0 } };
static const struct feature catcher = { .name = "catcher", .hooks = hooks };

struct state_name {
	const char *name;
	unsigned flags;
};
static const struct state_name states[] = {
	{ "none", 0 },
	{ "none+out", ROSTER_PENDING_OUT },
	{ "none+in", ROSTER_PENDING_IN },
	{ "none+out+in", ROSTER_PENDING_OUT | ROSTER_PENDING_IN },
	{ "to", ROSTER_TO },
	{ "to+in", ROSTER_TO | ROSTER_PENDING_IN },
	{ "from", ROSTER_FROM },
	{ "from+out", ROSTER_FROM | ROSTER_PENDING_OUT },
	{ "both", ROSTER_TO | ROSTER_FROM },
	{ "none+ok", ROSTER_APPROVED },
	{ "none+out+ok", ROSTER_PENDING_OUT | ROSTER_APPROVED },
	{ "to+ok", ROSTER_TO | ROSTER_APPROVED },
};

static unsigned
flags_of(const char *name)
{
	for (size_t i = 0; i < sizeof states / sizeof *states; i++)
		if (strcmp(states[i].name, name) == 0)
			return states[i].flags;
	fail_msg("no such state: %s", name);
	return 0;
}

struct cell {
	char way[8], type[16], state[16], does[16], next[16];
};

static void
check_push(const struct client *client, const struct cell *cell, unsigned before, unsigned after)
{
	static const char *const names[] = { "none", "to", "from", "both" };
	unsigned shown = ROSTER_TO | ROSTER_FROM | ROSTER_PENDING_OUT | ROSTER_APPROVED;
	char subscription[32];

	if ((before & shown) == (after & shown)) {
		if (client_has(client, "jabber:iq:roster"))
			fail_msg("%s %s in %s: a push without a change", cell->way, cell->type, cell->state);
		return;
	}
	snprintf(subscription, sizeof subscription, "subscription='%s'",
		 names[after & (ROSTER_TO | ROSTER_FROM)]);
	if (client_count(client, "jabber:iq:roster") != 1 || !client_has(client, subscription) ||
	    client_has(client, "ask='subscribe'") != ((after & ROSTER_PENDING_OUT) != 0) ||
	    client_has(client, "approved='true'") != ((after & ROSTER_APPROVED) != 0))
		fail_msg("%s %s in %s: wrong push: %s", cell->way, cell->type, cell->state, client->out.data);
}

static void
check_cell(struct world *world, const struct client *client, const struct cell *cell)
{
	unsigned before = flags_of(cell->state), after = flags_of(cell->next);
	unsigned disk = world_flags(world, "ana", BETO) & ~(unsigned)ROSTER_VISIBLE;
	const struct account *account = account_resident(world->router, "ana");
	const struct roster_item *item = account_roster_find(account, BETO);
	char expected[64] = "", shown[64];

	if (disk != after || ((item == NULL ? 0 : item->flags) & ~(unsigned)ROSTER_VISIBLE) != after)
		fail_msg("%s %s in %s: flags %x on disk", cell->way, cell->type, cell->state, disk);
	if (strcmp(cell->does, "route") == 0)
		snprintf(expected, sizeof expected, "%s ", cell->type);
	if (strcmp(cell->does, "auto") == 0)
		strcat(expected, "subscribed ");
	if ((before & ROSTER_FROM) == 0 && (after & ROSTER_FROM) != 0)
		strcat(expected, "available "); /* 3.1.5: and they see us */
	else if (strcmp(cell->does, "auto") == 0)
		strcat(expected, "available ");
	if ((before & ROSTER_FROM) != 0 && (after & ROSTER_FROM) == 0)
		strcat(expected, "unavailable "); /* 3.2.2, 3.3.3 */
	if (strcmp(reached, expected) != 0)
		fail_msg("%s %s in %s: reached the contact: %s, not: %s", cell->way, cell->type, cell->state,
			 reached, expected);
	snprintf(shown, sizeof shown, "type='%s'", cell->type);
	if (client_has(client, shown) != (strcmp(cell->does, "deliver") == 0))
		fail_msg("%s %s in %s: shown to the user: %s", cell->way, cell->type, cell->state,
			 client->out.data);
	check_push(client, cell, before, after);
}

static void
run(const struct cell *cell)
{
	struct world *world = world_new(&catcher);
	struct roster_row row = { .contact = BETO, .flags = flags_of(cell->state) };
	struct client *client;
	struct arena *arena = arena_new();
	char text[128];

	world_user(world, "ana");
	world_user(world, "beto");
	if (row.flags != 0 && row.flags != ROSTER_PENDING_IN)
		row.flags |= ROSTER_VISIBLE;
	if (row.flags != 0)
		world_apply(world, &(struct op){ .kind = OP_ROSTER_SET, .account = "ana", .roster = &row });
	struct client *beto = client_new(world, "beto", "b"); /* there to be told */
	client = client_new(world, "ana", "a");
	client_say(client, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
	client_say(client, "<presence/>");
	client_forget(client);
	reached[0] = '\0';
	if (strcmp(cell->way, "out") == 0) {
		snprintf(text, sizeof text, "<presence type='%s' to='" BETO "/any'/>", cell->type);
		client_say(client, text);
	} else {
		router_send(world->router, stanza_new(arena, "presence", BETO, ANA, cell->type, NULL));
	}
	check_cell(world, client, cell);
	arena_free(&arena);
	client_free(&beto);
	client_free(&client);
	world_free(&world);
}

static void
every_cell(void **state)
{
	FILE *file = fopen(CELLS, "r");
	char line[256];
	struct cell cell;
	unsigned cells = 0;

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof line, file) != NULL) {
		if (*line == '#' || *line == '\n')
			continue;
		assert_int_equal(sscanf(line, "%7s %15s %15s %15s %15s", cell.way, cell.type, cell.state,
					cell.does, cell.next),
				 5);
		run(&cell);
		cells++;
	}
	fclose(file);
	assert_int_equal(cells, 2 * 4 * sizeof states / sizeof *states);
	print_message("%u cells\n", cells);
}

/* ---- stories ---- */

static void
request_is_shown_at_each_login_until_answered(void **state)
{
	struct world *world = world_new(NULL);
	struct client *ana, *beto;

	(void)state;
	world_user(world, "ana");
	world_user(world, "beto");
	ana = client_new(world, "ana", "a");
	client_say(ana, "<presence type='subscribe' to='" BETO "'><status>it is me</status></presence>");
	for (int i = 0; i < 2; i++) {
		beto = client_new(world, "beto", "b");
		client_say(beto, "<presence/>");
		assert_int_equal(client_count(beto, "it is me"), 1);
		client_free(&beto);
	}
	beto = client_new(world, "beto", "b");
	client_say(beto, "<presence type='unsubscribed' to='" ANA "'/>");
	client_forget(beto);
	client_say(beto, "<presence/>");
	assert_false(client_has(beto, "it is me"));
	assert_int_equal(world_flags(world, "beto", ANA), 0);
	assert_int_equal(world_flags(world, "ana", BETO), ROSTER_VISIBLE);
	client_free(&beto);
	client_free(&ana);
	world_free(&world);
}

static void
strangers_are_bounded(void **state)
{
	struct world *world = world_new(NULL);
	struct arena *arena = arena_new();

	(void)state;
	world_user(world, "ana");
	for (int i = 0; i < 510; i++)
		router_send(world->router,
			    stanza_new(arena, "presence", arena_printf(arena, "x%d@elsewhere.example", i),
				       ANA, "subscribe", NULL));
	assert_int_equal(account_roster_count(account_resident(world->router, "ana")), 500);
	arena_free(&arena);
	world_free(&world);
}

static void
both_rosters_change_in_one_transaction(void **state)
{
	struct world *world = world_new(NULL);
	struct client *ana, *beto;

	(void)state;
	world_user(world, "ana");
	world_user(world, "beto");
	ana = client_new(world, "ana", "a");
	beto = client_new(world, "beto", "b");
	client_say(ana, "<presence type='subscribe' to='" BETO "'/>");
	assert_int_equal(world_flags(world, "beto", ANA), ROSTER_PENDING_IN);
	client_say(beto, "<presence type='subscribed' to='" ANA "'/>");
	assert_int_equal(world_flags(world, "ana", BETO), ROSTER_TO | ROSTER_VISIBLE);
	assert_int_equal(world_flags(world, "beto", ANA), ROSTER_FROM | ROSTER_VISIBLE);
	client_say(ana, "<iq type='set' id='d'><query xmlns='jabber:iq:roster'><item jid='" BETO
			"' subscription='remove'/></query></iq>");
	assert_int_equal(world_flags(world, "ana", BETO), 0);
	assert_int_equal(world_flags(world, "beto", ANA), ROSTER_VISIBLE);
	client_free(&beto);
	client_free(&ana);
	world_free(&world);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell),
		cmocka_unit_test(request_is_shown_at_each_login_until_answered),
		cmocka_unit_test(strangers_are_bounded),
		cmocka_unit_test(both_rosters_change_in_one_transaction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
