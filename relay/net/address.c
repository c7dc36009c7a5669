/*
 * net/address.c -- socket addresses as text and back: see address.h.
 */
#include "config.h"

#include "relay/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
address_text(const struct sockaddr_storage *address, char out[static ADDRESS_TEXT])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
	char host[INET6_ADDRSTRLEN] = "";

	snprintf(out, ADDRESS_TEXT, "local");
	if (address->ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
		snprintf(out, ADDRESS_TEXT, "%s:%u", host, ntohs(v4->sin_port));
	} else if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, host, sizeof host);
		snprintf(out, ADDRESS_TEXT, "%s:%u", host, ntohs(v6->sin6_port));
	} else if (address->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
		snprintf(out, ADDRESS_TEXT, "[%s]:%u", host, ntohs(v6->sin6_port));
	}
}

void
address_of_peer(int fd, char out[static ADDRESS_TEXT])
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof address;

	if (getpeername(fd, (struct sockaddr *)&address, &len) != 0)
		address.ss_family = AF_UNSPEC;
	address_text(&address, out);
}

/* A number 0 to 65535 and nothing else, in network order. */
static bool
parse_port(const char *text, in_port_t *out)
{
	char *end;
	unsigned long port;

	if (*text < '0' || *text > '9')
		return false;
	port = strtoul(text, &end, 10);
	*out = htons((uint16_t)port);
	return *end == '\0' && port <= 65535;
}

bool
address_parse(const char *text, struct sockaddr_storage *out, socklen_t *len_r, bool *any_r)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN];
	size_t len = colon == NULL ? 0 : (size_t)(colon - text);

	memset(out, 0, sizeof *out);
	*any_r = len == 1 && text[0] == '*';
	if (len == 0 || len + 1 > sizeof host)
		return false;
	if (text[0] == '[' && text[len - 1] == ']') {
		memcpy(host, text + 1, len - 2);
		host[len - 2] = '\0';
	} else {
		memcpy(host, text, len);
		host[len] = '\0';
		if (!*any_r && inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
			v4->sin_family = AF_INET;
			*len_r = sizeof *v4;
			return parse_port(colon + 1, &v4->sin_port);
		}
		if (!*any_r)
			return false;
		strcpy(host, "::");
	}
	v6->sin6_family = AF_INET6;
	*len_r = sizeof *v6;
	return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1 && parse_port(colon + 1, &v6->sin6_port);
}

bool
address_group(const char *peer, struct address_group *out)
{
	struct sockaddr_storage address;
	socklen_t len;
	bool any;

	memset(out, 0, sizeof *out);
	if (!address_parse(peer, &address, &len, &any))
		return false;
	if (address.ss_family == AF_INET) {
		out->bytes[10] = out->bytes[11] = 0xff;
		memcpy(out->bytes + 12, &((struct sockaddr_in *)&address)->sin_addr, 4);
	} else {
		memcpy(out->bytes, &((struct sockaddr_in6 *)&address)->sin6_addr, 8);
	}
	return true;
}
