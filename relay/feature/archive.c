/*
 * feature/archive.c -- what is sent and received is kept for the user's other devices and for later
 * (XEP-0313, XEP-0441).
 *
 * Both parties' rows join the message's one transaction and share its one stored body; each account's
 * stanza-id (XEP-0359) is the same that its deliveries carry. What would wait in the mailbox is what is
 * archived: chat and normal with something in it that is not of the moment (6.1.1 and beyond it: receipts,
 * markers, keys), unless hints (XEP-0334) or the user's preferences say otherwise. What was refused is in no
 * archive. Nothing is removed here: see upkeep.c for limits.
 */
#include "config.h"

#include "relay/feature/archive.h"

#include <stddef.h>
#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/feature/archive_prefs.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/message.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/store/txn.h"

/* ---- keeping ---- */

static bool
is_archivable(const struct xml *message)
{
	return message_is_storable(message) && xml_find(message, "no-permanent-store", NS_HINTS) == NULL;
}

static bool
wants(struct event *event, const struct account *account, const struct jid *peer)
{
	bool in_roster;

	if (account->archive == NULL)
		return true;
	in_roster = (account_flags(account, peer) & ROSTER_VISIBLE) != 0 || account_is_self(account, peer);
	return archive_prefs_wants(event->arena, account->archive, peer, in_roster);
}

static void
keep_for(struct event *event, const struct account *account, const struct jid *peer)
{
	if (!wants(event, account, peer))
		return;
	message_keep(event);
	event_add(event, &(struct op){ .kind = OP_BOX,
				       .account = account->node,
				       .id = event->message_id,
				       .peer = jid_bare_text(event->arena, peer) });
}

/* To another domain: the sender's archive alone. */
static enum verdict
on_send(struct event *event, void *state)
{
	(void)state;
	if (event->kind == STANZA_MESSAGE && event->scope == TO_REMOTE && is_archivable(event->stanza))
		keep_for(event, event->sender, &event->to);
	return PASS;
}

static enum verdict
on_message(struct event *event, void *state)
{
	(void)state;
	if (event->message_id == 0 || event->from.domain == NULL || !is_archivable(event->stanza))
		return PASS;
	if (event->sender != NULL && event->sender != event->target) /* to oneself: one row */
		keep_for(event, event->sender, &event->to);
	keep_for(event, event->target, &event->from);
	return PASS;
}

/* ---- preferences (XEP-0441 2.1) ---- */

static enum verdict
on_prefs(struct event *event, void *state)
{
	struct xml *result = event_result(event);
	enum stanza_error error;
	const char *text;

	(void)state;
	if (iq_type(event->stanza) == IQ_SET) {
		text = archive_prefs_read(event->arena, event->payload, &error);
		if (text == NULL)
			return event_reject(event, error, NULL);
		account_archive_set(event->target, event, text);
	}
	archive_prefs_write(event->arena, result, event->target->archive);
	event_reply(event, result);
	return HANDLED;
}

static const struct iq_handler handlers[] = {
	{ "prefs", NS_MAM, ON_GET | ON_SET, TO_SELF, on_prefs },
	{ "query", NS_MAM, ON_GET, TO_SELF, archive_on_form },
	{ "query", NS_MAM, ON_SET, TO_SELF | TO_ACCOUNT, archive_on_query },
	{ "metadata", NS_MAM, ON_GET, TO_SELF, archive_on_metadata },
	{ 0 },
};
static const struct hook hooks[] = {
	{ POINT_SEND, ORDER_ARCHIVE, on_send },
	{ POINT_MESSAGE, ORDER_ARCHIVE, on_message },
	{ 0 },
};

const struct feature feature_archive = {
	.name = "archive",
	.spec = "XEP-0313 1.1.3, XEP-0441 0.2.0",
	/* Of the accounts, said for them too: some clients ask the host alone (profanity 0.13). */
	.disco = (const char *const[]){ NS_MAM, NS_MAM "#extended", NULL },
	.disco_account = (const char *const[]){ NS_MAM, NS_MAM "#extended", NS_MAM "#groupchat-field", NULL },
	.iq = handlers,
	.hooks = hooks,
	.bind_ahead = archive_bind_ahead,
	.init = archive_waits_new,
	.free = archive_waits_free,
};
