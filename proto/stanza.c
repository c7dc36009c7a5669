/* stanza.c -- message, presence, iq: see stanza.h. Spec: RFC 6120 8, RFC 6121 4.7 and 5.2.2. */
#include "config.h"

#include "proto/stanza.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/xml.h"

struct word {
	const char *text;
	int value;
};

/* The value of a word; `absent` when there is none, `unknown` when the table has not got it. */
static int
look_up(const struct word *words, const char *text, int absent, int unknown)
{
	if (text == NULL)
		return absent;
	for (; words->text != NULL; words++)
		if (strcmp(words->text, text) == 0)
			return words->value;
	return unknown;
}

enum stanza_kind
stanza_kind(const struct xml *stanza)
{
	static const struct word kinds[] = {
		{ "message", STANZA_MESSAGE },
		{ "presence", STANZA_PRESENCE },
		{ "iq", STANZA_IQ },
		{ 0 },
	};

	if (stanza->name == NULL ||
	    (strcmp(stanza->ns, NS_CLIENT) != 0 && strcmp(stanza->ns, NS_SERVER) != 0))
		return STANZA_OTHER;
	return (enum stanza_kind)look_up(kinds, stanza->name, STANZA_OTHER, STANZA_OTHER);
}

enum iq_type
iq_type(const struct xml *iq)
{
	static const struct word types[] = {
		{ "get", IQ_GET }, { "set", IQ_SET }, { "result", IQ_RESULT }, { "error", IQ_ERROR }, { 0 },
	};

	return (enum iq_type)look_up(types, xml_attr(iq, "type"), IQ_BAD, IQ_BAD);
}

enum message_type
message_type(const struct xml *message)
{
	static const struct word types[] = {
		{ "normal", MESSAGE_NORMAL },       { "chat", MESSAGE_CHAT },
		{ "groupchat", MESSAGE_GROUPCHAT }, { "headline", MESSAGE_HEADLINE },
		{ "error", MESSAGE_ERROR },         { 0 },
	};

	return (enum message_type)look_up(types, xml_attr(message, "type"), MESSAGE_NORMAL, MESSAGE_NORMAL);
}

enum presence_type
presence_type(const struct xml *presence)
{
	static const struct word types[] = {
		{ "unavailable", PRESENCE_UNAVAILABLE },
		{ "subscribe", PRESENCE_SUBSCRIBE },
		{ "subscribed", PRESENCE_SUBSCRIBED },
		{ "unsubscribe", PRESENCE_UNSUBSCRIBE },
		{ "unsubscribed", PRESENCE_UNSUBSCRIBED },
		{ "probe", PRESENCE_PROBE },
		{ "error", PRESENCE_ERROR },
		{ 0 },
	};

	return (enum presence_type)look_up(types, xml_attr(presence, "type"), PRESENCE_AVAILABLE,
					   PRESENCE_BAD);
}

/* RFC 6121 4.7.2.3: an xs:byte. White space around it is allowed there (XML Schema 2, 4.3.6). */
int
presence_priority(struct arena *arena, const struct xml *presence)
{
	const char *text = xml_child_text(arena, presence, "priority", presence->ns);
	int value = 0, digits = 0;

	if (text == NULL)
		return 0;
	text += strspn(text, " \t\r\n");
	bool negative = *text == '-';

	text += *text == '-' || *text == '+';
	for (; *text >= '0' && *text <= '9' && value <= 128; text++, digits++)
		value = 10 * value + (*text - '0');
	text += strspn(text, " \t\r\n");
	value = negative ? -value : value;
	return *text != '\0' || digits == 0 || value < -128 || value > 127 ? 0 : value;
}

bool
iq_valid(const struct xml *iq)
{
	const struct xml *child = xml_first(iq);
	enum iq_type type = iq_type(iq);

	if (xml_attr(iq, "id") == NULL || type == IQ_BAD)
		return false;
	bool request = type == IQ_GET || type == IQ_SET;

	return !request || (child != NULL && xml_next(child, NULL, NULL) == NULL);
}

struct xml *
stanza_new(struct arena *arena, const char *kind, const char *from, const char *to, const char *type,
	   const char *id)
{
	struct xml *stanza = xml_new(arena, kind, NS_CLIENT);

	xml_set(arena, stanza, "from", from);
	xml_set(arena, stanza, "to", to);
	xml_set(arena, stanza, "type", type);
	xml_set(arena, stanza, "id", id);
	return stanza;
}

/* The stanza that answers another: addresses exchanged, same id, same namespace. */
static struct xml *
answer(struct arena *arena, const struct xml *stanza, const char *type)
{
	struct xml *reply = xml_new(arena, stanza->name, stanza->ns);

	xml_set(arena, reply, "from", xml_attr(stanza, "to"));
	xml_set(arena, reply, "to", xml_attr(stanza, "from"));
	xml_set(arena, reply, "type", type);
	xml_set(arena, reply, "id", xml_attr(stanza, "id"));
	return reply;
}

struct xml *
iq_result(struct arena *arena, const struct xml *request)
{
	return answer(arena, request, "result");
}

struct xml *
stanza_error(struct arena *arena, const struct xml *stanza, enum stanza_error error, const char *text,
	     bool echo)
{
	const char *type = xml_attr(stanza, "type");

	/* RFC 6120 8.3.1; a result answers a request and is answered by nothing (8.2.3). */
	if (type != NULL && (strcmp(type, "error") == 0 ||
			     (iq_type(stanza) == IQ_RESULT && stanza_kind(stanza) == STANZA_IQ)))
		return NULL;
	struct xml *reply = answer(arena, stanza, "error");

	for (const struct xml *child = stanza->first; echo && child != NULL; child = child->next)
		xml_append(reply, xml_copy(arena, child));
	struct xml *element = xml_add(arena, reply, "error", NULL);

	xml_set(arena, element, "type", stanza_error_type(error));
	xml_add(arena, element, stanza_error_name(error), NS_STANZA_ERRORS);
	if (text != NULL)
		xml_add_leaf(arena, element, "text", NS_STANZA_ERRORS, text);
	return reply;
}

enum stanza_error
stanza_error_of(const struct xml *stanza)
{
	const struct xml *error = xml_find(stanza, "error", stanza->ns);
	const struct xml *condition = error == NULL ? NULL : xml_find(error, NULL, NS_STANZA_ERRORS);

	if (condition != NULL && strcmp(condition->name, "text") == 0)
		condition = xml_next(condition, NULL, NS_STANZA_ERRORS);
	return stanza_error_by_name(condition == NULL ? NULL : condition->name);
}
