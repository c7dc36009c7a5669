/*
 * test_late_forged.c -- what someone makes who knows the protocol and what went over the wire, but no key.
 *
 * In place of random_bytes() stands one that can be told what to give: so a sender has the same ratchet key twice.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <curve.h>
#include <hkdf.h>
#include <openssl/evp.h>
#include <protocol.h>
#include <ratchet.h>

#include "client/db/device.h"
#include "client/omemo/element.h"
#include "client/omemo/payload.h"
#include "client/omemo/provider.h"
#include "client/omemo/wire.h"
#include "proto/arena.h"
#include "proto/digest.h"
#include "tests/unit/client/late.h"

#define ANA  "ana@madrid.example"
#define JOSE "jose@maracaibo.example"

enum { KEY_BYTES = 32, BASE_KEY = 1, RATCHET_KEY = 2 };

/* -- the dice ---------------------------------------------------------------------------------------------- */

static uint8_t base_key;  /* of the next session; 0: by chance */
static unsigned keys_made;

void __real_random_bytes(void *out, size_t len);
void __wrap_random_bytes(void *out, size_t len);

void
__wrap_random_bytes(void *out, size_t len)
{
	__real_random_bytes(out, len);
	if (base_key == 0 || len != KEY_BYTES)
		return;
	keys_made++;
	if (keys_made <= RATCHET_KEY)
		memset(out, keys_made == BASE_KEY ? base_key : 0x55, len);
}

/* The first message of a session that has this base key, and the ratchet key that all have that are made here. */
static struct mail *
write_first(struct arena *arena, struct person *from, struct person *to, const char *text, uint8_t base)
{
	base_key = base;
	keys_made = 0;
	struct mail *mail = mail_write(arena, from, to, text, T0);
	assert_true(keys_made >= RATCHET_KEY);
	base_key = 0;
	return mail;
}

/* -- two homes --------------------------------------------------------------------------------------------- */

struct pair {
	struct person ana;
	struct person jose;
};

static int
setup(void **state)
{
	static struct pair pair;
	home_open(&pair.ana, ANA);
	home_open(&pair.jose, JOSE);
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

/* -- a key that anybody knows ------------------------------------------------------------------------------ */

static size_t
seal(const ratchet_message_keys *keys, const uint8_t secret[static PAYLOAD_SECRET], uint8_t *out)
{
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	int len = 0, more = 0;
	assert_int_equal(EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, keys->cipher_key, keys->iv), 1);
	assert_int_equal(EVP_EncryptUpdate(cipher, out, &len, secret, PAYLOAD_SECRET), 1);
	assert_int_equal(EVP_EncryptFinal_ex(cipher, out + len, &more), 1);
	EVP_CIPHER_CTX_free(cipher);
	return (size_t)(len + more);
}

/* A message in the name of `seen`'s sender, in its chain, at the last place there is, with the keys that a chain key
 * of zeros gives. Made of what the relay saw alone. */
static struct mail *
forge_by_zeros(struct arena *arena, const struct mail *seen, const char *text)
{
	static const uint8_t zeros[KEY_BYTES];
	struct provider *provider = provider_new();
	signal_context *context = provider_context(provider);
	struct element_key key;
	struct wire_header wire;
	hkdf_context *kdf = NULL;
	ratchet_chain_key *chain = NULL;
	ratchet_message_keys keys;
	uint8_t ours[IDENTITY_LEN], theirs[IDENTITY_LEN], iv[PAYLOAD_IV], secret[PAYLOAD_SECRET], payload[64];
	uint8_t sealed[PAYLOAD_SECRET + 16];
	ec_public_key *ratchet = NULL, *from = NULL, *to = NULL;
	signal_message *message = NULL;
	struct mail *forged = arena_alloc(arena, sizeof *forged);

	assert_true(element_read_key(arena, seen->encrypted, omemo_device(seen->to->omemo), &key));
	assert_true(wire_read(key.bytes, key.len, key.prekey, &wire));
	assert_int_equal(hkdf_create(&kdf, 3, context), 0);
	assert_int_equal(ratchet_chain_key_create(&chain, kdf, zeros, sizeof zeros, UINT32_MAX, context), 0);
	assert_int_equal(ratchet_chain_key_get_message_keys(chain, &keys), 0);
	payload_seal(text, strlen(text), payload, iv, secret);
	size_t sealed_len = seal(&keys, secret, sealed);
	omemo_identity(seen->from->omemo, theirs);
	omemo_identity(seen->to->omemo, ours);
	assert_int_equal(curve_decode_point(&ratchet, wire.ratchet_key, WIRE_KEY_LEN, context), 0);
	assert_int_equal(curve_decode_point(&from, theirs, IDENTITY_LEN, context), 0);
	assert_int_equal(curve_decode_point(&to, ours, IDENTITY_LEN, context), 0);
	assert_int_equal(signal_message_create(&message, 3, keys.mac_key, sizeof keys.mac_key, ratchet, UINT32_MAX, 0,
					       sealed, sealed_len, from, to, context),
			 0);
	signal_buffer *bytes = ciphertext_message_get_serialized((ciphertext_message *)message);
	const struct element_key made = {
		.rid = omemo_device(seen->to->omemo),
		.bytes = arena_strndup(arena, (const char *)signal_buffer_data(bytes), signal_buffer_len(bytes)),
		.len = signal_buffer_len(bytes),
	};
	*forged = (struct mail){ .from = seen->from, .to = seen->to, .text = text };
	forged->encrypted =
	    element_message(arena, omemo_device(seen->from->omemo), &made, 1, iv, payload, strlen(text));
	SIGNAL_UNREF(message);
	SIGNAL_UNREF(ratchet);
	SIGNAL_UNREF(from);
	SIGNAL_UNREF(to);
	SIGNAL_UNREF(chain);
	SIGNAL_UNREF(kdf);
	provider_free(&provider);
	return forged;
}

