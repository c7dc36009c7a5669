/*
 * feature/strangers.c -- what the people of one other domain may leave here for those who do not know them (attack R9): so many messages
 * and bytes a day (quota.strangers, quota.strangers_bytes), and all such domains together ten times that.
 *
 * A stranger's domain so neither fills the disk, whatever each mailbox would still hold, nor costs more than a look at a table. A
 * contact's message is never counted, whoever else is at that domain. Counted in memory: a restart begins a new day.
 * DIAGNOSTICS: resource-constraint (wait): a relay that holds messages tries again later.
 */
#include "config.h"

#include "relay/feature/feature_table.h"

#include <stdlib.h>
#include <string.h>
#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xmlout.h"
#include "relay/conf.h"
#include "relay/feature/message.h"
#include "relay/feature/quota.h"
#include "relay/net/clock.h"
#include "relay/route/event.h"
#include "relay/route/router.h"

enum {
	DOMAINS_MOST = 1024, /* remembered; beyond it the one that has left least is forgotten */
	TOGETHER = 10,       /* times what one may leave, for all */
	DAY_MS = 24 * 3600 * 1000,
	BYTES_BASE = 200, /* what a row costs beside its text */
};

/* What was left, less what a day has washed away since. */
struct left {
	int64_t messages, bytes; /* times DAY_MS, so that small quotas drain evenly */
	int64_t when;            /* ms, monotonic */
};

struct domain {
	uint8_t name[SHA256_LEN]; /* of canonical form */
	struct left left;
};

struct strangers {
	struct domain domains[DOMAINS_MOST];
	size_t count;
	struct left all;
};

static int64_t
drained(int64_t left, int64_t quota, int64_t ms)
{
	return ms >= DAY_MS || left <= quota * ms ? 0 : left - quota * ms;
}

static void
drain(struct left *left, int64_t messages, int64_t bytes, int64_t now)
{
	left->messages = drained(left->messages, messages, now - left->when);
	left->bytes = drained(left->bytes, bytes, now - left->when);
	left->when = now;
}

static struct left *
find(struct strangers *strangers, const char *name)
{
	uint8_t hash[DIGEST_MAX];
	struct domain *least = &strangers->domains[0];

	digest(DIGEST_SHA256, name, strlen(name), hash);
	for (size_t i = 0; i < strangers->count; i++) {
		struct domain *domain = &strangers->domains[i];

		if (memcmp(domain->name, hash, SHA256_LEN) == 0)
			return &domain->left;
		if (domain->left.bytes < least->left.bytes)
			least = domain;
	}
	if (strangers->count < DOMAINS_MOST)
		least = &strangers->domains[strangers->count++];
	*least = (struct domain){ .left = { .messages = 0 } };
	memcpy(least->name, hash, SHA256_LEN);
	return &least->left;
}

/* Quota 0: none. That of bytes is passed by one message at most. */
static bool
has_room(const struct left *left, int64_t messages, int64_t bytes)
{
	return (messages == 0 || left->messages + DAY_MS <= messages * DAY_MS) && (bytes == 0 || left->bytes < bytes * DAY_MS);
}

static bool
leave(struct strangers *strangers, const struct conf *conf, const char *name, size_t len)
{
	int64_t messages = conf->quota_strangers, bytes = conf->quota_strangers_bytes, now = now_mono();
	struct left *left = find(strangers, name), *both[] = { left, &strangers->all };

	drain(left, messages, bytes, now);
	drain(&strangers->all, messages * TOGETHER, bytes * TOGETHER, now);
	if (!has_room(left, messages, bytes) || !has_room(&strangers->all, messages * TOGETHER, bytes * TOGETHER))
		return false;
	for (size_t i = 0; i < 2; i++) {
		both[i]->messages += DAY_MS;
		both[i]->bytes += ((int64_t)len + BYTES_BASE) * DAY_MS;
	}
	return true;
}

static size_t
size_of(const struct event *event)
{
	struct buf bytes = { .data = NULL };
	size_t len;

	xmlout(&bytes, event->stanza, NS_CLIENT);
	len = bytes.len;
	buf_free(&bytes);
	return len;
}

static enum verdict
on_message(struct event *event, void *state)
{
	if (!event->foreign || !message_is_storable(event->stanza) || !quota_is_stranger(event) ||
	    leave(state, router_conf(event->router), event->from.domain, size_of(event)))
		return PASS;
	return event_reject(event, STANZA_RESOURCE_CONSTRAINT, "too much from strangers of your domain");
}

/* A wish to see somebody's presence is kept until it is answered. */
static enum verdict
on_presence(struct event *event, void *state)
{
	if (!event->foreign || presence_type(event->stanza) != PRESENCE_SUBSCRIBE || !quota_is_stranger(event) ||
	    leave(state, router_conf(event->router), event->from.domain, size_of(event)))
		return PASS;
	return event_reject(event, STANZA_RESOURCE_CONSTRAINT, "too much from strangers of your domain");
}

static void *
init(struct router *router)
{
	(void)router;
	return xcalloc(1, sizeof(struct strangers));
}

const struct feature feature_strangers = {
	.name = "strangers",
	.spec = "RFC 6120 13.12",
	.hooks = (const struct hook[]){
		{ POINT_MESSAGE, ORDER_GUARD, on_message },
		{ POINT_PRESENCE, ORDER_GUARD, on_presence },
		{ POINT_NONE, 0, NULL },
	},
	.init = init,
	.free = free,
};
