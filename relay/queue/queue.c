/*
 * queue.c -- the domains that something is held for: when each is tried, and what is remembered of it. See queue.h.
 *
 * A domain has a struct while it has rows, a stream, or an answer of the store to come. All that a domain has to do is done in
 * domain_run, in a later turn of the loop. Waits are monotonic; on disk they are wall times, and a wait that a jump of the clock
 * made longer than the longest is cut.
 */
#include "config.h"

#include "relay/queue/queue-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/digest.h"
#include "proto/mem.h"
#include "relay/conf.h"
#include "relay/log.h"
#include "relay/net/clock.h"
#include "relay/net/loop.h"
#include "relay/queue/backoff.h"

static void run_all(void *arg);
static void on_timer(void *arg);

/* ---- the table ---- */

static size_t
bucket_of(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash % BUCKETS;
}

struct domain *
domain_find(const struct queue *queue, const char *name)
{
	struct domain *domain = queue->buckets[bucket_of(name)];

	while (domain != NULL && strcmp(domain->name, name) != 0)
		domain = domain->next;
	return domain;
}

static struct domain *
domain_new(struct queue *queue, const char *name)
{
	struct domain *domain = xcalloc(1, sizeof *domain), **bucket = &queue->buckets[bucket_of(name)];

	domain->queue = queue;
	domain->name = xstrdup(name);
	domain->back = domain->untold = INT64_MAX;
	domain->timer = timer_new(queue->loop, on_timer, domain);
	domain->next = *bucket;
	*bucket = domain;
	queue->domain_count++;
	return domain;
}

static void
domain_free(struct domain *domain)
{
	struct domain **at = &domain->queue->buckets[bucket_of(domain->name)];

	while (*at != domain)
		at = &(*at)->next;
	*at = domain->next;
	domain->queue->domain_count--;
	pairs_clear(domain);
	timer_free(&domain->timer);
	free(domain->leaving);
	free(domain->name);
	free(domain);
}

/* ---- answers to come ---- */

void
queue_hold(struct queue *queue)
{
	queue->pending++;
}

static void
queue_end(struct queue *queue)
{
	free(queue->host);
	free(queue);
}

bool
queue_release(struct queue *queue)
{
	queue->pending--;
	if (!queue->freed)
		return true;
	if (queue->pending == 0)
		queue_end(queue);
	return false;
}

void
domain_hold(struct domain *domain)
{
	domain->pending++;
	queue_hold(domain->queue);
}

bool
domain_release(struct domain *domain)
{
	struct queue *queue = domain->queue;

	domain->pending--;
	if (queue->freed && domain->pending == 0)
		domain_free(domain);
	return queue_release(queue);
}

void
domain_kick(struct domain *domain)
{
	struct queue *queue = domain->queue;

	if (domain->scheduled || !queue->on)
		return;
	domain->scheduled = true;
	domain->next_run = queue->first_run;
	queue->first_run = domain;
	timer_set(queue->run, 0);
}

static void
on_timer(void *arg)
{
	domain_kick(arg);
}

/* ---- trying ---- */

static int64_t
longest(const struct queue *queue)
{
	return queue->conf->retry_most * 1000;
}

static uint32_t
chance(void)
{
	uint32_t number;

	random_bytes(&number, sizeof number);
	return number;
}

static void
remember_try(struct domain *domain, int64_t wait, const char *text)
{
	struct txn *txn = txn_new(domain->queue->store);
	int64_t now = now_wall();

	txn_add(txn, &(struct op){ .kind = OP_PEER_TRIED, .peer = domain->name, .time = now, .id = domain->tries,
		.expires = now + wait, .config = text });
	txn_submit(&txn, NULL, NULL);
}

struct telling {
	struct domain *domain;
	int64_t from, time;
};

static void tell_waiting(struct domain *domain);

static void
told_waiting(void *arg, enum txn_result result)
{
	struct telling *telling = arg;
	struct domain *domain = telling->domain;
	const struct queue_owner *owner = &domain->queue->owner;

	domain->telling = false;
	if (domain_release(domain)) {
		if (result == TXN_COMMITTED && owner->waits != NULL)
			owner->waits(owner->arg, domain->name, telling->from, telling->time);
		tell_waiting(domain);
		domain_kick(domain);
	}
	free(telling);
}

/* To those who wrote what waits for another try. What is added meanwhile comes next, together. */
static void
tell_waiting(struct domain *domain)
{
	struct telling *telling;
	struct txn *txn;

	if (domain->telling || domain->untold == INT64_MAX || domain->state != RESTING || now_mono() >= domain->until)
		return;
	telling = xcalloc(1, sizeof *telling);
	*telling = (struct telling){ .domain = domain, .from = domain->untold, .time = now_wall() };
	domain->untold = INT64_MAX;
	domain->telling = true;
	txn = txn_new(domain->queue->store);
	txn_add(txn, &(struct op){ .kind = OP_STATUS_HELD, .peer = domain->name, .id = telling->from, .time = telling->time });
	domain_hold(domain);
	txn_submit(&txn, told_waiting, telling);
}

