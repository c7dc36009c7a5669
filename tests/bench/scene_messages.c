/*
 * scene_messages.c -- scenes of messages: between two who are online, here or on two servers, and to one who comes later.
 *
 * A message's id holds the moment it was sent, so the receiver's side knows how long it took.
 */
#include "config.h"

#include "tests/bench/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct site *receivers = &bench.site;

enum { PAIRS_MOST = 10, ASK_EVERY = 5 };

static void
open_pairs(const struct site *site, unsigned long first, unsigned long step, unsigned long count, unsigned long slot)
{
	run.done = 0;
	run.total = count;
	run.begun = count;
	for (unsigned long i = 0; i < count; i++)
		run_open_at(site, slot + i, first + i * step, true);
	bench.hooks = (struct scene_hooks){ .ready = run_opened, .gone = run_fell };
	run_must(wire_run(run_all_done, SCENE_GRACE), "logging in");
}

static unsigned long
pairs(void)
{
	return run.width < PAIRS_MOST ? run.width : PAIRS_MOST;
}

/* Sender i is user 2i, its receiver user 2i + 1 (from 0). */
static void
send_next(struct session *sender, unsigned long ask_every)
{
	char to[160], id[32], name[32];
	uint64_t now = now_ns();

	if (run.begun == run.total || now >= run.stop_ns)
		return;
	run.begun++;
	run_user_name(name, 2 * (unsigned long)sender->number + 1);
	snprintf(to, sizeof to, "%s@%s", name, receivers->host);
	snprintf(id, sizeof id, "%" PRIx64 ".%lx", now, run.begun);
	stream_message(sender, to, id, now);
	bool last = run.begun == run.total;
	if (last || ++sender->messages % ask_every == 0)
		stream_ask(sender);
}

static unsigned long
ask_every(void)
{
	return run.width / pairs() >= ASK_EVERY ? ASK_EVERY : 1;
}

/* Is it of this scene? An earlier one may have left some: what a server was not told to have come, it keeps.
 */
static bool
is_ours(const char *id)
{
	return strtoull(id, NULL, 16) >= run.begin_ns;
}

static void
message_came(struct session *receiver, const char *xml)
{
	char id[64];

	if (receiver->number < (int)pairs() || !attribute(xml, "id", id, sizeof id) || !is_ours(id))
		return;
	run.done++;
	samples_add(&run.came, now_ns() - strtoull(id, NULL, 16));
	send_next(run.session[receiver->number - (int)pairs()], ask_every());
}

static void
message_acked(struct session *s, uint64_t sent_ns)
{
	(void)s;
	run.answered++;
	samples_add(&run.acked, now_ns() - sent_ns);
}

static bool
sent_all(void)
{
	return run.begun == run.total || now_ns() >= run.stop_ns;
}

static bool
chat_done(void)
{
	return sent_all() && run.done == run.begun && run.answered == run.begun;
}

static bool
all_sent_came(void)
{
	return sent_all() && run.done == run.begun;
}

/* Whoever was cut short by the clock has unanswered messages: ask for all. */
static void
ask_all(void)
{
	for (unsigned long i = 0; i < pairs(); i++)
		stream_ask(run.session[i]);
}

static void
start_sending(unsigned long count)
{
	run.total = count;
	for (unsigned long i = 0; i < run.width && i < count; i++)
		send_next(run.session[i % pairs()], ask_every());
}

static void
chat_once(unsigned long count)
{
	run_begin();
	start_sending(count);
	run_must(wire_run(all_sent_came, SCENE_GRACE + run.seconds), "chat: messages have not come");
	ask_all();
	run_must(wire_run(chat_done, SCENE_GRACE), "chat: messages came and were not acknowledged");
}

static void
chat(const char *name)
{
	unsigned long count = run.total;
	double seconds = run.seconds;
	struct probe settled;

	run_room_for(2 * pairs());
	open_pairs(&bench.site, 0, 2, pairs(), 0);
	open_pairs(receivers, 1, 2, pairs(), pairs());
	bench.hooks =
	    (struct scene_hooks){ .message = message_came, .acked = message_acked, .gone = run_fell };
	run.seconds = seconds / 5;
	chat_once(1 + count / 20); /* once to warm up */
	run.seconds = seconds;
	run.came.count = run.acked.count = 0;
	chat_once(count);
	probe_read(&run.after);
	run_settle(&settled, 1);
	run_say(name, run.done, &settled);
	samples_print(&run.came, "latency_ms");
	samples_print(&run.acked, "ack_ms");
	run_say_end();
	run_close_all();
}

void
scene_chat(void)
{
	chat("chat");
}

void
scene_border(void)
{
	run_must(bench.far.port > 0, "border: the other server is not named");
	receivers = &bench.far;
	chat("border");
}

static void
stored(struct session *s, uint64_t sent_ns)
{
	run.answered++;
	samples_add(&run.acked, now_ns() - sent_ns);
	send_next(s, ask_every());
}

static bool
store_done(void)
{
	return sent_all() && run.answered == run.begun;
}

static void
flushed(struct session *s, const char *xml)
{
	char id[64];

	(void)s;
	if (attribute(xml, "id", id, sizeof id) && is_ours(id))
		run.done++;
}

static void
store(void)
{
	unsigned long count = run.total;
	struct probe settled;

	open_pairs(&bench.site, 0, 2, pairs(), 0);
	bench.hooks = (struct scene_hooks){ .acked = stored, .gone = run_fell };
	run_begin();
	start_sending(count);
	wire_run(sent_all, SCENE_GRACE + run.seconds);
	ask_all();
	run_must(wire_run(store_done, SCENE_GRACE), "offline: messages were not acknowledged");
	probe_read(&run.after);
	run_must(bench.errors == 0, "offline: messages were refused");
	run_settle(&settled, 1);
	run_say("store", run.begun, &settled);
	samples_print(&run.acked, "ack_ms");
	run_say_end();
}

void
scene_offline(void)
{
	struct probe settled;

	run_room_for(2 * pairs());
	store();
	unsigned long waiting = run.begun;
	uint64_t stored_from = run.begin_ns;
	run_begin();
	run.begin_ns = stored_from;
	bench.hooks = (struct scene_hooks){ .message = flushed, .gone = run_fell };
	run.total = waiting;
	for (unsigned long i = 0; i < pairs(); i++)
		run_open_one(pairs() + i, 2 * i + 1, true);
	run_must(wire_run(run_all_done, SCENE_GRACE),
		 "flush: stored and acknowledged messages have not come");
	probe_read(&run.after);
	run_settle(&settled, 1);
	run_say("flush", run.done, &settled);
	run_say_end();
	run_close_all();
}
