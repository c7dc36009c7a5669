/*
 * ends.c -- messages that end otherwise than by being acked: their time is up, their domain does not exist, their recipient's relay
 * says no. The row leaves and what tells the sender comes in one transaction (owner->ended). See queue.h.
 *
 * Promises: nothing ends by age while the clock may be wrong (net/steady.h), nor while it is on its way; bodies of what is settled
 * leave after ten minutes. Without rows the look costs one question a minute.
 */
#include "config.h"

#include "relay/queue/queue-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"
#include "relay/conf.h"
#include "relay/log.h"
#include "relay/net/clock.h"
#include "relay/net/loop.h"
#include "relay/queue/backoff.h"

enum { ENDS_MOST = 100, CLEANS_MOST = 200, CLEAN_ROWS = 500 };

struct ending {
	struct queue *queue;
	struct domain *domain; /* NULL: of all */
	enum queue_end end;
	enum stanza_error error;
	char *text;
	bool more; /* there may be more than these */
	size_t count;
	int64_t ids[ENDS_MOST];
	struct domain *left[ENDS_MOST]; /* NULL: nothing of its domain is in memory */
};

void
ends_add(struct txn *txn, struct queue *queue, const struct spool_row *row, enum queue_end end, enum stanza_error error,
    const char *text)
{
	struct queue_message message;

	txn_add(txn, &(struct op){ .kind = OP_SPOOL_END, .id = row->id, .time = now_wall(),
		.config = end == QUEUE_EXPIRED ? "expired" : stanza_error_name(error) });
	write_message(row, &message);
	if (queue->owner.ended != NULL)
		queue->owner.ended(queue->owner.arg, txn, &message, end, error, text);
}

static void
add_end(struct txn *txn, const struct ending *ending, const struct spool_row *row)
{
	ends_add(txn, ending->queue, row, ending->end, ending->error, ending->text);
}

static void
tell_moved(const struct ending *ending)
{
	const struct queue *queue = ending->queue;

	if (ending->count > 0 && queue->owner.moved != NULL)
		queue->owner.moved(queue->owner.arg, ending->ids, ending->count);
}

static void
ending_free(struct ending *ending)
{
	free(ending->text);
	free(ending);
}

/* ---- a domain that does not exist ---- */

static void refuse_more(struct ending *ending);

static void
refusal_over(struct ending *ending)
{
	struct domain *domain = ending->domain;

	domain->refusing = false;
	pump_rewind(domain);
	domain_kick(domain);
	ending_free(ending);
}

static void
refused(void *arg, enum txn_result result)
{
	struct ending *ending = arg;

	if (!domain_release(ending->domain)) {
		ending_free(ending);
		return;
	}
	if (result == TXN_COMMITTED) {
		tell_moved(ending);
		refuse_more(ending);
	} else { /* the disk; tried again as the next try finds */
		refusal_over(ending);
	}
}

static void
got_refused(void *arg, bool failed, const struct spool_row *rows, size_t count)
{
	struct ending *ending = arg;
	struct txn *txn;

	if (!domain_release(ending->domain)) {
		ending_free(ending);
		return;
	}
	if (failed || count == 0) {
		ending->domain->due = ending->domain->due || failed;
		refusal_over(ending);
		return;
	}
	txn = txn_new(ending->queue->store);
	ending->count = count;
	for (size_t i = 0; i < count; i++) {
		add_end(txn, ending, &rows[i]);
		ending->ids[i] = rows[i].id;
	}
	domain_hold(ending->domain);
	txn_submit(&txn, refused, ending);
}

static void
refuse_more(struct ending *ending)
{
	ending->domain->due = false; /* but for what is added meanwhile */
	domain_hold(ending->domain);
	read_spool(ending->queue->store, ending->domain->name, 0, ENDS_MOST, got_refused, ending);
}

