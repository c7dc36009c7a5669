/* hold_notice.c -- the end of a held message as its sender hears of it: see hold_notice.h. */
#include "config.h"

#include "relay/feature/hold_notice.h"

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/net/clock.h"
#include "relay/store/txn.h"

void
hold_notice_write(struct buf *out, const struct queue_message *message, enum queue_end end, enum stanza_error error, const char *text)
{
	struct arena *arena = arena_new();
	const struct xml *stub = stanza_new(arena, "message", message->from, message->to, NULL, message->name);

	if (end == QUEUE_EXPIRED)
		text = "it could not be delivered in time";
	xmlout(out, stanza_error(arena, stub, error, text, false), NULL);
	arena_free(&arena);
}

void
hold_notice_add(struct txn *txn, int64_t id, const char *node, const struct queue_message *message, const char *body,
    size_t len)
{
	txn_add(txn, &(struct op){ .kind = OP_MESSAGE, .id = id, .time = now_wall(), .from = message->to, .to = message->from,
		.body = body, .body_len = len });
	txn_add(txn, &(struct op){ .kind = OP_PENDING, .account = node, .id = id, .optional = true });
}
