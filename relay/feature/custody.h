/*
 * feature/custody.h -- tells senders where their messages are (proto/spec/custody.md).
 */
#ifndef RELAY_FEATURE_CUSTODY_H
#define RELAY_FEATURE_CUSTODY_H

#include <stddef.h>
#include <stdint.h>

struct router;

/* A device of their recipient has confirmed these messages, and that is committed: tells those of their senders
 * that listen and may know. Costs nothing while nobody listens. */
void custody_delivered(struct router *router, const int64_t *ids, size_t count);
/* The custody of these, held for another relay, has moved or ended, and that is committed: tells those of their senders that listen. */
void custody_moved(struct router *router, const int64_t *ids, size_t count);
/* What is held for that domain from that message on waits for another try since `time` (queue/queue.h). */
void custody_waits(struct router *router, const char *domain, int64_t id, int64_t time);

#endif
