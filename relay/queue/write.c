/*
 * write.c -- a held message as it goes onto a stream of jabber:server: with its <custody/> (proto/spec/custody.md 9) and, when it is
 * late, its <delay/> (XEP-0203). The stored text is not parsed: what xmlout() wrote has its namespace first.
 */
#include "config.h"

#include "relay/queue/queue-private.h"

#include <string.h>
#include "proto/buf.h"
#include "proto/ns.h"
#include "proto/stamp.h"
#include "proto/xmlout.h"

static const char closing[] = "</message>";
static const char declared[] = " xmlns='" NS_CLIENT "'";

/* The start tag without its own declaration: its children are of the stream's namespace as it is. */
static void
add_head(struct buf *out, const char *body, size_t len)
{
	const char *end = memchr(body, '>', len), *at = strstr(body, declared);

	if (end == NULL || at == NULL || at > end) {
		buf_add(out, body, len);
		return;
	}
	buf_add(out, body, (size_t)(at - body));
	at += sizeof declared - 1;
	buf_add(out, at, len - (size_t)(at - body));
}

void
write_stanza(struct buf *out, const char *host, const struct spool_row *row, int64_t now)
{
	char stamp[STAMP_LEN + 1];
	size_t tail = sizeof closing - 1;

	if (row->len > tail && memcmp(row->body + row->len - tail, closing, tail) == 0) {
		add_head(out, row->body, row->len - tail);
	} else if (row->len > 2 && memcmp(row->body + row->len - 2, "/>", 2) == 0) {
		add_head(out, row->body, row->len - 2);
		buf_adds(out, ">");
	} else { /* damaged on the disk */
		return;
	}
	stamp_format(stamp, row->expires);
	buf_printf(out, "<custody xmlns='" NS_CUSTODY "' id='%s' expires='%s'/>", row->custody, stamp);
	if (now - row->time >= LATE_MS) {
		stamp_format(stamp, row->time);
		buf_adds(out, "<delay xmlns='" NS_DELAY "' from='");
		xmlout_escape(out, host, strlen(host));
		buf_printf(out, "' stamp='%s'/>", stamp);
	}
	buf_adds(out, closing);
}

void
write_message(const struct spool_row *row, struct queue_message *message_r)
{
	*message_r = (struct queue_message){ .id = row->id, .from = row->from, .to = row->to, .name = row->name, .body = row->body, .len = row->len,
		.time = row->time, .expires = row->expires };
	memcpy(message_r->custody, row->custody, sizeof message_r->custody);
}
