/* test_scram.c -- SCRAM on the server's side: the RFCs' examples, libgsasl as the client, and what must be refused (attacks S6 to S9, S12). */
#include "config.h"

#include "relay/stream/scram.h"
#include "relay/stream/scram-private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <gsasl.h>
#include "proto/mem.h"

static const struct scram_binding no_binding = { .exporter_len = 0 };
static const struct scram_binding both = {
	.exporter = "0123456789abcdef0123456789abcde", .exporter_len = 32,
	.end_point = "the hash of a certificate, as it w", .end_point_len = 32,
	.unique = "what a client says last, of a handshake of its own", .unique_len = 48,
};

struct example {
	enum digest kind;
	const char *client_nonce, *server_nonce, *salt, *proof, *verifier;
};
static const struct example examples[] = {
	/* RFC 5802 section 5 */
	{ DIGEST_SHA1, "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j", "QSXCR+Q6sek8bf92",
	    "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
	/* RFC 7677 section 3 */
	{ DIGEST_SHA256, "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "W22ZaJ0SNY7soEsUEjb6gQ==",
	    "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" },
};

static enum sasl_error
first(struct scram *scram, const char *text, const char **user)
{
	return scram_first(scram, text, strlen(text), "familia.example", user);
}

static void
test_examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
		const struct example *e = &examples[i];
		struct scram *scram = scram_new(e->kind, false, false, &no_binding);
		struct scram_keys keys = { .iterations = 4096 };
		uint8_t salt[64];
		long salt_len = base64_decode(salt, e->salt, strlen(e->salt));
		bool sha1 = e->kind == DIGEST_SHA1;
		char *message = xasprintf("n,,n=user,r=%s", e->client_nonce), *final;
		char *wanted = xasprintf("r=%s%s,s=%s,i=4096", e->client_nonce, e->server_nonce, e->salt);
		const char *user, *verifier;

		scram_derive(e->kind, "pencil", salt, (size_t)salt_len, 4096, sha1 ? keys.stored_sha1 : keys.stored_sha256,
		    sha1 ? keys.server_sha1 : keys.server_sha256);
		assert_int_equal(first(scram, message, &user), SASL_OK);
		assert_string_equal(user, "user");
		assert_string_equal(scram_challenge_as(scram, &keys, true, e->server_nonce, e->salt), wanted);
		final = xasprintf("c=biws,r=%s%s,p=%s", e->client_nonce, e->server_nonce, e->proof);
		assert_int_equal(scram_final(scram, final, strlen(final), &verifier), SASL_OK);
		assert_string_equal(verifier, e->verifier);
		free(final);
		free(message);
		free(wanted);
		scram_free(&scram);
	}
}

/* A client of our own, whose every part can be wrong. */
struct client {
	enum digest kind;
	const char *gs2;      /* "n,," */
	const char *name;
	const char *password;
	const void *cbind;    /* behind the header in c= */
	size_t cbind_len;
	const char *c_header; /* NULL: gs2 */
	const char *nonce_more;
	const char *extra;    /* between nonce and proof */
	int flip;             /* a bit of the proof; -1: none */
	bool plus, offered_plus, known;
};

static char *
proof_of(const struct client *client, const char *auth, const struct scram_keys *keys)
{
	size_t size = digest_len(client->kind);
	uint8_t salted[DIGEST_MAX], key[DIGEST_MAX], stored[DIGEST_MAX], signature[DIGEST_MAX];
	char *text = xmalloc(DIGEST_MAX * 2);

	digest_pbkdf2(client->kind, client->password, strlen(client->password), keys->salt, sizeof keys->salt,
	    keys->iterations, salted);
	digest_hmac(client->kind, salted, size, "Client Key", 10, key);
	digest(client->kind, key, size, stored);
	digest_hmac(client->kind, stored, size, auth, strlen(auth), signature);
	for (size_t i = 0; i < size; i++)
		key[i] ^= signature[i];
	if (client->flip >= 0)
		key[client->flip / 8] ^= (uint8_t)(1U << client->flip % 8);
	base64_encode(text, key, size);
	return text;
}

