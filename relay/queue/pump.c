/*
 * pump.c -- what goes out on a domain's stream: rows read by windows, in order of ids; which of them are on their way; what is acked
 * is settled.
 *
 * Promises: at most QUEUE_WINDOW rows on their way, and no row twice at a time. A row of a stopped pair (pairs.c) is skipped. A message
 * with which the stream is lost again and again lets the others pass.
 */
#include "config.h"

#include "relay/queue/queue-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/buf.h"
#include "proto/mem.h"
#include "relay/conf.h"
#include "relay/log.h"
#include "relay/net/clock.h"
#include "relay/queue/backoff.h"

/* ---- on its way ---- */

static bool
is_among(const int64_t *ids, size_t count, int64_t id)
{
	for (size_t i = 0; i < count; i++)
		if (ids[i] == id)
			return true;
	return false;
}

bool
pump_has(const struct domain *domain, int64_t id)
{
	return is_among(domain->sent, domain->sent_count, id) || is_among(domain->leaving, domain->leaving_count, id);
}

static void
forget(struct domain *domain, int64_t id)
{
	for (size_t i = 0; i < domain->sent_count; i++)
		if (domain->sent[i] == id)
			domain->sent[i] = 0;
}

void
pump_leave(struct domain *domain, const int64_t *ids, size_t count)
{
	if (domain->leaving_count + count > domain->leaving_room) {
		domain->leaving_room = 2 * domain->leaving_room + QUEUE_WINDOW;
		domain->leaving = xrealloc(domain->leaving, domain->leaving_room * sizeof *domain->leaving);
	}
	for (size_t i = 0; i < count; i++) {
		forget(domain, ids[i]);
		domain->leaving[domain->leaving_count++] = ids[i];
	}
	domain_hold(domain);
}

bool
pump_left(struct domain *domain, size_t count)
{
	domain->leaving_count -= count; /* they end in the order of their transactions */
	memmove(domain->leaving, domain->leaving + count, domain->leaving_count * sizeof *domain->leaving);
	return domain_release(domain);
}

void
pump_rewind(struct domain *domain)
{
	domain->after = 0;
	if (domain->reading)
		domain->back = 0;
}

static void refuse_row(struct domain *domain, const struct spool_row *row);

/* How many may be on their way: after a loss one at a time, so that a message that the peer cannot bear is alone with it. */
static size_t
window(const struct domain *domain)
{
	return domain->doubtful > 0 ? 1 : QUEUE_WINDOW;
}

/* False: the stream takes no more. */
static bool
send_row(struct domain *domain, const struct spool_row *row)
{
	struct queue *queue = domain->queue;
	struct buf out = { .data = NULL };
	enum queue_taken taken;

	write_stanza(&out, queue->host, row, now_wall());
	if (out.len == 0) {
		log_error(NULL, "the message %lld for %s in the database is damaged", (long long)row->id, domain->name);
		domain->after = row->id;
		return true;
	}
	taken = queue->line.send(queue->line.arg, domain->name, out.data, out.len);
	buf_free(&out);
	switch (taken) {
	case QUEUE_NOT_NOW:
		return false;
	case QUEUE_TOO_LARGE:
		refuse_row(domain, row);
		break;
	case QUEUE_TAKEN:
		if (domain->sent_count == 0 && domain->alone.id != row->id)
			domain->alone = (struct alone){ .id = row->id, .tries = row->tries };
		domain->sent[domain->sent_count++] = row->id;
		break;
	}
	domain->after = row->id;
	return true;
}

/* Stopped on disk, from before a restart, or beyond the table of pairs. The wall clock may have jumped: never longer than the longest wait. */
static bool
waits(struct domain *domain, const struct spool_row *row)
{
	int64_t ms = row->next - now_wall();

	if (row->next == 0 || ms <= 0)
		return false;
	if (!pairs_have(domain, row))
		pairs_stop(domain, row->from, row->to, ms < LOOK_MS ? ms : LOOK_MS);
	return true;
}

static void
send_rows(struct domain *domain, const struct spool_row *rows, size_t count)
{
	for (size_t i = 0; i < count && !domain->blocked && domain->sent_count < window(domain); i++) {
		const struct spool_row *row = &rows[i];
		if (pump_has(domain, row->id) || waits(domain, row) || pairs_have(domain, row))
			domain->after = row->id;
		else
			domain->blocked = !send_row(domain, row);
	}
}

static void
got(void *arg, bool failed, const struct spool_row *rows, size_t count)
{
	struct domain *domain = arg;
	int64_t back = domain->back;

	domain->reading = false;
	domain->back = INT64_MAX;
	if (!domain_release(domain))
		return;
	if (domain->state != UP) {
		domain_kick(domain);
		return;
	}
	if (back != 0) /* else the first to go are not among these: they were read for the stream before, or behind skipped ones */
		send_rows(domain, rows, count);
	if (failed)
		domain->read_at = now_mono() + LOOK_MS; /* logged by the store */
	else if (count == 0 && back == INT64_MAX)
		domain->due = false;
	if (domain->after > back)
		domain->after = back;
	domain_kick(domain);
}

void
pump(struct domain *domain)
{
	(void)pairs_until(domain);
	if (!domain->due || domain->reading || domain->blocked || domain->refusing || now_mono() < domain->read_at ||
	    domain->sent_count > window(domain) / 2 || domain->leaving_count > 10 * QUEUE_WINDOW)
		return;
	domain->reading = true;
	domain_hold(domain);
	read_spool(domain->queue->store, domain->name, domain->after, window(domain) - domain->sent_count, got, domain);
}

