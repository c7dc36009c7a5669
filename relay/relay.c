/*
 * relay.c -- composes the floors: see relay.h.
 *
 * Promises: accepts no connection before the database is recovered; on SIGTERM says system-shutdown to every client, lets what was received
 * be handled, then closes; on SIGHUP takes new certificates and words, or keeps the old ones and says why.
 * DIAGNOSTICS: what cannot be opened at start ends the program with the reason; later only storage errors end it (store/store.h).
 */
#include "config.h"

#include "relay/relay.h"

#include <signal.h>
#include <stdio.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "proto/buf.h"
#include "proto/mem.h"
#include "relay/conf.h"
#include "relay/conf_calls.h"
#include "relay/control.h"
#include "relay/log.h"
#include "relay/metrics.h"
#include "relay/net/clock.h"
#include "relay/net/crowd.h"
#include "relay/net/inherited.h"
#include "relay/net/io.h"
#include "relay/net/listener.h"
#include "relay/net/loop.h"
#include "relay/net/tls.h"
#include "relay/notify.h"
#include "relay/peer/peers.h"
#include "relay/route/feature.h"
#include "relay/route/router.h"
#include "relay/sandbox.h"
#include "relay/store/store.h"
#include "relay/stream/stream.h"

struct relay;

struct port { /* one address of `listen` */
	struct relay *relay;
	struct listener *listener;
	bool direct;
	bool server; /* for other relays */
};

struct relay {
	struct conf *conf;
	struct loop *loop;
	struct store *store;
	struct router *router;
	struct peers *peers;
	struct control *control;
	struct metrics *metrics; /* NULL: not wanted */
	int64_t started;
	struct stream_host host;
	struct crowd *crowd; /* who has how many connections, over all ports */
	struct port *ports;
	size_t port_count;
	struct timer *watchdog;
	int64_t watchdog_ms;
	bool stopping;
};

static const int64_t DAY_MS = 24 * 3600 * (int64_t)1000;

static void
connection_gone(void *arg, const char *peer)
{
	struct port *port = arg;

	crowd_leave(port->relay->crowd, peer);
}

static void
connection_new(void *arg, int fd, const char *peer)
{
	struct port *port = arg;

	(void)peer;
	if (port->server)
		peers_accept(port->relay->peers, fd, port->direct, connection_gone, port);
	else
		stream_accept(&port->relay->host, fd, port->direct, connection_gone, port);
}

/* What this word of `listen` says, or the sockets of that name that the service manager opened instead. */
static bool
listen_on(struct relay *relay, const char *word, const struct conf_list *list, char **error_r)
{
	bool direct = strstr(word, "_tls") != NULL, server = strncmp(word, "server", 6) == 0;
	size_t passed = 0, i = 0;

	while (inherited_socket(word, passed) >= 0)
		passed++;
	for (; i < (passed > 0 ? passed : list->count); i++) {
		struct port *port = &relay->ports[relay->port_count];

		*port = (struct port){ .relay = relay, .direct = direct, .server = server };
		port->listener = passed > 0 ? listener_adopt(relay->loop, inherited_socket(word, i), relay->crowd,
						  connection_new, port) :
					      listener_new(relay->loop, list->items[i], relay->crowd, connection_new,
						  port, error_r);
		if (port->listener == NULL)
			return false;
		relay->port_count++;
	}
	return true;
}

static bool
listen_all(struct relay *relay, char **error_r)
{
	static const char *const words[] = { "client", "client_tls", "server", "server_tls", NULL };
	const struct conf *conf = relay->conf;
	const struct conf_list *const lists[] = { &conf->listen_client, &conf->listen_client_tls, &conf->listen_server,
		&conf->listen_server_tls };
	size_t most = inherited_count() + 1;

	*error_r = inherited_fault(words);
	for (size_t i = 0; words[i] != NULL; i++)
		most += lists[i]->count;
	relay->ports = xcalloc(most, sizeof *relay->ports);
	for (size_t i = 0; words[i] != NULL && *error_r == NULL; i++)
		if (!listen_on(relay, words[i], lists[i], error_r))
			return false;
	return *error_r == NULL;
}

/* What may change while running, put where the floors look for it. */
static void
apply(struct relay *relay)
{
	const struct conf *conf = relay->conf;

	log_level_set((enum log_level)conf->log);
	relay->host.plain = conf->plain;
	relay->host.logins = conf->limit_logins;
	relay->host.rate = conf->limit_rate_client;
	relay->host.resume = conf->resume;
	crowd_limit(relay->crowd, conf->limit_connections_ip);
}

