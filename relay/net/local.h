/*
 * net/local.h -- Unix sockets for the operator's tool: listen, connect, and who is at the other end.
 */
#ifndef RELAY_NET_LOCAL_H
#define RELAY_NET_LOCAL_H

struct local;
struct loop;

/* fd becomes the callee's; its peer is the relay's own user or root, others have been refused. */
typedef void local_fn(void *arg, int fd);

/* The socket is made 0600. One that a dead process left is replaced; one that answers, and what is no socket,
 * is not. NULL: *error_r (malloc'd). */
struct local *local_listen(struct loop *loop, const char *path, local_fn *fn, void *arg, char **error_r);
void local_free(struct local **local); /* removes the socket; NULL inside is allowed */

/* Blocking, for tools. -1: nobody listens there (errno tells). */
int local_connect(const char *path);

#endif
