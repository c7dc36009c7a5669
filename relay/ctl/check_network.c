/*
 * ctl/check_network.c -- the way to this relay: its ports, and the DNS records by which people's apps find it (RFC 6120 3.2, XEP-0368).
 *
 * Nothing here is an error that keeps the relay from its work: apps can be told an address, and a relay at home is asked for
 * by few. The records are printed whole, for the zone's file.
 */
#include "config.h"

#include "relay/ctl/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/arena.h"
#include "proto/mem.h"
#include "relay/conf.h"
#include "relay/net/address.h"
#include "relay/net/listener.h"
#include "relay/net/lookup.h"
#include "relay/net/loop.h"

enum { WITHIN = 4000 /* ms for DNS */, ANSWERS_WITHIN = 3000 /* ms for a port */, SERVICES = 4 };

/* A relay at home, or behind a cut, does its work without. */
#define NO_DNS "; look at the network and `resolver`; meanwhile apps can be told the address by hand"

static const struct service {
	const char *name, *word;
	size_t offset; /* of its list in struct conf */
} services[SERVICES] = {
	{ "_xmpp-client", "client", offsetof(struct conf, listen_client) },
	{ "_xmpps-client", "client_tls", offsetof(struct conf, listen_client_tls) },
	{ "_xmpp-server", "server", offsetof(struct conf, listen_server) },
	{ "_xmpps-server", "server_tls", offsetof(struct conf, listen_server_tls) },
};

static const struct conf_list *
list_of(const struct conf *conf, const struct service *service)
{
	return (const struct conf_list *)((const char *)conf + service->offset);
}

/* The port that people would use; 0: none is fixed. */
static unsigned
port_of(const struct conf_list *list)
{
	const char *colon = list->count > 0 ? strrchr(list->items[0], ':') : NULL;

	return colon == NULL ? 0 : (unsigned)strtoul(colon + 1, NULL, 10);
}

/* ---- ports ---- */

/* The connection of a socket that does not wait, waited for: a firewall that swallows what is asked is not waited for long. */
static int
connect_within(int fd, const struct sockaddr_storage *address, socklen_t len)
{
	struct pollfd wanted = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(int);
	int error = 0;

	if (connect(fd, (const struct sockaddr *)address, len) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	if (poll(&wanted, 1, ANSWERS_WITHIN) == 0)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

/* Is somebody listening there? "*" is asked for at home. 0, or the error. */
static int
try_port(const char *where)
{
	struct sockaddr_storage address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
	socklen_t len;
	bool any;
	int fd, error;

	if (!address_parse(where, &address, &len, &any))
		return EINVAL;
	if (any) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
		in_port_t port = v6->sin6_port;
		*v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		len = sizeof *v4;
	}
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	error = connect_within(fd, &address, len);
	close(fd);
	return error;
}

static void
check_answer(struct checking *checking, const char *where)
{
	int error = try_port(where);

	if (error == 0)
		check_find(checking, FINE, "ports", "%s answers", where);
	else
		check_find(checking, WRONG, "ports",
			   "%s does not answer: %s; restart lazod if `listen` was changed, else look at its log and the firewall", where,
			   strerror(error));
}

static void
check_free(struct checking *checking, struct loop *loop, const char *where)
{
	char *error = NULL;
	struct listener *listener = listener_new(loop, where, NULL, NULL, NULL, &error);

	if (listener != NULL)
		check_find(checking, FINE, "ports", "%s is free", where);
	else if (errno == EACCES)
		check_find(checking, WARNING, "ports", "%s; a service manager can pass the socket on, see lazod(8)", error);
	else if (errno == EADDRINUSE)
		check_find(checking, WRONG, "ports", "%s; `ss -ltnp` tells whose it is", error);
	else
		check_find(checking, WRONG, "ports", "%s; write an address of this machine, or \"*\"", error);
	free(error);
	listener_free(&listener);
}

void
check_ports(struct checking *checking)
{
	struct loop *loop = loop_new();

	for (size_t s = 0; s < SERVICES; s++) {
		const struct conf_list *list = list_of(checking->ctl->conf, &services[s]);
		for (size_t i = 0; i < list->count; i++) {
			const char *where = list->items[i];
			if (!checking->running)
				check_free(checking, loop, where);
			else if (strlen(where) > 2 && strcmp(where + strlen(where) - 2, ":0") == 0)
				check_find(checking, FINE, "ports", "%s: any port, told by the ready line", where);
			else
				check_answer(checking, where);
		}
	}
	loop_free(&loop);
}

/* ---- DNS ---- */

/* Addresses of this machine that the world can reach. */
static bool
is_public(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		uint32_t v4 = ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr);
		return v4 >> 24 != 127 && v4 >> 24 != 10 && v4 >> 20 != 0xac1 && v4 >> 16 != 0xc0a8 && v4 >> 16 != 0xa9fe &&
		       v4 >> 22 != 0x191 && v4 != 0; /* 100.64/10: behind a provider's own translation */
	}
	if (address->sa_family == AF_INET6) {
		const uint8_t *v6 = ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr;
		return (v6[0] & 0xe0) == 0x20; /* 2000::/3 */
	}
	return false;
}