/* Somebody may have written to a contact there since it was read. */
static void
got_known(void *arg, bool failed, const struct spool_domain *rows, size_t count)
{
	struct ending *ending = arg;

	if (!domain_release(ending->domain)) {
		ending_free(ending);
		return;
	}
	if (failed || (count > 0 && rows[0].known)) {
		ending->domain->known = !failed;
		ending->domain->until = now_mono() + NX_MS;
		refusal_over(ending);
		return;
	}
	log_info(NULL, "%s: %s; what is held for it is refused", ending->domain->name, ending->text);
	refuse_more(ending);
}

void
ends_refuse_all(struct domain *domain, enum stanza_error error, const char *text)
{
	struct ending *ending = xcalloc(1, sizeof *ending);

	ending->queue = domain->queue;
	ending->domain = domain;
	ending->end = QUEUE_REFUSED;
	ending->error = error;
	ending->text = xstrdup(text);
	domain->refusing = true;
	domain_hold(domain);
	read_spool_domain(domain->queue->store, domain->name, got_known, ending);
}

/* ---- the time is up ---- */

void
ends_told(struct queue *queue, enum queue_done done)
{
	queue_done_fn *fn = queue->expiring.fn;

	queue->expiring.fn = NULL;
	if (fn != NULL)
		fn(queue->expiring.arg, done, queue->expiring.count);
}

static void
expired(void *arg, enum txn_result result)
{
	struct ending *ending = arg;
	struct queue *queue = ending->queue;

	for (size_t i = 0; i < ending->count; i++)
		if (ending->left[i] != NULL && pump_left(ending->left[i], 1))
			domain_kick(ending->left[i]);
	if (queue_release(queue)) {
		queue->ending = false;
		if (result == TXN_COMMITTED) {
			queue->expiring.count += ending->count;
			tell_moved(ending);
		}
		if (result == TXN_COMMITTED && ending->more)
			ends_expire(queue);
		else
			ends_told(queue, result == TXN_COMMITTED ? QUEUE_DONE : QUEUE_FAILED);
	}
	ending_free(ending);
}

static void
got_expired(void *arg, bool failed, const struct spool_row *rows, size_t count)
{
	struct queue *queue = arg;
	struct ending *ending;
	struct txn *txn;

	if (!queue_release(queue))
		return;
	queue->ending = false;
	if (failed || count == 0) {
		ends_told(queue, failed ? QUEUE_FAILED : QUEUE_DONE);
		return;
	}
	txn = txn_new(queue->store);
	ending = xcalloc(1, sizeof *ending);
	*ending = (struct ending){ .queue = queue, .end = QUEUE_EXPIRED, .error = STANZA_REMOTE_SERVER_TIMEOUT };
	for (size_t i = 0; i < count; i++) {
		struct domain *domain = domain_find(queue, rows[i].domain);
		if (domain != NULL && (pump_has(domain, rows[i].id) || domain->reading || domain->refusing))
			continue;
		if (domain != NULL) /* nor is it read and sent before the commit */
			pump_leave(domain, &rows[i].id, 1);
		add_end(txn, ending, &rows[i]);
		ending->left[ending->count] = domain;
		ending->ids[ending->count++] = rows[i].id;
	}
	ending->more = ending->count > 0;
	queue->ending = true;
	queue_hold(queue);
	txn_submit(&txn, expired, ending);
}

void
ends_expire(struct queue *queue)
{
	if (queue->ending)
		return;
	queue->ending = true;
	queue_hold(queue);
	read_spool_expired(queue->store, now_wall(), ENDS_MOST, got_expired, queue);
}

static void
clean(struct queue *queue)
{
	struct txn *txn;

	if (queue->settled > 0)
		queue->clean_until = now_mono() + KEEP_MS + 2 * LOOK_MS;
	if (queue->settled > queue->most_settled)
		queue->most_settled = queue->settled;
	queue->settled = 0;
	if (now_mono() > queue->clean_until) {
		queue->most_settled = 0;
		return;
	}
	for (int64_t n = 0; n < CLEANS_MOST && n <= queue->most_settled / CLEAN_ROWS; n++) {
		txn = txn_new(queue->store);
		txn_add(txn, &(struct op){ .kind = OP_SPOOL_CLEAN, .time = now_wall() });
		txn_submit(&txn, NULL, NULL);
	}
}

