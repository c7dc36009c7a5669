/* test_digest.c -- hashes, MACs, PBKDF2, base64, hex: the vectors of their standards. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/digest.h"

static void
assert_hex(const uint8_t *bytes, size_t len, const char *want)
{
	char text[2 * DIGEST_MAX + 1];

	hex_encode(text, bytes, len);
	assert_string_equal(text, want);
}

/* FIPS 180-2 appendices. */
static void
test_hashes(void **state)
{
	uint8_t out[DIGEST_MAX];

	(void)state;
	digest(DIGEST_SHA1, "abc", 3, out);
	assert_hex(out, digest_len(DIGEST_SHA1), "a9993e364706816aba3e25717850c26c9cd0d89d");
	digest(DIGEST_SHA256, "abc", 3, out);
	assert_hex(out, digest_len(DIGEST_SHA256),
		   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	digest(DIGEST_SHA512, "abc", 3, out);
	assert_hex(out, digest_len(DIGEST_SHA512),
		   "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		   "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
	digest(DIGEST_SHA256, NULL, 0, out);
	assert_hex(out, SHA256_LEN, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 2202 (SHA-1), RFC 4231 (SHA-2). */
static void
test_macs(void **state)
{
	uint8_t out[DIGEST_MAX];

	(void)state;
	digest_hmac(DIGEST_SHA1, "Jefe", 4, "what do ya want for nothing?", 28, out);
	assert_hex(out, SHA1_LEN, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	digest_hmac(DIGEST_SHA256, "Jefe", 4, "what do ya want for nothing?", 28, out);
	assert_hex(out, SHA256_LEN, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	digest_hmac(DIGEST_SHA256, NULL, 0, "", 0, out);
	assert_hex(out, SHA256_LEN, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 6070; the salted passwords of RFC 5802 and RFC 7677. */
static void
test_stretching(void **state)
{
	uint8_t out[DIGEST_MAX], salt[16];

	(void)state;
	digest_pbkdf2(DIGEST_SHA1, "password", 8, "salt", 4, 4096, out);
	assert_hex(out, SHA1_LEN, "4b007901b765489abead49d926f721d065a429c1");
	digest_pbkdf2(DIGEST_SHA1, "pass\0word", 9, "sa\0lt", 5, 4096, out);
	assert_hex(out, 16, "56fa6aa75548099dcc37d7f03425e0c3");
	assert_int_equal(base64_decode(salt, "W22ZaJ0SNY7soEsUEjb6gQ==", 24), 16);
	digest_pbkdf2(DIGEST_SHA256, "pencil", 6, salt, 16, 4096, out);
	assert_hex(out, SHA256_LEN, "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d");
}

/* RFC 4648 10. */
static void
test_base64(void **state)
{
	static const char *const rows[][2] = { { "", "" },
					       { "f", "Zg==" },
					       { "fo", "Zm8=" },
					       { "foo", "Zm9v" },
					       { "foob", "Zm9vYg==" },
					       { "fooba", "Zm9vYmE=" },
					       { "foobar", "Zm9vYmFy" },
					       { "\xFF\xEF\xBE", "/+++" } };
	static const char *const bad[] = {
		"Z",      "Zg",   "Zg=",  "Zg==Zg==", "Zh==", "Zm9=", "Zm 9v",
		"Zm9v\n", "====", "=g==", "Z===",     "Zm-v", "Zm_v", "Z\xC3\xB1g"
	};
	char text[64];
	uint8_t bytes[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		base64_encode(text, rows[i][0], strlen(rows[i][0]));
		assert_string_equal(text, rows[i][1]);
		assert_int_equal(base64_encoded_len(strlen(rows[i][0])), strlen(text));
		assert_int_equal(base64_decode(bytes, text, strlen(text)), strlen(rows[i][0]));
		assert_memory_equal(bytes, rows[i][0], strlen(rows[i][0]));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(base64_decode(bytes, bad[i], strlen(bad[i])), -1);
}

/* Every length and value comes back, and each text is the only one of its bytes. */
static void
test_round_trip(void **state)
{
	uint8_t bytes[50], again[64], other[64];
	char text[128];

	(void)state;
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		random_bytes(bytes, len);
		base64_encode(text, bytes, len);
		assert_int_equal(base64_decode(again, text, strlen(text)), len);
		assert_memory_equal(bytes, again, len);
		for (size_t i = 0; i < strlen(text); i++) {
			char kept = text[i];

			text[i] = kept == 'A' ? 'B' : 'A';
			long other_len = base64_decode(other, text, strlen(text));

			assert_true(other_len != (long)len || memcmp(other, bytes, len) != 0);
			text[i] = kept;
		}
		hex_encode(text, bytes, len);
		assert_true(hex_decode(again, text, len));
		assert_memory_equal(bytes, again, len);
		assert_false(hex_decode(again, text, len + 1));
		assert_true(len == 0 || !hex_decode(again, text, len - 1));
	}
	assert_true(hex_decode(again, "aAfF09", 3));
	assert_false(hex_decode(again, "0g", 1));
	assert_false(hex_decode(again, "g0", 1));
}

static void
test_random(void **state)
{
	char a[ID_LEN + 1], b[ID_LEN + 1];
	uint8_t bytes[16] = { 0 };

	(void)state;
	random_id(a);
	random_id(b);
	assert_int_equal(strlen(a), ID_LEN);
	assert_int_equal(strspn(a, "0123456789abcdef"), ID_LEN);
	assert_string_not_equal(a, b);
	assert_true(same_secret(a, a, ID_LEN));
	assert_false(same_secret(a, b, ID_LEN));
	assert_true(same_secret(a, b, 0));
	random_bytes(bytes, 0);
	assert_int_equal(bytes[0], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hashes),     cmocka_unit_test(test_macs),
		cmocka_unit_test(test_stretching), cmocka_unit_test(test_base64),
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("proto/digest", tests, NULL, NULL);
}
