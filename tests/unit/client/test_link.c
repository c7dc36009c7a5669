/* test_link.c -- the link's pure parts: --server, SRV records and their order, pins, reasons of certificates, SASL choices. */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "client/clock.h"
#include "client/link_cert.h"
#include "client/link_sasl.h"
#include "client/link_watch.h"
#include "client/resolve.h"
#include "proto/digest.h"

static void
test_server_option(void **state)
{
	static const struct {
		const char *text;
		bool fine, direct;
		const char *host;
		unsigned port;
	} cases[] = {
		{ "casa.test", true, false, "casa.test", 5222 },
		{ "casa.test:1234", true, false, "casa.test", 1234 },
		{ "xmpp://casa.test", true, false, "casa.test", 5222 },
		{ "xmpps://casa.test", true, true, "casa.test", 5223 },
		{ "xmpps://casa.test:443", true, true, "casa.test", 443 },
		{ "[::1]:5222", true, false, "::1", 5222 },
		{ "xmpps://[2001:db8::1]", true, true, "2001:db8::1", 5223 },
		{ "::1", true, false, "::1", 5222 },
		{ "192.0.2.1:99", true, false, "192.0.2.1", 99 },
		{ "", false, false, "", 0 },
		{ ":5222", false, false, "", 0 },
		{ "casa.test:", false, false, "", 0 },
		{ "casa.test:0", false, false, "", 0 },
		{ "casa.test:65536", false, false, "", 0 },
		{ "casa.test:+1", false, false, "", 0 },
		{ "http://casa.test", false, false, "", 0 },
		{ "[::1", false, false, "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct srv target;

		assert_int_equal(resolve_server(cases[i].text, &target), cases[i].fine);
		if (!cases[i].fine)
			continue;
		assert_string_equal(target.host, cases[i].host);
		assert_int_equal(target.port, cases[i].port);
		assert_int_equal(target.direct, cases[i].direct);
	}
}

static void
test_srv_record(void **state)
{
	static const uint8_t good[] = "\0\5\0\12\024\146\4xmpp\4casa\4test";  /* 5 10 5222 xmpp.casa.test. */
	static const uint8_t none[] = { 0, 0, 0, 0, 0, 0, 0 };
	struct srv target;

	(void)state;
	assert_true(srv_parse(good, sizeof(good), true, &target));
	assert_string_equal(target.host, "xmpp.casa.test");
	assert_int_equal(target.priority, 5);
	assert_int_equal(target.weight, 10);
	assert_int_equal(target.port, 5222);
	assert_true(target.direct);
	assert_true(srv_parse(none, sizeof(none), false, &target));
	assert_string_equal(target.host, "");
	for (size_t len = 0; len < sizeof(good); len++)
		assert_false(srv_parse(good, len, true, &target));
	assert_false(srv_parse((const uint8_t *)"\0\0\0\0\0\1\3a.b", 11, false, &target)); /* a dot inside a label */
	assert_false(srv_parse((const uint8_t *)"\0\0\0\0\0\0\1a", 9, false, &target));    /* port 0 */
}

static uint32_t state_of_random = 1;

static uint32_t
pseudo(uint32_t below)
{
	state_of_random = state_of_random * 1103515245 + 12345;
	return (state_of_random >> 8) % below;
}

static void
test_order_by_priority_and_weight(void **state)
{
	unsigned heavy = 0, light = 0;

	(void)state;
	for (int i = 0; i < 4000; i++) {
		struct srv list[] = {
			{ .host = "last", .priority = 20, .weight = 100 },
			{ .host = "heavy", .priority = 10, .weight = 3, .direct = true },
			{ .host = "light", .priority = 10, .weight = 1 },
			{ .host = "first", .priority = 0, .weight = 0 },
		};

		srv_order(list, 4, pseudo);
		assert_string_equal(list[0].host, "first");
		assert_string_equal(list[3].host, "last");
		heavy += strcmp(list[1].host, "heavy") == 0;
		light += strcmp(list[1].host, "light") == 0;
	}
	assert_int_equal(heavy + light, 4000);
	assert_in_range(heavy, 2800, 3200); /* three of four */
}

static void
test_pins(void **state)
{
	static const char digits[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	char text[PIN_TEXT_LEN + 1], colons[3 * SHA256_LEN];
	uint8_t pin[SHA256_LEN], again[SHA256_LEN];

	(void)state;
	assert_true(cert_pin_parse(digits, pin));
	cert_pin_text(text, pin);
	assert_string_equal(text + 7, digits);
	for (int i = 0; i < SHA256_LEN; i++) {
		memcpy(colons + 3 * i, digits + 2 * i, 2);
		colons[3 * i + 2] = ':';
	}
	colons[sizeof(colons) - 1] = '\0';
	assert_true(cert_pin_parse(colons, again));
	assert_memory_equal(pin, again, SHA256_LEN);
	assert_true(cert_pin_parse("sha256:0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF", again));
	assert_memory_equal(pin, again, SHA256_LEN);
	assert_false(cert_pin_parse("sha256:12", pin));
	assert_false(cert_pin_parse("sha1:12", pin));
	assert_false(cert_pin_parse("", pin));
	assert_false(cert_pin("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", pin));
}

static void
test_reasons_of_certificates(void **state)
{
	(void)state;
	assert_int_equal(cert_fault("certificate has expired"), FAULT_EXPIRED);
	assert_int_equal(cert_fault("certificate is not yet valid"), FAULT_NOT_YET);
	assert_int_equal(cert_fault("hostname mismatch"), FAULT_NAME);
	assert_int_equal(cert_fault("self-signed certificate"), FAULT_UNTRUSTED);
}

static void
expect_choice(const struct sasl_config *config, const char *const *offered, size_t count, const char *wanted,
    enum fault fault)
{
	struct trouble trouble = { .fault = FAULT_NONE };
	struct sasl *sasl = sasl_new(config, offered, count, &trouble);

	assert_int_equal(trouble.fault, fault);
	if (wanted == NULL)
		assert_null(sasl);
	else
		assert_string_equal(sasl_mechanism(sasl), wanted);
	sasl_free(&sasl);
}

static void
test_choice_of_mechanism(void **state)
{
	static const char *const all[] = { "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "X" };
	static const char *const plain[] = { "PLAIN" };
	const struct sasl_secret kept = { .mechanism = "SCRAM-SHA-1", .salt = "QUFB", .iterations = 4096 };
	struct sasl_config config = { .user = "ana", .password = "x" };

	(void)state;
	expect_choice(&config, all, 5, "SCRAM-SHA-256", FAULT_NONE);
	expect_choice(&config, all, 2, "SCRAM-SHA-1", FAULT_NONE);
	expect_choice(&config, plain, 1, NULL, FAULT_MECHANISM);
	expect_choice(&config, plain, 0, NULL, FAULT_MECHANISM);
	config.plain = true;
	expect_choice(&config, plain, 1, "PLAIN", FAULT_NONE);
	expect_choice(&config, all, 2, "SCRAM-SHA-1", FAULT_NONE);
	config.least = "SCRAM-SHA-256";
	expect_choice(&config, all, 2, NULL, FAULT_MECHANISM);
	config = (struct sasl_config){ .user = "ana", .kept = &kept, .least = "SCRAM-SHA-1" };
	expect_choice(&config, all, 5, "SCRAM-SHA-1", FAULT_NONE);
	expect_choice(&config, plain, 1, NULL, FAULT_MECHANISM);
	expect_choice(&config, all + 2, 1, NULL, FAULT_SALT);
}

static void
test_watch_shuts_down_in_time(void **state)
{
	struct watch *watch = watch_new();
	int pair[2];
	int64_t start = now_mono();
	char byte;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	watch_arm(watch, pair[0], start + 100);
	assert_int_equal(recv(pair[0], &byte, 1, 0), 0); /* blocks until it acts */
	assert_in_range(now_mono() - start, 90, 3000);
	assert_true(watch_disarm(watch));
	watch_arm(watch, pair[1], now_mono() + 60000);
	assert_false(watch_disarm(watch));
	watch_free(&watch);
	assert_null(watch);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_option),
		cmocka_unit_test(test_srv_record),
		cmocka_unit_test(test_order_by_priority_and_weight),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_reasons_of_certificates),
		cmocka_unit_test(test_choice_of_mechanism),
		cmocka_unit_test(test_watch_shuts_down_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
