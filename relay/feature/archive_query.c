/*
 * feature/archive_query.c -- a user pages through the own archive (XEP-0313 sections 4 and 5, XEP-0059).
 *
 * A query is answered when every earlier stanza of its stream is handled, so that a client finds what it has
 * just sent. A page has at most PAGE_MOST rows and ARCHIVE_BYTES of bodies (store/archive.h); <fin/> says
 * when there is more. Rows that also wait in the mailbox count as delivered (mailbox_sent). Each result
 * carries the account's stanza-id, the one that live deliveries have. DIAGNOSTICS: item-not-found for an id
 * that is not in the archive; feature-not-implemented for fields and kinds of paging that are not known here
 * (4.1.5); another's archive: forbidden to contacts, service-unavailable to whom the account shows nothing.
 */
#include "config.h"

#include "relay/feature/archive.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/form.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/rsm.h"
#include "proto/stamp.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/feature/mailbox.h"
#include "relay/net/loop.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/route/session.h"
#include "relay/store/archive.h"
#include "relay/store/store.h"
#include "relay/stream/stream.h"

enum {
	PAGE_USUAL = 100, /* rows when the client does not say */
	PAGE_MOST = 250,
	QUEUED_MOST = 128 * 1024, /* bytes the client has not taken: it gets no further page */
	WAIT_MS = 50,             /* until they are looked at again */
	IDS_MOST = 250,
	QUERYID_MOST = 256, /* bytes: it is repeated in each result */
};

struct asking {
	struct asking *next; /* of those that wait */
	struct archive_waits *waits;
	struct event *event;
	struct archive_query query;
	const char *queryid; /* NULL: none */
	bool flipped;
};

/* ---- the form (4.1) ---- */

static int64_t
id_of(const struct asking *asking, const char *text)
{
	return store_id_of(router_store(asking->event->router), text);
}

static enum stanza_error
take_id(const struct asking *asking, const char *text, int64_t *id_r)
{
	*id_r = id_of(asking, text);
	return *id_r == 0 ? STANZA_ITEM_NOT_FOUND : STANZA_OK;
}

static enum stanza_error
take_with(struct asking *asking, const struct xml *field, const char *value)
{
	struct jid jid;

	(void)field;
	if (!jid_parse_text(asking->event->arena, value, &jid))
		return STANZA_JID_MALFORMED;
	asking->query.with = jid_bare_text(asking->event->arena, &jid);
	asking->query.resource = jid.resource;
	return STANZA_OK;
}

static enum stanza_error
take_start(struct asking *asking, const struct xml *field, const char *value)
{
	(void)field;
	return stamp_parse(value, &asking->query.start) ? STANZA_OK : STANZA_BAD_REQUEST;
}

/* What falls into the named second or millisecond is not after it. */
static enum stanza_error
take_end(struct asking *asking, const struct xml *field, const char *value)
{
	(void)field;
	if (!stamp_parse(value, &asking->query.end))
		return STANZA_BAD_REQUEST;
	if (asking->query.end == 0) /* 0 stands for open */
		asking->query.end = -1;
	return STANZA_OK;
}

static enum stanza_error
take_after_id(struct asking *asking, const struct xml *field, const char *value)
{
	(void)field;
	return take_id(asking, value, &asking->query.above);
}

static enum stanza_error
take_before_id(struct asking *asking, const struct xml *field, const char *value)
{
	(void)field;
	return take_id(asking, value, &asking->query.below);
}

static int
compare_ids(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return left < right ? -1 : left > right;
}

static enum stanza_error
take_ids(struct asking *asking, const struct xml *field, const char *value)
{
	struct arena *arena = asking->event->arena;
	int64_t *ids = arena_alloc(arena, IDS_MOST * sizeof *ids);
	size_t count = 0, unique = 0;
	enum stanza_error error;

	(void)value;
	for (const struct xml *at = xml_find(field, "value", NS_FORM); at != NULL;
	     at = xml_next(at, "value", NS_FORM)) {
		if (count == IDS_MOST)
			return STANZA_POLICY_VIOLATION;
		error = take_id(asking, xml_text(arena, at), &ids[count++]);
		if (error != STANZA_OK)
			return error;
	}
	qsort(ids, count, sizeof *ids, compare_ids);
	for (size_t i = 0; i < count; i++)
		if (unique == 0 || ids[i] != ids[unique - 1])
			ids[unique++] = ids[i];
	asking->query.ids = ids;
	asking->query.id_count = unique;
	return STANZA_OK;
}

/* There are none in this archive (6.1.1): asked for or not makes no difference. */
static enum stanza_error
take_groupchat(struct asking *asking, const struct xml *field, const char *value)
{
	(void)asking;
	(void)field;
	return form_bool(value) >= 0 ? STANZA_OK : STANZA_BAD_REQUEST;
}

