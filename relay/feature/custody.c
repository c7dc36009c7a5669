/*
 * feature/custody.c -- where the messages of an account are: recorded, told, asked for (proto/spec/custody.md).
 *
 * A record is made, in the message's own transaction, for each message that a listening session sends and that
 * is kept; it moves on in the transaction that clears the mailbox row (store/status.c) or keeps the recipient's
 * receipt or marker. Listeners are told of a delivery after its commit, never before.
 * Never: tells anybody but the sender; names devices; says "delivered" to whom the recipient shows no presence.
 */
#include "config.h"

#include "relay/feature/custody.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/rsm.h"
#include "proto/stamp.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/feature/feature_table.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/route/session.h"
#include "relay/store/status.h"
#include "relay/store/store.h"

enum {
	PAGE_USUAL = 50,
	PAGE_MOST = 250,
	CHANGED_MOST = 1000,
	ORIGIN_MOST = 256, /* bytes of a name that we keep; a longer one is not kept */
};

struct custody {
	struct router *router;
	size_t listeners; /* sessions */
};

static struct custody *
custody_of(struct router *router)
{
	return router_state(router, &feature_custody);
}

/* ---- a record as XML (5, 7) ---- */

static void
add_stage(struct arena *arena, struct xml *status, const char *name, int64_t time)
{
	char stamp[STAMP_LEN + 1];

	if (time == 0)
		return;
	stamp_format(stamp, time);
	xml_set(arena, xml_add(arena, status, name, NULL), "time", stamp);
}

static void
add_time(struct arena *arena, struct xml *stage, const char *name, int64_t time)
{
	char stamp[STAMP_LEN + 1];

	if (time == 0)
		return;
	stamp_format(stamp, time);
	xml_set(arena, stage, name, stamp);
}

static void
add_held(struct arena *arena, struct xml *status, const char *by, const struct status_row *row)
{
	struct xml *stage;

	if (row->held == 0)
		return;
	add_stage(arena, status, "held", row->held);
	stage = xml_find(status, "held", NULL);
	xml_set(arena, stage, "by", by);
	xml_set(arena, stage, "reason", row->held_reason);
	xml_set(arena, stage, "tries", arena_printf(arena, "%" PRId64, row->tries));
	add_time(arena, stage, "next", row->next);
	add_time(arena, stage, "until", row->until);
}

static void
add_handed(struct arena *arena, struct xml *status, const struct status_row *row)
{
	static const char *const hows[] = {
		[SPOOL_HOW_NONE] = "received", [SPOOL_DURABLE] = "durable", [SPOOL_RECEIVED] = "received",
		[SPOOL_HOW_UNCONFIRMED] = "unconfirmed",
	};
	const char *at = strchr(row->to, '@');
	struct xml *stage;

	if (row->handed == 0)
		return;
	add_stage(arena, status, "handed", row->handed);
	stage = xml_find(status, "handed", NULL);
	xml_set(arena, stage, "to", at == NULL ? row->to : at + 1);
	xml_set(arena, stage, "how", hows[row->how]);
}

static void
add_end(struct arena *arena, struct xml *status, const struct status_row *row)
{
	bool expired = row->reason != NULL && strcmp(row->reason, "expired") == 0;

	add_stage(arena, status, expired ? "expired" : "refused", row->ended);
	if (row->ended != 0 && !expired)
		xml_add(arena, xml_find(status, "refused", NULL), row->reason == NULL ? "undefined-condition" : row->reason,
		    NS_STANZA_ERRORS);
}

static void
add_status(struct arena *arena, struct xml *parent, const struct custody *custody, const struct status_row *row)
{
	struct xml *status = xml_add(arena, parent, "status", NS_CUSTODY);
	char id[33];

	store_stanza_id(router_store(custody->router), row->id, id);
	xml_set(arena, status, "id", id);
	xml_set(arena, status, "origin", row->origin);
	xml_set(arena, status, "to", row->to);
	add_stage(arena, status, "accepted", row->accepted);
	add_held(arena, status, router_domain(custody->router), row);
	add_handed(arena, status, row);
	add_stage(arena, status, "delivered", row->delivered);
	add_stage(arena, status, "displayed", row->displayed);
	add_end(arena, status, row);
}

/* ---- telling (5) ---- */

static void
tell_session(const struct custody *custody, struct session *session, const struct status_row *row)
{
	struct arena *arena = arena_new();
	struct xml *message = stanza_new(arena, "message", session->account->jid, session->text, "headline", NULL);

	add_status(arena, message, custody, row);
	xml_add(arena, message, "no-store", NS_HINTS);
	session_send(session, message);
	arena_free(&arena);
}