static void
warn_of_expiry(const struct tls *tls)
{
	int64_t left = tls_expires(tls) - now_wall();

	if (left < 0)
		log_warn(NULL, "the certificate has expired: clients will refuse it");
	else if (left < 14 * DAY_MS)
		log_warn(NULL, "the certificate expires in %d days", (int)(left / DAY_MS));
}

static void
tell_metrics(void *arg, struct metrics_now *now_r)
{
	struct relay *relay = arg;

	*now_r = (struct metrics_now){ .sessions = router_session_count(relay->router),
		.streams = stream_host_count(&relay->host),
		.queued_bytes = io_queued_all(relay->loop),
		.started = relay->started,
		.certificate_expires = tls_expires(relay->host.tls),
		.data = relay->conf->data };
}

static bool
open_metrics(struct relay *relay, char **error_r, int *exit_r)
{
	*exit_r = EX_CONFIG;
	if (relay->conf->metrics[0] == '\0')
		return true;
	relay->metrics = metrics_new(relay->loop, relay->conf->metrics, tell_metrics, relay, error_r);
	return relay->metrics != NULL;
}

struct relay *
relay_new(struct conf *conf, char **error_r, int *exit_r)
{
	struct relay *relay = xcalloc(1, sizeof *relay);
	struct tls *tls = NULL; /* for streams with other relays */

	relay->conf = conf;
	relay->started = now_wall();
	relay->loop = loop_new();
	relay->crowd = crowd_new();
	apply(relay);
	*exit_r = EX_CONFIG;
	relay->host.tls = tls_load(conf->certificate, conf->key, error_r);
	if (relay->host.tls == NULL || !conf_calls_load(conf, error_r))
		goto failed;
	tls = tls_load_peer(conf->certificate, conf->key, conf->trust.items, conf->trust.count, error_r);
	if (tls == NULL)
		goto failed;
	*exit_r = EX_CANTCREAT;
	relay->store = store_open(conf->data, relay->loop, error_r);
	if (relay->store == NULL) {
		*exit_r = errno == EPROTO ? EX_CONFIG : EX_CANTCREAT;
		goto failed;
	}
	relay->router = router_new(relay->loop, relay->store, conf, feature_table);
	relay->peers = peers_new(relay->loop, relay->router, conf, tls);
	relay->host.loop = relay->loop;
	relay->host.store = relay->store;
	relay->host.domain = conf->host;
	relay->host.owner = &router_stream_owner;
	relay->host.arg = relay->router;
	stream_host_init(&relay->host);
	*exit_r = EX_OSERR;
	if (!listen_all(relay, error_r))
		goto failed;
	*exit_r = EX_CANTCREAT;
	relay->control = control_new(relay->loop, conf->control, relay->router, error_r);
	if (relay->control == NULL)
		goto failed;
	if (!open_metrics(relay, error_r, exit_r))
		goto failed;
	warn_of_expiry(relay->host.tls);
	tls_unref(&tls);
	return relay;
failed:
	tls_unref(&tls);
	relay_free(&relay);
	return NULL;
}

static void
add_ports(const struct relay *relay, struct buf *line, const char *name, bool server, bool direct)
{
	bool first = true;

	for (size_t i = 0; i < relay->port_count; i++) {
		if (relay->ports[i].direct != direct || relay->ports[i].server != server)
			continue;
		buf_printf(line, first ? " %s=%s" : ",%.0s%s", name, listener_address(relay->ports[i].listener));
		first = false;
	}
}

/* Everything is open. Not with the sanitizers, which need calls of their own. */
static void
shut_in(const struct relay *relay)
{
#ifdef SANITIZED
	(void)relay;
#else
	const char *error;

	if (!relay->conf->sandbox)
		log_info(NULL, "no sandbox, as configured");
	else if (!sandbox_enter(&error))
		log_warn(NULL, "no sandbox: %s", error);
#endif
}

/* One line that ends in `ready`, on standard output for whoever started us, and in the log. */
static void
say_ready(const struct relay *relay)
{
	struct buf line = { 0 };

	buf_printf(&line, "lazod: %s", relay->conf->host);
	add_ports(relay, &line, "client", false, false);
	add_ports(relay, &line, "client_tls", false, true);
	add_ports(relay, &line, "server", true, false);
	add_ports(relay, &line, "server_tls", true, true);
	if (relay->metrics != NULL)
		buf_printf(&line, " metrics=%s", metrics_address(relay->metrics));
	buf_adds(&line, " ready");
	printf("%s\n", line.data);
	fflush(stdout);
	log_info(NULL, "%s", line.data);
	notify("READY=1");
	buf_free(&line);
}

