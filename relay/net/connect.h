/*
 * net/connect.h -- outgoing connections: which of several addresses answers first (RFC 8305 in spirit).
 *
 * Attempts start 250 ms apart, in the order given, sooner when one fails; the first that is there wins and the others are given up.
 * All together last 20 s at most.
 */
#ifndef RELAY_NET_CONNECT_H
#define RELAY_NET_CONNECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct connecting;
struct loop;

enum { ENDPOINTS_MOST = 32 };

struct endpoint {
	struct sockaddr_storage address;
	socklen_t len;
	bool direct; /* TLS from the first byte */
};

/* raw: 4 or 16 bytes as DNS has them. */
struct endpoint endpoint_of(int family, const void *raw, uint16_t port, bool direct);

/* fd becomes the callee's; -1: none of them answered, why: the last reason, static. Never from inside connect_begin. */
typedef void connect_fn(void *arg, int fd, size_t index, const char *why);

/* The list is copied. count is 1 to ENDPOINTS_MOST. */
struct connecting *connect_begin(struct loop *loop, const struct endpoint *list, size_t count, connect_fn *fn, void *arg);
void connect_cancel(struct connecting **connecting); /* NULL inside is allowed; not after fn was called */

#endif