static void
add_addresses(const struct conf *conf, json_t *records)
{
	struct ifaddrs *list = NULL;
	char text[INET6_ADDRSTRLEN];

	if (getifaddrs(&list) != 0)
		return;
	for (const struct ifaddrs *at = list; at != NULL; at = at->ifa_next) {
		bool six = at->ifa_addr != NULL && at->ifa_addr->sa_family == AF_INET6;
		if (at->ifa_addr == NULL || !is_public(at->ifa_addr))
			continue;
		inet_ntop(at->ifa_addr->sa_family,
			  six ? (const void *)&((struct sockaddr_in6 *)at->ifa_addr)->sin6_addr
			      : (const void *)&((struct sockaddr_in *)at->ifa_addr)->sin_addr,
			  text, sizeof text);
		json_array_append_new(records, json_sprintf("%s. 3600 IN %s %s", conf->host, six ? "AAAA" : "A", text));
	}
	freeifaddrs(list);
}

/* All that this relay would need, as lines of a zone's file. */
static json_t *
all_records(const struct conf *conf)
{
	json_t *records = json_array();

	for (size_t i = 0; i < SERVICES; i++) {
		unsigned port = port_of(list_of(conf, &services[i]));
		if (port != 0)
			json_array_append_new(records, json_sprintf("%s._tcp.%s. 3600 IN SRV 5 1 %u %s.", services[i].name,
								    conf->host, port, conf->host));
	}
	add_addresses(conf, records);
	return records;
}

static bool
leads_here(const struct lookup *srv, unsigned port)
{
	for (size_t i = 0; i < srv->count; i++)
		if (srv->answers[i].port == port && strcmp(srv->answers[i].text, ".") != 0)
			return true;
	return false;
}

static void
judge_service(struct checking *checking, const struct lookup *srv, const struct service *service)
{
	unsigned port = port_of(list_of(checking->ctl->conf, service));

	if (!srv->known)
		check_find(checking, WARNING, "dns", "%s: no answer" NO_DNS, srv->name);
	else if (port == 0 && srv->count > 0 && strcmp(srv->answers[0].text, ".") != 0)
		check_find(checking, WARNING, "dns", "%s leads to %s:%u, and listen.%s has no fixed port; give it one", srv->name,
			   srv->answers[0].text, srv->answers[0].port, service->word);
	else if (port == 0)
		check_find(checking, FINE, "dns", "%s: none, and none is needed", srv->name);
	else if (srv->count == 0)
		check_find(checking, WARNING, "dns", "%s: no record; put the one below into the zone", srv->name);
	else if (leads_here(srv, port))
		check_find(checking, FINE, "dns", "%s leads to %s:%u", srv->name, srv->answers[0].text, port);
	else
		check_find(checking, WARNING, "dns", "%s leads to %s:%u, and the relay listens on %u; change the record or `listen`", srv->name,
			   srv->answers[0].text, srv->answers[0].port, port);
}

static void
judge_host(struct checking *checking, const struct lookup *v4, const struct lookup *v6)
{
	const struct lookup *one = v4->count > 0 ? v4 : v6;

	if (!v4->known && !v6->known)
		check_find(checking, WARNING, "dns", "%s: no answer" NO_DNS, v4->name);
	else if (one->count == 0)
		check_find(checking, WARNING, "dns", "%s has no address; put an A or AAAA record into the zone", v4->name);
	else
		check_find(checking, FINE, "dns", "%s is at %s%s", v4->name, one->answers[0].text,
			   v4->count > 0 && v6->count > 0 ? ", by IPv6 too" : "");
}

static void
print_records(struct checking *checking)
{
	static const char *const columns[] = { "level", "about", "text", NULL };
	json_t *records = all_records(checking->ctl->conf), *record;
	size_t i;

	if (checking->ctl->json) {
		ctl_print(checking->ctl, json_pack("{s:s, s:s, s:s, s:O}", "level", "ok", "about", "records", "text",
						   "what the zone needs", "records", records), columns, false);
	} else {
		printf("\n; for the zone of %s\n", checking->ctl->conf->host);
		json_array_foreach(records, i, record)
			printf("%s\n", json_string_value(record));
	}
	json_decref(records);
}

void
check_dns(struct checking *checking)
{
	const struct conf *conf = checking->ctl->conf;
	struct lookup questions[SERVICES + 2] = { [SERVICES] = { .name = conf->host, .type = LOOKUP_A },
		[SERVICES + 1] = { .name = conf->host, .type = LOOKUP_AAAA } };

	for (size_t i = 0; i < SERVICES; i++)
		questions[i] = (struct lookup){ .type = LOOKUP_SRV,
			.name = arena_printf(checking->ctl->arena, "%s._tcp.%s", services[i].name, conf->host) };
	if (!lookup_all(conf->resolver.items, conf->resolver.count, questions, SERVICES + 2, WITHIN))
		check_find(checking, WARNING, "dns", "cannot ask" NO_DNS);
	else {
		for (size_t i = 0; i < SERVICES; i++)
			judge_service(checking, &questions[i], &services[i]);
		judge_host(checking, &questions[SERVICES], &questions[SERVICES + 1]);
	}
	print_records(checking);
}
