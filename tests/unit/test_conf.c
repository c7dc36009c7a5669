/* test_conf.c -- lazod.conf(5): what is read, and how each mistake is named with file and line. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "relay/conf.h"
#include "relay/conf_calls.h"

#define NEEDED "host = \"familia.example\";\ncertificate = \"a.crt\";\nkey = \"a.key\";\n"

static struct conf *
parse(const char *text, char **error_r)
{
	*error_r = NULL;
	return conf_parse("test.conf", text, strlen(text), error_r);
}

static void
test_defaults(void **state)
{
	char *error;
	struct conf *conf = parse(NEEDED, &error);

	(void)state;
	assert_non_null(conf);
	assert_string_equal(conf->host, "familia.example");
	assert_string_equal(conf->data, "/var/lib/lazo");
	assert_string_equal(conf->control, "/var/lib/lazo/control");
	assert_int_equal(conf->hold, 365 * 86400);
	assert_int_equal(conf->resume, 600);
	assert_int_equal(conf->registration, REGISTRATION_CLOSED);
	assert_int_equal(conf->mailbox, MAILBOX_ACCOUNT);
	assert_int_equal(conf->listen_client.count, 1);
	assert_string_equal(conf->listen_client.items[0], "*:5222");
	assert_int_equal(conf->trust.count, 0);
	assert_int_equal(conf->quota_pending_bytes, 100 * 1024 * 1024);
	assert_int_equal(conf->limit_rate_client, 20 * 1024);
	assert_false(conf->plain);
	conf_free(&conf);
	assert_null(conf);
}

/* The example of the manual, whole. */
static void
test_all_words(void **state)
{
	static const char text[] =
	    "host = \"FAMILIA.example.\"; # canonical form is kept\n"
	    "data = \"/tmp/x\"; certificate = \"c\"; key = \"k\";\n"
	    "listen { client = [\"127.0.0.1:0\", \"[::1]:0\"]; client_tls = []; server = []; server_tls = [] ; }\n"
	    "registration = invite; hold = 30d; hold_unknown = 1h; resume = 0;\n"
	    "trust = [\"/a\", \"/b\",];\n"
	    "dialback = true; plain = true; log = debug; contact = \"mailto:a@b\"; control = \"/run/c\";\n"
	    "resolver = [\"127.0.0.1:5353\"]; mailbox = device;\n"
	    "peer \"hogar.example\" { address = \"192.0.2.7:5270\"; tls = direct; pin = \"sha256:00\"; via = [\"amigo.example\"]; }\n"
	    "quota { pending = 7; pending_bytes = 1kb; archive = 2gb; archive_age = 0; };\n"
	    "limits { rate_client = 0; rate_server = 1mb; logins = 3; connections_ip = 9; }\n"
	    "retry { first = 2s; most = 2h; }\n"
	    "calls { services = [\"stun:s.example\", \"turns:[2001:db8::1]:443?transport=tcp\"]; secret = \"/s\"; valid = 1h; }\n"
	    "courier { inbox = \"/i\"; outbox = \"/o\"; carriers = [\"ana@familia.example\"]; drop = true; }\n";
	char *error;
	struct conf *conf = parse(text, &error);

	(void)state;
	assert_non_null(conf);
	assert_string_equal(conf->host, "familia.example");
	assert_int_equal(conf->listen_client.count, 2);
	assert_int_equal(conf->listen_server.count, 0);
	assert_int_equal(conf->registration, REGISTRATION_INVITE);
	assert_int_equal(conf->mailbox, MAILBOX_DEVICE);
	assert_int_equal(conf->hold_unknown, 3600);
	assert_int_equal(conf->trust.count, 2);
	assert_true(conf->dialback && conf->plain && conf->courier_drop);
	assert_string_equal(conf->control, "/run/c");
	assert_int_equal(conf->peer_count, 1);
	assert_string_equal(conf->peers[0].domain, "hogar.example");
	assert_string_equal(conf->peers[0].tls, "direct");
	assert_string_equal(conf->peers[0].via.items[0], "amigo.example");
	assert_int_equal(conf->quota_archive, 2LL << 30);
	assert_int_equal(conf->limit_connections_ip, 9);
	assert_int_equal(conf->retry_most, 7200);
	assert_int_equal(conf->calls_services.count, 2);
	assert_int_equal(conf->calls_valid, 3600);
	conf_free(&conf);
}

static void
test_services(void **state)
{
	static const struct {
		const char *uri, *host, *type, *transport;
		unsigned port;
	} good[] = {
		{ "stun:stun.example", "stun.example", "stun", "udp", 3478 },
		{ "stuns:stun.example", "stun.example", "stuns", "tcp", 5349 },
		{ "turn:t.example:99?transport=tcp", "t.example", "turn", "tcp", 99 },
		{ "turns:192.0.2.1:443", "192.0.2.1", "turns", "tcp", 443 },
		{ "turn:[2001:db8::1]", "2001:db8::1", "turn", "udp", 3478 },
		{ "turn:[2001:db8::1]:5", "2001:db8::1", "turn", "udp", 5 },
	};
	static const char *const bad[] = { "", "stun", "stun:", "http:x", "turn:x:0", "turn:x:65536", "turn:x:-1", "turn:x:1x",
		"turn:x?transport=sctp", "turn:[::1", "turn:[::1]x", "turn:[]", "turn:a b", "turn:x/y", "Turn:x" };
	struct conf_service service;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		if (!conf_service_parse(good[i].uri, &service))
			fail_msg("%s", good[i].uri);
		assert_string_equal(service.host, good[i].host);
		assert_string_equal(service.type, good[i].type);
		assert_string_equal(service.transport, good[i].transport);
		assert_int_equal(service.port, good[i].port);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (conf_service_parse(bad[i], &service))
			fail_msg("%s", bad[i]);
}

