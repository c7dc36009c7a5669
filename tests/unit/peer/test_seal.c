/* test_seal.c -- sealed by one relay, opened by the other, and by nobody else, whatever a carrier does to it. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/mem.h"
#include "relay/peer/seal.h"

static const int64_t NOW = 1790000000000;
static struct seal_key *familia, *hogar, *amigo;
static struct seal_pin *pins[2];     /* whom hogar believes: amigo, familia */
static const char WORDS[] = "<message>tamales on Sunday</message>";

static struct seal_pin *
pin_of(const struct seal_key *key)
{
	struct buf pem = { 0 };
	const char *error = NULL;

	seal_pin_write(seal_key_pin(key), &pem);
	struct seal_pin *pin = seal_pin_read(pem.data, pem.len, &error);

	assert_null(error);
	buf_free(&pem);
	return pin;
}

static int
make(void **state)
{
	(void)state;
	familia = seal_key_make("familia.example", NOW);
	hogar = seal_key_make("hogar.example", NOW);
	amigo = seal_key_make("amigo.example", NOW);
	pins[0] = pin_of(amigo);
	pins[1] = pin_of(familia);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	seal_key_free(&familia);
	seal_key_free(&hogar);
	seal_key_free(&amigo);
	seal_pin_free(&pins[0]);
	seal_pin_free(&pins[1]);
	return 0;
}

static enum seal_outcome
opened(struct seal_key *key, struct seal_pin *const *believed, size_t count, const struct buf *sealed, struct buf *plain,
    size_t *signer_r)
{
	buf_clear(plain);
	return seal_open(&key, 1, believed, count, sealed->data, sealed->len, plain, signer_r);
}

static void
test_there_and_only_there(void **state)
{
	struct buf sealed = { 0 }, plain = { 0 };
	size_t signer = 99;
	struct seal_key *old_and_new[] = { amigo, hogar };

	(void)state;
	seal(familia, seal_key_pin(hogar), WORDS, sizeof WORDS, &sealed);
	assert_int_equal(opened(hogar, pins, 2, &sealed, &plain, &signer), SEAL_OPENED);
	assert_int_equal(signer, 1);
	assert_int_equal(plain.len, sizeof WORDS);
	assert_memory_equal(plain.data, WORDS, sizeof WORDS);
	assert_int_equal(seal_open(old_and_new, 2, pins, 2, sealed.data, sealed.len, &plain, &signer), SEAL_OPENED);

	assert_int_equal(opened(amigo, pins, 2, &sealed, &plain, &signer), SEAL_OTHERS);
	assert_int_equal(opened(hogar, pins, 1, &sealed, &plain, &signer), SEAL_UNKNOWN); /* familia is not believed */
	assert_int_equal(plain.len, 0);
	assert_null(memmem(sealed.data, sealed.len, "tamales", 7));
	assert_null(memmem(sealed.data, sealed.len, "familia", 7));
	assert_null(memmem(sealed.data, sealed.len, "hogar", 5));
	buf_free(&sealed);
	buf_free(&plain);
}

static void
test_the_same_is_never_sealed_alike(void **state)
{
	struct buf one = { 0 }, two = { 0 };

	(void)state;
	seal(familia, seal_key_pin(hogar), WORDS, sizeof WORDS, &one);
	seal(familia, seal_key_pin(hogar), WORDS, sizeof WORDS, &two);
	size_t same = 0, least = one.len < two.len ? one.len : two.len;

	for (size_t i = least / 2; i < least; i++)
		same += one.data[i] == two.data[i];
	assert_true(same < least / 2 / 4);
	buf_free(&one);
	buf_free(&two);
}

