/*
 * peer/inbound_dialback.c -- Server Dialback on a stream that another relay began (XEP-0220 1.1.1): as receiving server (<db:result/>:
 * a key, which its own relay is asked about) and as authoritative server (<db:verify/>: is this key ours?). Only with `dialback`
 * on, inside TLS, and never for a domain with a pin.
 *
 * A stream carries one domain; a key for another is answered with resource-constraint, and a stream of its own is right for it
 * (section 2.5). Answers to questions that were not put here are ignored (attack F1).
 */
#include "config.h"

#include "relay/peer/inbound-private.h"

#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/jid.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/conf.h"
#include "relay/peer/dialback.h"
#include "relay/peer/verify.h"

enum {
	KEYS_MOST = 3, /* that come to nothing, on one stream */
	WAIT_VERIFY = 75 * 1000, /* ms: DNS, connections and the question */
};

static void
write_all(struct inbound *in, struct buf *out)
{
	line_write(in->line, out->data, out->len);
	buf_free(out);
}

static void
refuse_key(struct inbound *in, const char *to, const char *from, enum stanza_error error)
{
	struct buf out = { .data = NULL };

	dialback_write_error(&out, "result", to, from, NULL, error);
	write_all(in, &out);
	if (in->state == INBOUND_AUTH && ++in->keys >= KEYS_MOST)
		line_close(in->line, STREAM_NOT_AUTHORIZED, NULL);
}

/* ---- a key of theirs ---- */

static void
on_verified(void *arg, enum verify_result result, enum stanza_error error)
{
	struct inbound *in = arg;
	const char *us = in->peers->domain;
	struct buf out = { .data = NULL };

	in->verify = NULL;
	line_hold(in->line, false);
	line_deadline(in->line, WAIT_READY);
	switch (result) {
	case VERIFY_VALID:
		if (!inbound_make_room(in->peers, in->domain)) {
			line_close(in->line, STREAM_RESOURCE_CONSTRAINT, "you open streams too fast");
			return;
		}
		dialback_write(&out, "result", us, in->domain, NULL, "valid", "");
		write_all(in, &out);
		line_raise(in->line, LINE_BYTES);
		inbound_ready(in, "dialback");
		return;
	case VERIFY_INVALID:
		log_warn(&in->log, "refused: its relay knows nothing of its dialback key");
		dialback_write(&out, "result", us, in->domain, NULL, "invalid", "");
		write_all(in, &out);
		line_close(in->line, STREAM_OK, NULL);
		return;
	case VERIFY_ERROR:
		refuse_key(in, us, in->domain, error);
		return;
	}
}

/* STANZA_OK: it may be asked about. from: canonical. */
static enum stanza_error
check_key(const struct inbound *in, const char *from, const char *to)
{
	if (strcmp(to, in->peers->domain) != 0)
		return STANZA_ITEM_NOT_FOUND;
	if (strcmp(from, in->peers->domain) == 0 || !peers_allow_dialback(in->peers, from))
		return STANZA_NOT_AUTHORIZED;
	if (in->state == INBOUND_READY)
		return STANZA_RESOURCE_CONSTRAINT;
	return STANZA_OK;
}

static void
take_key(struct inbound *in, const char *from, const char *to, const char *key)
{
	enum stanza_error error = check_key(in, from, to);

	if (error == STANZA_OK) {
		inbound_claim(in, from);
		in->verify = verify_begin(in->peers, from, in->id, key, on_verified, in);
		if (in->verify == NULL)
			error = STANZA_RESOURCE_CONSTRAINT;
	}
	if (error != STANZA_OK) {
		refuse_key(in, to, from, error);
		return;
	}
	line_hold(in->line, true);
	line_deadline(in->line, WAIT_VERIFY);
}

/* ---- a key of ours ---- */

static void
take_question(struct inbound *in, const char *from, const char *to, const char *id, const char *key)
{
	uint8_t secret[DIALBACK_SECRET];
	struct buf out = { .data = NULL };

	peers_dialback_secret(in->peers, secret);
	if (strcmp(to, in->peers->domain) != 0)
		dialback_write_error(&out, "verify", to, from, id, STANZA_ITEM_NOT_FOUND);
	else
		dialback_write(&out, "verify", to, from, id, dialback_key_is(secret, from, to, id, key) ? "valid" : "invalid", "");
	write_all(in, &out);
}

/* ---- both ---- */

static const char *
domain_of(struct arena *arena, const char *text)
{
	struct jid jid;

	return text != NULL && jid_parse_text(arena, text, &jid) && jid.node == NULL && jid.resource == NULL ? jid.domain : NULL;
}

bool
inbound_take_dialback(struct inbound *in, struct arena *arena, const struct xml *element)
{
	const char *from = domain_of(arena, xml_attr(element, "from")), *to = domain_of(arena, xml_attr(element, "to"));
	const char *id = xml_attr(element, "id");

	if (strcmp(element->ns, NS_DIALBACK) != 0 || !in->peers->conf->dialback)
		return false;
	if (xml_attr(element, "type") != NULL) {
		log_warn(&in->log, "answers a dialback question that was not put here");
		return true;
	}
	if (from == NULL || to == NULL)
		line_close(in->line, STREAM_IMPROPER_ADDRESSING, NULL);
	else if (strcmp(element->name, "result") == 0)
		take_key(in, from, to, xml_text(arena, element));
	else if (strcmp(element->name, "verify") == 0 && id != NULL)
		take_question(in, from, to, id, xml_text(arena, element));
	else
		line_close(in->line, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
	return true;
}