static enum sasl_error
exchange(const struct client *client, const struct scram_keys *keys)
{
	struct scram *scram = scram_new(client->kind, client->plus, client->offered_plus, &both);
	char *bare = xasprintf("n=%s,r=clientnonce", client->name), *message = xasprintf("%s%s", client->gs2, bare);
	char *nonce, *without, *auth, *proof, *final, c[512];
	uint8_t bind[256];
	size_t header = strlen(client->c_header == NULL ? client->gs2 : client->c_header);
	const char *user, *challenge, *end;
	enum sasl_error error = first(scram, message, &user);

	if (error == SASL_OK) {
		challenge = scram_challenge(scram, keys, client->known);
		nonce = xstrndup(challenge + 2, strcspn(challenge + 2, ","));
		memcpy(bind, client->c_header == NULL ? client->gs2 : client->c_header, header);
		if (client->cbind_len > 0)
			memcpy(bind + header, client->cbind, client->cbind_len);
		base64_encode(c, bind, header + client->cbind_len);
		without = xasprintf("c=%s,r=%s%s%s", c, nonce, client->nonce_more == NULL ? "" : client->nonce_more,
		    client->extra == NULL ? "" : client->extra);
		auth = xasprintf("%s,%s,%s", bare, challenge, without);
		proof = proof_of(client, auth, keys);
		final = xasprintf("%s,p=%s", without, proof);
		error = scram_final(scram, final, strlen(final), &end);
		free(nonce);
		free(without);
		free(auth);
		free(proof);
		free(final);
	}
	free(bare);
	free(message);
	scram_free(&scram);
	return error;
}

static struct client
good_client(enum digest kind)
{
	return (struct client){
		.kind = kind, .gs2 = "n,,", .name = "ana", .password = "secreto", .flip = -1, .known = true, .offered_plus = true,
	};
}

static void
test_plain_exchange(void **state)
{
	struct scram_keys keys;

	(void)state;
	assert_true(scram_make_keys("secreto", &keys));
	assert_int_equal(keys.iterations, 10000);
	for (int kind = DIGEST_SHA1; kind <= DIGEST_SHA256; kind++) {
		struct client client = good_client((enum digest)kind);

		assert_int_equal(exchange(&client, &keys), SASL_OK);
		client.extra = ",x=an extension that we do not know";
		assert_int_equal(exchange(&client, &keys), SASL_OK);
		client.extra = ",m=must be known";
		assert_int_equal(exchange(&client, &keys), SASL_MALFORMED_REQUEST);
		client.extra = NULL;
		client.known = false; /* S8: even with the right keys */
		assert_int_equal(exchange(&client, &keys), SASL_NOT_AUTHORIZED);
		client = good_client((enum digest)kind);
		client.password = "secretó";
		assert_int_equal(exchange(&client, &keys), SASL_NOT_AUTHORIZED);
		client = good_client((enum digest)kind);
		client.nonce_more = "x";
		assert_int_equal(exchange(&client, &keys), SASL_NOT_AUTHORIZED);
	}
}

static void
test_every_bit_of_the_proof_counts(void **state)
{
	struct scram_keys keys;
	struct client client = good_client(DIGEST_SHA256);

	(void)state;
	assert_true(scram_make_keys("secreto", &keys));
	keys.iterations = 1; /* for speed */
	scram_derive(DIGEST_SHA256, "secreto", keys.salt, sizeof keys.salt, 1, keys.stored_sha256, keys.server_sha256);
	assert_int_equal(exchange(&client, &keys), SASL_OK);
	for (client.flip = 0; client.flip < 256; client.flip++)
		assert_int_equal(exchange(&client, &keys), SASL_NOT_AUTHORIZED);
}