static const struct field {
	const char *var, *type;
	enum stanza_error (*take)(struct asking *asking, const struct xml *field, const char *value);
} fields[] = {
	{ "with", "jid-single", take_with },
	{ "start", "text-single", take_start },
	{ "end", "text-single", take_end },
	{ "before-id", "text-single", take_before_id },
	{ "after-id", "text-single", take_after_id },
	{ "ids", "list-multi", take_ids },
	{ "include-groupchat", "boolean", take_groupchat },
};
enum { FIELDS = sizeof fields / sizeof *fields };

static enum stanza_error
take_field(struct asking *asking, const struct xml *field)
{
	const char *var = xml_attr(field, "var");
	const char *value = xml_child_text(asking->event->arena, field, "value", NS_FORM);

	if (var == NULL)
		return STANZA_BAD_REQUEST;
	if (strcmp(var, "FORM_TYPE") == 0)
		return STANZA_OK;
	for (size_t i = 0; i < FIELDS; i++)
		if (strcmp(var, fields[i].var) == 0)
			return value == NULL ? STANZA_OK : fields[i].take(asking, field, value);
	return STANZA_FEATURE_NOT_IMPLEMENTED;
}

static enum stanza_error
take_form(struct asking *asking, const struct xml *query)
{
	const struct xml *form = xml_find(query, "x", NS_FORM);
	enum stanza_error error = STANZA_OK;

	if (form == NULL)
		return STANZA_OK;
	if (form != form_find(query, NS_MAM) || xml_next(form, "x", NS_FORM) != NULL)
		return STANZA_BAD_REQUEST;
	for (const struct xml *at = xml_find(form, "field", NS_FORM); at != NULL && error == STANZA_OK;
	     at = xml_next(at, "field", NS_FORM))
		error = take_field(asking, at);
	return error;
}

enum verdict
archive_on_form(struct event *event, void *state)
{
	struct xml *result = event_result(event);
	struct xml *form =
	    form_new(event->arena, xml_add(event->arena, result, "query", NS_MAM), "form", NS_MAM);
	struct xml *field, *validate;

	(void)state;
	for (size_t i = 0; i < FIELDS; i++) {
		field = form_field(event->arena, form, fields[i].var, fields[i].type, NULL, NULL);
		if (strcmp(fields[i].var, "ids") != 0)
			continue;
		validate = xml_add(event->arena, field, "validate",
				   "http://jabber.org/protocol/xdata-validate"); /* XEP-0122 */
		xml_set(event->arena, validate, "datatype", "xs:string");
		xml_add(event->arena, validate, "open", NULL);
	}
	event_reply(event, result);
	return HANDLED;
}

/* ---- the page (4.3, XEP-0059) ---- */

static enum stanza_error
take_page(struct asking *asking, const struct xml *query)
{
	struct archive_query *page = &asking->query;
	enum stanza_error error = STANZA_OK;
	struct rsm rsm;

	if (!rsm_parse(asking->event->arena, query, &rsm))
		return STANZA_BAD_REQUEST;
	if (rsm.index >= 0) /* XEP-0059 2.8 */
		return STANZA_FEATURE_NOT_IMPLEMENTED;
	page->most = rsm.max < 0 ? PAGE_USUAL : rsm.max < PAGE_MOST ? (size_t)rsm.max : PAGE_MOST;
	page->counted = rsm.max == 0;
	page->back = rsm.before != NULL;
	if (rsm.after != NULL)
		error = take_id(asking, rsm.after, &page->after);
	if (error == STANZA_OK && rsm.before != NULL && rsm.before[0] != '\0')
		error = take_id(asking, rsm.before, &page->before);
	return error;
}

static enum stanza_error
take_query(struct asking *asking, const struct xml *query)
{
	enum stanza_error error;

	if (xml_attr(query, "node") != NULL) /* of pubsub archives (6.1.3) */
		return STANZA_FEATURE_NOT_IMPLEMENTED;
	asking->queryid = xml_attr(query, "queryid");
	if (asking->queryid != NULL && strlen(asking->queryid) > QUERYID_MOST)
		return STANZA_POLICY_VIOLATION;
	asking->flipped = xml_find(query, "flip-page", NS_MAM) != NULL;
	error = take_form(asking, query);
	return error != STANZA_OK ? error : take_page(asking, query);
}

/* ---- results (4.2) ---- */

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
add_attribute(struct buf *out, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_printf(out, " %s='", name);
	xmlout_escape(out, value, strlen(value));
	buf_adds(out, "'");
}

