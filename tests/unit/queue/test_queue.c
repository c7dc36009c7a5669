/* test_queue.c -- queue/queue.h with a real store: order, waiting, pairs, doubts, ends, clocks. Streams and time are in the hand. */
#include "config.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"
#include "relay/conf.h"
#include "relay/net/loop.h"
#include "relay/queue/backoff.h"
#include "relay/queue/operator.h"
#include "relay/queue/queue.h"
#include "relay/store/spool.h"

/* ---- time in the hand ---- */

struct timer {
	struct timer *next;
	loop_fn *fn;
	void *arg;
	int64_t at; /* < 0: not set */
};

static struct timer *timers;
static int64_t wall, mono;

int64_t __wrap_now_wall(void);
int64_t __wrap_now_mono(void);
struct timer *__wrap_timer_new(struct loop *loop, loop_fn *fn, void *arg);
void __wrap_timer_set(struct timer *timer, uint64_t ms);
void __wrap_timer_clear(struct timer *timer);
void __wrap_timer_free(struct timer **timer);

int64_t
__wrap_now_wall(void)
{
	return wall;
}

int64_t
__wrap_now_mono(void)
{
	return mono;
}

struct timer *
__wrap_timer_new(struct loop *loop, loop_fn *fn, void *arg)
{
	struct timer *timer = xcalloc(1, sizeof *timer);

	(void)loop;
	*timer = (struct timer){ .next = timers, .fn = fn, .arg = arg, .at = -1 };
	timers = timer;
	return timer;
}

void
__wrap_timer_set(struct timer *timer, uint64_t ms)
{
	timer->at = mono + (int64_t)ms;
}

void
__wrap_timer_clear(struct timer *timer)
{
	timer->at = -1;
}

void
__wrap_timer_free(struct timer **handle)
{
	struct timer **at = &timers;

	while (*at != *handle)
		at = &(*at)->next;
	*at = (*handle)->next;
	free(*handle);
	*handle = NULL;
}

static struct timer *
first_timer(void)
{
	struct timer *first = NULL;

	for (struct timer *timer = timers; timer != NULL; timer = timer->next)
		if (timer->at >= 0 && (first == NULL || timer->at < first->at))
			first = timer;
	return first;
}

/* Let that much time pass, with all that is due in it. */
static void
pass(int64_t ms)
{
	int64_t end = mono + ms;
	struct timer *timer;

	while ((timer = first_timer()) != NULL && timer->at <= end) {
		int64_t step = timer->at > mono ? timer->at - mono : 0;
		mono += step;
		wall += step;
		timer->at = -1;
		timer->fn(timer->arg);
	}
	wall += end - mono;
	mono = end;
}

/* ---- a store whose answers take time ---- */

struct desk;

/* What happens between the next question, or the next commit, and its answer; once. */
static void (*while_reading)(struct desk *desk), (*while_committing)(struct desk *desk);
static struct desk *happens_to;
static int failing_reads;

struct late {
	void (*meanwhile)(struct desk *desk);
	read_spool_fn *got;
	txn_done_fn *done;
	void *arg;
};

void __real_read_spool(struct store *store, const char *domain, int64_t after, size_t limit, read_spool_fn *fn, void *arg);
void __wrap_read_spool(struct store *store, const char *domain, int64_t after, size_t limit, read_spool_fn *fn, void *arg);
void __real_txn_submit(struct txn **txn, txn_done_fn *fn, void *arg);
void __wrap_txn_submit(struct txn **txn, txn_done_fn *fn, void *arg);

static void
got_late(void *arg, bool failed, const struct spool_row *rows, size_t count)
{
	const struct late *late = arg;

	late->meanwhile(happens_to);
	late->got(late->arg, failed, rows, count);
}

void
__wrap_read_spool(struct store *store, const char *domain, int64_t after, size_t limit, read_spool_fn *fn, void *arg)
{
	struct late late = { .meanwhile = while_reading, .got = fn, .arg = arg };

	while_reading = NULL;
	if (failing_reads > 0) {
		failing_reads--;
		fn(arg, true, NULL, 0);
	} else if (late.meanwhile != NULL) {
		__real_read_spool(store, domain, after, limit, got_late, &late);
	} else {
		__real_read_spool(store, domain, after, limit, fn, arg);
	}
}

static void
done_late(void *arg, enum txn_result result)
{
	const struct late *late = arg;

	late->meanwhile(happens_to);
	late->done(late->arg, result);
}