/* RFC 5802 6, XEP-0440, attack S7. */
static void
test_bindings(void **state)
{
	static const struct {
		const char *gs2;
		const void *data;
		size_t len;
		const char *c_header;
		bool plus, offered;
		enum sasl_error wanted;
	} cases[] = {
		{ "p=tls-exporter,,", both.exporter, 32, NULL, true, true, SASL_OK },
		{ "p=tls-server-end-point,,", both.end_point, 32, NULL, true, true, SASL_OK },
		{ "p=tls-exporter,,", both.end_point, 32, NULL, true, true, SASL_NOT_AUTHORIZED },
		{ "p=tls-exporter,,", both.exporter, 31, NULL, true, true, SASL_NOT_AUTHORIZED },
		{ "p=tls-exporter,,", both.exporter, 0, NULL, true, true, SASL_NOT_AUTHORIZED },
		{ "p=tls-unique,,", both.unique, 48, NULL, true, true, SASL_OK },
		{ "p=tls-unique,,", both.exporter, 32, NULL, true, true, SASL_NOT_AUTHORIZED },
		{ "p=tls-unique,,", NULL, 0, NULL, true, true, SASL_NOT_AUTHORIZED },
		{ "p=tls-unique,,", both.unique, 48, NULL, false, true, SASL_MALFORMED_REQUEST },
		{ "p=tls-unique-for-telnet,,", both.unique, 48, NULL, true, true, SASL_MALFORMED_REQUEST },
		{ "p=,,", both.exporter, 32, NULL, true, true, SASL_MALFORMED_REQUEST },
		{ "p=tls-exporter,,", both.exporter, 32, NULL, false, true, SASL_MALFORMED_REQUEST },
		{ "n,,", NULL, 0, NULL, true, true, SASL_MALFORMED_REQUEST },
		{ "y,,", NULL, 0, NULL, true, true, SASL_MALFORMED_REQUEST },
		{ "y,,", NULL, 0, NULL, false, true, SASL_NOT_AUTHORIZED }, /* our list was edited on the way */
		{ "y,,", NULL, 0, NULL, false, false, SASL_OK },
		{ "n,,", NULL, 0, NULL, false, true, SASL_OK },
		{ "n,,", NULL, 0, "y,,", false, true, SASL_NOT_AUTHORIZED },
		{ "n,,", both.exporter, 32, NULL, false, true, SASL_NOT_AUTHORIZED },
	};
	struct scram_keys keys;

	(void)state;
	assert_true(scram_make_keys("secreto", &keys));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct client client = good_client(i % 2 == 0 ? DIGEST_SHA256 : DIGEST_SHA1);

		client.gs2 = cases[i].gs2;
		client.cbind = cases[i].data;
		client.cbind_len = cases[i].len;
		client.c_header = cases[i].c_header;
		client.plus = cases[i].plus;
		client.offered_plus = cases[i].offered;
		assert_int_equal(exchange(&client, &keys), cases[i].wanted);
	}
}

/* A binding that this TLS session does not have. */
static void
test_no_binding(void **state)
{
	struct scram *scram = scram_new(DIGEST_SHA256, true, true, &no_binding);
	const char *user;

	(void)state;
	assert_int_equal(first(scram, "p=tls-exporter,,n=ana,r=x", &user), SASL_MALFORMED_REQUEST);
	scram_free(&scram);
}