void
ends_look(void *arg)
{
	struct queue *queue = arg;

	timer_set(queue->look, LOOK_MS);
	if (steady_look(&queue->steady, now_wall(), now_mono()))
		ends_expire(queue);
	clean(queue);
}

/* ---- an error in answer ---- */

struct answer {
	struct queue *queue;
	char *domain, *from, *to;
	struct domain *held; /* from where its message leaves */
	bool wait;
	enum stanza_error error;
	void (*then)(void *arg, bool ours);
	void *arg;
	int64_t id;
	int64_t wait_ms;
};

static void
answer_end(struct answer *answer, bool ours)
{
	answer->then(answer->arg, ours);
	free(answer->domain);
	free(answer->from);
	free(answer->to);
	free(answer);
}

static void
answered(void *arg, enum txn_result result)
{
	struct answer *answer = arg;
	struct queue *queue = answer->queue;

	if (!pump_left(answer->held, 1)) {
		answer_end(answer, true);
		return;
	}
	if (result == TXN_COMMITTED && answer->wait) {
		queue_added(queue, answer->domain, answer->id);
		pairs_stop(answer->held, answer->to, answer->from, answer->wait_ms);
	}
	if (result == TXN_COMMITTED && queue->owner.moved != NULL)
		queue->owner.moved(queue->owner.arg, &answer->id, 1);
	domain_kick(answer->held);
	answer_end(answer, true);
}

static bool
is_about(const struct spool_row *row, const struct answer *answer)
{
	size_t from = strcspn(row->from, "/"), to = strcspn(row->to, "/");

	return strlen(answer->to) == from && memcmp(row->from, answer->to, from) == 0 && strlen(answer->from) == to &&
	    memcmp(row->to, answer->from, to) == 0;
}

static void
take_answer(struct answer *answer, const struct spool_row *row)
{
	const struct queue *queue = answer->queue;
	struct txn *txn = txn_new(queue->store);

	answer->id = row->id;
	answer->held = domain_get(answer->queue, answer->domain);
	pump_leave(answer->held, &answer->id, 1); /* an <a/> that counts it may come before the commit */
	if (answer->wait) {
		answer->wait_ms = backoff_ms(row->tries + 1, 60 * 1000, queue->conf->retry_most * 1000, (uint32_t)row->id);
		txn_add(txn, &(struct op){ .kind = OP_SPOOL_DEFER, .id = row->id, .time = now_wall(), .expires = now_wall() + answer->wait_ms,
			.config = stanza_error_name(answer->error) });
	} else {
		struct ending ending = { .queue = answer->queue, .end = QUEUE_REFUSED, .error = answer->error };
		add_end(txn, &ending, row);
	}
	txn_submit(&txn, answered, answer);
}

static void
got_named(void *arg, bool failed, const struct spool_row *rows, size_t count)
{
	struct answer *answer = arg;

	if (!queue_release(answer->queue)) {
		answer_end(answer, true);
		return;
	}
	for (size_t i = 0; i < count && !failed; i++)
		if (is_about(&rows[i], answer)) {
			take_answer(answer, &rows[i]);
			return;
		}
	answer_end(answer, false);
}

void
queue_refused(struct queue *queue, const char *domain, const char *from, const char *to, const char *name, bool wait,
    enum stanza_error error, void (*then)(void *arg, bool ours), void *arg)
{
	struct answer *answer = xcalloc(1, sizeof *answer);

	*answer = (struct answer){ .queue = queue, .domain = xstrdup(domain), .from = xstrdup(from), .to = xstrdup(to), .wait = wait,
		.error = error, .then = then, .arg = arg };
	queue_hold(queue);
	read_spool_named(queue->store, domain, name, got_named, answer);
}