void
__wrap_txn_submit(struct txn **txn, txn_done_fn *fn, void *arg)
{
	struct late late = { .meanwhile = while_committing, .done = fn, .arg = arg };

	while_committing = NULL;
	if (late.meanwhile != NULL)
		__real_txn_submit(txn, done_late, &late);
	else
		__real_txn_submit(txn, fn, arg);
}

/* ---- a line ---- */

struct desk {
	struct place *place;
	struct queue *queue;
	struct conf conf;
	int wanted, sends, room, ended, moved;
	enum stanza_error error;
	enum queue_end end;
	bool refuse; /* the next, as too large */
	char wants[64], sent[8192]; /* ids of the stanzas, each with a blank */
	char last[1024];
};

static void
on_wanted(void *arg, const char *domain)
{
	struct desk *desk = arg;

	desk->wanted++;
	snprintf(desk->wants, sizeof desk->wants, "%s", domain);
}

static enum queue_taken
on_send(void *arg, const char *domain, const char *stanza, size_t len)
{
	struct desk *desk = arg;
	const char *id = strstr(stanza, " id='");
	size_t at = strlen(desk->sent);

	(void)domain;
	if (desk->refuse) {
		desk->refuse = false;
		return QUEUE_TOO_LARGE;
	}
	if (desk->room == 0)
		return QUEUE_NOT_NOW;
	desk->room--;
	desk->sends++;
	snprintf(desk->last, sizeof desk->last, "%.*s", (int)len, stanza);
	id += strlen(" id='");
	snprintf(desk->sent + at, sizeof desk->sent - at, "%.*s ", (int)strcspn(id, "'"), id);
	return QUEUE_TAKEN;
}

static void
on_ended(void *arg, struct txn *txn, const struct queue_message *message, enum queue_end end, enum stanza_error error, const char *text)
{
	struct desk *desk = arg;

	(void)txn;
	(void)text;
	assert_non_null(message->body);
	desk->ended++;
	desk->end = end;
	desk->error = error;
}

static void
on_moved(void *arg, const int64_t *ids, size_t count)
{
	(void)ids;
	((struct desk *)arg)->moved += (int)count;
}

static void
open_queue(struct desk *desk)
{
	desk->conf = (struct conf){ .hold = 365 * 86400, .hold_unknown = 5 * 86400, .retry_first = 1, .retry_most = 3600 };
	desk->queue = queue_new(NULL, desk->place->store, &desk->conf, "a");
	queue_set_owner(desk->queue, &(struct queue_owner){ .ended = on_ended, .moved = on_moved, .arg = desk });
	queue_set_line(desk->queue, &(struct queue_line){ .wanted = on_wanted, .send = on_send, .arg = desk });
	pass(0);
}

static int
setup(void **state)
{
	struct desk *desk;

	wall = INT64_C(1700000000000);
	mono = 1000;
	if (place_setup(state) != 0)
		return -1;
	desk = xcalloc(1, sizeof *desk);
	desk->place = *state;
	desk->room = 1000;
	happens_to = desk;
	open_queue(desk);
	*state = desk;
	return 0;
}

static int
teardown(void **state)
{
	struct desk *desk = *state;
	void *place = desk->place;

	queue_free(&desk->queue);
	assert_null(timers);
	free(desk);
	return place_teardown(&place);
}

/* As after kill -9: nothing in memory is left. */
static void
restart(struct desk *desk)
{
	queue_free(&desk->queue);
	open_queue(desk);
}

static int64_t
hold_for(struct desk *desk, const char *to, const char *name, bool stranger)
{
	static const uint8_t key[32] = { 1, 2, 3 };
	struct store *store = desk->place->store;
	int64_t id = store_next_id(store);
	char body[256];

	snprintf(body, sizeof body, "<message xmlns='jabber:client' id='%s' to='%s'><body>x</body></message>", name, to);
	assert_int_equal(run(store,
	    { .kind = OP_MESSAGE, .id = id, .time = wall, .from = "ana@a/x", .to = to, .body = body, .body_len = strlen(body) },
	    { .kind = OP_SPOOL_NEW, .id = id, .peer = "b", .key = key, .item = name, .time = wall,
	      .expires = wall + desk->conf.hold * 1000, .most = wall + desk->conf.hold_unknown * 1000, .stranger = stranger }),
	    TXN_COMMITTED);
	queue_added(desk->queue, "b", id);
	return id;
}

