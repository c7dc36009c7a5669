/*
 * feature/ask.c -- questions of the relay to other relays and their people: see ask.h.
 */
#include "config.h"

#include "relay/feature/ask.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/feature/feature_table.h"
#include "relay/net/clock.h"
#include "relay/net/loop.h"
#include "relay/route/event.h"
#include "relay/route/router.h"

struct ask {
	struct ask *next, **back;
	char id[ID_LEN + 1];
	char *from, *to;
	int64_t until; /* monotonic */
	ask_fn *fn;
	void *arg;
};

struct asks {
	struct router *router;
	struct timer *timer;
	struct ask *first, **last; /* in the order of their ends */
	size_t count;
};

static struct asks *
asks_of(struct router *router)
{
	return router_state(router, &feature_ask);
}

static void
arm(struct asks *asks)
{
	int64_t now = now_mono();

	if (asks->first == NULL)
		timer_clear(asks->timer);
	else
		timer_set(asks->timer, asks->first->until > now ? (uint64_t)(asks->first->until - now) : 0);
}

static enum verdict
end(struct asks *asks, struct ask *ask, struct event *answer)
{
	ask_fn *fn = ask->fn;
	void *arg = ask->arg;

	*ask->back = ask->next;
	if (ask->next != NULL)
		ask->next->back = ask->back;
	else
		asks->last = ask->back;
	asks->count--;
	free(ask->from);
	free(ask->to);
	free(ask);
	arm(asks);
	return fn(asks->router, answer, arg);
}

static void
late(void *arg)
{
	struct asks *asks = arg;

	while (asks->first != NULL && asks->first->until <= now_mono())
		(void)end(asks, asks->first, NULL);
	arm(asks);
}

void
ask_send(struct router *router, struct arena *arena, struct xml *iq, ask_fn *fn, void *arg)
{
	struct asks *asks = asks_of(router);
	struct ask *ask;

	if (asks->count >= ASKS_MOST) {
		(void)fn(router, NULL, arg);
		return;
	}
	ask = xcalloc(1, sizeof *ask);
	random_id(ask->id);
	xml_set(arena, iq, "id", ask->id);
	ask->from = xstrdup(xml_attr(iq, "from"));
	ask->to = xstrdup(xml_attr(iq, "to"));
	ask->until = now_mono() + ASK_MS;
	ask->fn = fn;
	ask->arg = arg;
	ask->back = asks->last;
	*asks->last = ask;
	asks->last = &ask->next;
	asks->count++;
	arm(asks);
	router_send(router, iq);
}

static enum verdict
on_answer(struct event *event, void *state)
{
	struct asks *asks = state;
	const char *id = xml_attr(event->stanza, "id");
	struct ask *ask = asks->first;

	if (id == NULL || strlen(id) != ID_LEN)
		return PASS;
	while (ask != NULL && !same_secret(ask->id, id, ID_LEN))
		ask = ask->next;
	if (ask == NULL || strcmp(ask->to, jid_text(event->arena, &event->from)) != 0 ||
	    strcmp(ask->from, jid_text(event->arena, &event->to)) != 0)
		return PASS;
	return end(asks, ask, event);
}

static void *
init(struct router *router)
{
	struct asks *asks = xcalloc(1, sizeof *asks);

	asks->router = router;
	asks->last = &asks->first;
	asks->timer = timer_new(router_loop(router), late, asks);
	return asks;
}

static void
asks_free(void *state)
{
	struct asks *asks = state;

	while (asks->first != NULL)
		(void)end(asks, asks->first, NULL);
	timer_free(&asks->timer);
	free(asks);
}

static const struct hook hooks[] = {
	{ POINT_ANSWER_FAR, ORDER_DELIVER, on_answer },
	{ 0 },
};

/* The last of all features: it is freed first, while those who asked are still there to hear that no answer comes. */
const struct feature feature_ask = {
	.name = "ask",
	.spec = "RFC 6120 8.2.3",
	.hooks = hooks,
	.init = init,
	.free = asks_free,
};
