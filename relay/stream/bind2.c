/*
 * stream/bind2.c -- what a client asked for inside of its login, done together with its success: a resource (XEP-0386) with stream
 * management (XEP-0198 section 9) and whatever the owner enables with it.
 *
 * The resource is "tag/id", or the id alone when there is no usable tag. The id is the same for the same client of an account at each login,
 * and tells nobody the client's own. XEP-0386 wants what waits in the mailbox cleared, since the archive has it; here a row leaves when
 * a device has confirmed it, so it comes behind initial presence as ever, with the stanza-id by which clients know it.
 * A session to be resumed goes first; when that fails, its <failed/> is told with what is bound instead.
 * A client that says <brief xmlns='urn:lazo:brief:0'/> has no use for what else is told of the account and of the stream: it gets no
 * <metadata/> and empty features, which together are half of the answer.
 * Refused (too many sessions): <success/> has no <bound/>, and the client may bind in the old way to hear why.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/stream/sasl-private.h"

enum { RESOURCE_ID = 8 /* bytes */, TAG_MAX = 64 };

void
bind2_offer(struct stream *stream, struct arena *arena, struct xml *list)
{
	struct xml *bind = xml_add(arena, list, "bind", NS_BIND2);
	struct xml *asks = xml_add(arena, bind, "inline", NULL);

	xml_set(arena, xml_add(arena, asks, "feature", NULL), "var", NS_SM);
	stream->host->owner->inline_features(stream->host->arg, arena, asks);
	if (stream->host->resume > 0)
		xml_add(arena, list, "sm", NS_SM);
}

/* One write: one record of TLS. */
static void
finish(struct sasl *sasl)
{
	struct stream *stream = sasl->stream;
	struct xml *success = sasl2_success(sasl);
	struct buf out = { .data = NULL };

	if (sasl->resume != NULL)
		xml_append(success, sasl->resume);
	if (sasl->bound != NULL)
		xml_append(success, sasl->bound);
	xmlout(&out, success, NS_CLIENT);
	if (sasl->want.brief && sasl->bound != NULL)
		buf_adds(&out, "<stream:features/>");
	else if (sasl->resume == NULL || !xml_is(sasl->resume, "resumed", NS_SM)) /* XEP-0198 9.2 */
		negotiate_features(stream, sasl->arena, &out);
	stream_write(stream, out.data, out.len);
	cleanse(out.data, out.len); /* a token may be in it */
	buf_free(&out);
	sasl_leave(stream);
	stream_later(stream);
}

/* ---- a resource ---- */

/* XEP-0386 3.3. */
static const char *
make_resource(struct sasl *sasl)
{
	const struct stream *stream = sasl->stream;
	const char *tag = xml_child_text(sasl->arena, sasl->want.bind, "tag", NS_BIND2);
	uint8_t bytes[DIGEST_MAX];
	char id[2 * RESOURCE_ID + 1];
	const char *who = arena_printf(sasl->arena, "%s/%s", stream->node, sasl->want.client);
	struct jid jid;

	if (sasl->want.client[0] == '\0')
		random_bytes(bytes, RESOURCE_ID);
	else
		digest_hmac(DIGEST_SHA256, stream_shared(stream->host)->resources, SHA256_LEN, who, strlen(who), bytes);
	hex_encode(id, bytes, RESOURCE_ID);
	if (tag == NULL || *tag == '\0' || strlen(tag) > TAG_MAX ||
	    !jid_make(sasl->arena, stream->node, stream->host->domain, tag, &jid))
		return arena_strdup(sasl->arena, id);
	return arena_printf(sasl->arena, "%s/%s", jid.resource, id);
}

/* What is to begin together with the session; no more of it once one of them has ended the stream. */
static void
enable_all(struct sasl *sasl)
{
	struct stream *stream = sasl->stream;

	for (const struct xml *at = xml_first(sasl->want.bind); at != NULL && stream->state < STATE_CLOSING;
	     at = xml_next(at, NULL, NULL)) {
		if (!xml_is(at, "enable", NS_SM))
			stream->host->owner->inline_ask(stream->session, at);
		else if (stream->smacks == NULL)
			xml_append(sasl->bound, smacks_enable(stream, sasl->arena, at));
	}
}

static void
bind_now(void *arg)
{
	struct sasl *sasl = arg;
	struct stream *stream = sasl->stream;

	if (!sasl_came_back(sasl))
		return;
	if (bind_session(stream, sasl->arena, make_resource(sasl)) == STANZA_OK)
		enable_all(sasl);
	else
		sasl->bound = NULL;
	if (stream->state < STATE_CLOSING)
		finish(sasl);
}

static void
bind_wanted(struct sasl *sasl)
{
	struct stream *stream = sasl->stream;

	if (sasl->want.bind == NULL) {
		finish(sasl);
		return;
	}
	sasl->bound = xml_new(sasl->arena, "bound", NS_BIND2);
	sasl->under_way++;
	if (sasl->want.brief) {
		bind_now(sasl);
		return;
	}
	stream->host->owner->bind_ahead(stream->host->arg, stream->node, sasl->arena, sasl->bound, bind_now, sasl);
}

void
bind2_resume_told(struct stream *stream, const struct xml *element)
{
	struct sasl *sasl = stream->sasl;

	sasl->resume = xml_copy(sasl->arena, element);
	if (xml_is(element, "resumed", NS_SM))
		finish(sasl);
	else
		bind_wanted(sasl);
}

void
bind2_begin(struct sasl *sasl)
{
	if (sasl->want.resume != NULL)
		resume_element(sasl->stream, sasl->want.resume);
	else
		bind_wanted(sasl);
}
