/*
 * control.h -- the socket by which lazoctl(8) speaks to the running relay.
 *
 * A Unix socket (0600, in a folder of the relay's own); a peer of another user than the relay's or root is refused. One request a line, one
 * JSON object a line in answer, requests at most 4 KiB: control.c, control_queue.c.
 */
#ifndef RELAY_CONTROL_H
#define RELAY_CONTROL_H

struct control;
struct loop;
struct router;

/* A socket left over by a relay that died is replaced. NULL: *error_r (malloc'd). */
struct control *control_new(struct loop *loop, const char *path, struct router *router, char **error_r);
void control_free(struct control **control); /* removes the socket; NULL inside is allowed */

#endif