static void
hold(struct desk *desk, const char *name)
{
	(void)hold_for(desk, "luis@b", name, false);
}

static int64_t
rows(struct desk *desk, const char *where)
{
	char sql[128];

	snprintf(sql, sizeof sql, "SELECT count(*) FROM spool WHERE %s", where);
	return sql_number(desk->place->dir, sql);
}

/* ---- tests ---- */

static void
hear(void *arg, enum queue_done done, size_t count)
{
	int *heard = arg;

	assert_int_equal(heard[0], -1); /* once */
	heard[0] = (int)done;
	heard[1] = (int)count;
}

static bool ours;

static void
see_ours(void *arg, bool is_ours)
{
	(void)arg;
	ours = is_ours;
}

static void
waits_between_tries(void **state)
{
	static const int64_t first[] = { 1, 2, 4, 8, 15, 15 };
	int64_t sum = 0, day = 0;

	(void)state;
	for (int n = 0; n < 6; n++) {
		assert_int_equal(backoff_ms(n + 1, 1000, 3600000, (uint32_t)(first[n] * 200)), first[n] * 1000);
		assert_int_equal(backoff_ms(n + 1, 1000, 3600000, 0), first[n] * 800);
		assert_int_equal(backoff_ms(n + 1, 1000, 3600000, (uint32_t)(first[n] * 400)), first[n] * 1200);
	}
	for (int n = 1; n <= 23; n++)
		sum += backoff_ms(n, 1000, 3600000, 3000);
	assert_in_range(sum, 280000, 320000); /* five minutes */
	assert_in_range(backoff_ms(24, 1000, 3600000, 0), 24000, 36000);
	assert_in_range(backoff_ms(25, 1000, 3600000, 0), 48000, 72000);
	for (int n = 24; day < 24 * 3600000; n++)
		day += backoff_ms(n, 1000, 3600000, 0);
	for (uint32_t chance = 0; chance < 5000000; chance += 70001)
		assert_in_range(backoff_ms(60, 1000, 3600000, chance), 3600000, 4320000); /* never more than one an hour */
	assert_in_range(backoff_ms(INT64_MAX, 1000, 3600000, 7), 3600000, 4320000);
	assert_int_equal(backoff_ms(9, 5000, 3000, 0), 3000);
}

static void
goes_out_in_order_and_is_settled(void **state)
{
	struct desk *desk = *state;

	hold(desk, "m1");
	hold(desk, "m2");
	assert_int_equal(desk->wanted, 0); /* not from inside */
	pass(0);
	assert_int_equal(desk->wanted, 1);
	assert_string_equal(desk->wants, "b");
	hold(desk, "m3");
	pass(0);
	assert_int_equal(desk->wanted, 1);
	desk->room = 1;
	queue_up(desk->queue, "b", true);
	pass(0);
	assert_string_equal(desk->sent, "m1 ");
	assert_non_null(strstr(desk->last, "<message id='m1' to='luis@b'><body>x</body><custody xmlns='urn:lazo:custody:0' id='01020300"));
	assert_null(strstr(desk->last, "<delay"));
	desk->room = 100;
	hold(desk, "m4");
	queue_more(desk->queue, "b");
	pass(20000);
	assert_string_equal(desk->sent, "m1 m2 m3 m4 ");
	queue_acked(desk->queue, "b", 2);
	pass(0);
	assert_int_equal(desk->moved, 2);
	assert_int_equal(rows(desk, "state = 1"), 2);
	queue_acked(desk->queue, "b", 50); /* no more than were sent */
	pass(0);
	assert_int_equal(rows(desk, "state = 0"), 0);
	hold(desk, "m5");
	pass(11 * 60000);
	assert_int_equal(rows(desk, "state = 1"), 0); /* bodies leave */
	assert_string_equal(desk->sent, "m1 m2 m3 m4 m5 ");
	pass(0);
	assert_references_hold(desk->place->dir);
}

static void
late_ones_say_so(void **state)
{
	struct desk *desk = *state;

	hold(desk, "m1");
	pass(30000);
	queue_up(desk->queue, "b", true);
	pass(0);
	assert_non_null(strstr(desk->last, "<delay xmlns='urn:xmpp:delay' from='a' stamp='2023-11-14T22:13:20"));
}

