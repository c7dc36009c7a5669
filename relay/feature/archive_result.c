/*
 * feature/archive_result.c -- a page of an archive as it goes out (XEP-0313 4.2, 4.3). See archive_query.c.
 *
 * Each result carries the account's stanza-id, the one that live deliveries have. Rows that also wait in the mailbox count
 * as delivered (mailbox_sent). DIAGNOSTICS: item-not-found for an id that is not in the archive.
 */
#include "config.h"

#include "relay/feature/archive-private.h"

#include <limits.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/ns.h"
#include "proto/rsm.h"
#include "proto/stamp.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/feature/mailbox.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/route/session.h"
#include "relay/store/store.h"

struct result {
	const char *bytes;
	size_t len;
	int64_t pending; /* id of what also waits in the mailbox; 0: does not */
};
struct results {
	struct result *row;
	size_t count;
};

static void
write_row(struct buf *out, const struct asking *asking, const struct message_row *row)
{
	const struct session *session = asking->event->origin;
	char id[33], stamp[STAMP_LEN + 1];

	store_stanza_id(router_store(session->router), row->id, id);
	stamp_format(stamp, row->time);
	buf_adds(out, "<message");
	xmlout_attribute(out, "from", session->account->jid);
	xmlout_attribute(out, "to", session->text);
	buf_adds(out, "><result xmlns='" NS_MAM "'");
	xmlout_attribute(out, "queryid", asking->queryid);
	buf_printf(out, " id='%s'><forwarded xmlns='" NS_FORWARD "'><delay xmlns='" NS_DELAY "' stamp='%s'/>",
		   id, stamp);
	mailbox_write_stored(out, session, row->id, 0, row->body, row->len);
	buf_adds(out, "</forwarded></result></message>");
}

static void
send_results(struct event *event, void *arg)
{
	const struct results *results = arg;
	struct session *session = event->origin;

	for (size_t i = 0; session != NULL && i < results->count && !session->gone; i++) {
		session_send_bytes(session, results->row[i].bytes, results->row[i].len);
		if (results->row[i].pending != 0)
			mailbox_sent(session, results->row[i].pending);
	}
}

static void
write_rows(const struct asking *asking, const struct archive_page *page)
{
	struct event *event = asking->event;
	struct results *results = arena_alloc(event->arena, sizeof *results);
	const struct archive_row *from;
	struct buf buf = { 0 };

	results->row = arena_alloc(event->arena, (page->count + 1) * sizeof *results->row);
	for (size_t i = 0; i < page->count; i++) {
		from = &page->rows[asking->flipped ? page->count - 1 - i : i];
		buf_clear(&buf);
		write_row(&buf, asking, &from->message);
		results->row[results->count++] =
		    (struct result){ .bytes = arena_strndup(event->arena, buf.data, buf.len),
				     .len = buf.len,
				     .pending = from->pending ? from->message.id : 0 };
	}
	buf_free(&buf);
	event_after(event, send_results, results);
}

static const char *
id_text(struct event *event, int64_t id)
{
	char text[33];

	store_stanza_id(router_store(event->router), id, text);
	return arena_strdup(event->arena, text);
}

static void
write_fin(const struct asking *asking, const struct archive_page *page)
{
	struct event *event = asking->event;
	struct xml *result = event_result(event), *fin = xml_add(event->arena, result, "fin", NS_MAM);
	const char *first = NULL, *last = NULL;

	if (page->complete)
		xml_set(event->arena, fin, "complete", "true");
	if (page->count > 0) {
		first = id_text(event, page->rows[0].message.id);
		last = id_text(event, page->rows[page->count - 1].message.id);
	}
	rsm_add(event->arena, fin, first, -1, last, page->total > LONG_MAX ? LONG_MAX : (long)page->total);
	event_reply(event, result);
}

static void
page_read(void *arg, bool failed, const struct archive_page *page)
{
	struct asking *asking = arg;
	struct event *event = asking->event;

	if (failed || page->missing) {
		event_finish(
		    event,
		    event_reject(event, failed ? STANZA_INTERNAL_SERVER_ERROR : STANZA_ITEM_NOT_FOUND, NULL));
		return;
	}
	if (event->origin != NULL) {
		write_rows(asking, page);
		write_fin(asking, page);
	}
	event_finish(event, HANDLED);
}

void
archive_answer(struct asking *asking)
{
	struct event *event = asking->event;

	read_archive(router_store(event->router), event->target->node, &asking->query, page_read, asking);
}
