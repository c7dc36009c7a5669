/* test_net.c -- the loop, sockets and TLS with real descriptors; the client's side is OpenSSL, blocking, in threads of its own. */
#include "config.h"

#include "relay/net/crowd.h"
#include "relay/net/io.h"
#include "relay/net/listener.h"
#include "relay/net/loop.h"
#include "relay/net/tls.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include "proto/buf.h"
#include "proto/mem.h"
#include "relay/log.h"
#include "relay/net/address.h"
#include "relay/net/clock.h"

static char folder[80];
static struct loop *loop;

static void
stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

/* ---- loop ---- */

static char order[64];

static void
note(void *arg)
{
	strcat(order, arg);
}

static void
note_and_defer(void *arg)
{
	note(arg);
	loop_defer(loop, note, "d");
	loop_defer(loop, stop, NULL);
}

static void
test_deferred_in_order(void **state)
{
	(void)state;
	order[0] = '\0';
	loop_defer(loop, note, "a");
	loop_defer(loop, note_and_defer, "b");
	loop_defer(loop, note, "c");
	loop_run(loop);
	assert_string_equal(order, "abcd");
}

static struct timer *timer;

static void
free_own_timer(void *arg)
{
	(void)arg;
	timer_free(&timer);
	loop_stop(loop);
}

static void
test_timers(void **state)
{
	int64_t start = now_mono();
	struct timer *cleared = timer_new(loop, note, "x");

	(void)state;
	order[0] = '\0';
	timer = timer_new(loop, free_own_timer, NULL);
	timer_set(timer, 5);
	timer_set(timer, 60); /* moved */
	timer_set(cleared, 10);
	timer_clear(cleared);
	loop_run(loop);
	assert_null(timer);
	assert_string_equal(order, "");
	assert_in_range(now_mono() - start, 55, 5000);
	timer_free(&cleared);
}

static struct waker *waker;
static int woken;

static void
on_wake(void *arg)
{
	(void)arg;
	if (++woken == 1)
		loop_stop(loop);
}

static void *
wake_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++)
		waker_wake(waker);
	return NULL;
}

static void
test_waker_and_work(void **state)
{
	pthread_t thread;

	(void)state;
	woken = 0;
	waker = waker_new(loop, on_wake, NULL);
	pthread_create(&thread, NULL, wake_often, NULL);
	loop_run(loop);
	pthread_join(thread, NULL);
	assert_in_range(woken, 1, 1000);
	waker_free(&waker);
	order[0] = '\0';
	loop_work(loop, note, stop, "w");
	loop_run(loop);
	assert_string_equal(order, "w");
}

static void
test_signal(void **state)
{
	(void)state;
	loop_signal(loop, SIGUSR1, stop, NULL);
	kill(getpid(), SIGUSR1);
	loop_run(loop);
	kill(getpid(), SIGPIPE); /* ignored since loop_new */
}

/* ---- addresses ---- */

static void
test_addresses(void **state)
{
	static const struct {
		const char *text;
		bool good, any;
	} cases[] = {
		{ "*:5222", true, true }, { "127.0.0.1:0", true, false }, { "[::1]:65535", true, false }, { "*:65536", false, true },
		{ "::1:5222", false, false }, { "localhost:5222", false, false }, { "5222", false, false }, { "127.0.0.1:", false, false },
		{ "127.0.0.1:-1", false, false }, { "127.0.0.1:1x", false, false }, { "[127.0.0.1]:1", false, false }, { "[]:1", false, false },
		{ "[:1", false, false }, { "", false, false }, { ":", false, false }, { "*", false, false },
		{ "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1", false, false },
	};
	struct sockaddr_storage address;
	struct address_group a, b;
	char text[ADDRESS_TEXT];
	socklen_t len;
	bool any;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (address_parse(cases[i].text, &address, &len, &any) != cases[i].good)
			fail_msg("%s", cases[i].text);
	assert_true(address_parse("[::ffff:192.0.2.7]:5222", &address, &len, &any));
	address_text(&address, text);
	assert_string_equal(text, "192.0.2.7:5222");
	assert_true(address_parse("[2001:db8::1]:80", &address, &len, &any));
	address_text(&address, text);
	assert_string_equal(text, "[2001:db8::1]:80");
	assert_true(address_group("[2001:db8:0:1::1]:1", &a) && address_group("[2001:db8:0:1:f::2]:2", &b));
	assert_memory_equal(&a, &b, sizeof a);
	assert_true(address_group("[2001:db8:0:2::1]:1", &b));
	assert_memory_not_equal(&a, &b, sizeof a);
	assert_false(address_group("local", &a));
}