static void
a_window_is_not_passed(void **state)
{
	struct desk *desk = *state;
	char name[16];

	for (int i = 0; i < QUEUE_WINDOW + 60; i++) {
		snprintf(name, sizeof name, "n%d", i);
		hold(desk, name);
	}
	pass(0);
	queue_up(desk->queue, "b", true);
	pass(0);
	assert_int_equal(desk->sends, QUEUE_WINDOW);
	queue_acked(desk->queue, "b", QUEUE_WINDOW);
	pass(0);
	assert_int_equal(desk->sends, QUEUE_WINDOW + 60);
}

static void
waits_longer_and_longer(void **state)
{
	struct desk *desk = *state;
	int tries = 0;

	hold(desk, "m1");
	pass(0);
	for (int64_t day = 0; day < 24 * 60; day++) {
		if (desk->wanted > tries) {
			tries = desk->wanted;
			queue_down(desk->queue, "b", QUEUE_UNREACHED, "no route");
		}
		pass(60000);
	}
	assert_in_range(tries, 26, 60);
	restart(desk); /* does not begin anew */
	pass(5 * 60000);
	assert_in_range(desk->wanted, tries, tries + 1);
	if (desk->wanted > tries)
		queue_down(desk->queue, "b", QUEUE_UNREACHED, "no route");
	tries = desk->wanted;
	wall -= 40 * 365 * INT64_C(86400000); /* the clock jumps: no wait of years */
	restart(desk);
	pass(2 * 3600000);
	assert_int_equal(desk->wanted, tries + 1);
	queue_down(desk->queue, "b", QUEUE_UNREACHED, "no route");
	queue_retry(desk->queue, NULL);
	pass(0);
	assert_int_equal(desk->wanted, tries + 2);
	queue_down(desk->queue, "b", QUEUE_UNREACHED, "no route");
	queue_seen(desk->queue, "b");
	pass(0);
	assert_int_equal(desk->wanted, tries + 3);
}

static void
what_was_on_its_way_is_sent_again(void **state)
{
	struct desk *desk = *state;

	hold(desk, "m1");
	hold(desk, "m2");
	for (int n = 1; n <= 5; n++) {
		pass(60000);
		assert_int_equal(desk->wanted, n);
		queue_up(desk->queue, "b", false);
		pass(0);
		assert_int_equal(desk->sends, 1 + n); /* after the first loss one at a time */
		queue_down(desk->queue, "b", QUEUE_UNREACHED, "reset");
	}
	pass(0);
	assert_int_equal(rows(desk, "state = 2"), 1); /* five times in doubt; the other was not with it */
	queue_up(desk->queue, "b", false);
	pass(0);
	assert_int_equal(desk->sends, 7);
	queue_acked(desk->queue, "b", 1);
	pass(0);
	assert_int_equal(rows(desk, "state = 1"), 1);
	assert_int_equal(desk->sends, 7);
	queue_retry(desk->queue, "b");
	pass(0);
	assert_int_equal(desk->sends, 8);
	queue_down(desk->queue, "b", QUEUE_UNREACHED, "reset");
	for (int n = 1; n <= 4; n++) { /* a peer that knows them again: in no doubt */
		queue_up(desk->queue, "b", true);
		pass(0);
		assert_int_equal(desk->sends, 8 + n);
		queue_down(desk->queue, "b", QUEUE_UNREACHED, "reset");
	}
	restart(desk);
	queue_up(desk->queue, "b", true);
	pass(0);
	assert_int_equal(desk->sends, 13);
	assert_int_equal(rows(desk, "state = 0"), 1);
}

/* The peer knows repetitions, and falls over one message. */
static void
what_the_stream_is_lost_with_lets_others_pass(void **state)
{
	struct desk *desk = *state;

	hold(desk, "m1");
	(void)hold_for(desk, "eva@b", "m2", false);
	for (int n = 1; n <= 6; n++) { /* with both, then alone */
		queue_up(desk->queue, "b", true);
		pass(0);
		queue_down(desk->queue, "b", QUEUE_UNREACHED, "reset");
		pass(0);
	}
	assert_string_equal(desk->sent, "m1 m2 m1 m1 m1 m1 m1 ");
	queue_up(desk->queue, "b", true);
	pass(0);
	queue_acked(desk->queue, "b", 1);
	pass(0);
	assert_string_equal(desk->sent, "m1 m2 m1 m1 m1 m1 m1 m2 ");
	assert_int_equal(rows(desk, "state = 1"), 1);
	pass(3 * 60000);
	assert_string_equal(desk->sent, "m1 m2 m1 m1 m1 m1 m1 m2 m1 "); /* never given up */
	assert_int_equal(desk->ended, 0);
}

