/*
 * link_channel.h -- what binds a login to its TLS session (RFC 9266, RFC 5929).
 *
 * libstrophe does not show its TLS session. This file stands in for the function of OpenSSL by which it makes the handshake, as
 * link_expat.h does for expat, and takes the bindings the moment the handshake is over.
 */
#ifndef CLIENT_LINK_CHANNEL_H
#define CLIENT_LINK_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

struct channel {
	uint8_t exporter[32], end_point[64];
	size_t exporter_len, end_point_len; /* 0: there is none */
};

/* Of the handshake that this thread made last. */
struct channel channel_last(void);
void channel_forget(void);

#endif
