/* test_pubsub_access.c -- attack R6: every access model x every kind of asker, as one table. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "relay/feature/pubsub_access.h"
#include "relay/feature/pubsub_config.h"
#include "relay/store/txn.h"

#define ANA "ana@familia.example"

enum who { SELF, FROM, BOTH, FRIEND, TO_ONLY, REQUESTING, REMOVED, STRANGER, MEMBER, OUTCAST, WHO };
static const struct pubsub_asker askers[WHO] = {
	[SELF] = { .owner = true, .bare = "eva@familia.example" },
	[FROM] = { .flags = ROSTER_VISIBLE | ROSTER_FROM, .groups = "Work\n", .bare = ANA },
	[BOTH] = { .flags = ROSTER_VISIBLE | ROSTER_FROM | ROSTER_TO, .bare = ANA },
	[FRIEND] = { .flags = ROSTER_VISIBLE | ROSTER_FROM | ROSTER_TO,
		     .groups = "Work\nFriends\n",
		     .bare = ANA },
	[TO_ONLY] = { .flags = ROSTER_VISIBLE | ROSTER_TO, .groups = "Work\n", .bare = ANA },
	[REQUESTING] = { .flags = ROSTER_PENDING_IN, .groups = "Friends\n", .bare = ANA },
	[REMOVED] = { .flags = 0, .bare = ANA },
	[STRANGER] = { .flags = 0, .bare = "mallory@otro.example" },
	[MEMBER] = { .flags = 0, .bare = "tia@otro.example" },
	[OUTCAST] = { .flags = ROSTER_VISIBLE | ROSTER_FROM | ROSTER_TO,
		      .groups = "Friends\n",
		      .bare = "ex@familia.example" },
};

enum {
	Y = RIGHT_READ,
	P = RIGHT_NEEDS_PRESENCE,
	G = RIGHT_NOT_IN_GROUP,
	C = RIGHT_CLOSED,
	X = RIGHT_OUTCAST
};
/* clang-format off */
static const int expected[4][WHO] = {
	/*                    SELF FROM BOTH FRIEND TO_ONLY REQUESTING REMOVED STRANGER MEMBER OUTCAST */
	[ACCESS_OPEN] =      { Y,   Y,   Y,   Y,     Y,      Y,         Y,      Y,       Y,     X },
	[ACCESS_PRESENCE] =  { Y,   Y,   Y,   Y,     P,      P,         P,      P,       P,     X },
	[ACCESS_ROSTER] =    { Y,   G,   G,   Y,     G,      G,         G,      G,       G,     X },
	[ACCESS_WHITELIST] = { Y,   C,   C,   C,     C,      C,         C,      C,       Y,     X },
};
/* clang-format on */

static void
test_matrix(void **state)
{
	(void)state;
	for (int access = ACCESS_OPEN; access <= ACCESS_WHITELIST; access++) {
		struct pubsub_config config = pubsub_config_default;
		config.access = access;
		config.groups = "Family\nFriends\n";
		config.members = "tia@otro.example\n";
		config.outcasts = "ex@familia.example\n";
		for (int who = 0; who < WHO; who++) {
			int right = (int)pubsub_right(&config, &askers[who]);
			if (right != expected[access][who])
				fail_msg("access %d, asker %d: %d", access, who, right);
		}
	}
}

/* No prefix, suffix or joined pair of lines passes for an entry. */
static void
test_lists(void **state)
{
	(void)state;
	assert_true(pubsub_list_has("a\nbc\n", "bc"));
	assert_false(pubsub_list_has("a\nbc\n", "b"));
	assert_false(pubsub_list_has("a\nbc\n", "a\nbc"));
	assert_false(pubsub_list_has("", ""));
	assert_true(pubsub_list_meets("a\nb\n", "c\nb\n"));
	assert_false(pubsub_list_meets("a\nb\n", "c\nbb\n"));
	assert_false(pubsub_list_meets("", "c\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matrix),
		cmocka_unit_test(test_lists),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
