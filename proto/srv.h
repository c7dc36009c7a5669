/*
 * srv.h -- SRV records as they come from DNS: parsed, and put into the order in which to try them (RFC 2782; XEP-0368
 * section 3 mixes those for direct TLS with the others). Pure.
 */
#ifndef PROTO_SRV_H
#define PROTO_SRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SRV_HOST_MAX = 255 };

struct srv {
	char host[SRV_HOST_MAX + 1];
	uint16_t port;
	bool direct; /* TLS from the first byte */
	uint16_t priority;
	uint16_t weight;
};

/* Sort by priority and, within one, draw by weight; `random` gives numbers below its argument. */
void srv_order(struct srv *list, size_t count, uint32_t (*random)(uint32_t below));
/* One record's data. False: not legal. A target "." gives an empty host. */
bool srv_parse(const uint8_t *data, size_t len, bool direct, struct srv *srv_r);

#endif