static void
go_down(struct domain *domain, const char *text, int64_t least)
{
	const struct queue *queue = domain->queue;
	bool was_up = domain->state == UP;
	int64_t wait;

	domain->state = RESTING;
	if (was_up)
		pump_lost(domain);
	if (was_up && !domain->due) { /* nothing to try for */
		domain_kick(domain);
		return;
	}
	domain->tries++;
	wait = backoff_ms(domain->tries, queue->conf->retry_first * 1000, longest(queue), chance());
	if (wait < least)
		wait = least;
	domain->until = now_mono() + wait;
	if (domain->tries == 1)
		log_info(NULL, "%s: %s; what is for it waits here", domain->name, text);
	log_debug(NULL, "%s: %s; try %lld in %lld s", domain->name, text, (long long)domain->tries + 1, (long long)(wait / 1000));
	remember_try(domain, wait, text);
	tell_waiting(domain);
	domain_kick(domain);
}

static void
ring_at(struct domain *domain, int64_t until)
{
	int64_t ms = until - now_mono();

	timer_set(domain->timer, ms > 0 ? (uint64_t)ms : 0);
}

static void
run_resting(struct domain *domain)
{
	struct queue *queue = domain->queue;

	if (domain->loaded && !domain->due && !domain->refusing && domain->pending == 0) {
		(void)pairs_until(domain);
		if (domain->due)
			domain_kick(domain);
		else if (pairs_until(domain) == INT64_MAX)
			domain_free(domain);
		else
			ring_at(domain, pairs_until(domain));
		return;
	}
	if (!domain->loaded || !domain->due || domain->refusing)
		return;
	if (now_mono() < domain->until) {
		ring_at(domain, domain->until);
		return;
	}
	domain->state = WANTED;
	domain->wanted_at = now_mono();
	timer_set(domain->timer, WANTED_MS);
	queue->line.wanted(queue->line.arg, domain->name);
}

static void
domain_run(struct domain *domain)
{
	int64_t until;

	domain->scheduled = false;
	switch (domain->state) {
	case RESTING:
		run_resting(domain);
		break;
	case WANTED:
		if (now_mono() - domain->wanted_at >= WANTED_MS)
			go_down(domain, "nobody says whether it could be reached", 0);
		break;
	case UP:
		pump(domain);
		until = pairs_until(domain);
		if (domain->read_at > now_mono() && domain->read_at < until)
			until = domain->read_at;
		if (until != INT64_MAX)
			ring_at(domain, until);
		break;
	}
}

static void
run_all(void *arg)
{
	struct queue *queue = arg;
	struct domain *domain, *next;

	domain = queue->first_run;
	queue->first_run = NULL;
	for (; domain != NULL; domain = next) {
		next = domain->next_run;
		domain_run(domain);
	}
}

/* ---- what is on disk about a domain ---- */

static void
take_loaded(struct domain *domain, const struct spool_domain *row)
{
	int64_t wait = row->next - now_wall();

	domain->loaded = true;
	domain->known = domain->known || row->known;
	if (domain->state == UP || domain->tries > 0)
		return;
	domain->tries = row->tries;
	if (wait > 0) {
		int64_t most = longest(domain->queue) + longest(domain->queue) / 5;
		domain->until = now_mono() + (wait < most ? wait : most);
		tell_waiting(domain);
	}
}

static void
on_loaded(void *arg, bool failed, const struct spool_domain *rows, size_t count)
{
	struct domain *domain = arg;
	static const struct spool_domain none;

	(void)failed;
	if (!domain_release(domain))
		return;
	take_loaded(domain, count > 0 ? &rows[0] : &none);
	domain_kick(domain);
}

struct domain *
domain_get(struct queue *queue, const char *name)
{
	struct domain *domain = domain_find(queue, name);

	if (domain != NULL)
		return domain;
	domain = domain_new(queue, name);
	domain_hold(domain);
	read_spool_domain(queue->store, name, on_loaded, domain);
	return domain;
}

static void
on_begin(void *arg, bool failed, const struct spool_domain *rows, size_t count)
{
	struct queue *queue = arg;

	if (!queue_release(queue))
		return;
	for (size_t i = 0; i < count; i++) {
		struct domain *domain = domain_find(queue, rows[i].domain);
		if (domain == NULL)
			domain = domain_new(queue, rows[i].domain);
		domain->untold = 0;
		take_loaded(domain, &rows[i]);
		domain->due = true;
		domain_kick(domain);
	}
	if (failed)
		log_error(NULL, "what is held for other relays could not be read: it waits for the next start");
	else if (count > 0)
		log_info(NULL, "messages are held for %zu domains", count);
}