/* ---- certificates ---- */

static char *
path(const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

/* A self-signed certificate for P-256 with the hash named. */
static void
make_certificate(const char *crt, const char *key, const EVP_MD *hash)
{
	EVP_PKEY *pair = EVP_EC_gen("P-256");
	X509 *x509 = X509_new();
	char *crt_path = path(crt), *key_path = path(key);
	FILE *file;

	X509_set_version(x509, 2);
	X509_gmtime_adj(X509_getm_notBefore(x509), 0);
	X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
	X509_set_pubkey(x509, pair);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC, (const unsigned char *)"t", -1, -1, 0);
	X509_set_issuer_name(x509, X509_get_subject_name(x509));
	assert_true(X509_sign(x509, pair, hash) > 0);
	file = fopen(crt_path, "w");
	PEM_write_X509(file, x509);
	fclose(file);
	file = fopen(key_path, "w");
	PEM_write_PrivateKey(file, pair, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	chmod(key_path, 0600);
	free(crt_path);
	free(key_path);
	X509_free(x509);
	EVP_PKEY_free(pair);
}

static struct tls *
load(const char *crt, const char *key, char **error)
{
	char *crt_path = path(crt), *key_path = path(key);
	struct tls *tls = tls_load(crt_path, key_path, error);

	free(crt_path);
	free(key_path);
	return tls;
}

static void
test_certificates(void **state)
{
	char *error = NULL, *key = path("a.key");
	struct tls *tls = load("a.crt", "a.key", &error), *more;

	(void)state;
	assert_non_null(tls);
	assert_in_range(tls_expires(tls), now_wall() + 3500000, now_wall() + 3600000);
	more = tls_ref(tls);
	tls_unref(&tls);
	assert_null(tls);
	tls_unref(&more);
	static const struct {
		const char *crt, *key, *words;
	} bad[] = { { "a.crt", "b.key", "b.key" }, { "no.crt", "a.key", "no.crt" }, { "a.crt", "no.key", "no.key" },
		{ "a.key", "a.key", "certificate" }, { "a.crt", "a.crt", "a.crt" } };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_null(load(bad[i].crt, bad[i].key, &error));
		assert_non_null(strstr(error, bad[i].words));
		free(error);
	}
	chmod(key, 0604);
	assert_null(load("a.crt", "a.key", &error));
	assert_non_null(strstr(error, "chmod"));
	free(error);
	chmod(key, 0640);
	tls = load("a.crt", "a.key", &error);
	assert_non_null(tls);
	tls_unref(&tls);
	free(key);
}

/* ---- a server connection with a client of plain OpenSSL ---- */

struct client { /* what the client's thread does and finds */
	int fd;
	int version; /* TLS at most; 0: no TLS */
	const char *alpn; /* in wire form */
	const char *send; /* in clear, before TLS */
	bool no_extms;
	size_t read_total;
	bool connected;
	char alpn_got[32];
	uint8_t exporter[32], end_point[64];
	unsigned end_point_len;
	char got[64];
};