/* ---- acked ---- */

struct settling {
	struct domain *domain;
	bool refused;
	size_t count;
	int64_t ids[];
};

static void
settled(void *arg, enum txn_result result)
{
	struct settling *settling = arg;
	struct domain *domain = settling->domain;
	struct queue *queue = domain->queue;

	if (pump_left(domain, settling->count)) {
		if (result != TXN_COMMITTED && settling->refused) {
			; /* the disk; it waits for the next stream */
		} else if (result != TXN_COMMITTED) { /* sent again: the peer knows the custody id, or it is in doubt */
			pump_rewind(domain);
			domain->due = true;
		} else {
			queue->settled += settling->refused ? 0 : (int64_t)settling->count;
			if (queue->owner.moved != NULL)
				queue->owner.moved(queue->owner.arg, settling->ids, settling->count);
		}
		domain_kick(domain);
	}
	free(settling);
}

static void
submit(struct domain *domain, struct txn *txn, struct settling *settling)
{
	pump_leave(domain, settling->ids, settling->count);
	txn_submit(&txn, settled, settling);
}

static struct settling *
settling_new(struct domain *domain, size_t most)
{
	struct settling *settling = xcalloc(1, sizeof *settling + most * sizeof settling->ids[0]);

	settling->domain = domain;
	return settling;
}

static void
settle(struct domain *domain, struct settling *settling)
{
	struct txn *txn = txn_new(domain->queue->store);
	int64_t now = now_wall();

	for (size_t i = 0; i < settling->count; i++)
		txn_add(txn, &(struct op){ .kind = OP_SPOOL_SETTLE, .id = settling->ids[i], .time = now, .expires = now + KEEP_MS,
			.max_items = domain->deduplicates ? SPOOL_DURABLE : SPOOL_RECEIVED });
	submit(domain, txn, settling);
}

/* XEP-0478: what the peer would close the stream for. */
static void
refuse_row(struct domain *domain, const struct spool_row *row)
{
	struct settling *settling = settling_new(domain, 1);
	struct txn *txn = txn_new(domain->queue->store);

	settling->refused = true;
	settling->ids[settling->count++] = row->id;
	ends_add(txn, domain->queue, row, QUEUE_REFUSED, STANZA_POLICY_VIOLATION, "larger than the other relay takes");
	submit(domain, txn, settling);
}

void
queue_acked(struct queue *queue, const char *name, size_t count)
{
	struct domain *domain = domain_find(queue, name);
	struct settling *settling;

	if (domain == NULL || domain->state != UP)
		return;
	if (count > domain->sent_count)
		count = domain->sent_count;
	domain->tries = 0; /* not sooner: a relay that takes streams and nothing on them is not asked each second */
	domain->doubtful -= count < domain->doubtful ? count : domain->doubtful;
	settling = settling_new(domain, count);
	for (size_t i = 0; i < count; i++)
		if (domain->sent[i] != 0)
			settling->ids[settling->count++] = domain->sent[i];
	domain->sent_count -= count;
	memmove(domain->sent, domain->sent + count, domain->sent_count * sizeof domain->sent[0]);
	if (settling->count > 0)
		settle(domain, settling);
	else
		free(settling);
	domain_kick(domain);
}

/* ---- in doubt ---- */

static void
doubted(void *arg, enum txn_result result)
{
	struct domain *domain = arg;

	(void)result;
	domain->refusing = false;
	if (domain_release(domain))
		domain_kick(domain);
}

/* To a peer that knows repetitions nothing is in doubt. But what has lost so many streams alone lets the others go first, as if the peer had
 * said "later"; it is never given up. */
static void
add_loss(struct domain *domain, struct txn *txn, int64_t id)
{
	struct alone *alone = &domain->alone;
	int64_t now = now_wall();

	if (!domain->deduplicates) {
		txn_add(txn, &(struct op){ .kind = OP_SPOOL_DOUBT, .id = id, .time = now, .most = DOUBTS_MOST });
		return;
	}
	if (domain->sent_count > 1 || alone->id != id || ++alone->losses < DOUBTS_MOST)
		return;
	log_warn(NULL, "%s: the stream was lost %d times with the message %lld; it goes again later", domain->name, DOUBTS_MOST, (long long)id);
	txn_add(txn, &(struct op){ .kind = OP_SPOOL_DEFER, .id = id, .time = now, .config = "the stream is lost with it",
		.expires = now + backoff_ms(alone->tries + 1, 60 * 1000, domain->queue->conf->retry_most * 1000, (uint32_t)id) });
	alone->id = 0; /* counted anew, with the tries that are on disk then */
}

/* The stream is gone, with what was on its way. The next reading waits for the counting of it. */
void
pump_lost(struct domain *domain)
{
	struct txn *txn;

	domain->blocked = false;
	pump_rewind(domain);
	if (domain->sent_count == 0)
		return;
	domain->due = true;
	domain->doubtful = domain->sent_count;
	txn = txn_new(domain->queue->store);
	for (size_t i = 0; i < domain->sent_count; i++)
		if (domain->sent[i] != 0)
			add_loss(domain, txn, domain->sent[i]);
	domain->sent_count = 0;
	if (txn_is_empty(txn)) {
		txn_abandon(&txn);
		return;
	}
	domain->refusing = true;
	domain_hold(domain);
	txn_submit(&txn, doubted, domain);
}
