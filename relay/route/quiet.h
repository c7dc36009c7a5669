/*
 * route/quiet.h -- what may wait while nobody looks at a client (XEP-0352).
 *
 *     ACTIVE --quiet_set(true)--> QUIET      quiet_set(false): what was held goes out
 *
 * In QUIET, what came by quiet_send() is held, of each key the latest alone; everything else that is sent
 * takes what is held out ahead of it, so that order stays as it was. Bounded: at QUIET_ROWS or QUIET_BYTES
 * all goes out. A session is active until it says otherwise; a stream that is resumed is active again (5.2).
 */
#ifndef RELAY_ROUTE_QUIET_H
#define RELAY_ROUTE_QUIET_H

#include <stdbool.h>
#include <stddef.h>

struct session;

enum { QUIET_ROWS = 200, QUIET_BYTES = 64 * 1024 };

void quiet_set(struct session *session, bool quiet);
/* Send, or hold it when the session is quiet. key: what a later one replaces. */
void quiet_send(struct session *session, const char *key, const char *bytes, size_t len);

/* session.c's: out with what is held, in the order in which it came; forget it. */
void quiet_flush(struct session *session);
void quiet_free(struct session *session);

#endif