static void *
client_run(void *arg)
{
	struct client *client = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	const unsigned char *alpn;
	unsigned alpn_len;
	X509 *peer;
	int n;

	if (client->send != NULL && write(client->fd, client->send, strlen(client->send)) < 0)
		abort();
	SSL_set_max_proto_version(ssl, client->version);
	if (client->no_extms)
		SSL_set_options(ssl, SSL_OP_NO_EXTENDED_MASTER_SECRET);
	if (client->alpn != NULL)
		SSL_set_alpn_protos(ssl, (const unsigned char *)client->alpn, (unsigned)strlen(client->alpn));
	SSL_set_fd(ssl, client->fd);
	client->connected = SSL_connect(ssl) == 1;
	if (client->connected) {
		SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
		memcpy(client->alpn_got, alpn == NULL ? (const unsigned char *)"" : alpn, alpn_len);
		SSL_export_keying_material(ssl, client->exporter, 32, "EXPORTER-Channel-Binding", 24,
		    (const unsigned char *)"", 0, 1);
		peer = SSL_get1_peer_certificate(ssl);
		X509_digest(peer, EVP_sha256(), client->end_point, &client->end_point_len);
		X509_free(peer);
		SSL_write(ssl, "hello", 5);
		while ((n = SSL_read(ssl, client->got, sizeof client->got)) > 0)
			client->read_total += (size_t)n;
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(client->fd);
	return NULL;
}

struct server { /* what the io's owner saw */
	struct io *io;
	struct tls *tls;
	const char *alpn;
	struct buf data;
	size_t reply; /* bytes to answer "hello" with */
	int ready, drained, closed;
	bool starttls, refused, exporter;
	uint8_t exported[32], end_point[64];
	size_t end_point_len;
	char why[128];
};

static void
answer(struct server *server)
{
	char *bytes = xcalloc(1, server->reply);

	io_write(server->io, bytes, server->reply);
	free(bytes);
	io_shutdown(server->io);
}

static void
on_io(void *arg, enum io_event event, const char *bytes, size_t len)
{
	struct server *server = arg;

	switch (event) {
	case IO_DATA:
		buf_add(&server->data, bytes, len);
		if (server->starttls && !io_is_tls(server->io)) {
			io_write(server->io, "<proceed/>", 10);
			server->refused = !io_start_tls(server->io, server->tls, NULL);
			if (server->refused)
				loop_stop(loop);
		} else {
			answer(server);
		}
		break;
	case IO_TLS_READY:
		server->ready++;
		server->exporter = io_tls_exporter(server->io, server->exported);
		server->end_point_len = io_tls_end_point(server->io, server->end_point);
		break;
	case IO_DRAINED:
		server->drained++;
		break;
	case IO_CLOSED:
		server->closed++;
		snprintf(server->why, sizeof server->why, "%.*s", (int)len, bytes);
		loop_stop(loop);
		break;
	}
}

static void
converse(struct client *client, struct server *server)
{
	int pair[2];
	char *error;
	pthread_t thread;
	struct server begin = *server;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	client->fd = pair[0];
	begin.tls = load("a.crt", "a.key", &error);
	*server = begin;
	server->io = io_new(loop, pair[1], on_io, server);
	assert_string_equal(io_peer(server->io), "local");
	if (!server->starttls)
		assert_true(io_start_tls(server->io, server->tls, server->alpn));
	pthread_create(&thread, NULL, client_run, client);
	loop_run(loop);
	io_free(&server->io);
	assert_null(server->io);
	pthread_join(thread, NULL);
	tls_unref(&server->tls);
	buf_free(&server->data);
}

static void
test_tls_versions_and_bindings(void **state)
{
	static const int versions[] = { TLS1_3_VERSION, TLS1_2_VERSION };

	(void)state;
	for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
		struct client client = { .version = versions[i] };
		struct server server = { .reply = 10 };

		converse(&client, &server);
		assert_true(client.connected);
		assert_int_equal(server.ready, 1);
		assert_int_equal(server.closed, 1);
		assert_int_equal(server.drained, 1);
		assert_int_equal(client.read_total, 10);
		assert_true(server.exporter);
		assert_memory_equal(server.exported, client.exporter, 32); /* RFC 9266 */
		assert_int_equal(server.end_point_len, 32);
		assert_memory_equal(server.end_point, client.end_point, 32); /* RFC 5929 */
	}
}

