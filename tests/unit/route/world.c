/* world.c -- see world.h. */
#include "config.h"

#include "tests/unit/route/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"
#include "relay/conf.h"
#include "relay/feature/feature_table.h"
#include "relay/log.h"
#include "relay/net/loop.h"
#include "relay/stream/fifo.h"
#include "relay/stream/stream.h"

static struct conf conf = { .host = (char[]){ "familia.example" }, .quota_pending = 1000 };

/* ---- streams that end in a buffer: struct stream is a struct client here ---- */

static struct client *
client_of(const struct stream *stream)
{
	return (struct client *)(uintptr_t)stream;
}

void
stream_send_bytes(struct stream *stream, const char *bytes, size_t len)
{
	client_of(stream)->sent += client_of(stream)->managed;
	client_of(stream)->place++;
	buf_add(&client_of(stream)->out, bytes, len);
}

void
stream_send(struct stream *stream, const struct xml *stanza)
{
	client_of(stream)->sent += client_of(stream)->managed;
	client_of(stream)->place++;
	xmlout(&client_of(stream)->out, stanza, NS_CLIENT);
}

void
stream_send_row(struct stream *stream, const char *bytes, size_t len)
{
	stream_send_bytes(stream, bytes, len);
}

uint64_t
stream_place(const struct stream *stream)
{
	return client_of(stream)->place;
}

uint64_t
stream_take_place(struct stream *stream)
{
	return ++client_of(stream)->place;
}

void
stream_replay(struct stream *stream, uint64_t before)
{
	client_of(stream)->replayed = before;
}

bool
slot_counter(struct slot *slot, const char **id_r, uint32_t *h_r)
{
	(void)slot;
	(void)id_r;
	(void)h_r;
	return false;
}

bool
stream_is_away(const struct stream *stream)
{
	return client_of(stream)->away;
}

bool
stream_is_managed(const struct stream *stream)
{
	return client_of(stream)->managed;
}

uint64_t
stream_sent(const struct stream *stream)
{
	return client_of(stream)->sent;
}

void
stream_ask(struct stream *stream)
{
	client_of(stream)->asked++;
}

size_t
stream_queued(const struct stream *stream)
{
	return client_of(stream)->queued;
}

static void
gone(struct client *client)
{
	struct session *session = client->session;

	client->session = NULL;
	if (session != NULL)
		router_stream_owner.closed(session);
	if (client->fifo != NULL)
		fifo_leave(&client->fifo);
}

void
stream_close(struct stream *stream, enum stream_error error, const char *text)
{
	(void)text;
	client_of(stream)->closed = error;
	gone(client_of(stream));
}

void
stream_hold(struct stream *stream, bool held)
{
	client_of(stream)->holds += held ? 1 : -1;
}

void
stream_barrier(struct stream *stream, bool raised)
{
	if (client_of(stream)->fifo != NULL)
		fifo_hold(client_of(stream)->fifo, raised);
}

const char *
stream_id(const struct stream *stream)
{
	(void)stream;
	return "test";
}

const char *
stream_client(const struct stream *stream)
{
	(void)stream;
	return NULL;
}

const char *
stream_peer(const struct stream *stream)
{
	(void)stream;
	return "192.0.2.1:1";
}

static void
on_reply(struct stream *stream, const char *bytes, size_t len)
{
	stream_send_bytes(stream, bytes, len);
}

static void
on_moved(struct stream *stream)
{
	(void)stream;
}

static const struct fifo_owner fifo_owner = { .reply = on_reply, .moved = on_moved };

/* ---- timers in the hand (linked with --wrap) ---- */

struct timer {
	struct timer *next;
	loop_fn *fn;
	void *arg;
	bool set;
	uint64_t ms;
};
static struct timer *timers;

struct timer *__wrap_timer_new(struct loop *loop, loop_fn *fn, void *arg);
void __wrap_timer_set(struct timer *timer, uint64_t ms);
void __wrap_timer_clear(struct timer *timer);
void __wrap_timer_free(struct timer **timer);
struct timer *__real_timer_new(struct loop *loop, loop_fn *fn, void *arg);
void __real_timer_set(struct timer *timer, uint64_t ms);
void __real_timer_free(struct timer **timer);

struct timer *
__wrap_timer_new(struct loop *loop, loop_fn *fn, void *arg)
{
	struct timer *timer = xcalloc(1, sizeof *timer);

	(void)loop;
	*timer = (struct timer){ .next = timers, .fn = fn, .arg = arg };
	timers = timer;
	return timer;
}

void
__wrap_timer_set(struct timer *timer, uint64_t ms)
{
	timer->set = true;
	timer->ms = ms;
}

void
__wrap_timer_clear(struct timer *timer)
{
	timer->set = false;
}

void
__wrap_timer_free(struct timer **timer)
{
	struct timer **at = &timers;

	while (*at != *timer)
		at = &(*at)->next;
	*at = (*timer)->next;
	free(*timer);
	*timer = NULL;
}

int
world_ring(void)
{
	int rung = 0;

	for (struct timer *timer = timers, *next; timer != NULL; timer = next) {
		next = timer->next;
		if (!timer->set)
			continue;
		timer->set = false;
		rung++;
		timer->fn(timer->arg);
	}
	return rung;
}

/* ---- the world ---- */

