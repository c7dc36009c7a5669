/*
 * net/listener.h -- accepts connections on addresses of the configuration; charges limits; backs off when
 * descriptors run out (100 ms to 5 s) instead of spinning.
 */
#ifndef RELAY_NET_LISTENER_H
#define RELAY_NET_LISTENER_H

struct crowd;
struct listener;
struct loop;

/* fd becomes the callee's. peer: "address:port", borrowed. */
typedef void listener_fn(void *arg, int fd, const char *peer);

/* where: "*:5222" (both families), "127.0.0.1:0", "[::1]:5222". crowd: counts and limits by address, may be shared; NULL:
 * anyone may come. Whoever ends a connection calls crowd_leave. NULL: *error_r (malloc'd). */
struct listener *listener_new(struct loop *loop, const char *where, struct crowd *crowd, listener_fn *fn, void *arg,
    char **error_r);
/* The same on a socket that listens already (inherited.h); it becomes the listener's. */
struct listener *listener_adopt(struct loop *loop, int fd, struct crowd *crowd, listener_fn *fn, void *arg);
const char *listener_address(const struct listener *listener); /* with the real port; borrowed */
void listener_free(struct listener **listener);

#endif
