/*
 * link_watch.h -- a thread that shuts a socket down when a step takes too long.
 *
 * For calls of a library that block without limit of their own (libstrophe's TLS handshake): shutdown(2) makes them
 * return. It never closes the descriptor, so no number can be reused under anyone's feet.
 */
#ifndef CLIENT_LINK_WATCH_H
#define CLIENT_LINK_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct watch;

struct watch *watch_new(void);
void watch_free(struct watch **watch);

void watch_arm(struct watch *watch, int fd, int64_t deadline); /* now_mono() milliseconds */
bool watch_disarm(struct watch *watch);                        /* true: it had to act */

#endif