static struct world *
make(const struct feature *extra, struct loop *loop)
{
	static const struct feature *table[7];
	struct world *world = xcalloc(1, sizeof *world);
	char *error = NULL;
	size_t count = 0;

	log_level_set(LOG_LEVEL_ERROR);
	snprintf(world->dir, sizeof world->dir, "%s/lazo-route.XXXXXX", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(world->dir));
	world->loop = loop;
	world->store = store_open(world->dir, loop, &error);
	assert_non_null(world->store);
	if (extra != NULL)
		table[count++] = extra;
	table[count++] = &feature_mailbox;
	table[count++] = &feature_message;
	table[count++] = &feature_presence;
	table[count++] = &feature_roster;
	table[count++] = &feature_subscription;
	table[count] = NULL;
	/* The router never touches its loop: timers are ours. */
	world->router = router_new((struct loop *)world, world->store, &conf, table);
	return world;
}

struct world *
world_new(const struct feature *extra)
{
	return make(extra, NULL);
}

struct world *
world_new_threaded(const struct feature *extra)
{
	return make(extra, loop_new());
}

static void
stop(void *arg)
{
	loop_stop(arg);
}

void
world_turn(struct world *world)
{
	struct timer *timer = __real_timer_new(world->loop, stop, world->loop);

	__real_timer_set(timer, 50);
	loop_run(world->loop);
	__real_timer_free(&timer);
}

void
world_free(struct world **world)
{
	char command[128];

	store_close(&(*world)->store);
	router_free(&(*world)->router);
	if ((*world)->loop != NULL)
		loop_free(&(*world)->loop);
	snprintf(command, sizeof command, "rm -rf %s", (*world)->dir);
	assert_int_equal(system(command), 0);
	free(*world);
	*world = NULL;
}

static void
applied(void *arg, enum txn_result result)
{
	*(enum txn_result *)arg = result;
}

void
world_apply(struct world *world, const struct op *op)
{
	struct txn *txn = txn_new(world->store);
	enum txn_result result = TXN_FAILED;

	txn_add(txn, op);
	txn_submit(&txn, applied, &result);
	if (world->loop != NULL)
		world_turn(world);
	assert_int_equal(result, TXN_COMMITTED);
	router_account_changed(world->router, op->account, false);
}

void
world_user(struct world *world, const char *node)
{
	struct scram_keys keys = { .iterations = 10000 };

	world_apply(world, &(struct op){ .kind = OP_ACCOUNT_NEW, .account = node, .time = 1, .keys = &keys });
}

struct question {
	const char *contact;
	unsigned flags;
	int64_t count;
};

static void
got_account(void *arg, bool failed, const struct account_view *view)
{
	struct question *question = arg;

	assert_false(failed);
	for (size_t i = 0; i < view->roster_count; i++)
		if (strcmp(view->roster[i].contact, question->contact) == 0)
			question->flags = view->roster[i].flags;
}

unsigned
world_flags(struct world *world, const char *node, const char *contact)
{
	struct question question = { .contact = contact };

	read_account(world->store, node, got_account, &question);
	return question.flags;
}

static void
got_count(void *arg, bool failed, int64_t count, int64_t bytes)
{
	(void)bytes;
	assert_false(failed);
	((struct question *)arg)->count = count;
}

int64_t
world_pending(struct world *world, const char *node)
{
	struct question question = { 0 };

	read_pending_count(world->store, node, got_count, &question);
	return question.count;
}

/* ---- clients ---- */

static size_t unhandled;

struct client *
client_new(struct world *world, const char *node, const char *resource)
{
	struct client *client = xcalloc(1, sizeof *client);
	struct arena *arena = arena_new();
	const char *bound = NULL;

	client->fifo = fifo_new(&fifo_owner, (struct stream *)client, &unhandled);
	client->session = router_stream_owner.bound(world->router, (struct stream *)client, arena, node,
						    resource, &bound, &client->refused);
	if (client->session != NULL)
		assert_non_null(bound);
	arena_free(&arena);
	return client;
}

void
client_free(struct client **client)
{
	gone(*client);
	buf_free(&(*client)->out);
	free(*client);
	*client = NULL;
}

void
client_say(struct client *client, const char *xml)
{
	struct arena *arena = arena_new();
	struct buf text = { 0 };
	enum stream_error error;
	struct xml *root, *stanza;

	assert_non_null(client->session);
	buf_printf(&text, "<stream xmlns='jabber:client'>%s</stream>", xml);
	root = xmlin_parse(arena, text.data, text.len, &xmlin_limits_default, &error);
	assert_non_null(root);
	stanza = xml_first(root);
	xml_remove(root, stanza);
	buf_free(&text);
	router_stream_owner.stanza(client->session, fifo_add(client->fifo), arena, stanza);
}

size_t
client_count(const struct client *client, const char *needle)
{
	size_t count = 0;

	for (const char *at = client->out.data; at != NULL && (at = strstr(at, needle)) != NULL; at++)
		count++;
	return count;
}

bool
client_has(const struct client *client, const char *needle)
{
	return client_count(client, needle) > 0;
}

void
client_forget(struct client *client)
{
	buf_clear(&client->out);
}

bool
client_ping(const struct client *client, char id[static 64])
{
	const char *at = client->out.data, *ping = NULL;
	size_t len;

	while (at != NULL && (at = strstr(at, "<ping xmlns")) != NULL)
		ping = at++;
	if (ping == NULL)
		return false;
	while (strncmp(ping, " id=", 4) != 0)
		ping--;
	len = strcspn(ping + 5, "'\"");
	assert_true(len < 64);
	memcpy(id, ping + 5, len);
	id[len] = '\0';
	return true;
}

bool
client_pong(struct client *client)
{
	char id[64], text[128];

	if (!client_ping(client, id))
		return false;
	client_forget(client);
	snprintf(text, sizeof text, "<iq type='result' id='%s' to='familia.example'/>", id);
	client_say(client, text);
	return true;
}