/* However many recipients there have no room, another gets what is for him. */
static void
many_stopped_pairs_do_not_stop_a_domain(void **state)
{
	struct desk *desk = *state;
	char to[32], name[32];

	for (int n = 0; n < 80; n++) {
		snprintf(to, sizeof to, "r%d@b", n * 37 % 80);
		snprintf(name, sizeof name, "n%d", n);
		(void)hold_for(desk, to, name, false);
	}
	pass(0);
	queue_up(desk->queue, "b", true);
	pass(0);
	for (int n = 0; n < 80; n++) {
		snprintf(to, sizeof to, "r%d@b", n * 37 % 80);
		snprintf(name, sizeof name, "n%d", n);
		queue_refused(desk->queue, "b", to, "ana@a", name, true, STANZA_RESOURCE_CONSTRAINT, see_ours, NULL);
		assert_true(ours);
	}
	queue_acked(desk->queue, "b", 80);
	pass(0);
	assert_int_equal(desk->sends, 80);
	(void)hold_for(desk, "eva@b", "e1", false);
	(void)hold_for(desk, "r5@b", "later", false);
	pass(0);
	assert_int_equal(desk->sends, 81);
	assert_non_null(strstr(desk->last, "id='e1'"));
	for (int n = 0; n < 4; n++) {
		pass(100000);
		queue_acked(desk->queue, "b", QUEUE_WINDOW);
	}
	assert_int_equal(desk->sends, 162);
}

static void
told_that_the_time_is_up(struct desk *desk)
{
	static int heard[2];

	heard[0] = -1;
	wall += 366 * INT64_C(86400000);
	queue_expire(desk->queue, hear, heard);
	assert_int_not_equal(heard[0], -1);
}

/* Nobody hears of the end of what arrives. */
static void
what_is_being_read_does_not_end(void **state)
{
	struct desk *desk = *state;

	hold(desk, "m1");
	pass(0);
	while_reading = told_that_the_time_is_up;
	queue_up(desk->queue, "b", true);
	pass(0);
	assert_string_equal(desk->sent, "m1 ");
	assert_int_equal(desk->ended, 0);
}

static void
what_is_too_large_ends(void **state)
{
	struct desk *desk = *state;

	hold(desk, "m1");
	hold(desk, "m2");
	pass(0);
	desk->refuse = true;
	queue_up(desk->queue, "b", true);
	pass(0);
	assert_int_equal(desk->ended, 1); /* the first; the one behind it goes */
	assert_int_equal(desk->error, STANZA_POLICY_VIOLATION);
	assert_int_equal(desk->sends, 1);
	assert_int_equal(rows(desk, "1"), 1);
	queue_acked(desk->queue, "b", 1);
	pass(0);
	assert_int_equal(rows(desk, "state = 1"), 1);
}

static void
an_asking_without_answer_is_a_try(void **state)
{
	struct desk *desk = *state;

	hold(desk, "m1");
	pass(0);
	assert_int_equal(desk->wanted, 1);
	pass(119 * 1000);
	assert_int_equal(desk->wanted, 1);
	pass(10 * 1000);
	assert_int_equal(desk->wanted, 2);
}