static void
tell(const struct custody *custody, struct account *account, const struct status_row *row)
{
	struct session *sessions[SESSION_MOST];
	size_t count = session_row(account, sessions);

	for (size_t i = 0; i < count; i++) {
		if (sessions[i]->hears_custody && !sessions[i]->gone)
			tell_session(custody, sessions[i], row);
		session_unref(&sessions[i]);
	}
}

static void
tell_moved(void *arg, bool failed, const struct status_row *rows, size_t count)
{
	const struct custody *custody = arg;

	(void)failed; /* logged; who asks later will find it */
	for (size_t i = 0; i < count; i++) {
		struct account *account = account_resident(custody->router, rows[i].node);

		if (account != NULL)
			tell(custody, account, &rows[i]);
	}
}

static void
tell_delivered(void *arg, bool failed, const struct status_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (rows[i].delivered != 0) /* a push without it would tell it as well */
			tell_moved(arg, failed, &rows[i], 1);
}

static void
read_all(struct router *router, const int64_t *ids, size_t count, read_status_fn *then)
{
	struct custody *custody = custody_of(router);

	if (custody == NULL || custody->listeners == 0) /* NULL: a relay without this feature */
		return;
	for (size_t done = 0, part; done < count; done += part) {
		part = count - done < CHANGED_MOST ? count - done : CHANGED_MOST;
		read_status_of(router_store(router), ids + done, part, then, custody);
	}
}

void
custody_delivered(struct router *router, const int64_t *ids, size_t count)
{
	read_all(router, ids, count, tell_delivered);
}

void
custody_moved(struct router *router, const int64_t *ids, size_t count)
{
	read_all(router, ids, count, tell_moved);
}

void
custody_waits(struct router *router, const char *domain, int64_t id, int64_t time)
{
	struct custody *custody = custody_of(router);

	if (custody != NULL && custody->listeners > 0)
		read_status_held(router_store(router), domain, id, time, tell_moved, custody);
}

/* ---- making a record ---- */

static const char *
name_of(const struct xml *message)
{
	const struct xml *origin = xml_find(message, "origin-id", NS_SID);
	const char *name = origin == NULL ? NULL : xml_attr(origin, "id");

	if (name == NULL)
		name = xml_attr(message, "id");
	return name == NULL || strlen(name) > ORIGIN_MOST ? NULL : name;
}

static void
record(struct event *event)
{
	event_add(event, &(struct op){ .kind = OP_STATUS_NEW,
				       .account = event->sender->node,
				       .id = event->message_id,
				       .peer = event->target != NULL ? event->target->jid : jid_bare_text(event->arena, &event->to),
				       .item = name_of(event->stanza),
				       .time = event->time });
}

/* ---- what the recipient's device says (XEP-0184 5.2, XEP-0333 4.3) ---- */

static void
note(struct event *event, const char *name, const char *ns, enum op_kind kind)
{
	const struct xml *child = xml_find(event->stanza, name, ns);
	const char *id = child == NULL ? NULL : xml_attr(child, "id");

	if (id == NULL || strlen(id) > ORIGIN_MOST)
		return;
	event_add(event, &(struct op){ .kind = kind,
				       .account = event->target->node,
				       .peer = jid_bare_text(event->arena, &event->from),
				       .item = id,
				       .time = event->time });
}

static enum verdict
on_message(struct event *event, void *state)
{
	(void)state;
	if (event->message_id == 0 || message_type(event->stanza) == MESSAGE_ERROR)
		return PASS;
	if (event->origin != NULL && event->origin->hears_custody)
		record(event);
	note(event, "received", NS_RECEIPTS, OP_STATUS_RECEIVED);
	note(event, "displayed", NS_MARKERS, OP_STATUS_DISPLAYED);
	return PASS;
}

/* For another relay: what is held (hold.c) has its number. */
static enum verdict
on_send(struct event *event, void *state)
{
	(void)state;
	if (event->kind == STANZA_MESSAGE && event->scope == TO_REMOTE && event->message_id != 0 && event->origin->hears_custody)
		record(event);
	return PASS;
}

/* ---- listening ---- */

static void
listen(struct custody *custody, struct session *session, bool on)
{
	if (session->hears_custody == on)
		return;
	session->hears_custody = on;
	custody->listeners += on ? 1 : (size_t)-1;
}

static enum verdict
on_enable(struct event *event, void *state)
{
	if (event->origin == NULL)
		return event_reject(event, STANZA_BAD_REQUEST, NULL);
	listen(state, event->origin, xml_is(event->payload, "enable", NS_CUSTODY));
	event_reply_result(event);
	return HANDLED;
}

static enum verdict
on_closed(struct event *event, void *state)
{
	listen(state, event->origin, false);
	return PASS;
}