/* That this timer fires is the sign: the loop turns. */
static void
say_alive(void *arg)
{
	struct relay *relay = arg;

	notify("WATCHDOG=1");
	timer_set(relay->watchdog, (uint64_t)relay->watchdog_ms / 2);
}

static void
begin_watchdog(struct relay *relay)
{
	relay->watchdog_ms = notify_watchdog();
	if (relay->watchdog_ms == 0)
		return;
	relay->watchdog = timer_new(relay->loop, say_alive, relay);
	say_alive(relay);
}

static void
reload_words(struct relay *relay, struct conf *next, struct tls *peer_tls)
{
	char *fixed = conf_fixed_differences(relay->conf, next);

	if (fixed[0] != '\0') {
		log_warn(NULL, "%s: a change of %s needs a restart; the other words take effect", next->path, fixed);
		conf_swap_fixed(relay->conf, next);
	}
	free(fixed);
	router_set_conf(relay->router, next);
	peers_set(relay->peers, next, peer_tls);
	relay->host.domain = next->host;
	conf_free(&relay->conf);
	relay->conf = next;
	apply(relay);
}

/* Both or neither of certificate and key are taken; streams keep theirs (attack T6). */
static void
read_again(struct relay *relay)
{
	char *error = NULL;
	struct conf *next = conf_load(relay->conf->path, &error);
	struct tls *tls = NULL, *peer_tls = NULL;

	if (next == NULL) {
		log_error(NULL, "configuration kept as it was: %s", error);
		free(error);
		return;
	}
	if (conf_calls_load(next, &error))
		tls = tls_load(next->certificate, next->key, &error);
	if (tls != NULL)
		peer_tls = tls_load_peer(next->certificate, next->key, next->trust.items, next->trust.count, &error);
	if (peer_tls == NULL) {
		log_error(NULL, "certificate and configuration kept as they were: %s", error);
		free(error);
		tls_unref(&tls);
		conf_free(&next);
		return;
	}
	tls_unref(&relay->host.tls);
	relay->host.tls = tls;
	reload_words(relay, next, peer_tls);
	tls_unref(&peer_tls);
	warn_of_expiry(tls);
	log_info(NULL, "reloaded %s", relay->conf->path);
}

/* SIGHUP. */
static void
reload(void *arg)
{
	notify_reloading();
	read_again(arg);
	notify("READY=1");
}

static void
stopped(void *arg)
{
	struct relay *relay = arg;

	loop_stop(relay->loop);
}

/* The clients are gone, and those elsewhere who saw them have been told. */
static void
clients_stopped(void *arg)
{
	struct relay *relay = arg;

	peers_shutdown(relay->peers, stopped, relay);
}

static void
stop(void *arg)
{
	struct relay *relay = arg;

	if (relay->stopping)
		return;
	relay->stopping = true;
	notify("STOPPING=1");
	log_info(NULL, "stopping");
	stream_host_shutdown(&relay->host, clients_stopped, relay);
}

void
relay_run(struct relay *relay)
{
	loop_signal(relay->loop, SIGTERM, stop, relay);
	loop_signal(relay->loop, SIGINT, stop, relay);
	loop_signal(relay->loop, SIGHUP, reload, relay);
	shut_in(relay);
	say_ready(relay);
	begin_watchdog(relay);
	loop_run(relay->loop);
}

void
relay_free(struct relay **relay_p)
{
	struct relay *relay = *relay_p;

	*relay_p = NULL;
	control_free(&relay->control);
	metrics_free(&relay->metrics);
	for (size_t i = 0; i < relay->port_count; i++)
		listener_free(&relay->ports[i].listener);
	stream_host_free(&relay->host);
	timer_free(&relay->watchdog);
	store_close(&relay->store); /* runs what was submitted; its callbacks still find the router */
	router_free(&relay->router);
	peers_free(&relay->peers);
	crowd_free(&relay->crowd); /* the last connections have left it */
	tls_unref(&relay->host.tls);
	loop_free(&relay->loop);
	conf_free(&relay->conf);
	free(relay->ports);
	free(relay);
}
