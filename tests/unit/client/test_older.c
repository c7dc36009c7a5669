/* test_older.c -- homes that earlier versions made, tests/fixtures/home-*: brought to this schema, nothing of theirs is lost. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "proto/arena.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "tests/unit/client/late.h"

#define ANA  "ana@madrid.example"
#define JOSE "jose@maracaibo.example"

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
load(struct person *person, const char *name)
{
	char path[512], *script = NULL, *error = NULL;
	size_t room = 0;
	sqlite3 *db = NULL;
	omemo_close(&person->omemo);
	db_close(&person->db);
	snprintf(path, sizeof path, "%s/lazo.db", person->folder);
	assert_int_equal(remove(path), 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	snprintf(path, sizeof path, "%s/tests/fixtures/home-3-%s.sql", getenv("srcdir") ? getenv("srcdir") : ".", name);
	FILE *in = fopen(path, "r");
	assert_non_null(in);
	assert_true(getdelim(&script, &room, '\0', in) > 0);
	fclose(in);
	if (sqlite3_exec(db, script, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", path, error);
	free(script);
	sqlite3_close(db);
	home_reopen(person);
}

/*
 * Homes of schema 3, whose library kept what it passed over inside the record. Ana had written "uno"; José answered;
 * "dos" to "cinco", of which "cuatro" came; an answer; "seis" to "ocho", of which "seis" came; an answer; "nueve" and
 * "diez", of which "diez" came. home-3-late.xml has what did not come, a stanza a line.
 */
static void
test_home_of_schema_3(void **state)
{
	struct pair *p = *state;
	char path[512], *line = NULL;
	size_t room = 0, count = 0;
	ssize_t len;
	load(&p->ana, "ana");
	load(&p->jose, "jose");
	for (int i = 0; i < 7; i++)
		mail_turn(&p->ana, &p->jose, T0);
	snprintf(path, sizeof path, "%s/tests/fixtures/home-3-late.xml", getenv("srcdir") ? getenv("srcdir") : ".");
	FILE *in = fopen(path, "r");
	assert_non_null(in);
	while ((len = getline(&line, &room, in)) > 0) {
		enum stream_error error;
		struct arena *arena = arena_new();
		struct xml *message = xmlin_parse(arena, line, (size_t)len, &xmlin_limits_default, &error);
		assert_non_null(message);
		assert_int_equal(home_receive(&p->jose, message, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
		arena_free(&arena);
		count++;
	}
	fclose(in);
	free(line);
	assert_int_equal(count, 6);
	assert_string_equal(home_read(&p->jose, ANA), "uno|cuatro|seis|diez|dos|tres|cinco|siete|ocho|nueve");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_home_of_schema_3, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