/* ---- from above ---- */

struct queue *
queue_new(struct loop *loop, struct store *store, const struct conf *conf, const char *host)
{
	struct queue *queue = xcalloc(1, sizeof *queue);

	queue->loop = loop;
	queue->store = store;
	queue->conf = conf;
	queue->host = xstrdup(host);
	queue->look = timer_new(loop, ends_look, queue);
	queue->run = timer_new(loop, run_all, queue);
	queue->clean_until = now_mono() + KEEP_MS + 2 * LOOK_MS; /* what an earlier run has left */
	return queue;
}

void
queue_set_conf(struct queue *queue, const struct conf *conf)
{
	queue->conf = conf;
}

void
queue_set_owner(struct queue *queue, const struct queue_owner *owner)
{
	queue->owner = *owner;
}

void
queue_set_line(struct queue *queue, const struct queue_line *line)
{
	queue->line = *line;
	if (queue->on)
		return;
	queue->on = true;
	(void)steady_look(&queue->steady, now_wall(), now_mono());
	timer_set(queue->look, LOOK_MS);
	queue_hold(queue);
	read_spool_domains(queue->store, on_begin, queue);
}

bool
queue_is_on(const struct queue *queue)
{
	return queue->on;
}

size_t
queue_domains(const struct queue *queue)
{
	return queue->domain_count;
}

void
queue_free(struct queue **handle)
{
	struct queue *queue = *handle;
	struct domain *domain, *next;

	*handle = NULL;
	if (queue == NULL)
		return;
	queue->freed = true;
	queue->on = false;
	ends_told(queue, QUEUE_FAILED);
	timer_free(&queue->look);
	timer_free(&queue->run);
	for (size_t i = 0; i < BUCKETS; i++)
		for (domain = queue->buckets[i]; domain != NULL; domain = next) {
			next = domain->next;
			timer_clear(domain->timer);
			if (domain->pending == 0)
				domain_free(domain);
		}
	if (queue->pending == 0)
		queue_end(queue);
}

void
queue_added(struct queue *queue, const char *name, int64_t id)
{
	struct domain *domain = domain_get(queue, name);

	domain->due = true;
	if (domain->reading && domain->back >= id)
		domain->back = id - 1;
	if (domain->after >= id)
		domain->after = id - 1;
	if (domain->untold > id)
		domain->untold = id;
	tell_waiting(domain);
	domain_kick(domain);
}

static void
remember_seen(struct queue *queue, const char *name)
{
	struct txn *txn = txn_new(queue->store);

	txn_add(txn, &(struct op){ .kind = OP_PEER_SEEN, .peer = name, .time = now_wall(), .most = queue->conf->hold * 1000 });
	txn_submit(&txn, NULL, NULL);
}

void
queue_up(struct queue *queue, const char *name, bool deduplicates)
{
	struct domain *domain = domain_get(queue, name);

	domain->state = UP;
	domain->known = true;
	domain->deduplicates = deduplicates;
	domain->until = domain->nx_at = domain->read_at = 0;
	pump_rewind(domain);
	domain->blocked = false;
	domain->due = true; /* a look costs one question */
	timer_clear(domain->timer);
	remember_seen(queue, name);
	domain_kick(domain);
}

void
queue_more(struct queue *queue, const char *name)
{
	struct domain *domain = domain_find(queue, name);

	if (domain == NULL || domain->state != UP)
		return;
	domain->blocked = false;
	domain_kick(domain);
}

void
queue_down(struct queue *queue, const char *name, enum queue_reason reason, const char *text)
{
	struct domain *domain = domain_find(queue, name);
	bool again;

	if (domain == NULL || domain->state == RESTING)
		return;
	timer_clear(domain->timer);
	if (domain->known || reason == QUEUE_UNREACHED) {
		domain->nx_at = 0;
		go_down(domain, text, 0);
		return;
	}
	again = domain->nx_at != 0 && now_mono() - domain->nx_at >= NX_MS;
	if (reason == QUEUE_NO_SERVICE || again) {
		domain->state = RESTING;
		domain->nx_at = 0;
		ends_refuse_all(domain, STANZA_REMOTE_SERVER_NOT_FOUND, text);
		return;
	}
	if (domain->nx_at == 0)
		domain->nx_at = now_mono();
	go_down(domain, text, domain->nx_at + NX_MS - now_mono());
}

static void
try_now(struct domain *domain)
{
	domain->until = 0;
	domain_kick(domain);
}

void
queue_seen(struct queue *queue, const char *name)
{
	struct domain *domain = domain_find(queue, name);

	remember_seen(queue, name);
	if (domain == NULL)
		return;
	domain->known = true;
	try_now(domain);
}
