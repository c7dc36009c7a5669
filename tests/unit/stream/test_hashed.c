/* test_hashed.c -- hashed tokens (draft-schmaus-kitten-sasl-ht-09): known answers, every bit, what is refused. */
#include "config.h"

#include "relay/stream/hashed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "proto/arena.h"

static const uint8_t bound[32] = "0123456789abcdef0123456789abcde";

static void
is(const uint8_t got[static SHA256_LEN], const char *wanted)
{
	char text[2 * SHA256_LEN + 1];

	hex_encode(text, got, SHA256_LEN);
	assert_string_equal(text, wanted);
}

/* The answers are Python's: hmac.digest(b"secret-token", b"Initiator" + bound, "sha256"). */
static void
test_known_answers(void **state)
{
	uint8_t hash[SHA256_LEN], answer[SHA256_LEN];

	(void)state;
	assert_true(hex_decode(hash, "283f0553067e18a4c8df2f7b3234fcf10bccd57906ade393c3a06e36b9ab0d31", SHA256_LEN));
	assert_true(hashed_holds("secret-token", hash, bound, sizeof bound));
	assert_false(hashed_holds("secret-token", hash, NULL, 0));
	assert_false(hashed_holds("secret-tokem", hash, bound, sizeof bound));
	hashed_answer("secret-token", bound, sizeof bound, answer);
	is(answer, "f1b25cfbb3d6cdd6206c4e0473c4feeefeb045bfb92aeff3781e7a62437f161a");
	assert_true(hex_decode(hash, "3f6de92b45cddc50c601ad166458f7b5874565e399f3006b1afb03f0bb03ff88", SHA256_LEN));
	assert_true(hashed_holds("secret-token", hash, NULL, 0));
	for (size_t bit = 0; bit < 8 * SHA256_LEN; bit++) {
		hash[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_false(hashed_holds("secret-token", hash, NULL, 0));
		hash[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
}

static void
test_messages(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		bool good;
	} cases[] = {
#define BYTES(text) text, sizeof text - 1
		{ BYTES("ana\0000123456789abcdef0123456789abcdef"), true },
		{ BYTES("ana\0000123456789abcdef0123456789abcde\0"), true }, /* a hash may have NULs */
		{ BYTES("ana\0000123456789abcdef0123456789abcde"), false },
		{ BYTES("ana\0000123456789abcdef0123456789abcdef0"), false },
		{ BYTES("\0000123456789abcdef0123456789abcdef"), false },
		{ BYTES("ana0123456789abcdef0123456789abcdef"), false },
		{ BYTES("an\xff\0000123456789abcdef0123456789abcdef"), false },
		{ BYTES(""), false },
	};
	struct arena *arena = arena_new();
	uint8_t hash[SHA256_LEN];
	const char *user;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		user = NULL;
		assert_int_equal(hashed_read(arena, cases[i].bytes, cases[i].len, &user, hash),
		    cases[i].good ? SASL_OK : SASL_MALFORMED_REQUEST);
		if (!cases[i].good)
			continue;
		assert_string_equal(user, "ana");
		assert_memory_equal(hash, cases[i].bytes + 4, SHA256_LEN);
	}
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_known_answers), cmocka_unit_test(test_messages) };

	return cmocka_run_group_tests_name("stream/hashed", tests, NULL, NULL);
}
