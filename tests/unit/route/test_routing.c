/*
 * test_routing.c -- runs every cell of routing.cells.
 */
#include "config.h"

#include "tests/unit/route/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct cell {
	char address[16], account[16], type[16], content[16], gets[16], answer[32];
	int waits;
};
struct resource {
	const char *name;
	const char *presence; /* NULL: sends none */
};
struct setting {
	const char *name;
	bool exists;
	struct resource resources[2];
};

#define PRESENCE(priority) "<presence><priority>" #priority "</priority></presence>"

static const struct setting settings[] = {
	{ .name = "absent" },
	{ .name = "away", .exists = true },
	{ .name = "silent", .exists = true, .resources = { { "r1", NULL } } },
	{ .name = "negative", .exists = true, .resources = { { "r1", PRESENCE(-1) } } },
	{ .name = "one", .exists = true, .resources = { { "r1", PRESENCE(0) } } },
	{ .name = "two", .exists = true, .resources = { { "r1", PRESENCE(1) }, { "r2", PRESENCE(5) } } },
	{ .name = "mixed", .exists = true, .resources = { { "r1", PRESENCE(-1) }, { "r2", PRESENCE(0) } } },
};
static const char *const contents[][2] = {
	{ "body", "<body>x</body>" },
	{ "state", "<composing xmlns='http://jabber.org/protocol/chatstates'/>" },
	{ "no-store", "<body>x</body><no-store xmlns='urn:xmpp:hints'/>" },
	{ "store", "<active xmlns='http://jabber.org/protocol/chatstates'/><store xmlns='urn:xmpp:hints'/>" },
};

static const char *
content_of(const struct cell *cell)
{
	for (size_t i = 0; i < sizeof contents / sizeof *contents; i++)
		if (strcmp(contents[i][0], cell->content) == 0)
			return contents[i][1];
	fail_msg("no such content: %s", cell->content);
	return NULL;
}

static const struct setting *
setting_of(const struct cell *cell)
{
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
		if (strcmp(settings[i].name, cell->account) == 0)
			return &settings[i];
	fail_msg("no such account: %s", cell->account);
	return NULL;
}

static void
run(const struct cell *cell, unsigned number)
{
	const struct setting *setting = setting_of(cell);
	struct world *world = world_new(NULL);
	struct client *sender, *clients[2] = { NULL, NULL };
	char gets[32] = "", text[512], answer[64] = "-";

	world_user(world, "ana");
	if (setting->exists)
		world_user(world, "beto");
	sender = client_new(world, "ana", "a");
	for (size_t i = 0; i < 2 && setting->resources[i].name != NULL; i++) {
		clients[i] = client_new(world, "beto", setting->resources[i].name);
		if (setting->resources[i].presence != NULL)
			client_say(clients[i], setting->resources[i].presence);
	}
	snprintf(text, sizeof text, "<message type='%s' id='cell' to='beto@familia.example%s'>%s</message>",
		 cell->type,
		 strcmp(cell->address, "bare") == 0    ? ""
		 : strcmp(cell->address, "match") == 0 ? "/r1"
						       : "/gone",
		 content_of(cell));
	client_say(sender, text);
	for (size_t i = 0; i < 2 && clients[i] != NULL; i++) {
		if (client_count(clients[i], "<message") > 1)
			fail_msg("cell %u: sent twice", number);
		if (client_has(clients[i], "<message"))
			snprintf(gets + strlen(gets), sizeof gets - strlen(gets), "%s%s",
				 *gets == '\0' ? "" : ",", setting->resources[i].name);
	}
	if (client_has(sender, "<error"))
		strcpy(answer,
		       client_has(sender, "<service-unavailable") ? "service-unavailable" : "another error");
	if (*gets == '\0')
		strcpy(gets, "-");
	if (strcmp(gets, cell->gets) != 0 || strcmp(answer, cell->answer) != 0 ||
	    world_pending(world, "beto") != cell->waits)
		fail_msg("cell %u (%s %s %s %s): gets %s, waits %d, answer %s", number, cell->address,
			 cell->account, cell->type, cell->content, gets, (int)world_pending(world, "beto"),
			 answer);
	for (size_t i = 0; i < 2; i++)
		if (clients[i] != NULL)
			client_free(&clients[i]);
	client_free(&sender);
	world_free(&world);
}

static void
every_cell(void **state)
{
	FILE *file = fopen(CELLS, "r");
	char line[256];
	struct cell cell;
	unsigned number = 0, cells = 0;

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof line, file) != NULL) {
		number++;
		if (*line == '#' || *line == '\n')
			continue;
		if (sscanf(line, "%15s %15s %15s %15s %15s %d %31s", cell.address, cell.account, cell.type,
			   cell.content, cell.gets, &cell.waits, cell.answer) != 7)
			fail_msg("line %u is no cell", number);
		run(&cell, number);
		cells++;
	}
	fclose(file);
	assert_true(cells >= 200); /* a file that lost its cells does not pass */
	print_message("%u cells\n", cells);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(every_cell) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
