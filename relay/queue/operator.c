/*
 * operator.c -- the queue as the operator sees it, and what it does when told: see operator.h.
 *
 * Promises: what is on its way is not cancelled, lest its sender hear of the end of what has arrived.
 */
#include "config.h"

#include "relay/queue/operator.h"

#include <stdlib.h>
#include "proto/mem.h"
#include "relay/log.h"
#include "relay/net/clock.h"
#include "relay/queue/queue-private.h"

/* ---- seeing ---- */

void
queue_each(const struct queue *queue, void (*fn)(void *arg, const struct queue_view *view), void *arg)
{
	static const enum queue_phase phases[] = { [RESTING] = QUEUE_RESTING, [WANTED] = QUEUE_TRYING, [UP] = QUEUE_UP };
	int64_t now = now_mono();

	for (size_t i = 0; i < BUCKETS; i++)
		for (const struct domain *domain = queue->buckets[i]; domain != NULL; domain = domain->next) {
			struct queue_view view = { .domain = domain->name, .phase = phases[domain->state], .tries = domain->tries,
				.sent = domain->sent_count };
			if (domain->state == RESTING && domain->until > now)
				view.next = now_wall() + domain->until - now;
			fn(arg, &view);
		}
}

/* ---- trying again ---- */

static void
try_domain(struct queue *queue, const char *name)
{
	struct domain *domain = domain_get(queue, name);

	for (size_t i = 0; i < domain->pair_count; i++)
		domain->pairs[i].until = 0;
	domain->due = true;
	pump_rewind(domain);
	domain->until = 0;
	domain_kick(domain);
}

static void
got_domains(void *arg, bool failed, const struct spool_domain *rows, size_t count)
{
	struct queue *queue = arg;

	(void)failed; /* logged by the store */
	if (queue_release(queue))
		for (size_t i = 0; i < count; i++)
			try_domain(queue, rows[i].domain);
}

static void
got_first(void *arg, bool failed, const struct spool_row *rows, size_t count)
{
	struct queue *queue = arg;

	(void)failed;
	if (queue_release(queue) && count > 0)
		try_domain(queue, rows[0].domain);
}

struct retry {
	struct queue *queue;
	char *domain; /* NULL: all */
};

/* Only now: what was given up is in no list before. */
static void
retried(void *arg, enum txn_result result)
{
	struct retry *retry = arg;
	struct queue *queue = retry->queue;

	(void)result; /* were it the disk: what is not given up can be tried none the less */
	if (queue_release(queue)) {
		queue_hold(queue);
		if (retry->domain == NULL)
			read_spool_domains(queue->store, got_domains, queue);
		else
			read_spool(queue->store, retry->domain, 0, 1, got_first, queue);
	}
	free(retry->domain);
	free(retry);
}

void
queue_retry(struct queue *queue, const char *name)
{
	struct txn *txn = txn_new(queue->store);
	struct retry *retry = xcalloc(1, sizeof *retry);

	retry->queue = queue;
	retry->domain = name == NULL ? NULL : xstrdup(name);
	txn_add(txn, &(struct op){ .kind = OP_SPOOL_RETRY, .peer = name });
	queue_hold(queue);
	txn_submit(&txn, retried, retry);
}

/* ---- one message ---- */

struct order {
	struct queue *queue;
	int64_t id;
	char *domain, *from, *to;
	queue_done_fn *fn;
	void *arg;
	void (*carry_out)(struct order *order, const struct spool_row *row);
	bool stopped; /* the domain reads nothing until this is done */
};

static void
order_end(struct order *order, enum queue_done done)
{
	order->fn(order->arg, done, done == QUEUE_DONE);
	free(order->domain);
	free(order->from);
	free(order->to);
	free(order);
}

