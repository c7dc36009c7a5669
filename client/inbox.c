/*
 * inbox.c -- take a message apart, decide what it is, store it once.
 *
 * Whom to believe: the server that we are logged in to says who wrote (`from`); a carbon counts only when it
 * is from our own bare JID (XEP-0280, 11); a stanza-id only when it is by our own account (XEP-0359, 6). What
 * is inside <encrypted/> counts only as that very sender's, in his own session (attack O3).
 */
#include "config.h"
#include "client/inbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "client/db/contact.h"
#include "client/db/db.h"
#include "client/inbox-private.h"
#include "client/outbox.h"
#include "proto/arena.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stamp.h"
#include "proto/stanza.h"
#include "proto/xml.h"

struct inbox {
	struct db *db;
	struct omemo *omemo;
	int64_t account;
	size_t count;
};

struct inbox *
inbox_begin(struct db *db, struct omemo *omemo, int64_t account)
{
	struct inbox *inbox = xcalloc(1, sizeof *inbox);
	*inbox = (struct inbox){ .db = db, .omemo = omemo, .account = account };
	db_begin(db);
	return inbox;
}

bool
inbox_end(struct inbox **inbox, char **error_r)
{
	bool kept = db_commit((*inbox)->db, error_r);
	free(*inbox);
	*inbox = NULL;
	return kept;
}

void
inbox_abandon(struct inbox **inbox)
{
	if (!*inbox)
		return;
	db_rollback((*inbox)->db);
	free(*inbox);
	*inbox = NULL;
}

size_t
inbox_count(const struct inbox *inbox)
{
	return inbox->count;
}

/* The bare form of an address attribute; NULL: absent or not an address. */
static const char *
bare_of(struct arena *arena, const struct xml *node, const char *attribute)
{
	struct jid jid;
	const char *text = xml_attr(node, attribute);
	return text && jid_parse_text(arena, text, &jid) ? jid_bare_text(arena, &jid) : NULL;
}

/* XEP-0280: the message inside, or the message itself. NULL: a carbon that nobody but a forger sends. */
static const struct xml *
carbon_open(struct arena *arena, const struct xml *message, const char *own)
{
	const struct xml *carbon = xml_find(message, "received", NS_CARBONS);
	if (!carbon)
		carbon = xml_find(message, "sent", NS_CARBONS);
	if (!carbon)
		return message;
	const char *by = xml_attr(message, "from") ? bare_of(arena, message, "from") : own;
	const struct xml *forwarded = xml_find(carbon, "forwarded", NS_FORWARD);
	const struct xml *inner = forwarded ? xml_find(forwarded, "message", NULL) : NULL;
	if (!by || strcmp(by, own) != 0 || !inner || xml_find(inner, "received", NS_CARBONS) ||
	    xml_find(inner, "sent", NS_CARBONS))
		return NULL;
	const char *writer = bare_of(arena, inner, "from");
	bool ours = writer && strcmp(writer, own) == 0;
	return ours == (strcmp(carbon->name, "sent") == 0) ? inner : NULL;
}

/* XEP-0359: ours only. */
static const char *
stanza_id_of(struct arena *arena, const struct xml *message, const char *own)
{
	for (const struct xml *id = xml_find(message, "stanza-id", NS_SID); id;
	     id = xml_next(id, "stanza-id", NS_SID)) {
		const char *by = bare_of(arena, id, "by");
		if (by && strcmp(by, own) == 0 && xml_attr(id, "id"))
			return xml_attr(id, "id");
	}
	return "";
}

static const char *
child_id(const struct xml *message, const char *name, const char *ns)
{
	const struct xml *child = xml_find(message, name, ns);
	const char *id = child ? xml_attr(child, "id") : NULL;
	return id ? id : "";
}

/* XEP-0203; a time to come is not believed. */
static int64_t
time_of(const struct xml *message, const struct inbox_meta *meta)
{
	int64_t time = meta->delay;
	const struct xml *delay = xml_find(message, "delay", NS_DELAY);
	if (time == 0 && delay && !(xml_attr(delay, "stamp") && stamp_parse(xml_attr(delay, "stamp"), &time)))
		time = 0;
	return time > 0 && time < meta->now ? time : meta->now;
}

