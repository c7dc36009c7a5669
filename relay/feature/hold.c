/*
 * feature/hold.c -- messages to other domains: kept until the other relay has them (queue/queue.h), known again when they come twice,
 * and their senders told when they end otherwise (design 3.3, 3.4; proto/spec/custody.md 9).
 *
 * What would wait in a mailbox here waits for its relay there; what is of the moment goes as it can, or not at all. Out: the row joins
 * the transaction of the message, so that what was acknowledged to the sender is held. In: the custody id and the domain that proved
 * itself are one key, in the transaction of the message.
 * Promises: the error for a message that was held is a mailbox row, in the transaction that ends it.
 * DIAGNOSTICS: remote-server-timeout when the time is up, remote-server-not-found for a domain that does not exist, else as told.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stamp.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/conf.h"
#include "relay/feature/custody.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/hold_notice.h"
#include "relay/feature/mailbox.h"
#include "relay/feature/message.h"
#include "relay/feature/quota.h"
#include "relay/net/clock.h"
#include "relay/queue/queue.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/route/session.h"
#include "relay/store/store.h"

enum { NAME_MOST = 256 /* bytes of a stanza's id; errors that name a longer one are not known again */ };

/* ---- out ---- */

/* One form on the wire and in the archive; the number by which all that records the message knows it. */
static enum verdict
on_send_early(struct event *event, void *state)
{
	(void)state;
	if (event->kind != STANZA_MESSAGE || event->scope != TO_REMOTE)
		return PASS;
	xml_set(event->arena, event->stanza, "to", jid_text(event->arena, &event->to));
	if (queue_is_on(router_queue(event->router)) && message_is_storable(event->stanza))
		event->message_id = store_next_id(router_store(event->router));
	return PASS;
}

static bool
is_unknown(const struct event *event)
{
	const struct conf *conf = router_conf(event->router);

	for (size_t i = 0; i < conf->peer_count; i++)
		if (strcmp(conf->peers[i].domain, event->to.domain) == 0)
			return false;
	return (account_flags(event->sender, &event->to) & (ROSTER_TO | ROSTER_FROM | ROSTER_VISIBLE)) == 0;
}

static void
added(struct event *event, void *arg)
{
	(void)arg;
	queue_added(router_queue(event->router), event->to.domain, event->message_id);
}

static enum verdict
on_send(struct event *event, void *state)
{
	const struct conf *conf = router_conf(event->router);
	const char *name = xml_attr(event->stanza, "id");
	uint8_t custody[32];

	(void)state;
	if (event->kind != STANZA_MESSAGE || event->scope != TO_REMOTE || event->message_id == 0)
		return PASS;
	random_bytes(custody, sizeof custody);
	message_keep(event);
	event_add(event, &(struct op){ .kind = OP_SPOOL_NEW, .id = event->message_id, .peer = event->to.domain, .key = custody,
		.item = name == NULL || strlen(name) > NAME_MOST ? NULL : name, .time = event->time,
		.expires = event->time + conf->hold * 1000, .most = event->time + conf->hold_unknown * 1000,
		.stranger = is_unknown(event) });
	event_after(event, added, NULL);
	return HANDLED;
}

/* ---- in ---- */

static const int64_t SEEN_SPARE_MS = 30 * 24 * 3600 * INT64_C(1000); /* beyond the time it is held there */
static const int64_t SEEN_MOST_MS = 3650 * 24 * 3600 * INT64_C(1000); /* the longest that a relay may be told to hold */

/* How long another relay may have us remember a message: a stranger's no longer than we would hold it ourselves. */
static int64_t
seen_most(const struct event *event, int64_t hold)
{
	return quota_is_stranger(event) ? hold : SEEN_MOST_MS;
}

static void
add_key(struct event *event, const struct xml *custody)
{
	const char *id = xml_attr(custody, "id"), *stamp = xml_attr(custody, "expires");
	int64_t hold = router_conf(event->router)->hold * 1000, expires = event->time + hold, most = seen_most(event, hold);
	uint8_t key[SHA256_LEN];
	struct buf text = { .data = NULL };

	if (id == NULL || strlen(id) != ID_LEN || strspn(id, "0123456789abcdef") != ID_LEN)
		return;
	if (stamp != NULL)
		(void)stamp_parse(stamp, &expires);
	if (expires < event->time)
		expires = event->time;
	if (expires > event->time + most)
		expires = event->time + most;
	buf_printf(&text, "custody %s %s", id, event->from.domain); /* the id has one length: no two make the same bytes */
	digest(DIGEST_SHA256, text.data, text.len, key);
	buf_free(&text);
	event_add(event, &(struct op){ .kind = OP_SEEN, .key = key, .time = event->time, .expires = expires + SEEN_SPARE_MS });
	event_once(event);
}

/* Not one of ours any more, or never: as any error (RFC 6121 8.5.3.1). */
static void
refused(void *arg, bool ours)
{
	struct event *event = arg;
	struct session *session = NULL;

	if (event->router == NULL) /* the relay stops */
		return;
	if (!ours && event->to.resource != NULL)
		session = session_find(event->target, event->to.resource);
	if (session != NULL)
		event_send(event, session, event->stanza);
	event_finish(event, HANDLED);
}