/* ---- asking (6) ---- */

struct asking {
	struct event *event;
	const char *origin; /* one message */
	int64_t id;         /* one message; 0: not so */
	int64_t after;
	size_t most;
};

static void
page_read(void *arg, bool failed, const struct status_row *rows, size_t count)
{
	const struct asking *asking = arg;
	struct event *event = asking->event;
	bool is_page = asking->id == 0 && asking->origin == NULL;
	size_t shown = is_page && count > asking->most ? asking->most : count;
	struct xml *result, *query;
	const char *first = NULL, *last = NULL;

	if (failed) {
		event_finish(event, event_reject(event, STANZA_INTERNAL_SERVER_ERROR, NULL));
		return;
	}
	result = event_result(event);
	query = xml_add(event->arena, result, "query", NS_CUSTODY);
	for (size_t i = 0; i < shown; i++)
		if (strcmp(rows[i].node, event->target->node) == 0) /* an id may be another's */
			add_status(event->arena, query, custody_of(event->router), &rows[i]);
	if (is_page) {
		xml_set(event->arena, query, "complete", shown == count ? "true" : "false");
		if (shown > 0) {
			first = arena_printf(event->arena, "%" PRId64, rows[0].change);
			last = arena_printf(event->arena, "%" PRId64, rows[shown - 1].change);
		}
		rsm_add(event->arena, query, first, -1, last, -1);
	}
	event_reply(event, result);
	event_finish(event, HANDLED);
}

static void
ask(struct event *event, void *arg)
{
	struct asking *asking = arg;
	struct store *store = router_store(event->router);

	if (asking->id != 0)
		read_status_of(store, &asking->id, 1, page_read, asking);
	else if (asking->origin != NULL)
		read_status_origin(store, event->target->node, asking->origin, page_read, asking);
	else
		read_status_since(store, event->target->node, asking->after, asking->most + 1, page_read, asking);
}

static bool
take_number(const char *text, int64_t *number_r)
{
	char *end;

	if (*text < '0' || *text > '9' || strlen(text) > 18)
		return false;
	*number_r = strtoll(text, &end, 10);
	return *end == '\0';
}

static enum stanza_error
take_page(struct asking *asking)
{
	struct rsm rsm;

	if (!rsm_parse(asking->event->arena, asking->event->payload, &rsm))
		return STANZA_BAD_REQUEST;
	if (rsm.index >= 0 || rsm.before != NULL)
		return STANZA_FEATURE_NOT_IMPLEMENTED;
	asking->most = rsm.max < 0 ? PAGE_USUAL : rsm.max < PAGE_MOST ? (size_t)rsm.max : PAGE_MOST;
	if (rsm.after != NULL && !take_number(rsm.after, &asking->after))
		return STANZA_ITEM_NOT_FOUND;
	return STANZA_OK;
}

static enum verdict
on_query(struct event *event, void *state)
{
	struct asking *asking = arena_alloc(event->arena, sizeof *asking);
	const char *id = xml_attr(event->payload, "id");
	enum stanza_error error;

	(void)state;
	*asking = (struct asking){ .event = event, .origin = xml_attr(event->payload, "origin") };
	asking->id = id == NULL ? 0 : store_id_of(router_store(event->router), id);
	if (id != NULL && asking->id <= 0)
		return event_reject(event, STANZA_ITEM_NOT_FOUND, NULL);
	error = take_page(asking);
	if (error != STANZA_OK)
		return event_reject(event, error, NULL);
	event_when_first(event, ask, asking);
	return LATER;
}

/* ---- the feature ---- */

static void *
init(struct router *router)
{
	struct custody *custody = xcalloc(1, sizeof *custody);

	custody->router = router;
	return custody;
}

static void
fini(void *state)
{
	free(state);
}

static const struct iq_handler handlers[] = {
	{ "enable", NS_CUSTODY, ON_SET, TO_SELF, on_enable },
	{ "disable", NS_CUSTODY, ON_SET, TO_SELF, on_enable },
	{ "query", NS_CUSTODY, ON_GET, TO_SELF, on_query },
	{ 0 },
};
static const struct hook hooks[] = {
	{ POINT_SEND, ORDER_COPY, on_send },
	{ POINT_MESSAGE, ORDER_COPY, on_message },
	{ POINT_CLOSED, ORDER_DELIVER, on_closed },
	{ 0 },
};

const struct feature feature_custody = {
	.name = "custody",
	.spec = "proto/spec/custody.md 0.1",
	.disco_account = (const char *const[]){ NS_CUSTODY, NULL },
	.iq = handlers,
	.hooks = hooks,
	.init = init,
	.free = fini,
};
