/*
 * stream.c -- a ready session's bookkeeping: what the server has answered for, and what it wants answered.
 *
 * Where stream management is on, <r/> and <a h/> tell (XEP-0198 section 4); elsewhere a ping whose answer
 * stands behind all that was sent before it, since a server answers in order (RFC 6120 section 10.1).
 */
#include "config.h"

#include "tests/bench/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The shape of an OMEMO message for two devices: 300 bytes of payload. */
#define PAYLOAD                                                                                              \
	"<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1234567'><key rid='7654321'>"        \
	"MwohBXh0ZXN0a2V5dGVzdGtleXRlc3RrZXl0ZXN0a2V5dGVzdGtlEAAYACIwdGVzdGNpcGhlcnRleHR0ZXN0Y2lw"           \
	"</key><iv>AAAAAAAAAAAAAAAA</iv></header><payload>"                                                  \
	"cGF5bG9hZHBheWxvYWRwYXlsb2FkcGF5bG9hZHBheWxvYWRwYXlsb2FkcGF5bG9hZHBheWxvYWRwYXlsb2FkcGF5bG9hZHBheQ" \
	"</payload></encrypted><store xmlns='urn:xmpp:hints'/>"

static void
acked_to(struct session *s, uint32_t count)
{
	while ((int32_t)(count - s->acked) > 0 && (int32_t)(s->out_count - s->acked) > 0) {
		uint64_t *sent = &s->sent_at[++s->acked & (SENT_RING - 1)];
		if (*sent != 0 && bench.hooks.acked != NULL)
			bench.hooks.acked(s, *sent);
		*sent = 0;
	}
}

void
stream_message(struct session *s, const char *to, const char *id, uint64_t sent_ns)
{
	s->sent_at[++s->out_count & (SENT_RING - 1)] = sent_ns;
	session_send(s, "<message to='%s' type='chat' id='%s'>" PAYLOAD "</message>", to, id);
}

void
stream_ask(struct session *s)
{
	if (s->managed) {
		session_send(s, "<r xmlns='urn:xmpp:sm:3'/>");
		return;
	}
	uint32_t before = s->out_count++;
	s->sent_at[s->out_count & (SENT_RING - 1)] = 0;
	session_send(s, "<iq type='get' id='upto-%" PRIu32 "' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>",
		     before, s->site->host);
}

static void
iq(struct session *s, const char *xml)
{
	char id[128], from[256], type[16];

	if (!attribute(xml, "type", type, sizeof type) || !attribute(xml, "id", id, sizeof id))
		return;
	if (strncmp(id, "upto-", 5) == 0) {
		acked_to(s, (uint32_t)strtoul(id + 5, NULL, 10));
	} else if (strcmp(type, "get") == 0) {
		/* A ping of the server: lazod asks so whether what it sent has come. */
		bool has_from = attribute(xml, "from", from, sizeof from);
		s->out_count++;
		session_send(s, "<iq type='result' id='%s' to='%s'/>", id, has_from ? from : s->site->host);
	}
}

void
stream_stanza(struct session *s, char *xml)
{
	char h[16];

	if (strncmp(xml, "<a ", 3) == 0) {
		if (attribute(xml, "h", h, sizeof h))
			acked_to(s, (uint32_t)strtoul(h, NULL, 10));
		return;
	}
	if (strncmp(xml, "<r ", 3) == 0 || strncmp(xml, "<r/", 3) == 0) {
		session_send(s, "<a xmlns='urn:xmpp:sm:3' h='%" PRIu32 "'/>", s->in_count);
		return;
	}
	s->in_count++;
	if (strncmp(xml, "<message", 8) == 0) {
		char type[16];
		if (attribute(xml, "type", type, sizeof type) && strcmp(type, "error") == 0) {
			if (bench.errors++ == 0)
				fprintf(stderr, "load: refused: %s\n", xml);
		} else if (bench.hooks.message != NULL) {
			bench.hooks.message(s, xml);
		}
	} else if (strncmp(xml, "<iq", 3) == 0) {
		iq(s, xml);
	}
}
