/* resolve_target.c -- targets from --server and from SRV records, and their order; pure. See resolve.h; RFC 2782. */
#include "config.h"

#include "client/resolve.h"

#include <stdlib.h>
#include <string.h>

enum { PORT_STARTTLS = 5222, PORT_DIRECT = 5223 };

/* -- what --server says ------------------------------------------------------------------------------------ */

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
resolve_host(struct target *target, const char *host, size_t len)
{
	if (len == 0 || len > RESOLVE_HOST_MAX || memchr(host, '/', len) != NULL)
		return false;
	memcpy(target->host, host, len);
	target->host[len] = '\0';
	return true;
}

bool
resolve_server(const char *server, struct target *target_r)
{
	const char *colon;

	*target_r = (struct target){ .port = PORT_STARTTLS };
	if (strncmp(server, "xmpps://", 8) == 0) {
		*target_r = (struct target){ .port = PORT_DIRECT, .direct = true };
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

/* -- SRV --------------------------------------------------------------------------------------------------- */

static uint16_t
be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

bool
resolve_srv(const uint8_t *data, size_t len, bool direct, struct target *target_r)
{
	size_t at = 6, out = 0;

	*target_r = (struct target){ .direct = direct };
	if (len < 7)
		return false;
	target_r->priority = be16(data);
	target_r->weight = be16(data + 2);
	target_r->port = be16(data + 4);
	while (at < len && data[at] != 0) {
		size_t label = data[at++];

		if (label > 63 || at + label > len || out + label + 1 > RESOLVE_HOST_MAX)
			return false;
		if (memchr(data + at, '\0', label) != NULL || memchr(data + at, '.', label) != NULL)
			return false;
		memcpy(target_r->host + out, data + at, label);
		at += label;
		out += label;
		target_r->host[out++] = '.';
	}
	if (out > 0)
		target_r->host[out - 1] = '\0';
	return at + 1 == len && (out == 0 || target_r->port != 0);
}

static int
by_priority(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	return (x->priority > y->priority) - (x->priority < y->priority);
}

/* RFC 2782: draw one of the same priority with a chance in proportion to its weight; weight 0 has a very small one. */
static size_t
draw(const struct target *list, size_t count, uint32_t (*random)(uint32_t below))
{
	uint32_t total = 0, at;

	for (size_t i = 0; i < count; i++)
		total += list[i].weight * 16u + 1;
	at = random(total);
	for (size_t i = 0; i < count; i++) {
		uint32_t share = list[i].weight * 16u + 1;

		if (at < share)
			return i;
		at -= share;
	}
	return 0;
}

void
resolve_order(struct target *list, size_t count, uint32_t (*random)(uint32_t below))
{
	qsort(list, count, sizeof(*list), by_priority);
	for (size_t i = 0; i < count; i++) {
		size_t same = 1, pick;
		struct target chosen;

		while (i + same < count && list[i + same].priority == list[i].priority)
			same++;
		pick = i + draw(list + i, same, random);
		chosen = list[pick];
		memmove(list + i + 1, list + i, (pick - i) * sizeof(*list));
		list[i] = chosen;
	}
}