static void
a_temporary_error_stops_one_pair(void **state)
{
	struct desk *desk = *state;

	(void)hold_for(desk, "luis@b", "l1", false);
	(void)hold_for(desk, "eva@b", "e1", false);
	pass(0);
	queue_up(desk->queue, "b", true);
	pass(0);
	queue_acked(desk->queue, "b", 2);
	pass(0);
	queue_refused(desk->queue, "b", "luis@b", "beto@a", "l1", true, STANZA_RESOURCE_CONSTRAINT, see_ours, NULL);
	assert_false(ours); /* not from him */
	queue_refused(desk->queue, "b", "luis@b", "ana@a", "l1", true, STANZA_RESOURCE_CONSTRAINT, see_ours, NULL);
	assert_true(ours);
	(void)hold_for(desk, "luis@b", "l2", false);
	(void)hold_for(desk, "eva@b", "e2", false);
	pass(1000);
	assert_string_equal(desk->sent, "l1 e1 e2 ");
	restart(desk); /* on disk too */
	queue_up(desk->queue, "b", true);
	pass(1000);
	assert_string_equal(desk->sent, "l1 e1 e2 e2 ");
	pass(200000);
	assert_string_equal(desk->sent, "l1 e1 e2 e2 l1 l2 ");
	assert_int_equal(desk->ended, 0);
	queue_refused(desk->queue, "b", "luis@b", "ana@a", "l1", false, STANZA_FORBIDDEN, see_ours, NULL);
	assert_int_equal(desk->ended, 1);
	assert_int_equal(desk->error, STANZA_FORBIDDEN);
	queue_refused(desk->queue, "b", "luis@b", "ana@a", "l1", false, STANZA_FORBIDDEN, see_ours, NULL);
	assert_int_equal(desk->ended, 1);
	assert_false(ours);
	queue_acked(desk->queue, "b", 3);
	pass(0);
	assert_int_equal(rows(desk, "state = 0"), 0);
}

static void
acked_by_the_other_stream(struct desk *desk)
{
	queue_acked(desk->queue, "b", 1);
}

/* Their errors and their <a/> come on two streams: the <a/> behind a "later" does not settle. */
static void
what_is_put_off_is_not_settled(void **state)
{
	struct desk *desk = *state;

	hold(desk, "m1");
	pass(0);
	queue_up(desk->queue, "b", true);
	pass(0);
	while_committing = acked_by_the_other_stream;
	queue_refused(desk->queue, "b", "luis@b", "ana@a", "m1", true, STANZA_RESOURCE_CONSTRAINT, see_ours, NULL);
	assert_true(ours);
	assert_null(while_committing);
	assert_int_equal(rows(desk, "state = 1"), 0);
	assert_int_equal(rows(desk, "state = 0"), 1);
	pass(200000);
	assert_string_equal(desk->sent, "m1 m1 ");
	queue_acked(desk->queue, "b", 1);
	pass(0);
	assert_int_equal(rows(desk, "state = 1"), 1);
}

static void
another_stream(struct desk *desk)
{
	queue_down(desk->queue, "b", QUEUE_UNREACHED, "reset");
	queue_up(desk->queue, "b", true);
}

/* Those that the first stream left unacked go before what was read for it. */
static void
a_stream_that_comes_while_reading_begins_at_the_front(void **state)
{
	struct desk *desk = *state;

	hold(desk, "m1");
	hold(desk, "m2");
	pass(0);
	queue_up(desk->queue, "b", true);
	pass(0);
	assert_string_equal(desk->sent, "m1 m2 ");
	while_reading = another_stream;
	hold(desk, "m3");
	pass(0);
	assert_null(while_reading);
	for (int n = 0; n < 3; n++) {
		queue_acked(desk->queue, "b", 1);
		pass(0);
	}
	assert_string_equal(desk->sent, "m1 m2 m1 m2 m3 ");
	assert_int_equal(rows(desk, "state = 0"), 0);
}

static void
what_could_not_be_read_is_read_again(void **state)
{
	struct desk *desk = *state;

	hold(desk, "m1");
	pass(0);
	failing_reads = 2;
	queue_up(desk->queue, "b", true);
	pass(59 * 1000);
	assert_int_equal(failing_reads, 1); /* not each second */
	pass(62 * 1000);
	assert_int_equal(failing_reads, 0);
	assert_string_equal(desk->sent, "m1 ");
}

static void
an_unknown_domain_that_does_not_exist(void **state)
{
	struct desk *desk = *state;

	(void)hold_for(desk, "luis@b", "m1", true);
	pass(0);
	queue_down(desk->queue, "b", QUEUE_NO_DOMAIN, "does not exist");
	pass(59000);
	assert_int_equal(desk->wanted, 1);
	pass(2000);
	assert_int_equal(desk->wanted, 2);
	assert_int_equal(desk->ended, 0);
	queue_down(desk->queue, "b", QUEUE_NO_DOMAIN, "does not exist");
	pass(0);
	assert_int_equal(desk->ended, 1);
	assert_int_equal(desk->error, STANZA_REMOTE_SERVER_NOT_FOUND);
	assert_int_equal(rows(desk, "1"), 0);
	assert_int_equal(queue_domains(desk->queue), 0);
	(void)hold_for(desk, "luis@b", "m2", true);
	pass(1000); /* not so long that it may rest between two tries */
	assert_int_equal(desk->wanted, 3);
	queue_down(desk->queue, "b", QUEUE_NO_SERVICE, "says no");
	pass(0);
	assert_int_equal(desk->ended, 2);
	hold(desk, "m3"); /* somebody's contact: it may be back */
	for (int n = 0; n < 5; n++) {
		pass(3600000 * 2);
		queue_down(desk->queue, "b", n % 2 == 0 ? QUEUE_NO_DOMAIN : QUEUE_NO_SERVICE, "does not exist");
	}
	pass(0);
	assert_int_equal(desk->ended, 2);
	assert_int_equal(rows(desk, "state = 0"), 1);
}