static void
test_first_messages(void **state)
{
	static const struct {
		const char *text;
		enum sasl_error wanted;
		const char *user;
	} cases[] = {
		{ "n,,n=ana,r=abc", SASL_OK, "ana" },
		{ "n,,n=a=2Cn=3Da,r=abc", SASL_OK, "a,n=a" },
		{ "n,,n=ana,r=abc,x=whatever", SASL_OK, "ana" },
		{ "n,a=ana@familia.example,n=ana,r=abc", SASL_OK, "ana" },
		{ "n,a=Ana@FAMILIA.example,n=ANA,r=abc", SASL_OK, "ANA" },
		/* S6: authzid of somebody else, another host, with a resource, not a JID, empty */
		{ "n,a=bea@familia.example,n=ana,r=abc", SASL_INVALID_AUTHZID, NULL },
		{ "n,a=ana@other.example,n=ana,r=abc", SASL_INVALID_AUTHZID, NULL },
		{ "n,a=ana@familia.example/casa,n=ana,r=abc", SASL_INVALID_AUTHZID, NULL },
		{ "n,a=ana,n=ana,r=abc", SASL_INVALID_AUTHZID, NULL },
		{ "n,a=familia.example,n=ana,r=abc", SASL_INVALID_AUTHZID, NULL },
		{ "n,a=,n=ana,r=abc", SASL_MALFORMED_REQUEST, NULL },
		{ "n,b=ana@familia.example,n=ana,r=abc", SASL_MALFORMED_REQUEST, NULL },
		{ "", SASL_MALFORMED_REQUEST, NULL },
		{ "n", SASL_MALFORMED_REQUEST, NULL },
		{ "n,", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,", SASL_MALFORMED_REQUEST, NULL },
		{ ",,n=ana,r=abc", SASL_MALFORMED_REQUEST, NULL },
		{ "x,,n=ana,r=abc", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=ana", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=,r=abc", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=ana,r=", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,r=abc,n=ana", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,m=x,n=ana,r=abc", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=ana,r=abc,m=x", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=ana,r=abc,x", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=an=a,r=abc", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=ana=2c,r=abc", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=ana=,r=abc", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=ana,r=a c", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=ana,r=a\x7f", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=ana,r=\xc3\xb1", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=\xc3\xb1,r=abc", SASL_OK, "\xc3\xb1" },
		{ "n,,n=\xff,r=abc", SASL_MALFORMED_REQUEST, NULL },
		{ "n,,n=\xc0\xaf,r=abc", SASL_MALFORMED_REQUEST, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct scram *scram = scram_new(DIGEST_SHA256, false, false, &no_binding);
		const char *user = NULL;

		if (first(scram, cases[i].text, &user) != cases[i].wanted)
			fail_msg("\"%s\"", cases[i].text);
		if (cases[i].user != NULL)
			assert_string_equal(user, cases[i].user);
		scram_free(&scram);
	}
}

static void
test_sizes_and_nuls(void **state)
{
	struct scram *scram = scram_new(DIGEST_SHA1, false, false, &no_binding);
	char big[SCRAM_TEXT_MAX + 2];
	const char *user;

	(void)state;
	memset(big, 'a', sizeof big);
	memcpy(big, "n,,n=", 5);
	assert_int_equal(scram_first(scram, big, sizeof big, "familia.example", &user), SASL_MALFORMED_REQUEST);
	assert_int_equal(scram_first(scram, "n,,n=a\0b,r=c", 12, "familia.example", &user), SASL_MALFORMED_REQUEST);
	memset(big, 'a', sizeof big);
	memcpy(big, "n,,n=a,r=", 9);
	assert_int_equal(scram_first(scram, big, SCRAM_TEXT_MAX, "familia.example", &user), SASL_MALFORMED_REQUEST);
	assert_int_equal(scram_first(scram, big, 9 + 256, "familia.example", &user), SASL_OK);
	scram_free(&scram);
}

static void
test_final_messages(void **state)
{
	static const char *const bad[] = {
		"", "c=biws", "c=biws,r=x", "r=x,c=biws,p=AAAA", "c=biws,r=x,p=", "c=biws,r=x,p=AAAA", "c=biws,r=x,p=!!!!",
		"c=biws,r=x,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=,", "c=biws,r=x,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=,y=z", ",", "p=AAAA", "=",
	};
	struct scram_keys keys;
	const char *user, *end;

	(void)state;
	assert_true(scram_make_keys("secreto", &keys));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct scram *scram = scram_new(DIGEST_SHA1, false, false, &no_binding);

		assert_int_equal(first(scram, "n,,n=ana,r=x", &user), SASL_OK);
		scram_challenge(scram, &keys, true);
		assert_int_equal(scram_final(scram, bad[i], strlen(bad[i]), &end), SASL_MALFORMED_REQUEST);
		scram_free(&scram);
	}
}

/* Nonces are fresh and long. */
static void
test_nonces(void **state)
{
	struct scram_keys keys;
	char seen[2][128];
	const char *user;

	(void)state;
	assert_true(scram_make_keys("secreto", &keys));
	for (int i = 0; i < 2; i++) {
		struct scram *scram = scram_new(DIGEST_SHA256, false, false, &no_binding);

		assert_int_equal(first(scram, "n,,n=ana,r=abc", &user), SASL_OK);
		snprintf(seen[i], sizeof seen[i], "%.*s", 29, scram_challenge(scram, &keys, true));
		assert_memory_equal(seen[i], "r=abc", 5);
		assert_null(strchr(seen[i], ','));
		scram_free(&scram);
	}
	assert_string_not_equal(seen[0], seen[1]);
}

/* S8: for an unknown name always the same salt, for another name another, of the same size and count as real ones. */
static void
test_fake_keys(void **state)
{
	uint8_t secret[32] = { 7 }, other[32] = { 8 };
	struct scram_keys a, b, c, d;

	(void)state;
	scram_fake_keys(secret, "nobody", &a);
	scram_fake_keys(secret, "nobody", &b);
	scram_fake_keys(secret, "nobodz", &c);
	scram_fake_keys(other, "nobody", &d);
	assert_memory_equal(&a.salt, &b.salt, sizeof a.salt);
	assert_memory_not_equal(&a.salt, &c.salt, sizeof a.salt);
	assert_memory_not_equal(&a.salt, &d.salt, sizeof a.salt);
	assert_int_equal(a.iterations, SCRAM_ITERATIONS);
}

static void
test_passwords(void **state)
{
	struct scram_keys keys, again;

	(void)state;
	assert_true(scram_make_keys("cla\xc2\xad" "ve\xc2\xa0\xe2\x85\xa8", &keys)); /* soft hyphen, space, roman nine */
	assert_true(scram_check_password("clave IX", &keys));
	assert_false(scram_check_password("clave ix", &keys));
	assert_false(scram_check_password("", &keys));
	assert_false(scram_check_password("a\x07", &keys)); /* prohibited */
	assert_false(scram_make_keys("", &again));
	assert_false(scram_make_keys("\xc2\xad", &again)); /* nothing is left */
	assert_false(scram_make_keys("a\x07", &again));
	assert_false(scram_make_keys("a\xff", &again)); /* not UTF-8 */
	assert_true(scram_make_keys("clave IX", &again));
	assert_memory_not_equal(keys.salt, again.salt, sizeof keys.salt);
}

/* libgsasl as the client. Its tls-exporter binding comes as base64. */
static void
run_gsasl(const char *mechanism, enum digest kind, bool plus)
{
	struct scram *scram = scram_new(kind, plus, true, &both);
	struct scram_keys keys;
	Gsasl *ctx;
	Gsasl_session *session;
	char *out, exporter[64];
	size_t len;
	const char *user, *text;

	assert_true(scram_make_keys("ma\xc3\xb1""ana", &keys));
	assert_int_equal(gsasl_init(&ctx), GSASL_OK);
	assert_int_equal(gsasl_client_start(ctx, mechanism, &session), GSASL_OK);
	gsasl_property_set(session, GSASL_AUTHID, "ana");
	gsasl_property_set(session, GSASL_PASSWORD, "ma\xc3\xb1""ana");
	base64_encode(exporter, both.exporter, 32);
	if (plus)
		gsasl_property_set(session, GSASL_CB_TLS_EXPORTER, exporter);
	assert_int_equal(gsasl_step(session, NULL, 0, &out, &len), GSASL_NEEDS_MORE);
	assert_int_equal(scram_first(scram, out, len, "familia.example", &user), SASL_OK);
	assert_string_equal(user, "ana");
	gsasl_free(out);
	text = scram_challenge(scram, &keys, true);
	assert_int_equal(gsasl_step(session, text, strlen(text), &out, &len), GSASL_NEEDS_MORE);
	assert_int_equal(scram_final(scram, out, len, &text), SASL_OK);
	gsasl_free(out);
	assert_int_equal(gsasl_step(session, text, strlen(text), &out, &len), GSASL_OK);
	gsasl_free(out);
	gsasl_finish(session);
	gsasl_done(ctx);
	scram_free(&scram);
}

static void
test_gsasl(void **state)
{
	(void)state;
	run_gsasl("SCRAM-SHA-1", DIGEST_SHA1, false);
	run_gsasl("SCRAM-SHA-256", DIGEST_SHA256, false);
	run_gsasl("SCRAM-SHA-1-PLUS", DIGEST_SHA1, true);
	run_gsasl("SCRAM-SHA-256-PLUS", DIGEST_SHA256, true);
}

/* XEP-0474 4.3: what its example says of its lists. */
static void
test_offer_in_the_challenge(void **state)
{
	struct scram *scram = scram_new(DIGEST_SHA1, false, false, &no_binding);
	struct scram_keys keys = { .iterations = 4096 };
	const char *user;

	(void)state;
	scram_offered(scram, "SCRAM-SHA-1\x1eSCRAM-SHA-1-PLUS\x1ftls-exporter\x1etls-server-end-point");
	assert_int_equal(first(scram, "n,,n=user,r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6", &user), SASL_OK);
	assert_string_equal(scram_challenge_as(scram, &keys, true, "a09117a6-ac50-4f2f-93f1-93799c2bddf6", "QSXCR+Q6sek8bf92"),
	    "r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6a09117a6-ac50-4f2f-93f1-93799c2bddf6,s=QSXCR+Q6sek8bf92,i=4096,"
	    "h=G6k/rBLDqgOhRRaCuuatSDFkJ08=");
	scram_free(&scram);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_offer_in_the_challenge),
		cmocka_unit_test(test_plain_exchange),
		cmocka_unit_test(test_every_bit_of_the_proof_counts),
		cmocka_unit_test(test_bindings),
		cmocka_unit_test(test_no_binding),
		cmocka_unit_test(test_first_messages),
		cmocka_unit_test(test_sizes_and_nuls),
		cmocka_unit_test(test_final_messages),
		cmocka_unit_test(test_nonces),
		cmocka_unit_test(test_fake_keys),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_gsasl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
