/* show.c -- messages and their states in words: see show.h. */
#include "config.h"

#include "client/cmd/show.h"

#include <string.h>

#include "client/cmd/cmd.h"
#include "client/db/contact.h"
#include "client/text.h"

const char *
show_sent(enum sent state)
{
	static const char *const words[SENTS] = {
		[SENT_NOT] = "",
		[SENT_WAITING] = N_("waits for keys, safe here"),
		[SENT_READY] = N_("safe here, not yet with the relay"),
		[SENT_SENT] = N_("on its way to the relay"),
		[SENT_ACCEPTED] = N_("with the relay"),
		[SENT_DELIVERED] = N_("delivered"),
		[SENT_DISPLAYED] = N_("read"),
		[SENT_REFUSED] = N_("refused"),
		[SENT_CANCELLED] = N_("cancelled"),
	};

	return words[state][0] == '\0' ? "" : _(words[state]);
}

const char *
show_unreadable(enum unreadable reason)
{
	static const char *const words[UNREADABLES] = {
		[READABLE] = "",
		[UNREADABLE_NOT_FOR_US] = N_("it was not written for this device"),
		[UNREADABLE_NO_SESSION] = N_("this device has no session with the sender's"),
		[UNREADABLE_KEY_GONE] = N_("the key for it is no longer here"),
		[UNREADABLE_GAP] = N_("too many messages before it are missing"),
		[UNREADABLE_BAD] = N_("it was changed on the way"),
		[UNREADABLE_MALFORMED] = N_("it is not written as it should be"),
		[UNREADABLE_CHANGED_KEY] = N_("the sender's key is not the one known here"),
		[UNREADABLE_NOT_OMEMO] = N_("it is encrypted in a way this program does not know"),
	};

	return reason >= UNREADABLES || words[reason] == NULL || words[reason][0] == '\0' ? "" : _(words[reason]);
}

const char *
show_reason(const char *word)
{
	static const struct {
		const char *word;
		const char *text;
	} known[] = {
		{ "no-device-list", N_("their keys were not fetched yet") },
		{ "no-omemo", N_("they have no device that can read encrypted messages") },
		{ "no-keys", N_("the keys of their devices could not be fetched yet") },
		{ "untrusted", N_("no device of theirs is trusted: lazo verify") },
		{ "changed-key", N_("a key of theirs changed: lazo verify") },
		{ "item-not-found", N_("there is no such person") },
		{ "service-unavailable", N_("there is no such person, or they take no messages") },
		{ "remote-server-not-found", N_("there is no relay of that name") },
		{ "remote-server-timeout", N_("their relay does not answer") },
		{ "recipient-unavailable", N_("they cannot be reached") },
		{ "forbidden", N_("their relay does not allow it") },
		{ "not-allowed", N_("their relay does not allow it") },
		{ "not-acceptable", N_("they take no messages from you") },
		{ "policy-violation", N_("it is against the relay's rules") },
		{ "resource-constraint", N_("the relay is full") },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].word, word) == 0)
			return _(known[i].text);
	return word;
}

const char *
show_person(struct app *app, int64_t account, const char *jid)
{
	struct contact contact;

	if (contact_get(app->db, app->arena, account, jid, &contact) && contact.name[0] != '\0')
		return text_line(app->arena, contact.name);
	return text_line(app->arena, jid);
}

static const char *
account_jid(struct app *app, int64_t id)
{
	struct account *list;
	size_t count = account_list(app->db, app->arena, &list);

	if (app->account.id == id)
		return app->account.jid;
	for (size_t i = 0; i < count; i++)
		if (list[i].id == id)
			return list[i].jid;
	return "";
}

json_t *
show_message_json(struct app *app, const struct message *message)
{
	json_t *object = json_object();
	const char *own = account_jid(app, message->account);
	bool sent = message->sent != SENT_NOT || strcmp(message->from, own) == 0;

	json_object_set_new(object, "v", json_integer(1));
	json_object_set_new(object, "id", json_integer(message->id));
	json_object_set_new(object, "stanza_id", message->stanza_id[0] != '\0' ? json_string(message->stanza_id) :
	    json_null());
	json_object_set_new(object, "origin_id", message->origin_id[0] != '\0' ? out_json_text(message->origin_id) :
	    json_null());
	json_object_set_new(object, "account", json_string(own));
	json_object_set_new(object, "from", out_json_text(message->from));
	json_object_set_new(object, "to", out_json_text(sent ? message->peer : own));
	json_object_set_new(object, "time", json_string(text_rfc3339(app->arena, message->time)));
	json_object_set_new(object, "received", json_string(text_rfc3339(app->arena, message->received)));
	json_object_set_new(object, "way", json_string(way_word(message->way)));
	json_object_set_new(object, "encrypted", json_boolean(message->encrypted));
	json_object_set_new(object, "trust", json_string(trust_word(message->trust)));
	if (message->unreadable != READABLE)
		json_object_set_new(object, "unreadable", json_string(unreadable_word(message->unreadable)));
	else
		json_object_set_new(object, "body", out_json_text(message->body));
	if (message->sent != SENT_NOT)
		json_object_set_new(object, "state", json_string(sent_word(message->sent)));
	if (message->sent != SENT_NOT && message->reason[0] != '\0')
		json_object_set_new(object, "reason", out_json_text(message->reason));
	return object;
}

/* What must be known beside the words: never by colour alone. */
static const char *
mark(struct app *app, const struct message *message)
{
	if (message->unreadable != READABLE)
		return "";
	if (!message->encrypted)
		return _(" [not encrypted]");
	switch (message->trust) {
	case TRUST_UNDECIDED:
		return _(" [device not verified]");
	case TRUST_REJECTED:
		return _(" [device not trusted]");
	case TRUST_CHANGED:
		return _(" [key changed]");
	case TRUST_NONE:
	case TRUST_BLIND:
	case TRUST_VERIFIED:
	case TRUSTS:
		break;
	}
	(void)app;
	return "";
}

void
show_message(struct app *app, const struct message *message, bool with_peer)
{
	bool own = message->sent != SENT_NOT || strcmp(message->from, message->peer) != 0;
	const char *who = own ? _("me") : show_person(app, message->account, message->from);
	const char *when = text_when(app->arena, message->time, now_wall());

	if (own && with_peer)
		who = arena_printf(app->arena, "%s → %s", who, show_person(app, message->account, message->peer));
	out("%s  %s%s%s%s: ", when, out_bold(), who, out_plain(), mark(app, message));
	if (message->unreadable != READABLE)
		out(_("[cannot be read: %s]"), show_unreadable(message->unreadable));
	else
		out("%s", text_block(app->arena, message->body, 4));
	if (message->sent != SENT_NOT)
		out(message->reason[0] != '\0' ? "  (%s: %s)" : "  (%s)", show_sent(message->sent),
		    text_line(app->arena, show_reason(message->reason)));
	out("\n");
}