/* B2 */
static void
test_every_bit_turned(void **state)
{
	struct buf sealed = { 0 }, plain = { 0 };
	size_t signer;

	(void)state;
	seal(familia, seal_key_pin(hogar), WORDS, sizeof WORDS, &sealed);
	for (size_t bit = 0; bit < 8 * sealed.len; bit++) {
		sealed.data[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_not_equal(opened(hogar, pins, 2, &sealed, &plain, &signer), SEAL_OPENED);
		assert_int_equal(plain.len, 0);
		sealed.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_int_equal(opened(hogar, pins, 2, &sealed, &plain, &signer), SEAL_OPENED); /* as it was it is good */
	buf_free(&sealed);
	buf_free(&plain);
}

/* B3 */
static void
test_cut_and_lengthened(void **state)
{
	struct buf sealed = { 0 }, plain = { 0 };
	size_t signer;

	(void)state;
	seal(familia, seal_key_pin(hogar), WORDS, sizeof WORDS, &sealed);
	size_t full = sealed.len;

	for (sealed.len = 0; sealed.len < full; sealed.len++)
		assert_int_equal(opened(hogar, pins, 2, &sealed, &plain, &signer), SEAL_FORGED);
	buf_add(&sealed, "", 1);
	assert_int_equal(opened(hogar, pins, 2, &sealed, &plain, &signer), SEAL_FORGED);
	buf_free(&sealed);
	buf_free(&plain);
}

/* A signer whom hogar believes cannot speak as another: the pin says who it is. */
static void
test_the_signer_is_who_signed(void **state)
{
	struct buf sealed = { 0 }, plain = { 0 };
	size_t signer = 99;

	(void)state;
	seal(amigo, seal_key_pin(hogar), WORDS, sizeof WORDS, &sealed);
	assert_int_equal(opened(hogar, pins, 2, &sealed, &plain, &signer), SEAL_OPENED);
	assert_int_equal(signer, 0);
	buf_free(&sealed);
	buf_free(&plain);
}

static void
test_large(void **state)
{
	size_t len = 5u << 20, signer;
	char *words = xmalloc(len);
	struct buf sealed = { 0 }, plain = { 0 };

	(void)state;
	random_bytes(words, len);
	seal(familia, seal_key_pin(hogar), words, len, &sealed);
	assert_true(sealed.len < len + 2048);
	assert_int_equal(opened(hogar, pins, 2, &sealed, &plain, &signer), SEAL_OPENED);
	assert_int_equal(plain.len, len);
	assert_memory_equal(plain.data, words, len);
	buf_free(&sealed);
	buf_free(&plain);
	free(words);
}

static void
test_keys_written_and_read(void **state)
{
	struct buf pem = { 0 };
	const char *error = NULL;
	char fingerprint[SEAL_FINGERPRINT_LEN + 1], again[SEAL_FINGERPRINT_LEN + 1];

	(void)state;
	seal_key_write(familia, &pem);
	struct seal_key *read = seal_key_read(pem.data, pem.len, &error);

	assert_null(error);
	assert_true(seal_pin_same(seal_key_pin(read), pins[1]));
	assert_false(seal_pin_same(seal_key_pin(read), pins[0]));
	assert_true(seal_pin_names(pins[1], "familia.example"));
	assert_false(seal_pin_names(pins[1], "familia.exampl"));
	assert_false(seal_pin_names(pins[1], "hogar.example"));
	seal_pin_fingerprint(pins[1], fingerprint);
	seal_pin_fingerprint(seal_key_pin(read), again);
	assert_string_equal(fingerprint, again);
	assert_int_equal(strlen(fingerprint), SEAL_FINGERPRINT_LEN);
	seal_key_free(&read);
	cleanse(pem.data, pem.len);
	buf_free(&pem);
}

static void
test_keys_that_are_none(void **state)
{
	struct buf pem = { 0 }, other = { 0 };
	const char *error = NULL;
	static const char rubbish[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

	(void)state;
	assert_null(seal_pin_read(rubbish, sizeof rubbish - 1, &error));
	assert_non_null(error);
	assert_null(seal_pin_read("", 0, &error));
	seal_pin_write(pins[0], &pem); /* a certificate without its key */
	assert_null(seal_key_read(pem.data, pem.len, &error));
	assert_string_equal(error, "there is no private key in it (PEM)");
	seal_key_write(familia, &other); /* familia's key behind amigo's certificate */
	buf_add(&pem, other.data, other.len);
	assert_null(seal_key_read(pem.data, pem.len, &error));
	assert_string_equal(error, "its private key is another one's");
	buf_free(&pem);
	buf_free(&other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_only_there),
		cmocka_unit_test(test_the_same_is_never_sealed_alike),
		cmocka_unit_test(test_every_bit_turned),
		cmocka_unit_test(test_cut_and_lengthened),
		cmocka_unit_test(test_the_signer_is_who_signed),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_keys_written_and_read),
		cmocka_unit_test(test_keys_that_are_none),
	};

	return cmocka_run_group_tests(tests, make, end);
}
