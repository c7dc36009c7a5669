/* test_backlog.c -- a batch of messages in the order of their ratchets. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "client/backlog.h"
#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "tests/unit/client/late.h"

struct pair {
	struct person ana;
	struct person jose;
};

static int
setup(void **state)
{
	static struct pair pair;
	home_open(&pair.ana, "ana@madrid.example");
	home_open(&pair.jose, "jose@maracaibo.example");
	home_meet(&pair.ana, &pair.jose);
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

static void
note_text(void *arg, const struct xml *message, const struct inbox_meta *meta)
{
	char *out = arg;
	assert_string_equal(meta->stanza_id, xml_attr(message, "id"));
	strcat(strcat(out, xml_attr(message, "id")), " ");
}

/* Of one chain by counter, on the places that the chain has; the rest as it came. */
static void
test_backlog(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	static const char *const came[] = { "a2", "clear", "b1", "a0", "b0", "a1", "b0", "a3" };
	struct mail *mails[2][4];
	char order[128] = "";
	struct backlog *backlog = backlog_new(p->jose.omemo);
	for (int chain = 0; chain < 2; chain++) {
		for (int i = 0; i < 4; i++)
			mails[chain][i] = mail_write(arena, &p->ana, &p->jose, "x", T0);
		mail_read(mail_write(arena, &p->jose, &p->ana, "turn", T0), T0);
	}
	for (size_t i = 0; i < sizeof came / sizeof came[0]; i++) {
		struct xml *message = xml_new(arena, "message", NS_CLIENT);
		char id[8];
		strcpy(id, came[i]); /* what is given is copied */
		const struct inbox_meta meta = { .stanza_id = id };
		xml_set(arena, message, "id", came[i]);
		if (came[i][0] != 'c')
			xml_append(message, xml_copy(arena, mails[came[i][0] - 'a'][came[i][1] - '0']->encrypted));
		backlog_add(backlog, message, &meta);
		memset(id, 0, sizeof id);
	}
	assert_false(backlog_full(backlog));
	backlog_take(backlog, note_text, order);
	assert_string_equal(order, "a0 clear b0 a1 b0 a2 b1 a3 ");
	order[0] = '\0';
	backlog_take(backlog, note_text, order);
	assert_string_equal(order, "");
	const struct inbox_meta meta = { .now = T0 };
	struct xml *small = xml_new(arena, "message", NS_CLIENT), *large = xml_new(arena, "message", NS_CLIENT);
	for (size_t i = 0; i < BACKLOG_MOST; i++) {
		assert_false(backlog_full(backlog));
		backlog_add(backlog, small, &meta);
	}
	assert_true(backlog_full(backlog));
	backlog_free(&backlog);
	backlog = backlog_new(p->jose.omemo);
	char *text = arena_alloc(arena, 256 << 10);
	memset(text, 'x', 256 << 10);
	xml_add_text(arena, large, text, 256 << 10);
	for (size_t i = 0; i <= BACKLOG_BYTES / (256 << 10); i++)
		backlog_add(backlog, large, &meta);
	assert_true(backlog_full(backlog)); /* by size */
	backlog_free(&backlog);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_backlog, setup, teardown) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