static void
write_row(struct buf *out, const struct asking *asking, const struct message_row *row)
{
	const struct session *session = asking->event->origin;
	char id[33], stamp[STAMP_LEN + 1];

	store_stanza_id(router_store(session->router), row->id, id);
	stamp_format(stamp, row->time);
	buf_adds(out, "<message");
	add_attribute(out, "from", session->account->jid);
	add_attribute(out, "to", session->text);
	buf_adds(out, "><result xmlns='" NS_MAM "'");
	add_attribute(out, "queryid", asking->queryid);
	buf_printf(out, " id='%s'><forwarded xmlns='" NS_FORWARD "'><delay xmlns='" NS_DELAY "' stamp='%s'/>",
		   id, stamp);
	mailbox_write(out, session, row->id, 0, row->body, row->len);
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

static void
read_page(struct asking *asking)
{
	struct event *event = asking->event;

	read_archive(router_store(event->router), event->target->node, &asking->query, page_read, asking);
}

/* ---- a client that asks faster than it reads waits for its own line ---- */

struct archive_waits {
	struct router *router;
	struct timer *timer; /* made at first need */
	struct asking *first;
};

void *
archive_waits_new(struct router *router)
{
	struct archive_waits *waits = xcalloc(1, sizeof *waits);

	waits->router = router;
	return waits;
}

void
archive_waits_free(void *state)
{
	struct archive_waits *waits = state;
	struct asking *asking;

	while ((asking = waits->first) != NULL) {
		waits->first = asking->next;
		event_finish(asking->event, HANDLED);
	}
	if (waits->timer != NULL)
		timer_free(&waits->timer);
	free(waits);
}

static bool
is_crowded(const struct session *session)
{
	return session != NULL && !session->gone && stream_queued(session->stream) > QUEUED_MOST;
}

static void
look_again(void *arg)
{
	struct archive_waits *waits = arg;
	struct asking *row = waits->first, *asking;

	waits->first = NULL;
	while ((asking = row) != NULL) {
		row = asking->next;
		if (is_crowded(asking->event->origin)) {
			asking->next = waits->first;
			waits->first = asking;
		} else {
			read_page(asking);
		}
	}
	if (waits->first != NULL)
		timer_set(waits->timer, WAIT_MS);
}

static void
ask(struct event *event, void *arg)
{
	struct asking *asking = arg;
	struct archive_waits *waits = asking->waits;

	if (!is_crowded(event->origin)) {
		read_page(asking);
		return;
	}
	if (waits->timer == NULL)
		waits->timer = timer_new(router_loop(waits->router), look_again, waits);
	if (waits->first == NULL)
		timer_set(waits->timer, WAIT_MS);
	asking->next = waits->first;
	waits->first = asking;
}

/* 8.1: to whom the account shows nothing, it is as if there were none. */
static enum verdict
refuse_other(struct event *event)
{
	return event_reject(event,
			    (account_flags(event->target, &event->from) & ROSTER_FROM) != 0
				? STANZA_FORBIDDEN
				: STANZA_SERVICE_UNAVAILABLE,
			    NULL);
}

enum verdict
archive_on_query(struct event *event, void *state)
{
	struct asking *asking = arena_alloc(event->arena, sizeof *asking);
	enum stanza_error error;

	if (event->scope != TO_SELF || event->origin == NULL)
		return refuse_other(event);
	asking->event = event;
	asking->waits = state;
	error = take_query(asking, event->payload);
	if (error != STANZA_OK)
		return event_reject(event, error, NULL);
	event_when_first(event, ask, asking);
	return LATER;
}

/* ---- metadata (5) ---- */

static void
add_end(struct event *event, struct xml *metadata, const char *name, int64_t id, int64_t time)
{
	struct xml *end = xml_add(event->arena, metadata, name, NULL);
	char stamp[STAMP_LEN + 1];

	stamp_format(stamp, time);
	xml_set(event->arena, end, "id", id_text(event, id));
	xml_set(event->arena, end, "timestamp", stamp);
}

static void
ends_read(void *arg, bool failed, const struct archive_ends *ends)
{
	struct event *event = arg;
	struct xml *result = event_result(event),
		   *metadata = xml_add(event->arena, result, "metadata", NS_MAM);

	if (failed) {
		event_finish(event, event_reject(event, STANZA_INTERNAL_SERVER_ERROR, NULL));
		return;
	}
	if (ends->first != 0) {
		add_end(event, metadata, "start", ends->first, ends->first_time);
		add_end(event, metadata, "end", ends->last, ends->last_time);
	}
	event_reply(event, result);
	event_finish(event, HANDLED);
}

static void
ask_ends(struct event *event, void *arg)
{
	(void)arg;
	read_archive_ends(router_store(event->router), event->target->node, ends_read, event);
}

enum verdict
archive_on_metadata(struct event *event, void *state)
{
	(void)state;
	event_when_first(event, ask_ends, NULL);
	return LATER;
}