static const struct {
	const char *text, *error; /* the error must begin so */
} mistakes[] = {
	{ "", "test.conf:1: host is missing" },
	{ NEEDED "hots = \"x\";", "test.conf:4: 'hots' is no word of this file; did you mean 'host'" },
	{ NEEDED "pending = 4;", "test.conf:4: 'pending' is no word of this file; did you mean 'pending' in the section quota" },
	{ NEEDED "zzzzzzzzz = 4;", "test.conf:4: 'zzzzzzzzz' is no word of this file" },
	{ NEEDED "hold = 5 d;", "test.conf:4: ';' is missing after the value of hold" },
	{ NEEDED "calls { services = [\"stun:a\", \"http://x\"]; }", "test.conf:4: calls.services: 'http://x' is no URI" },
	{ NEEDED "hold = 5y;", "test.conf:4: hold needs a time" },
	{ NEEDED "hold = -5d;", "test.conf:4: hold needs a time" },
	{ NEEDED "hold = 99999999999999999999d;", "test.conf:4: hold needs a time" },
	{ NEEDED "hold = 1s;", "test.conf:4: hold = 1s is out of range" },
	{ NEEDED "\n\nplain = yes;", "test.conf:6: plain is true or false" },
	{ NEEDED "registration = maybe;", "test.conf:4: registration cannot be 'maybe'; it is one of closed, invite, open" },
	{ NEEDED "trust = \"x\";", "test.conf:4: trust needs a list" },
	{ NEEDED "contact = [\"x\"];", "test.conf:4: contact takes one value" },
	{ NEEDED "key = \"again\";", "test.conf:4: key is said twice; first in line 3" },
	{ NEEDED "listen { klient = []; }", "test.conf:4: 'klient' is no word of the section listen; did you mean 'client'" },
	{ NEEDED "listen { client = [];", "test.conf:4: the section listen does not end" },
	{ NEEDED "nothing { }", "test.conf:4: 'nothing' is no section" },
	{ NEEDED "quota \"x\" { }", "test.conf:4: the section quota takes no name" },
	{ NEEDED "peer { }", "test.conf:4: a peer needs its domain" },
	{ NEEDED "peer \"a\" { wolf = 1; }", "test.conf:4: 'wolf' is no word of a peer" },
	{ NEEDED "quota { limits { } }", "test.conf:4: a section inside the section quota" },
	{ NEEDED "contact = \"x", "test.conf:4: a string does not end" },
	{ NEEDED "contact = \"x\n\";", "test.conf:4: a string does not end on its line" },
	{ NEEDED "contact \"x\";", "test.conf:4: '=' or '{' is missing after contact" },
	{ NEEDED "trust = [\"a\" \"b\"];", "test.conf:4: a list needs ','" },
	{ NEEDED "= 4;", "test.conf:4: a word is expected here" },
	{ NEEDED "!", "test.conf:4: '!' has no meaning here" },
	{ NEEDED "\x01", "test.conf:4: a byte 0x01 has no meaning here" },
	{ "host = \"a b\";certificate=\"c\";key=\"k\";", "test.conf:1: host \"a b\" is not a domain name" },
	{ NEEDED "include \"/nonexistent/x\";", "/nonexistent/x: cannot be read" },
};

static void
test_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
		char *error;
		struct conf *conf = parse(mistakes[i].text, &error);

		assert_null(conf);
		assert_non_null(error);
		if (strncmp(error, mistakes[i].error, strlen(mistakes[i].error)) != 0)
			fail_msg("case %zu: \"%s\" instead of \"%s\"", i, error, mistakes[i].error);
		free(error);
	}
}

static void
test_fixed_differences(void **state)
{
	char *error, *said;
	struct conf *a = parse(NEEDED, &error),
		    *b = parse(NEEDED "listen { client = []; } control = \"/run/other\"; plain = true;", &error),
		    *c = parse(NEEDED "log = debug;", &error);

	(void)state;
	said = conf_fixed_differences(a, b);
	assert_string_equal(said, "control, listen.client");
	free(said);
	conf_swap_fixed(a, b);
	assert_string_equal(a->control, "/run/other");
	assert_int_equal(a->listen_client.count, 0);
	assert_int_equal(b->listen_client.count, 1);
	assert_true(b->plain); /* the others stay where they are */
	said = conf_fixed_differences(a, c);
	assert_string_equal(said, "control, listen.client");
	free(said);
	said = conf_fixed_differences(b, c);
	assert_string_equal(said, "");
	free(said);
	conf_free(&a);
	conf_free(&b);
	conf_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all_words),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_fixed_differences),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
