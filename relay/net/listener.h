/*
 * net/listener.h -- accepts connections on addresses of the configuration; charges limits; backs off when
 * descriptors run out (100 ms to 5 s) instead of spinning.
 */
#ifndef RELAY_NET_LISTENER_H
#define RELAY_NET_LISTENER_H

#include <stdint.h>

struct listener;
struct loop;

/* fd becomes the callee's. peer: "address:port", borrowed. */
typedef void listener_fn(void *arg, int fd, const char *peer);

/* where: "*:5222" (both families), "127.0.0.1:0", "[::1]:5222". NULL: *error_r (malloc'd). */
struct listener *listener_new(struct loop *loop, const char *where, listener_fn *fn, void *arg, char **error_r);
const char *listener_address(const struct listener *listener); /* with the real port; borrowed */
/* At most this many connections from one address (IPv6: one /64) are open at once; 0: any. listener_gone tells one closed. */
void listener_limit(struct listener *listener, int64_t per_address);
void listener_gone(struct listener *listener, const char *peer);
void listener_free(struct listener **listener);

#endif
