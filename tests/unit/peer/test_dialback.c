/*
 * test_dialback.c -- a dialback key is for one triple of receiving domain, originating domain and stream id, however their letters are
 * split (attack F2, CVE-2016-0756), and elements that answer another question are none (F1). XEP-0220.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "relay/peer/dialback.h"

static const uint8_t secret[DIALBACK_SECRET] = { 1, 2, 3 };

static void
test_key(void **state)
{
	uint8_t other[DIALBACK_SECRET] = { 1, 2, 4 };
	char key[DIALBACK_KEY + 1], again[DIALBACK_KEY + 1];

	(void)state;
	dialback_key(secret, "uno.example", "dos.example", "id", key);
	dialback_key(secret, "uno.example", "dos.example", "id", again);
	assert_string_equal(key, again);
	assert_true(dialback_key_is(secret, "uno.example", "dos.example", "id", key));
	assert_false(dialback_key_is(other, "uno.example", "dos.example", "id", key));
	assert_false(dialback_key_is(secret, "dos.example", "uno.example", "id", key));
	assert_false(dialback_key_is(secret, "uno.example", "dos.example", "", key));
	assert_false(dialback_key_is(secret, "uno.example", "dos.example", "id", ""));
	key[DIALBACK_KEY - 1] ^= 1;
	assert_false(dialback_key_is(secret, "uno.example", "dos.example", "id", key));
}

/* Without the lengths all of these are one row of letters. */
static void
joined(const char *receiving, const char *originating, const char *id, char key_r[static DIALBACK_KEY + 1])
{
	struct buf text = { .data = NULL };
	uint8_t mac[DIGEST_MAX];

	buf_adds(&text, receiving);
	buf_adds(&text, originating);
	buf_adds(&text, id);
	digest_hmac(DIGEST_SHA256, secret, sizeof secret, text.data, text.len, mac);
	hex_encode(key_r, mac, SHA256_LEN);
	buf_free(&text);
}

enum { LETTERS = 142, SPLITS = LETTERS * (LETTERS + 1) / 2 };

static size_t
count_same(void (*make)(const char *, const char *, const char *, char *), const char *row, const char *first)
{
	char receiving[LETTERS + 1], originating[LETTERS + 1], key[DIALBACK_KEY + 1];
	size_t same = 0;

	for (size_t i = 0; i < LETTERS; i++)
		for (size_t j = i; j < LETTERS; j++) {
			memcpy(receiving, row, i);
			receiving[i] = '\0';
			memcpy(originating, row + i, j - i);
			originating[j - i] = '\0';
			make(receiving, originating, row + j, key);
			same += strcmp(key, first) == 0;
		}
	return same;
}

static void
with_lengths(const char *receiving, const char *originating, const char *id, char *key_r)
{
	dialback_key(secret, receiving, originating, id, key_r);
}

static void
without(const char *receiving, const char *originating, const char *id, char *key_r)
{
	joined(receiving, originating, id, key_r);
}

static void
test_splits(void **state)
{
	char row[LETTERS + 1], first[DIALBACK_KEY + 1];

	(void)state;
	memset(row, 'a', LETTERS);
	row[LETTERS] = '\0';
	with_lengths("", "", row, first);
	assert_true(SPLITS > 10000);
	assert_int_equal(count_same(with_lengths, row, first), 1);
	without("", "", row, first); /* the control: the checker sees what it is there for */
	assert_int_equal(count_same(without, row, first), SPLITS);
}

static struct xml *
parse(struct arena *arena, const char *text)
{
	enum stream_error error;

	return xmlin_parse(arena, text, strlen(text), &xmlin_limits_default, &error);
}

static void
test_elements(void **state)
{
	static const char *const others[] = {
		"<result xmlns='jabber:server:dialback' from='UNO.example' to='dos.example' id='x'/>",
		"<verify xmlns='jabber:server' from='uno.example' to='dos.example' id='x'/>",
		"<verify xmlns='jabber:server:dialback' from='dos.example' to='uno.example' id='x'/>",
		"<verify xmlns='jabber:server:dialback' from='a@uno.example' to='dos.example' id='x'/>",
		"<verify xmlns='jabber:server:dialback' from='uno.example' to='dos.example/r' id='x'/>",
		"<verify xmlns='jabber:server:dialback' from='uno.example' to='dos.example' id='y'/>",
		"<verify xmlns='jabber:server:dialback' from='uno.example' to='dos.example'/>",
		"<verify xmlns='jabber:server:dialback' to='dos.example' id='x'/>",
		"<verify xmlns='jabber:server:dialback' xmlns:e='urn:x' e:from='uno.example' to='dos.example' id='x'/>",
	};
	struct arena *arena = arena_new();
	struct buf out = { .data = NULL };

	(void)state;
	dialback_write(&out, "verify", "uno.example", "dos.example", "x'<&", "valid", "");
	buf_add(&out, "", 1);
	assert_true(dialback_is(arena, parse(arena, out.data), "verify", "uno.example", "dos.example", "x'<&"));
	assert_string_equal(xml_attr(parse(arena, out.data), "type"), "valid");
	assert_true(dialback_is(arena, parse(arena, "<verify xmlns='jabber:server:dialback' from='UNO.example' to='dos.example' id='x'/>"),
	    "verify", "uno.example", "dos.example", "x"));
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		assert_false(dialback_is(arena, parse(arena, others[i]), "verify", "uno.example", "dos.example", "x"));
	buf_free(&out);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_elements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