static void
the_time_is_up(void **state)
{
	struct desk *desk = *state;

	hold(desk, "m1");
	pass(60000);
	wall += 366 * INT64_C(86400000); /* a jump: not believed for a day */
	pass(2 * 3600000);
	assert_int_equal(desk->ended, 0);
	pass(23 * 3600000);
	assert_int_equal(desk->ended, 1);
	assert_int_equal(desk->end, QUEUE_EXPIRED);
	assert_int_equal(rows(desk, "1"), 0);
	(void)hold_for(desk, "luis@b", "m2", true);
	wall += 366 * INT64_C(86400000);
	restart(desk); /* nor in the first ten minutes */
	pass(9 * 60000);
	assert_int_equal(desk->ended, 1);
	pass(3 * 60000);
	assert_int_equal(desk->ended, 2);
	assert_references_hold(desk->place->dir);
}

/* ---- the operator ---- */

static void
see_view(void *arg, const struct queue_view *view)
{
	struct queue_view *seen = arg;

	assert_null(seen->domain);
	assert_string_equal(view->domain, "b");
	*seen = *view;
}

static void
the_operator_sees_each_domain(void **state)
{
	struct desk *desk = *state;
	struct queue_view view = { .domain = NULL };

	queue_each(desk->queue, see_view, &view);
	assert_null(view.domain);
	hold(desk, "m1");
	pass(0);
	queue_each(desk->queue, see_view, &view);
	assert_int_equal(view.phase, QUEUE_TRYING);
	queue_down(desk->queue, "b", QUEUE_UNREACHED, "no route");
	view.domain = NULL;
	queue_each(desk->queue, see_view, &view);
	assert_int_equal(view.phase, QUEUE_RESTING);
	assert_int_equal(view.tries, 1);
	assert_in_range(view.next - wall, 800, 1200);
	pass(1200);
	queue_up(desk->queue, "b", true);
	pass(0);
	view.domain = NULL;
	queue_each(desk->queue, see_view, &view);
	assert_int_equal(view.phase, QUEUE_UP);
	assert_int_equal(view.next, 0);
	assert_int_equal(view.sent, 1);
}

/* Also when nothing else waits for its domain, of which nothing is in memory then. */
static void
what_was_given_up_is_tried_when_told(void **state)
{
	struct desk *desk = *state;
	int64_t id = hold_for(desk, "luis@b", "m1", false);
	int heard[2] = { -1 };

	for (int n = 1; n <= 5; n++) {
		pass(60000);
		queue_up(desk->queue, "b", false);
		pass(0);
		queue_down(desk->queue, "b", QUEUE_UNREACHED, "reset");
	}
	assert_int_equal(rows(desk, "state = 2"), 1);
	restart(desk);
	desk->wanted = 0;
	pass(3 * 3600000);
	assert_int_equal(desk->wanted, 0);
	queue_retry(desk->queue, "c");
	pass(0);
	assert_int_equal(desk->wanted, 0);
	queue_retry(desk->queue, "b");
	pass(0);
	assert_int_equal(desk->wanted, 1);
	queue_down(desk->queue, "b", QUEUE_UNREACHED, "no route");
	pass(0);
	queue_retry_one(desk->queue, id + 1, hear, heard);
	assert_int_equal(heard[0], QUEUE_NONE);
	heard[0] = -1;
	queue_retry_one(desk->queue, id, hear, heard);
	assert_int_equal(heard[0], QUEUE_DONE);
	pass(0);
	assert_int_equal(desk->wanted, 2);
}