/* What stands in the record for a chain that was closed is no key that anybody could write with. */
static void
test_a_closed_chain_takes_nothing(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	mail_know(&p->jose, ANA);
	mail_turn(&p->ana, &p->jose, T0);
	struct mail *seen = mail_write(arena, &p->ana, &p->jose, "seen by the relay", T0);
	mail_read(seen, T0);
	mail_read(mail_write(arena, &p->jose, &p->ana, "an answer", T0), T0);
	mail_read(mail_write(arena, &p->ana, &p->jose, "and so the next chain", T0), T0);
	mail_refused(forge_by_zeros(arena, seen, "send 5000 EUR to Mallory"), T0);
	mail_read(mail_write(arena, &p->ana, &p->jose, "still here", T0), T0);
	arena_free(&arena);
}

/* -- a ratchet key twice ----------------------------------------------------------------------------------- */

/* In one batch with others' messages: it costs itself, and nothing else. */
static void
test_a_ratchet_key_of_two_sessions(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	struct omemo_message message;
	char *error = NULL;
	write_first(arena, &p->ana, &p->jose, "0 of the first", 0x11);
	struct mail *one = mail_write(arena, &p->ana, &p->jose, "1 of the first", T0);
	mail_read(mail_write(arena, &p->ana, &p->jose, "2 of the first", T0), T0);
	mail_sql(&p->ana, "DELETE FROM session");
	home_introduce(&p->ana, &p->jose);
	write_first(arena, &p->ana, &p->jose, "0 of the second", 0x12);
	for (int i = 1; i < 4; i++)
		mail_write(arena, &p->ana, &p->jose, "lost", T0);
	struct mail *four = mail_write(arena, &p->ana, &p->jose, "4 of the second", T0);
	db_begin(p->jose.db);
	omemo_decrypt(p->jose.omemo, arena, ANA, four->encrypted, T0, &message);
	assert_int_equal(message.outcome, OMEMO_UNREADABLE);
	assert_null(db_error(p->jose.db));
	if (!db_commit(p->jose.db, &error))
		fail_msg("%s", error);
	mail_read(one, T0);
	arena_free(&arena);
}

/* -- a key that was replaced ------------------------------------------------------------------------------- */

static void
test_a_replaced_identity_is_silent(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	uint8_t other[IDENTITY_LEN];
	mail_know(&p->jose, ANA);
	mail_turn(&p->ana, &p->jose, T0);
	struct mail *late = mail_write(arena, &p->ana, &p->jose, "by the old key", T0);
	mail_read(mail_write(arena, &p->ana, &p->jose, "and another", T0), T0);
	assert_int_equal(mail_sql(&p->jose, "SELECT count(*) FROM skipped"), 1);
	omemo_identity(p->jose.omemo, other); /* any that is a key */
	db_begin(p->jose.db);
	assert_false(device_identify(p->jose.db, p->jose.account, ANA, omemo_device(p->ana.omemo), other, T0));
	assert_true(device_verify(p->jose.db, p->jose.account, ANA, omemo_device(p->ana.omemo), other));
	assert_true(db_commit(p->jose.db, NULL));
	mail_refused(late, T0);
	assert_int_equal(mail_sql(&p->jose, "SELECT count(*) FROM skipped"), 0);
	assert_int_equal(mail_sql(&p->jose, "SELECT count(*) FROM vault"), 0);
	arena_free(&arena);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_closed_chain_takes_nothing),
		TEST(test_a_ratchet_key_of_two_sessions),
		TEST(test_a_replaced_identity_is_silent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