/* RFC 9266 section 3: without extended master secret TLS 1.2 has no exporter worth binding to. */
static void
test_no_exporter_without_extended_master_secret(void **state)
{
	struct client client = { .version = TLS1_2_VERSION, .no_extms = true };
	struct server server = { .reply = 10 };

	(void)state;
	converse(&client, &server);
	assert_true(client.connected);
	assert_false(server.exporter);
	assert_int_equal(server.end_point_len, 32);
}

static void
test_old_tls_is_refused(void **state)
{
	struct client client = { .version = TLS1_1_VERSION };
	struct server server = { .reply = 10 };

	(void)state;
	converse(&client, &server);
	assert_false(client.connected);
	assert_int_equal(server.ready, 0);
	assert_int_equal(server.closed, 1);
}

static void
test_alpn(void **state)
{
	static const struct {
		const char *offered, *ours, *got;
		bool connected;
	} cases[] = {
		{ "\x0bxmpp-client", "xmpp-client", "xmpp-client", true },
		{ "\x02h2\x0bxmpp-client", "xmpp-client", "xmpp-client", true },
		{ "\x02h2", "xmpp-client", "", false },
		{ "\x0bxmpp-server", "xmpp-client", "", false },
		{ NULL, "xmpp-client", "", true },
		{ "\x02h2", NULL, "", true }, /* STARTTLS: not asked about */
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct client client = { .version = TLS1_3_VERSION, .alpn = cases[i].offered };
		struct server server = { .reply = 1, .alpn = cases[i].ours };

		converse(&client, &server);
		assert_int_equal(client.connected, cases[i].connected);
		assert_string_equal(client.alpn_got, cases[i].got);
	}
}

/* Far more than the socket takes at once: everything arrives, the queue is told and empties. */
static void
test_much_to_write(void **state)
{
	struct client client = { .version = TLS1_3_VERSION };
	struct server server = { .reply = 8 * 1024 * 1024 };

	(void)state;
	converse(&client, &server);
	assert_int_equal(client.read_total, 8 * 1024 * 1024);
	assert_int_equal(server.drained, 1);
}

/* Attack T1: what came in clear behind <starttls/> ends the connection. */
static void
test_bytes_after_starttls(void **state)
{
	struct server server = { .starttls = true };
	char *error, proceed[10];
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	server.tls = load("a.crt", "a.key", &error);
	server.io = io_new(loop, pair[1], on_io, &server);
	/* 16 KiB fill the read buffer exactly; what follows is still in the kernel. */
	char *much = xcalloc(1, 16384 + 9);

	assert_int_equal(write(pair[0], much, 16384 + 9), 16384 + 9);
	loop_run(loop);
	assert_true(server.refused);
	io_free(&server.io);
	assert_true(read(pair[0], proceed, sizeof proceed) <= 0); /* nor was <proceed/> sent */
	close(pair[0]);
	free(much);
	tls_unref(&server.tls);
	buf_free(&server.data);
}

static void
test_garbage_instead_of_tls(void **state)
{
	struct client client = { .version = TLS1_3_VERSION, .send = "GET / HTTP/1.0\r\n\r\n" };
	struct server server = { .reply = 1 };

	(void)state;
	converse(&client, &server);
	assert_false(client.connected);
	assert_int_equal(server.closed, 1);
	assert_true(server.why[0] != '\0');
}

static struct io *freed_io;

static void
free_inside(void *arg, enum io_event event, const char *bytes, size_t len)
{
	int *calls = arg;

	(void)event;
	(void)bytes;
	(void)len;
	++*calls;
	io_free(&freed_io);
	loop_defer(loop, stop, NULL);
}

static void
test_freed_inside_its_callback(void **state)
{
	int pair[2], calls = 0;
	char *much = xcalloc(1, 64 * 1024);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	freed_io = io_new(loop, pair[1], free_inside, &calls);
	assert_int_equal(write(pair[0], much, 64 * 1024), 64 * 1024);
	loop_run(loop);
	assert_int_equal(calls, 1);
	close(pair[0]);
	free(much);
}

static int told;

static void
count_calls(void *arg, enum io_event event, const char *bytes, size_t len)
{
	(void)arg;
	(void)event;
	(void)bytes;
	(void)len;
	told++;
	loop_stop(loop);
}