/* A recipient who had no room waits alone, until told. */
static void
one_is_tried_when_told(void **state)
{
	struct desk *desk = *state;
	int64_t id = hold_for(desk, "luis@b", "m1", false);
	int heard[2] = { -1 };

	pass(0);
	queue_up(desk->queue, "b", true);
	pass(0);
	queue_acked(desk->queue, "b", 1);
	pass(0);
	queue_refused(desk->queue, "b", "luis@b", "ana@a", "m1", true, STANZA_RESOURCE_CONSTRAINT, see_ours, NULL);
	pass(0);
	assert_string_equal(desk->sent, "m1 ");
	queue_retry_one(desk->queue, id, hear, heard);
	assert_int_equal(heard[0], QUEUE_DONE);
	pass(0);
	assert_string_equal(desk->sent, "m1 m1 ");
}

static void
the_operator_cancels(void **state)
{
	struct desk *desk = *state;
	int64_t first = hold_for(desk, "luis@b", "m1", false), second = hold_for(desk, "luis@b", "m2", false);
	int heard[2] = { -1 };

	pass(0);
	desk->room = 1;
	queue_up(desk->queue, "b", true);
	pass(0);
	assert_string_equal(desk->sent, "m1 ");
	queue_cancel(desk->queue, first, hear, heard);
	assert_int_equal(heard[0], QUEUE_BUSY);
	assert_int_equal(desk->ended, 0);
	heard[0] = -1;
	queue_cancel(desk->queue, second, hear, heard);
	assert_int_equal(heard[0], QUEUE_DONE);
	assert_int_equal(heard[1], 1);
	assert_int_equal(desk->ended, 1);
	assert_int_equal(desk->end, QUEUE_REFUSED);
	assert_int_equal(desk->error, STANZA_SERVICE_UNAVAILABLE);
	assert_int_equal(desk->moved, 1);
	heard[0] = -1;
	queue_cancel(desk->queue, second, hear, heard);
	assert_int_equal(heard[0], QUEUE_NONE);
	desk->room = 10;
	queue_more(desk->queue, "b");
	pass(0);
	assert_string_equal(desk->sent, "m1 ");
	(void)hold_for(desk, "luis@b", "m3", false);
	pass(0);
	assert_string_equal(desk->sent, "m1 m3 ");
	queue_acked(desk->queue, "b", 2);
	pass(0);
	heard[0] = -1;
	queue_cancel(desk->queue, first, hear, heard); /* settled is gone */
	assert_int_equal(heard[0], QUEUE_NONE);
	assert_references_hold(desk->place->dir);
}

/* The clock has jumped a year ahead: nothing ends by itself, but it does when told. */
static void
the_operator_knows_the_time(void **state)
{
	struct desk *desk = *state;
	int heard[2] = { -1 };

	hold(desk, "m1");
	hold(desk, "m2");
	pass(0);
	queue_down(desk->queue, "b", QUEUE_UNREACHED, "no route");
	wall += 366 * INT64_C(86400000);
	pass(12 * 60000);
	assert_int_equal(desk->ended, 0);
	queue_expire(desk->queue, hear, heard);
	assert_int_equal(heard[0], QUEUE_DONE);
	assert_int_equal(heard[1], 2);
	assert_int_equal(desk->ended, 2);
	assert_int_equal(desk->end, QUEUE_EXPIRED);
	assert_int_equal(rows(desk, "1"), 0);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_between_tries),
		TEST(goes_out_in_order_and_is_settled),
		TEST(late_ones_say_so),
		TEST(a_window_is_not_passed),
		TEST(waits_longer_and_longer),
		TEST(what_was_on_its_way_is_sent_again),
		TEST(what_the_stream_is_lost_with_lets_others_pass),
		TEST(many_stopped_pairs_do_not_stop_a_domain),
		TEST(what_is_being_read_does_not_end),
		TEST(what_is_too_large_ends),
		TEST(an_asking_without_answer_is_a_try),
		TEST(a_temporary_error_stops_one_pair),
		TEST(what_is_put_off_is_not_settled),
		TEST(a_stream_that_comes_while_reading_begins_at_the_front),
		TEST(what_could_not_be_read_is_read_again),
		TEST(an_unknown_domain_that_does_not_exist),
		TEST(the_time_is_up),
		TEST(the_operator_sees_each_domain),
		TEST(what_was_given_up_is_tried_when_told),
		TEST(one_is_tried_when_told),
		TEST(the_operator_cancels),
		TEST(the_operator_knows_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
