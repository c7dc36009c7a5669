/*
 * feature/block_report.c -- reports of spam and abuse: kept with the block they came with. See
 * block_report.h.
 *
 * Kept: who reports whom, when, the reason, the first words and the ids of the messages, all cut to a bounded
 * length, the latest 200 of each account. Nothing is sent on to anybody (section 5: only with the user's consent, and to whom would be the
 * operator's decision).
 */
#include "config.h"

#include "relay/feature/block_report.h"

#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/feature/feature_table.h"
#include "relay/log.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/session.h"
#include "relay/store/txn.h"

enum { REASON_MOST = 200, WORDS_MOST = 1000, IDS_MOST = 20, ID_MOST = 200 }; /* bytes; a count; bytes */

static const struct xml *
report_of(const struct xml *item)
{
	return xml_find(item, "report", NS_REPORTING);
}

bool
block_report_valid(const struct xml *item)
{
	const struct xml *report = report_of(item);

	return report == NULL || (xml_attr(report, "reason") != NULL && *xml_attr(report, "reason") != '\0');
}

/* At most so many bytes, no character cut in two. */
static const char *
cut(struct arena *arena, const char *text, size_t most)
{
	size_t len = strlen(text);

	if (len > most)
		for (len = most; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
			len--;
	return arena_strndup(arena, text, len);
}

static const char *
ids_of(struct arena *arena, const struct xml *report)
{
	struct buf ids = { 0 };
	const char *text = NULL, *id;
	size_t count = 0;

	for (const struct xml *at = xml_find(report, "stanza-id", NS_SID); at != NULL && count < IDS_MOST;
	     at = xml_next(at, "stanza-id", NS_SID), count++)
		if ((id = xml_attr(at, "id")) != NULL && strlen(id) <= ID_MOST)
			buf_printf(&ids, "%s%s", ids.len > 0 ? " " : "", id);
	if (ids.len > 0)
		text = arena_strndup(arena, ids.data, ids.len);
	buf_free(&ids);
	return text;
}

static void
tell(struct event *event, void *arg)
{
	const struct op *op = arg;

	log_warn(event->origin == NULL ? NULL : &event->origin->log, "reported %s for %s", op->peer,
		 op->item);
}

void
block_report_keep(struct event *event, const struct xml *item, const char *jid)
{
	const struct xml *report = report_of(item), *text;
	struct op *op;

	if (report == NULL)
		return;
	text = xml_find(report, "text", NS_REPORTING);
	op = arena_alloc(event->arena, sizeof *op);
	*op =
	    (struct op){ .kind = OP_REPORT,
			 .account = event->sender->node,
			 .time = event->time,
			 .peer = jid,
			 .item = cut(event->arena, xml_attr(report, "reason"), REASON_MOST),
			 .config = text == NULL ? NULL
						: cut(event->arena, xml_text(event->arena, text), WORDS_MOST),
			 .node = ids_of(event->arena, report) };
	event_add(event, op);
	event_after(event, tell, op);
}