static void
got_row(void *arg, bool failed, const struct spool_row *rows, size_t count)
{
	struct order *order = arg;

	if (!queue_release(order->queue) || failed) {
		order_end(order, QUEUE_FAILED);
	} else if (count == 0 || rows[0].id != order->id) {
		order_end(order, QUEUE_NONE);
	} else {
		order->domain = xstrdup(rows[0].domain);
		order->from = xstrdup(rows[0].from);
		order->to = xstrdup(rows[0].to);
		order->carry_out(order, &rows[0]);
	}
}

static void
give_order(struct queue *queue, int64_t id, void (*carry_out)(struct order *, const struct spool_row *), queue_done_fn *fn, void *arg)
{
	struct order *order = xcalloc(1, sizeof *order);

	*order = (struct order){ .queue = queue, .id = id, .fn = fn, .arg = arg, .carry_out = carry_out };
	queue_hold(queue);
	read_spool_list(queue->store, id - 1, 1, got_row, order);
}

static void
one_retried(void *arg, enum txn_result result)
{
	struct order *order = arg;
	struct queue *queue = order->queue;

	if (!queue_release(queue)) {
		order_end(order, QUEUE_FAILED);
		return;
	}
	if (result == TXN_COMMITTED) {
		struct domain *domain = domain_get(queue, order->domain);
		domain->until = 0;
		pairs_stop(domain, order->from, order->to, 0);
		queue_added(queue, order->domain, order->id);
	}
	order_end(order, result == TXN_COMMITTED ? QUEUE_DONE : result == TXN_CONFLICT ? QUEUE_NONE : QUEUE_FAILED);
}

static void
retry_row(struct order *order, const struct spool_row *row)
{
	struct txn *txn = txn_new(order->queue->store);

	txn_add(txn, &(struct op){ .kind = OP_SPOOL_RETRY, .id = row->id });
	queue_hold(order->queue);
	txn_submit(&txn, one_retried, order);
}

void
queue_retry_one(struct queue *queue, int64_t id, queue_done_fn *fn, void *arg)
{
	give_order(queue, id, retry_row, fn, arg);
}

static void
cancelled(void *arg, enum txn_result result)
{
	struct order *order = arg;
	struct queue *queue = order->queue;
	struct domain *domain;

	if (!queue_release(queue)) {
		order_end(order, QUEUE_FAILED);
		return;
	}
	domain = domain_find(queue, order->domain);
	if (domain != NULL && order->stopped) {
		domain->refusing = false;
		domain_kick(domain);
	}
	if (result == TXN_COMMITTED && queue->owner.moved != NULL)
		queue->owner.moved(queue->owner.arg, &order->id, 1);
	order_end(order, result == TXN_COMMITTED ? QUEUE_DONE : result == TXN_CONFLICT ? QUEUE_NONE : QUEUE_FAILED);
}

static void
cancel_row(struct order *order, const struct spool_row *row)
{
	struct queue *queue = order->queue;
	struct domain *domain = domain_find(queue, row->domain);
	struct txn *txn;

	if (domain != NULL && (pump_has(domain, row->id) || domain->reading || domain->refusing)) {
		order_end(order, QUEUE_BUSY);
		return;
	}
	if (domain != NULL)
		domain->refusing = order->stopped = true;
	txn = txn_new(queue->store);
	ends_add(txn, queue, row, QUEUE_REFUSED, STANZA_SERVICE_UNAVAILABLE, "withdrawn by the operator of this relay");
	queue_hold(queue);
	txn_submit(&txn, cancelled, order);
}

void
queue_cancel(struct queue *queue, int64_t id, queue_done_fn *fn, void *arg)
{
	give_order(queue, id, cancel_row, fn, arg);
}

/* ---- what is over its time ---- */

void
queue_expire(struct queue *queue, queue_done_fn *fn, void *arg)
{
	if (queue->expiring.fn != NULL) {
		fn(arg, QUEUE_BUSY, 0);
		return;
	}
	log_info(NULL, "the operator says that the clock is right: what is over its time ends");
	steady_trust(&queue->steady, now_wall(), now_mono());
	queue->expiring.fn = fn;
	queue->expiring.arg = arg;
	queue->expiring.count = 0;
	ends_expire(queue);
}
