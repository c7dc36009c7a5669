/*
 * feature/quota.c -- the bounds of a mailbox (quota.pending, quota.pending_bytes): see quota.h.
 *
 * DIAGNOSTICS: none here; the caller refuses in words (XEP-0160 section 3).
 */
#include "config.h"

#include "relay/feature/quota.h"

#include <stdint.h>
#include "proto/arena.h"
#include "relay/conf.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/store/txn.h"

bool
quota_is_stranger(const struct event *event)
{
	const unsigned known = ROSTER_TO | ROSTER_FROM | ROSTER_VISIBLE;

	return (event->from.node != NULL || event->foreign) && !account_is_self(event->target, &event->from) &&
	       (account_flags(event->target, &event->from) & known) == 0;
}

static bool
has_room(int64_t most, int64_t all, int64_t strange, bool stranger)
{
	return most == 0 || (all < most && (!stranger || strange < most - most / 2));
}

bool
quota_mailbox_has_room(const struct event *event)
{
	const struct conf *conf = router_conf(event->router);
	const struct pending_tally *waiting = &event->target->waiting;
	bool stranger = quota_is_stranger(event);

	return has_room(conf->quota_pending, waiting->count, waiting->strange, stranger) &&
	       has_room(conf->quota_pending_bytes, waiting->bytes, waiting->strange_bytes, stranger);
}

static void
give_back(struct event *event, void *arg)
{
	quota_mailbox_left(event->target, arg);
}

void
quota_mailbox_take(struct event *event, size_t bytes)
{
	struct pending_tally *waiting = &event->target->waiting;
	struct pending_tally *taken = arena_alloc(event->arena, sizeof *taken);
	int64_t strange = quota_is_stranger(event), len = (int64_t)bytes;

	*taken = (struct pending_tally){ 1, len, strange, strange * len };
	waiting->count += taken->count;
	waiting->bytes += taken->bytes;
	waiting->strange += taken->strange;
	waiting->strange_bytes += taken->strange_bytes;
	event_undo(event, give_back, taken);
}

void
quota_mailbox_left(struct account *account, const struct pending_tally *left)
{
	account->waiting.count -= left->count;
	account->waiting.bytes -= left->bytes;
	account->waiting.strange -= left->strange;
	account->waiting.strange_bytes -= left->strange_bytes;
}