/* Whoever writes to a peer that has reset the connection, much or little, and then ends it, hears of it later: never while it writes. */
static void
test_no_callback_inside_a_call(void **state)
{
	char *much = xcalloc(1, 8 << 20);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct io *io;
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		told = 0;
		io = io_new(loop, pair[1], count_calls, NULL);
		assert_int_equal(write(pair[0], "x", 1), 1);
		close(pair[0]); /* writing there is EPIPE from now on */
		io_write(io, much, i == 0 ? 1 : 8 << 20);
		io_write(io, much, 1);
		io_pause(io, true);
		io_pause(io, false);
		io_shutdown(io);
		io_write(io, much, 1);
		assert_int_equal(told, 0);
		loop_run(loop);
		assert_in_range(told, 1, 2);
		io_free(&io);
	}
	free(much);
}

static void
test_pause(void **state)
{
	int pair[2], calls = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	freed_io = io_new(loop, pair[1], free_inside, &calls);
	io_pause(freed_io, true);
	assert_int_equal(write(pair[0], "x", 1), 1);
	timer = timer_new(loop, free_own_timer, NULL);
	timer_set(timer, 50);
	loop_run(loop);
	assert_int_equal(calls, 0);
	io_pause(freed_io, false);
	loop_run(loop);
	assert_int_equal(calls, 1);
	close(pair[0]);
}

/* ---- listener ---- */

static int accepted[8];
static char peers[8][ADDRESS_TEXT];
static int accepts, wanted_accepts;

static void
on_accept(void *arg, int fd, const char *peer)
{
	(void)arg;
	snprintf(peers[accepts], sizeof peers[accepts], "%s", peer);
	accepted[accepts++] = fd;
	if (accepts == wanted_accepts)
		loop_stop(loop);
}

static int
connect_to(const char *where)
{
	struct sockaddr_storage address;
	socklen_t len;
	bool any;
	int fd;

	assert_true(address_parse(where, &address, &len, &any));
	fd = socket(address.ss_family, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0);
	return fd;
}

static void
run_for(uint64_t ms)
{
	timer = timer_new(loop, free_own_timer, NULL);
	timer_set(timer, ms);
	loop_run(loop);
}

static void
test_listener_limit(void **state)
{
	char *error = NULL;
	struct crowd *crowd = crowd_new();
	struct listener *listener = listener_new(loop, "127.0.0.1:0", crowd, on_accept, NULL, &error);
	struct listener *other = listener_new(loop, "127.0.0.1:0", crowd, on_accept, NULL, &error);
	int client[4];
	char byte;

	(void)state;
	assert_non_null(listener);
	assert_null(strstr(listener_address(listener), ":0\0"));
	accepts = 0;
	wanted_accepts = 8;
	crowd_limit(crowd, 2);
	for (int i = 0; i < 3; i++) { /* counted over all ports together */
		client[i] = connect_to(listener_address(i == 1 ? other : listener));
		run_for(100);
	}
	assert_int_equal(accepts, 2);
	assert_int_equal(read(client[2], &byte, 1), 0); /* closed */
	crowd_leave(crowd, peers[0]);
	client[3] = connect_to(listener_address(listener));
	run_for(100);
	assert_int_equal(accepts, 3);
	for (int i = 0; i < 4; i++)
		close(client[i]);
	for (int i = 0; i < accepts; i++)
		close(accepted[i]);
	listener_free(&listener);
	listener_free(&other);
	crowd_free(&crowd);
	assert_null(listener_new(loop, "nowhere", NULL, on_accept, NULL, &error));
	assert_non_null(strstr(error, "nowhere"));
	free(error);
	assert_null(listener_new(loop, "192.0.2.1:1", NULL, on_accept, NULL, &error));
	free(error);
}