static enum verdict
take_error(struct event *event)
{
	const struct xml *error = xml_find(event->stanza, "error", NS_CLIENT), *condition;
	const char *name = xml_attr(event->stanza, "id"), *type = error == NULL ? NULL : xml_attr(error, "type");
	enum stanza_error what = STANZA_OK;

	message_strip(event); /* no guard follows, and who sent what it is about may see it as it is */
	if (name == NULL || strlen(name) > NAME_MOST || !queue_is_on(router_queue(event->router)))
		return PASS;
	for (condition = error == NULL ? NULL : xml_first(error); condition != NULL; condition = xml_next(condition, NULL, NULL))
		if (what == STANZA_OK && strcmp(condition->ns, NS_STANZA_ERRORS) == 0)
			what = stanza_error_by_name(condition->name);
	if (what == STANZA_OK)
		what = STANZA_UNDEFINED_CONDITION;
	queue_refused(router_queue(event->router), event->from.domain, jid_bare_text(event->arena, &event->from),
	    jid_bare_text(event->arena, &event->to), name, type != NULL && strcmp(type, "wait") == 0, what, refused, event);
	return LATER;
}

/* Before the guard that removes <custody/>. Only what is kept has a key: what is of the moment would fill the disk with nothing but
 * keys, and what repeats it is none. */
static enum verdict
on_message(struct event *event, void *state)
{
	const struct xml *custody;

	(void)state;
	if (!event->foreign)
		return PASS;
	if (message_type(event->stanza) == MESSAGE_ERROR)
		return take_error(event);
	custody = message_is_storable(event->stanza) ? xml_find(event->stanza, "custody", NS_CUSTODY) : NULL;
	if (custody != NULL)
		add_key(event, custody);
	return PASS;
}

/* ---- ended ---- */

/* An error that is in a transaction: shown when that is committed. */
struct notice {
	struct notice *next;
	int64_t of, id; /* of which message */
	char *node, *body;
	size_t len;
};
struct hold {
	struct router *router;
	struct notice *notices; /* few: of the transactions under way */
};

static void
notice_free(struct notice **at)
{
	struct notice *notice = *at;

	*at = notice->next;
	free(notice->node);
	free(notice->body);
	free(notice);
}

static struct notice **
find_notice(struct hold *hold, int64_t of)
{
	struct notice **at = &hold->notices;

	while (*at != NULL && (*at)->of != of)
		at = &(*at)->next;
	return at;
}

static void
on_ended(void *arg, struct txn *txn, const struct queue_message *message, enum queue_end end, enum stanza_error error, const char *text)
{
	struct hold *hold = arg;
	struct arena *arena = arena_new();
	const char *node = router_local_node(hold->router, arena, arena_strndup(arena, message->from, strcspn(message->from, "/")));
	struct notice **old = find_notice(hold, message->id), *notice;
	struct buf out = { .data = NULL };

	if (*old != NULL) /* of a transaction that failed */
		notice_free(old);
	if (node != NULL) {
		hold_notice_write(&out, message, end, error, text);
		notice = xcalloc(1, sizeof *notice);
		*notice = (struct notice){ .next = hold->notices, .of = message->id, .id = store_next_id(router_store(hold->router)),
			.node = xstrdup(node), .len = out.len };
		notice->body = buf_take(&out);
		hold->notices = notice;
		hold_notice_add(txn, notice->id, node, message, notice->body, notice->len);
	}
	arena_free(&arena);
}

static void
show_to(struct session *session, void *arg)
{
	const struct notice *notice = arg;

	mailbox_deliver(session, notice->id, notice->body, notice->len);
}

static void
on_moved(void *arg, const int64_t *ids, size_t count)
{
	struct hold *hold = arg;
	struct account *account;

	custody_moved(hold->router, ids, count);
	for (size_t i = 0; i < count && hold->notices != NULL; i++) {
		struct notice **at = find_notice(hold, ids[i]);
		if (*at == NULL)
			continue;
		account = account_resident(hold->router, (*at)->node);
		if (account != NULL) { /* counted here as on the disk */
			account->waiting.count++;
			account->waiting.bytes += (int64_t)(*at)->len;
			session_each(account, show_to, *at);
		}
		notice_free(at);
	}
}

static void
on_waits(void *arg, const char *domain, int64_t id, int64_t time)
{
	custody_waits(((struct hold *)arg)->router, domain, id, time);
}

/* ---- the feature ---- */

static void *
init(struct router *router)
{
	struct hold *hold = xcalloc(1, sizeof *hold);

	hold->router = router;
	queue_set_owner(router_queue(router), &(struct queue_owner){ .ended = on_ended, .moved = on_moved, .waits = on_waits, .arg = hold });
	return hold;
}

static void
fini(void *state)
{
	struct hold *hold = state;

	while (hold->notices != NULL)
		notice_free(&hold->notices);
	free(hold);
}

static const struct hook hooks[] = {
	{ POINT_SEND, ORDER_GUARD, on_send_early },
	{ POINT_SEND, ORDER_DELIVER, on_send },
	{ POINT_MESSAGE, ORDER_GUARD, on_message },
	{ 0 },
};

const struct feature feature_hold = {
	.name = "hold",
	.spec = "proto/spec/custody.md 0.1",
	.hooks = hooks,
	.init = init,
	.free = fini,
};
