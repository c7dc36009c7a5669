/*
 * peer/waiting.c -- see waiting.h.
 */
#include "config.h"

#include "relay/peer/waiting.h"

#include <stdlib.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/mem.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/net/clock.h"
#include "relay/route/router.h"

enum {
	WAITING_MOST = 1000, /* stanzas of one domain */
	WAITING_BYTES = 1024 * 1024,
	WAITING_MS = 30 * 1000,
};

struct wait {
	struct wait *next;
	struct arena *arena; /* its own */
	struct xml *stub;    /* what an error needs to know of it; NULL: nobody waits for an answer */
	const char *bytes;
	size_t len;
	int64_t until; /* monotonic */
};

void
waiting_init(struct waiting *waiting)
{
	*waiting = (struct waiting){ .last = &waiting->first };
}

/* What is held is not here. Of the moment, as that somebody types, is no loss. */
static bool
is_missed(const struct xml *stanza)
{
	enum message_type type;

	if (stanza_kind(stanza) != STANZA_MESSAGE)
		return stanza_kind(stanza) == STANZA_IQ;
	type = message_type(stanza);
	return type == MESSAGE_GROUPCHAT || ((type == MESSAGE_CHAT || type == MESSAGE_NORMAL) && xml_find(stanza, "body", NULL) != NULL);
}

static struct xml *
stub_of(struct arena *arena, const struct xml *stanza)
{
	if (!is_missed(stanza))
		return NULL;
	return stanza_new(arena, stanza->name, xml_attr(stanza, "from"), xml_attr(stanza, "to"), xml_attr(stanza, "type"),
	    xml_attr(stanza, "id"));
}

static void
answer(struct router *router, const struct xml *stub, enum stanza_error error, const char *text)
{
	struct arena *arena = arena_new();
	const struct xml *reply = stub == NULL ? NULL : stanza_error(arena, stub, error, text, false);

	if (reply != NULL)
		router_send(router, reply);
	arena_free(&arena);
}

void
waiting_answer(struct router *router, const struct xml *stanza, enum stanza_error error, const char *text)
{
	struct arena *arena = arena_new();

	answer(router, stub_of(arena, stanza), error, text);
	arena_free(&arena);
}

bool
waiting_add(struct waiting *waiting, const struct xml *stanza, const struct buf *bytes)
{
	struct wait *wait;

	if (waiting->count >= WAITING_MOST || waiting->bytes + bytes->len > WAITING_BYTES)
		return false;
	wait = xcalloc(1, sizeof *wait);
	wait->arena = arena_new();
	wait->stub = stub_of(wait->arena, stanza);
	wait->bytes = arena_strndup(wait->arena, bytes->data, bytes->len);
	wait->len = bytes->len;
	wait->until = now_mono() + WAITING_MS;
	*waiting->last = wait;
	waiting->last = &wait->next;
	waiting->count++;
	waiting->bytes += wait->len;
	return true;
}

const char *
waiting_peek(const struct waiting *waiting, size_t *len_r)
{
	if (waiting->first == NULL)
		return NULL;
	*len_r = waiting->first->len;
	return waiting->first->bytes;
}

int64_t
waiting_until(const struct waiting *waiting)
{
	return waiting->first == NULL ? 0 : waiting->first->until;
}

static struct wait *
take(struct waiting *waiting)
{
	struct wait *wait = waiting->first;

	waiting->first = wait->next;
	if (waiting->first == NULL)
		waiting->last = &waiting->first;
	waiting->count--;
	waiting->bytes -= wait->len;
	return wait;
}

static void
wait_free(struct wait *wait)
{
	arena_free(&wait->arena);
	free(wait);
}

void
waiting_drop(struct waiting *waiting)
{
	wait_free(take(waiting));
}

void
waiting_refuse(struct waiting *waiting, struct router *router, enum stanza_error error, const char *text)
{
	struct wait *wait = take(waiting);

	answer(router, wait->stub, error, text);
	wait_free(wait);
}
