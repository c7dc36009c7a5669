/*
 * link_stream.c -- a stream's life over the addresses of its relay, and its stanzas: see link_stream.h. The negotiation is in
 * link_login.c, stream management in link_sm.c.
 */
#include "config.h"

#include "client/link_stream-private.h"

#include <stdlib.h>
#include <string.h>

#include "client/clock.h"
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"

enum {
	RESOLVE_MS = 10000,
	CONNECT_MS = 15000,
	ALL_MS = 120000, /* the whole login, over all addresses */
	GIVE_BACK_MS = 5000, /* the same where nothing but a token is at stake */
};

static uint8_t refused_pin[SHA256_LEN];
static bool refused_pin_seen;

/* -- life -------------------------------------------------------------------------------------------------- */

/* One address from TCP to ready. */
static bool
try_endpoint(struct stream *stream, const struct endpoint *end)
{
	link_free(&stream->link);
	stream->link = link_new(&stream->link_config, stream->trouble);
	memcpy(stream->address, end->address, sizeof(stream->address));
	if (!link_connect(stream->link, end->address, end->port, end->direct,
	        now_mono() + (stream->config->give_back ? GIVE_BACK_MS : CONNECT_MS)))
		return false;
	return stream_negotiate(stream, end->direct) && stream_enable_sm(stream);
}

/* Only where no answer came is another address worth a try: what a relay said counts for all. */
static bool
worth_another(const struct trouble *trouble)
{
	return trouble->fault == FAULT_NETWORK || trouble->fault == FAULT_LOST || trouble->fault == FAULT_TIMEOUT ||
	    trouble->fault == FAULT_HANDSHAKE || trouble->fault == FAULT_FULL;
}

static bool
try_all(struct stream *stream, struct endpoint *list, size_t count)
{
	int64_t deadline = now_mono() + (stream->config->give_back ? GIVE_BACK_MS : ALL_MS);
	int index;

	while ((index = resolve_race(list, count, deadline)) >= 0 && now_mono() < deadline) {
		trouble_clear(stream->trouble);
		list[index].tried = true;
		if (try_endpoint(stream, &list[index]))
			return true;
		if (!worth_another(stream->trouble))
			return false;
	}
	return trouble_set(stream->trouble, FAULT_NETWORK, "%s port %u and %zu more addresses: no answer",
	    list[0].address, list[0].port, count - 1);
}

struct stream *
stream_login(const struct stream_config *config, struct trouble *trouble)
{
	struct stream *stream = xcalloc(1, sizeof(*stream));
	struct endpoint list[RESOLVE_MAX];
	size_t count;

	trouble_clear(trouble);
	refused_pin_seen = false;
	stream->trouble = trouble;
	stream->config = config;
	stream->link_config = (struct link_config){ .domain = config->domain, .ca_file = config->ca_file,
		.pin = config->pin, .user = config->user };
	stream_step(stream, "connect");
	count = resolve_find(config->domain, config->server, now_mono() + (config->give_back ? GIVE_BACK_MS : RESOLVE_MS), list, trouble);
	if (count == 0 || !try_all(stream, list, count)) {
		refused_pin_seen = stream->link != NULL && link_peer_pin(stream->link, refused_pin);
		stream_free(&stream);
	}
	return stream;
}

void
stream_free(struct stream **stream)
{
	struct stream *dead = *stream;

	if (dead == NULL)
		return;
	*stream = NULL;
	stream_drop_early(dead);
	link_free(&dead->link);
	free(dead->jid);
	cleanse(dead, sizeof(*dead));
	free(dead);
}

bool
stream_close(struct stream *stream, int64_t deadline)
{
	return link_close(stream->link, deadline);
}

const char *
stream_jid(const struct stream *stream)
{
	return stream->jid;
}

const char *
stream_mechanism(const struct stream *stream)
{
	return stream->mechanism;
}

const char *
stream_address(const struct stream *stream)
{
	return stream->address;
}

bool
stream_keep(const struct stream *stream, struct sasl_secret *secret_r)
{
	if (stream->keeps)
		*secret_r = stream->secret;
	return stream->keeps;
}

bool
stream_token(const struct stream *stream, struct sasl_token *token_r)
{
	*token_r = stream->token;
	return stream->token.mechanism[0] != '\0';
}

bool
stream_by_token(const struct stream *stream)
{
	return stream->by_token;
}

bool
stream_token_refused(const struct stream *stream)
{
	return stream->token_refused;
}

bool
stream_pin(const struct stream *stream, uint8_t pin_r[32])
{
	return link_peer_pin(stream->link, pin_r);
}

bool
stream_refused_pin(uint8_t pin_r[32])
{
	if (refused_pin_seen)
		memcpy(pin_r, refused_pin, SHA256_LEN);
	return refused_pin_seen;
}

bool
stream_managed(const struct stream *stream)
{
	return stream->managed;
}

void
stream_bytes(const struct stream *stream, uint64_t *sent_r, uint64_t *received_r)
{
	link_bytes(stream->link, sent_r, received_r);
}

/* -- stanzas and their numbers ----------------------------------------------------------------------------- */

bool
stream_flush(struct stream *stream, int64_t deadline)
{
	return link_flush(stream->link, deadline);
}

uint32_t
stream_send(struct stream *stream, const struct xml *stanza)
{
	if (stream->trouble->fault != FAULT_NONE)
		return 0;
	link_send(stream->link, stanza);
	return ++stream->sent;
}

/* What one element of the ready stream is. True: *got_r to hand out; false: looked after here. */
static bool
sort_out(struct stream *stream, struct xml *element, enum stream_got *got_r)
{
	bool grew;

	*got_r = STREAM_CLOSED;
	if (stanza_kind(element) != STANZA_OTHER) {
		stream->received++;
		*got_r = STREAM_STANZA;
		return true;
	}
	if (xml_is(element, "error", NS_STREAM)) {
		stream_error_fault(stream->trouble, element);
		return true;
	}
	if (stream_take_sm(stream, element, &grew)) {
		*got_r = grew ? STREAM_ACK : STREAM_CLOSED;
		return grew || stream->trouble->fault != FAULT_NONE;
	}
	trouble_set(stream->trouble, FAULT_PROTOCOL, "<%.40s/> is no stanza", element->name);
	return true;
}

enum stream_got
stream_next(struct stream *stream, int64_t deadline, struct arena **arena_r, struct xml **stanza_r)
{
	struct early *early = stream->early;
	enum stream_got got;

	if (early != NULL) {
		stream->early = early->next;
		*arena_r = early->arena;
		*stanza_r = early->stanza;
		free(early);
		return STREAM_STANZA;
	}
	for (;;) {
		switch (link_next(stream->link, deadline, arena_r, stanza_r)) {
		case LINK_ELEMENT:
			break;
		case LINK_TIME_OUT:
			return STREAM_TIME_OUT;
		case LINK_WOKEN:
			return STREAM_WOKEN;
		case LINK_CLOSED:
			return STREAM_CLOSED;
		}
		if (!sort_out(stream, *stanza_r, &got)) {
			arena_free(arena_r);
			if (now_mono() > deadline) /* a flood of <r/> is no answer */
				return STREAM_TIME_OUT;
			continue;
		}
		if (got != STREAM_STANZA)
			arena_free(arena_r);
		return got;
	}
}