/* No descriptor left: the relay waits instead of spinning, and takes the connection when there is one again. */
static void
test_listener_backs_off(void **state)
{
	char *error = NULL;
	struct listener *listener = listener_new(loop, "127.0.0.1:0", NULL, on_accept, NULL, &error);
	struct rlimit saved, low;
	struct timespec before, after;
	int client = connect_to(listener_address(listener));

	(void)state;
	accepts = 0;
	wanted_accepts = 1;
	getrlimit(RLIMIT_NOFILE, &saved);
	low = saved;
	low.rlim_cur = (rlim_t)client + 1;
	setrlimit(RLIMIT_NOFILE, &low);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	run_for(300);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_int_equal(accepts, 0);
	assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 < 100);
	setrlimit(RLIMIT_NOFILE, &saved);
	loop_run(loop);
	assert_int_equal(accepts, 1);
	close(accepted[0]);
	close(client);
	listener_free(&listener);
}

/* ---- log ---- */

static char *
logged(void (*fn)(void))
{
	char *file = path("log"), *text = xcalloc(1, 65536);
	int saved = dup(STDERR_FILENO);
	FILE *in;

	assert_non_null(freopen(file, "w", stderr));
	fn();
	dup2(saved, STDERR_FILENO);
	close(saved);
	in = fopen(file, "r");
	text[fread(text, 1, 65535, in)] = '\0';
	fclose(in);
	free(file);
	return text;
}

static void
write_harmful(void)
{
	struct log log = { .id = "c5f2", .who = "ana@familia.example\nforged" };

	log_info(&log, "said %s", "\x1b[31m\r\n\xc2\x9b\xe2\x80\xae\xff\xc3\xb1 end");
	log_info(NULL, "%s and 100%% of %d", "nobody", 7);
	log_debug(NULL, "not at this level");
}

static void
write_long(void)
{
	char *text = xmalloc(5000);

	memset(text, 'x', 4999);
	text[4999] = '\0';
	log_info(NULL, "<%s>", text);
	free(text);
}

static void
write_flood(void)
{
	for (int i = 0; i < 1000; i++)
		log_warn(NULL, "flood %d", i);
	log_warn(NULL, "another sentence");
}

static void
test_log(void **state)
{
	char *text = logged(write_harmful);
	size_t lines = 0;

	(void)state;
	assert_non_null(strstr(text, "Z info [c5f2 ana@familia.example\\x0aforged] said \\x1b[31m\\x0d\\x0a\\xc2\\x9b\\xe2\\x80\\xae"
	                              "\\xff\xc3\xb1 end\n"));
	assert_non_null(strstr(text, "Z info nobody and 100% of 7\n"));
	assert_null(strstr(text, "not at this level"));
	free(text);
	text = logged(write_long);
	assert_in_range(strlen(text), 200, 300);
	assert_non_null(strchr(text, '>'));
	free(text);
	text = logged(write_flood);
	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	assert_int_equal(lines, 51); /* 50 of the flood, and the other sentence */
	free(text);
}

static int
begin(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "%s/lazo-net-XXXXXX", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	if (mkdtemp(folder) == NULL)
		return -1;
	make_certificate("a.crt", "a.key", EVP_sha256());
	make_certificate("b.crt", "b.key", EVP_sha384());
	loop = loop_new();
	return 0;
}

static int
end(void **state)
{
	static const char *const files[] = { "a.crt", "a.key", "b.crt", "b.key", "log" };

	(void)state;
	loop_free(&loop);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char *file = path(files[i]);

		unlink(file);
		free(file);
	}
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deferred_in_order),
		cmocka_unit_test(test_timers),
		cmocka_unit_test(test_waker_and_work),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_tls_versions_and_bindings),
		cmocka_unit_test(test_no_exporter_without_extended_master_secret),
		cmocka_unit_test(test_old_tls_is_refused),
		cmocka_unit_test(test_alpn),
		cmocka_unit_test(test_much_to_write),
		cmocka_unit_test(test_bytes_after_starttls),
		cmocka_unit_test(test_garbage_instead_of_tls),
		cmocka_unit_test(test_freed_inside_its_callback),
		cmocka_unit_test(test_no_callback_inside_a_call),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_listener_limit),
		cmocka_unit_test(test_listener_backs_off),
		cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
