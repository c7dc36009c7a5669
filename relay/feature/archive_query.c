/*
 * feature/archive_query.c -- a user pages through the own archive (XEP-0313 section 4, XEP-0059).
 *
 * A query is answered when every earlier stanza of its stream is handled, so that a client finds what it has
 * just sent. A page has at most PAGE_MOST rows (archive_form.c) and ARCHIVE_BYTES of bodies (store/archive.h); <fin/> says
 * when there is more. DIAGNOSTICS: another's archive: forbidden to contacts, service-unavailable to whom the account shows
 * nothing.
 */
#include "config.h"

#include "relay/feature/archive-private.h"

#include <stdlib.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/net/loop.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/route/session.h"
#include "relay/store/store.h"
#include "relay/stream/stream.h"

enum {
	QUEUED_MOST = 128 * 1024, /* bytes the client has not taken: it gets no further page */
	WAIT_MS = 50,             /* until they are looked at again */
};

/* ---- a client that asks faster than it reads waits for its own line ---- */

struct archive_waits {
	struct router *router;
	struct timer *timer; /* made at first need */
	struct asking *first;
};

void *
archive_waits_new(struct router *router)
{
	struct archive_waits *waits = xcalloc(1, sizeof *waits);

	waits->router = router;
	return waits;
}

void
archive_waits_free(void *state)
{
	struct archive_waits *waits = state;
	struct asking *asking;

	while ((asking = waits->first) != NULL) {
		waits->first = asking->next;
		event_finish(asking->event, HANDLED);
	}
	if (waits->timer != NULL)
		timer_free(&waits->timer);
	free(waits);
}

static bool
is_crowded(const struct session *session)
{
	return session != NULL && !session->gone && stream_queued(session->stream) > QUEUED_MOST;
}

static void
look_again(void *arg)
{
	struct archive_waits *waits = arg;
	struct asking *row = waits->first, *asking;

	waits->first = NULL;
	while ((asking = row) != NULL) {
		row = asking->next;
		if (is_crowded(asking->event->origin)) {
			asking->next = waits->first;
			waits->first = asking;
		} else {
			archive_answer(asking);
		}
	}
	if (waits->first != NULL)
		timer_set(waits->timer, WAIT_MS);
}

static void
ask(struct event *event, void *arg)
{
	struct asking *asking = arg;
	struct archive_waits *waits = asking->waits;

	if (!is_crowded(event->origin)) {
		archive_answer(asking);
		return;
	}
	if (waits->timer == NULL)
		waits->timer = timer_new(router_loop(waits->router), look_again, waits);
	if (waits->first == NULL)
		timer_set(waits->timer, WAIT_MS);
	asking->next = waits->first;
	waits->first = asking;
}

/* 8.1: to whom the account shows nothing, it is as if there were none. */
static enum verdict
refuse_other(struct event *event)
{
	return event_reject(event,
			    (account_flags(event->target, &event->from) & ROSTER_FROM) != 0
				? STANZA_FORBIDDEN
				: STANZA_SERVICE_UNAVAILABLE,
			    NULL);
}

enum verdict
archive_on_query(struct event *event, void *state)
{
	struct asking *asking = arena_alloc(event->arena, sizeof *asking);
	enum stanza_error error;

	if (event->scope != TO_SELF || event->origin == NULL)
		return refuse_other(event);
	asking->event = event;
	asking->waits = state;
	error = archive_take_query(asking, event->payload);
	if (error != STANZA_OK)
		return event_reject(event, error, NULL);
	event_when_first(event, ask, asking);
	return LATER;
}
