/*
 * feature/hold_notice.h -- what the sender of a held message is told of its end: an error stanza, as a row of the sender's mailbox.
 */
#ifndef RELAY_FEATURE_HOLD_NOTICE_H
#define RELAY_FEATURE_HOLD_NOTICE_H

#include <stddef.h>
#include <stdint.h>
#include "proto/error.h"
#include "relay/queue/queue.h"

struct buf;
struct txn;

void hold_notice_write(struct buf *out, const struct queue_message *message, enum queue_end end, enum stanza_error error,
    const char *text);
/* Under the id `id`, in the mailbox of the account `node`; nothing is kept when there is none. */
void hold_notice_add(struct txn *txn, int64_t id, const char *node, const struct queue_message *message, const char *body,
    size_t len);

#endif
