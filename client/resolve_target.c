/* resolve_target.c -- the target that --server names; pure. See resolve.h. */
#include "config.h"

#include "client/resolve.h"

#include <stdlib.h>
#include <string.h>

enum { PORT_STARTTLS = 5222, PORT_DIRECT = 5223 };

static bool
parse_port(const char *text, uint16_t *port_r)
{
	char *end;
	unsigned long port;

	if (*text < '0' || *text > '9')
		return false;
	port = strtoul(text, &end, 10);
	if (*end != '\0' || port == 0 || port > 65535)
		return false;
	*port_r = (uint16_t)port;
	return true;
}

bool
resolve_host(struct srv *target, const char *host, size_t len)
{
	if (len == 0 || len > SRV_HOST_MAX || memchr(host, '/', len) != NULL)
		return false;
	memcpy(target->host, host, len);
	target->host[len] = '\0';
	return true;
}

bool
resolve_server(const char *server, struct srv *target_r)
{
	const char *colon;

	*target_r = (struct srv){ .port = PORT_STARTTLS };
	if (strncmp(server, "xmpps://", 8) == 0) {
		*target_r = (struct srv){ .port = PORT_DIRECT, .direct = true };
		server += 8;
	} else if (strncmp(server, "xmpp://", 7) == 0) {
		server += 7;
	}
	if (*server == '[') {
		const char *close = strchr(server, ']');

		if (close == NULL || !resolve_host(target_r, server + 1, (size_t)(close - server - 1)))
			return false;
		return close[1] == '\0' || (close[1] == ':' && parse_port(close + 2, &target_r->port));
	}
	colon = strrchr(server, ':');
	if (colon != NULL && strchr(server, ':') == colon)
		return resolve_host(target_r, server, (size_t)(colon - server)) && parse_port(colon + 1, &target_r->port);
	return resolve_host(target_r, server, strlen(server)); /* no port, or a bare IPv6 address */
}