static bool
letter_open(struct inbox *inbox, struct arena *arena, const struct xml *outer, const struct inbox_meta *meta,
	    struct letter *letter)
{
	const char *own = omemo_jid(inbox->omemo);
	const struct xml *message = carbon_open(arena, outer, own);
	if (!message || stanza_kind(message) != STANZA_MESSAGE)
		return false;
	const char *from = bare_of(arena, message, "from"), *to = bare_of(arena, message, "to");
	if (!from)
		return false;
	bool ours = strcmp(from, own) == 0;
	const char *id = xml_attr(message, "id"), *origin = child_id(message, "origin-id", NS_SID);
	*letter = (struct letter){
		.message = message,
		.from = from,
		.own = ours,
		.peer = ours && to ? to : from,
		.id = id ? id : "",
		.origin_id = origin[0] ? origin
			     : id      ? id
				       : "",
		.same_as = child_id(message, "same-as", NS_CUSTODY),
		.stanza_id = meta->stanza_id ? meta->stanza_id : stanza_id_of(arena, message, own),
		.time = time_of(message, meta),
		.now = meta->now,
		.way = meta->way,
	};
	return true;
}

static void
answer_receipt(struct inbox *inbox, const struct letter *letter)
{
	if (!letter->own && letter->id[0] != '\0' && xml_find(letter->message, "request", NS_RECEIPTS) &&
	    contact_may_know(inbox->db, inbox->account, letter->peer))
		outbox_add_receipt(inbox->db, inbox->account, letter->peer, letter->id, letter->now);
}

/* Receipts and markers that came, alone or beside a text. */
static void
take_receipt(struct inbox *inbox, const struct letter *letter)
{
	const char *received = child_id(letter->message, "received", NS_RECEIPTS);
	const char *displayed = child_id(letter->message, "displayed", NS_MARKERS);
	const char *marked = child_id(letter->message, "received", NS_MARKERS);
	if (!letter->own && received[0] != '\0')
		outbox_receipt(inbox->db, inbox->account, letter->peer, received, SENT_DELIVERED, letter->time);
	if (!letter->own && marked[0] != '\0')
		outbox_receipt(inbox->db, inbox->account, letter->peer, marked, SENT_DELIVERED, letter->time);
	if (!letter->own && displayed[0] != '\0')
		outbox_receipt(inbox->db, inbox->account, letter->peer, displayed, SENT_DISPLAYED, letter->time);
}

static void
take_error(struct inbox *inbox, struct letter *letter, struct inbox_result *result_r)
{
	result_r->outcome = INBOX_ERROR;
	if (!letter->own && letter->id[0] != '\0')
		outbox_refused(inbox->db, inbox->account, letter->peer, letter->id,
			       stanza_error_name(stanza_error_of(letter->message)), letter->now);
}

struct message
letter_row(int64_t account, const struct letter *letter)
{
	return (struct message){
		.account = account,
		.peer = letter->peer,
		.from = letter->from,
		.time = letter->time,
		.received = letter->now,
		.origin_id = letter->origin_id,
		.stanza_id = letter->stanza_id,
		.way = letter->way,
		.sent = letter->own ? SENT_ACCEPTED : SENT_NOT,
		.markable = xml_find(letter->message, "markable", NS_MARKERS),
	};
}

/* In clear: stored and marked so; or encrypted by something that we do not speak: said to be so, never its
 * fallback. */
static void
take_clear(struct inbox *inbox, struct arena *arena, const struct letter *letter,
	   struct inbox_result *result_r)
{
	const struct xml *eme = xml_find(letter->message, "encryption", NS_EME);
	const char *body = eme ? "" : xml_child_text(arena, letter->message, "body", letter->message->ns);
	if (!eme && (!body || body[0] == '\0'))
		return;
	int64_t same = history_same(inbox->db, inbox->account, letter->peer, letter->from, letter->origin_id,
				    letter->stanza_id, body);
	if (same) {
		history_set_stanza_id(inbox->db, same, letter->stanza_id);
		*result_r = (struct inbox_result){ INBOX_DUPLICATE, same, READABLE, letter->peer };
		return;
	}
	struct message row = letter_row(inbox->account, letter);
	row.body = body;
	row.encrypted = eme;
	row.unreadable = eme ? UNREADABLE_NOT_OMEMO : READABLE;
	result_r->message = history_add(inbox->db, &row);
	result_r->unreadable = row.unreadable;
	result_r->outcome = eme ? INBOX_UNREADABLE : INBOX_MESSAGE;
}

static void
take_message(struct inbox *inbox, struct arena *arena, struct letter *letter, struct inbox_result *result_r)
{
	struct contact contact;
	const struct xml *encrypted = xml_find(letter->message, "encrypted", NS_OMEMO);
	result_r->outcome = INBOX_NOTHING;
	result_r->peer = letter->peer;
	if (contact_get(inbox->db, arena, inbox->account, letter->peer, &contact) && contact.blocked) {
		result_r->outcome = INBOX_BLOCKED;
		return;
	}
	switch (message_type(letter->message)) {
	case MESSAGE_ERROR:
		take_error(inbox, letter, result_r);
		return;
	case MESSAGE_GROUPCHAT:
	case MESSAGE_HEADLINE:
		return;
	case MESSAGE_CHAT:
	case MESSAGE_NORMAL:
		break;
	}
	take_receipt(inbox, letter);
	if (encrypted)
		inbox_take_encrypted(inbox->db, inbox->omemo, arena, inbox->account, letter, encrypted,
				     result_r);
	else
		take_clear(inbox, arena, letter, result_r);
	if (result_r->outcome == INBOX_MESSAGE)
		answer_receipt(inbox, letter);
}

