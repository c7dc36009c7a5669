/*
 * outstanza.c -- build the stanzas of the outbox, once; they are kept and sent again in these very bytes.
 *
 * XEP-0184 (request), XEP-0333 (markable), XEP-0334 (store: archives leave out what has no body), XEP-0359
 * (origin-id), XEP-0380 (which encryption), XEP-0384 0.3.0.
 */
#include "config.h"
#include "client/outstanza.h"

#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "proto/xmlout.h"

/* Shown by programs that know no OMEMO. English, as all of them do: the reader's language is not known here.
 */
static const char fallback[] = "This message is encrypted with OMEMO. Your program cannot show it.";

static struct xml *
message_new(struct arena *arena, const char *to, const char *id)
{
	struct xml *message = stanza_new(arena, "message", NULL, to, "chat", id);
	xml_set(arena, xml_add(arena, message, "origin-id", NS_SID), "id", id);
	return message;
}

static void
ask_back(struct arena *arena, struct xml *message)
{
	xml_add(arena, message, "request", NS_RECEIPTS);
	xml_add(arena, message, "markable", NS_MARKERS);
}

static void
hint_store(struct arena *arena, struct xml *message)
{
	xml_add(arena, message, "store", NS_HINTS);
}

static void
mark_omemo(struct arena *arena, struct xml *message, struct xml *encrypted)
{
	xml_append(message, encrypted);
	struct xml *encryption = xml_add(arena, message, "encryption", NS_EME);
	xml_set(arena, encryption, "namespace", NS_OMEMO);
	xml_set(arena, encryption, "name", "OMEMO");
}

void
outstanza_plain(struct buf *out, struct arena *arena, const char *to, const char *id, const char *text)
{
	struct xml *message = message_new(arena, to, id);
	xml_add_leaf(arena, message, "body", NULL, text);
	ask_back(arena, message);
	xmlout(out, message, NS_CLIENT);
}

void
outstanza_encrypted(struct buf *out, struct arena *arena, const char *to, const char *id,
		    struct xml *encrypted, const char *same_as)
{
	struct xml *message = message_new(arena, to, id);
	mark_omemo(arena, message, encrypted);
	xml_add_leaf(arena, message, "body", NULL, fallback);
	hint_store(arena, message);
	if (same_as)
		xml_set(arena, xml_add(arena, message, "same-as", NS_CUSTODY), "id", same_as);
	ask_back(arena, message);
	xmlout(out, message, NS_CLIENT);
}

/* No body: stock programs would show it as a message. */
void
outstanza_empty(struct buf *out, struct arena *arena, const char *to, const char *id, struct xml *encrypted)
{
	struct xml *message = message_new(arena, to, id);
	mark_omemo(arena, message, encrypted);
	hint_store(arena, message);
	xmlout(out, message, NS_CLIENT);
}

void
outstanza_receipt(struct buf *out, struct arena *arena, const char *to, const char *id, const char *received)
{
	struct xml *message = message_new(arena, to, id);
	xml_set(arena, xml_add(arena, message, "received", NS_RECEIPTS), "id", received);
	hint_store(arena, message);
	xmlout(out, message, NS_CLIENT);
}

void
outstanza_displayed(struct buf *out, struct arena *arena, const char *to, const char *id,
		    const char *displayed)
{
	struct xml *message = message_new(arena, to, id);
	xml_set(arena, xml_add(arena, message, "displayed", NS_MARKERS), "id", displayed);
	hint_store(arena, message);
	xmlout(out, message, NS_CLIENT);
}