void
inbox_take(struct inbox *inbox, struct arena *arena, const struct xml *message, const struct inbox_meta *meta,
	   struct inbox_result *result_r)
{
	struct letter letter;
	assert(inbox->count < INBOX_BATCH);
	inbox->count++;
	*result_r = (struct inbox_result){ .outcome = INBOX_REFUSED, .peer = "" };
	if (!letter_open(inbox, arena, message, meta, &letter))
		return;
	db_begin(inbox->db); /* a SAVEPOINT: this message alone */
	take_message(inbox, arena, &letter, result_r);
	db_commit(inbox->db, NULL);
}

/* A message of ours came back by our archive or as a carbon: the relay has it, whatever became of its
 * acknowledgement. One with a text that is not here was written by a later state of this home. */
static void
own_came_back(struct db *db, struct omemo *omemo, int64_t account, const struct letter *letter,
	      const struct xml *encrypted, int64_t now)
{
	int64_t item = outbox_by_origin(db, account, letter->peer, letter->origin_id);
	if (item)
		outbox_accepted(db, &item, 1, now);
	int64_t message = history_by_origin(db, account, letter->peer, letter->from, letter->origin_id);
	if (message)
		history_set_stanza_id(db, message, letter->stanza_id);
	else if (!item && xml_find(encrypted, "payload", NS_OMEMO) &&
		 !history_by_origin(db, account, letter->peer, letter->from, letter->same_as))
		outbox_set_back(db, omemo, account, now);
}

/* The history row of what was decrypted, unless the same text is there already. */
static int64_t
store_text(struct db *db, int64_t account, const struct letter *letter, const struct omemo_message *message,
	   struct inbox_result *result_r)
{
	const char *origin = letter->same_as[0] ? letter->same_as : letter->origin_id;
	int64_t same =
	    history_same(db, account, letter->peer, letter->from, origin, letter->stanza_id, message->text);
	if (same) {
		history_set_stanza_id(db, same, letter->stanza_id);
		*result_r = (struct inbox_result){ INBOX_DUPLICATE, same, READABLE, letter->peer };
		return same;
	}
	/* what a supplement repeats may be here as unreadable: its row makes way */
	pending_settle(db, account, history_by_origin(db, account, letter->peer, letter->from, origin));
	struct message row = letter_row(account, letter);
	row.origin_id = origin;
	row.body = message->text;
	row.encrypted = true;
	row.trust = message->trust;
	row.device = message->device;
	*result_r = (struct inbox_result){ INBOX_MESSAGE, history_add(db, &row), READABLE, letter->peer };
	return result_r->message;
}

void
inbox_take_encrypted(struct db *db, struct omemo *omemo, struct arena *arena, int64_t account,
		     const struct letter *letter, const struct xml *encrypted, struct inbox_result *result_r)
{
	struct omemo_message message;
	omemo_decrypt(omemo, arena, letter->from, encrypted, letter->now, &message);
	switch (message.outcome) {
	case OMEMO_OK:
		omemo_mark_read(omemo, &message, store_text(db, account, letter, &message, result_r));
		return;
	case OMEMO_EMPTY:
		omemo_mark_read(omemo, &message, 0);
		result_r->outcome = INBOX_NOTHING;
		return;
	case OMEMO_DUPLICATE:
		if (letter->own && message.device == omemo_device(omemo))
			own_came_back(db, omemo, account, letter, encrypted, letter->now);
		if (message.message)
			history_set_stanza_id(db, message.message, letter->stanza_id);
		*result_r = (struct inbox_result){ INBOX_DUPLICATE, message.message, READABLE, letter->peer };
		return;
	case OMEMO_UNREADABLE:
		pending_file(db, arena, account, letter, encrypted, &message, result_r);
		return;
	}
}

void
inbox_caught_up(struct db *db, struct omemo *omemo, int64_t account, int64_t now)
{
	struct arena *arena = arena_new();
	struct device_want *list;
	db_begin(db);
	size_t count = device_answers(db, arena, account, &list);
	for (size_t i = 0; i < count; i++) {
		if (!contact_may_know(db, account, list[i].jid))
			continue; /* the first word to them will do it */
		if (outbox_add_empty(db, omemo, account, list[i].jid, list[i].device, now) != OMEMO_NO_BUNDLES)
			device_set_answer(db, account, list[i].jid, list[i].device, false);
	}
	db_commit(db, NULL);
	arena_free(&arena);
}
