/* test_resume.c -- stream management with resumption on streams without a connection: the wrap of both counters (attack M2),
 * what is kept and how much, in which order it goes out again. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "relay/log.h"
#include "relay/store/read.h"
#include "relay/store/txn.h"
#include "relay/stream/smacks-private.h"
#include "relay/stream/stream-private.h"

static const uint64_t NEAR = UINT32_MAX - 2; /* 2^32-3 */

static char said[4096];   /* what is no stanza */
static char again[65536]; /* stanzas sent again */
static char ended[256];
static uint64_t upto;
static unsigned resumed, lost;

/* ---- instead of a connection, a loop and a database (linked with --wrap) ---- */

void __wrap_stream_write(struct stream *stream, const char *bytes, size_t len);
void __wrap_stream_send_counted(struct stream *stream, const char *bytes, size_t len);
void __wrap_stream_close_with(struct stream *stream, enum stream_error error, const char *more, const char *text);
void __wrap_stream_close(struct stream *stream, enum stream_error error, const char *text);
void __wrap_stream_drop(struct stream *stream);
void __wrap_stream_later(struct stream *stream);
void __wrap_stream_set_deadline(struct stream *stream, enum stream_deadline which, int64_t ms);
void __wrap_read_counter(struct store *store, const char *node, const char *id, read_count_fn *fn, void *arg);
void __wrap_txn_submit(struct txn **txn, txn_done_fn *done, void *arg);

void
__wrap_stream_write(struct stream *stream, const char *bytes, size_t len)
{
	(void)stream;
	assert_true(strlen(said) + len < sizeof said);
	strncat(said, bytes, len);
}

void
__wrap_stream_send_counted(struct stream *stream, const char *bytes, size_t len)
{
	(void)stream;
	assert_true(strlen(again) + strnlen(bytes, len) < sizeof again);
	strncat(again, bytes, len);
}

void
__wrap_stream_close_with(struct stream *stream, enum stream_error error, const char *more, const char *text)
{
	(void)text;
	stream->state = STATE_CLOSING;
	snprintf(ended, sizeof ended, "%s %s", stream_error_name(error), more);
}

void
__wrap_stream_close(struct stream *stream, enum stream_error error, const char *text)
{
	__wrap_stream_close_with(stream, error, "", text);
}

void
__wrap_stream_drop(struct stream *stream)
{
	stream->state = STATE_CLOSED;
}

void
__wrap_stream_later(struct stream *stream)
{
	(void)stream;
}

void
__wrap_stream_set_deadline(struct stream *stream, enum stream_deadline which, int64_t ms)
{
	stream->at[which] = ms < 0 ? 0 : 1;
}

void
__wrap_read_counter(struct store *store, const char *node, const char *id, read_count_fn *fn, void *arg)
{
	(void)store;
	(void)node;
	fn(arg, false, strncmp(id, "77000000", 8) == 0 ? 77 : -1, 0);
}

/* The writer is slow while this is set. */
static bool writing;
static txn_done_fn *written;
static void *written_arg;

void
__wrap_txn_submit(struct txn **txn, txn_done_fn *done, void *arg)
{
	txn_abandon(txn);
	written = done;
	written_arg = arg;
	if (!writing && done != NULL)
		done(arg, TXN_COMMITTED);
}

/* ---- the owner ---- */

static void
on_acked(void *session, uint64_t count)
{
	(void)session;
	upto = count;
}

static void
on_resumed(void *session, struct stream *stream, uint64_t count)
{
	assert_ptr_equal(session, &resumed);
	(void)stream;
	upto = count;
	resumed++;
}

static void
on_lost(void *session, const char *bytes, size_t len)
{
	(void)session;
	(void)bytes;
	(void)len;
	lost++;
}

static const struct stream_owner owner = { .acked = on_acked, .resumed = on_resumed, .lost = on_lost };
static struct stream_shared shared;
static struct stream_host host;

static void
on_moved(struct stream *stream)
{
	smacks_moved(stream);
}

static void
on_reply(struct stream *stream, const char *bytes, size_t len)
{
	(void)stream;
	(void)bytes;
	(void)len;
}

static const struct fifo_owner fifo_owner = { .reply = on_reply, .handled = smacks_handled, .moved = on_moved };

static struct stream *
stream_of(const char *node, enum stream_state state)
{
	struct stream *stream = xcalloc(1, sizeof *stream);

	stream->host = &host;
	stream->state = state;
	stream->node = xstrdup(node);
	stream->who = xstrdup(node);
	stream->password = 5;
	stream->session = state == STATE_READY ? &resumed : NULL;
	stream->fifo = fifo_new(&fifo_owner, stream, &shared.unhandled);
	stream->next = host.streams;
	host.streams = stream;
	return stream;
}

static void
hear(struct stream *stream, const char *format, ...)
{
	struct arena *arena = arena_new();
	enum stream_error error;
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	said[0] = again[0] = ended[0] = '\0';
	smacks_element(stream, arena, xmlin_parse(arena, text, strlen(text), &xmlin_limits_default, &error));
}

static struct stream *
managed(const char *node)
{
	struct stream *stream = stream_of(node, STATE_READY);

	hear(stream, "<enable xmlns='" NS_SM "' resume='1'/>");
	assert_non_null(strstr(said, "<enabled xmlns='" NS_SM "' resume='true' id='"));
	return stream;
}

static void
send_some(struct stream *stream, unsigned first, unsigned count)
{
	char text[16];

	for (unsigned i = first; i < first + count; i++) {
		snprintf(text, sizeof text, "<%u/>", i);
		stream_send_bytes(stream, text, strlen(text));
	}
}

static int
setup(void **state)
{
	(void)state;
	log_level_set(LOG_LEVEL_ERROR);
	host = (struct stream_host){ .owner = &owner, .resume = 600, .limiter = &shared };
	shared.kept = 0;
	shared.count = 1;
	resumed = lost = 0;
	upto = 0;
	return 0;
}

static int
teardown(void **state)
{
	struct stream *stream;

	(void)state;
	while ((stream = host.streams) != NULL) {
		host.streams = stream->next;
		smacks_free(stream);
		if (stream->fifo != NULL)
			fifo_leave(&stream->fifo);
		free(stream->node);
		free(stream->who);
		free(stream);
	}
	assert_int_equal(shared.kept, 0);
	assert_int_equal(shared.unhandled, 0);
	return 0;
}

/* ---- the wrap ---- */

static void
what_they_sent(void **state)
{
	struct stream *stream = managed("ana");
	struct slot *slots[10];
	const char *id;
	uint32_t h;

	(void)state;
	stream->smacks->count.handled = (uint32_t)NEAR;
	for (unsigned i = 0; i < 10; i++) {
		slots[i] = fifo_add(stream->fifo);
		assert_true(slot_counter(slots[i], &id, &h));
		assert_int_equal(h, (uint32_t)(NEAR + i + 1));
		assert_string_equal(id, stream->smacks->id);
		slot_decided(slots[i]);
	}
	for (unsigned i = 10; i-- > 0;)
		slot_done(&slots[i]);
	hear(stream, "<r xmlns='" NS_SM "'/>");
	assert_string_equal(said, "<a xmlns='" NS_SM "' h='7'/>");
}

static void
what_we_sent(void **state)
{
	struct stream *stream = managed("ana");

	(void)state;
	stream->smacks->count.sent = stream->smacks->count.acked = NEAR;
	send_some(stream, 0, 10);
	hear(stream, "<a xmlns='" NS_SM "' h='4294967295'/>");
	assert_string_equal(ended, "");
	assert_int_equal(upto, UINT32_MAX);
	hear(stream, "<a xmlns='" NS_SM "' h='0'/>");
	assert_int_equal(upto, UINT64_C(1) << 32);
	hear(stream, "<a xmlns='" NS_SM "' h='7'/>");
	assert_int_equal(upto, NEAR + 10);
	assert_null(stream->smacks->first);
	hear(stream, "<a xmlns='" NS_SM "' h='8'/>");
	assert_string_equal(ended,
	    "undefined-condition <handled-count-too-high xmlns='" NS_SM "' h='8' send-count='7'/>");
}

static void
taken_up_over_the_wrap(void **state)
{
	struct stream *old = managed("ana"), *new = stream_of("ana", STATE_BIND);
	struct smacks *smacks = old->smacks;

	(void)state;
	smacks->count = (struct smacks_count){ .sent = NEAR, .acked = NEAR, .handled = UINT32_MAX - 1 };
	send_some(old, 0, 10);
	old->state = STATE_AWAY;
	send_some(old, 10, 2);
	hear(new, "<resume xmlns='" NS_SM "' h='2' previd='%s'/>", smacks->id);
	assert_int_equal(resumed, 1);
	assert_int_equal(upto, NEAR + 5);
	assert_ptr_equal(new->smacks, smacks);
	assert_int_equal(old->state, STATE_CLOSED);
	assert_non_null(strstr(said, "<resumed xmlns='" NS_SM "' previd='"));
	assert_non_null(strstr(said, "h='4294967294'/>"));
	assert_string_equal(again, "");
	stream_replay(new, UINT64_MAX);
	assert_string_equal(again, "<5/><6/><7/><8/><9/><10/><11/>");
	assert_int_equal(smacks->count.sent, NEAR + 12);
	hear(new, "<a xmlns='" NS_SM "' h='9'/>");
	assert_int_equal(upto, NEAR + 12);
	assert_null(smacks->first);
}

/* ---- who, and how far ---- */

static void
not_taken_up(void **state)
{
	struct stream *old = managed("ana"), *new = stream_of("ana", STATE_BIND), *other = stream_of("beto", STATE_BIND);
	char id[ID_LEN + 1];

	(void)state;
	memcpy(id, old->smacks->id, sizeof id);
	old->smacks->count.handled = 3;
	send_some(old, 0, 4);
	hear(other, "<resume xmlns='" NS_SM "' h='0' previd='%s'/>", id);
	assert_string_equal(said, "<failed xmlns='" NS_SM "'><item-not-found xmlns='" NS_STANZA_ERRORS "'/></failed>");
	hear(new, "<resume xmlns='" NS_SM "' h='0' previd='77000000%s'/>", id + 8);
	assert_string_equal(said, "<failed xmlns='" NS_SM "' h='77'><item-not-found xmlns='" NS_STANZA_ERRORS "'/></failed>");
	hear(new, "<resume xmlns='" NS_SM "' h='-1' previd='%s'/>", id);
	assert_non_null(strstr(said, "<bad-request"));
	hear(new, "<resume xmlns='" NS_SM "' previd='%s'/>", id);
	assert_non_null(strstr(said, "<bad-request"));
	hear(new, "<resume xmlns='" NS_SM "' h='0'/>");
	assert_non_null(strstr(said, "<bad-request"));
	assert_int_equal(old->state, STATE_READY);
	/* With another password: over, and what it had handled is told. */
	new->password = 6;
	hear(new, "<resume xmlns='" NS_SM "' h='4' previd='%s'/>", id);
	assert_string_equal(said, "<failed xmlns='" NS_SM "' h='3'><item-not-found xmlns='" NS_STANZA_ERRORS "'/></failed>");
	assert_int_equal(old->state, STATE_CLOSING);
	assert_int_equal(upto, 4);
	assert_int_equal(resumed, 0);
}

static void
more_than_was_sent(void **state)
{
	struct stream *old = managed("ana"), *new = stream_of("ana", STATE_BIND);

	(void)state;
	send_some(old, 0, 4);
	hear(new, "<resume xmlns='" NS_SM "' h='5' previd='%s'/>", old->smacks->id);
	assert_string_equal(ended,
	    "undefined-condition <handled-count-too-high xmlns='" NS_SM "' h='5' send-count='4'/>");
	assert_int_equal(new->state, STATE_CLOSING);
	assert_int_equal(old->state, STATE_READY);
	assert_int_equal(old->smacks->count.acked, 0);
}

static void
it_waits_and_the_last_has_it(void **state)
{
	struct stream *old = managed("ana"), *first = stream_of("ana", STATE_BIND), *second = stream_of("ana", STATE_BIND);
	struct smacks *smacks = old->smacks;
	struct slot *slot = fifo_add(old->fifo);

	(void)state;
	slot_decided(slot);
	hear(first, "<resume xmlns='" NS_SM "' h='0' previd='%s'/>", smacks->id);
	assert_string_equal(said, "");
	assert_true(old->yielding);
	hear(second, "<resume xmlns='" NS_SM "' h='0' previd='%s'/>", smacks->id);
	assert_string_equal(ended, "conflict ");
	assert_int_equal(first->state, STATE_CLOSING);
	resume_leave(first);
	slot_done(&slot);
	resume_go_on(old);
	resume_go_on(second);
	assert_ptr_equal(second->smacks, smacks);
	assert_int_equal(resumed, 1);
	assert_non_null(strstr(said, "h='1'/>"));
	assert_int_equal(old->state, STATE_CLOSING);
}

/* ---- what is kept ---- */

static void
in_their_places(void **state)
{
	struct stream *old = managed("ana"), *new = stream_of("ana", STATE_BIND);
	uint64_t row;

	(void)state;
	send_some(old, 0, 2);
	stream_send_row(old, "<row/>", 6);
	row = stream_place(old);
	send_some(old, 2, 2);
	old->state = STATE_AWAY;
	assert_int_equal(stream_take_place(old), row + 3);
	send_some(old, 4, 1);
	hear(new, "<resume xmlns='" NS_SM "' h='1' previd='%s'/>", old->smacks->id);
	send_some(new, 5, 1); /* waits behind what is sent again */
	assert_string_equal(again, "");
	stream_replay(new, row);
	assert_string_equal(again, "<1/>");
	stream_replay(new, row + 3);
	assert_string_equal(again, "<1/><2/><3/>");
	stream_replay(new, UINT64_MAX);
	assert_string_equal(again, "<1/><2/><3/><4/><5/>");
	assert_int_equal(new->smacks->count.sent, 6);
	/* Lost again in the middle of it: what was acknowledged does not come a third time. */
	hear(new, "<a xmlns='" NS_SM "' h='3'/>");
	new->state = STATE_AWAY;
	old = stream_of("ana", STATE_BIND);
	hear(old, "<resume xmlns='" NS_SM "' h='4' previd='%s'/>", new->smacks->id);
	stream_replay(old, UINT64_MAX);
	assert_string_equal(again, "<4/><5/>");
}

static void
so_much_and_no_more(void **state)
{
	static const char long_one[40 * 1024];
	struct stream *stream = managed("ana");

	(void)state;
	for (int i = 0; i < 6; i++)
		stream_send_bytes(stream, long_one, sizeof long_one);
	assert_true(kept_complete(stream->smacks));
	assert_true(shared.kept > 6 * sizeof long_one);
	stream_send_bytes(stream, long_one, sizeof long_one);
	assert_false(kept_complete(stream->smacks));
	assert_int_equal(shared.kept, 0);
	assert_false(resume_away(stream));
	stream_send_bytes(stream, "<x/>", 4);
	hear(stream, "<a xmlns='" NS_SM "' h='6'/>");
	assert_false(kept_complete(stream->smacks));
	hear(stream, "<a xmlns='" NS_SM "' h='7'/>");
	assert_true(kept_complete(stream->smacks));
	assert_non_null(stream->smacks->first);
	/* All sessions together. */
	shared.kept += 64 * 1024 * 1024;
	stream_send_bytes(stream, "<x/>", 4);
	shared.kept -= 64 * 1024 * 1024;
	assert_false(kept_complete(stream->smacks));
	assert_int_equal(shared.kept, 0);
}

static void
too_much_while_it_is_sent_again(void **state)
{
	static const char long_one[100 * 1024] = "<long/>";
	struct stream *old = managed("ana"), *new = stream_of("ana", STATE_BIND);

	(void)state;
	send_some(old, 0, 3);
	old->state = STATE_AWAY;
	hear(new, "<resume xmlns='" NS_SM "' h='0' previd='%s'/>", old->smacks->id);
	for (int i = 0; i < 3; i++)
		stream_send_bytes(new, long_one, sizeof long_one);
	assert_string_equal(again, "<0/><1/><2/><long/><long/>"); /* the third has gone out behind them */
	assert_false(new->smacks->holding);
	assert_int_equal(new->smacks->count.sent, 6);
	assert_false(kept_complete(new->smacks));
	hear(new, "<a xmlns='" NS_SM "' h='6'/>");
	assert_true(kept_complete(new->smacks));
}

static void
what_is_lost_is_told(void **state)
{
	struct stream *stream = managed("ana");

	(void)state;
	send_some(stream, 0, 5);
	hear(stream, "<a xmlns='" NS_SM "' h='2'/>");
	resume_lost(stream);
	assert_int_equal(lost, 3);
}

/* A message that is committed only now counts: else its sender would say it again. */
static void
the_number_is_read_behind_what_is_being_written(void **state)
{
	struct stream *first = stream_of("ana", STATE_BIND), *second = stream_of("ana", STATE_BIND);
	static const char id[] = "77000000000000000000000000000000";

	(void)state;
	assert_int_equal(sizeof id, ID_LEN + 1);
	writing = true;
	hear(first, "<resume xmlns='" NS_SM "' h='0' previd='%s'/>", id);
	assert_string_equal(said, "");
	writing = false;
	written(written_arg, TXN_COMMITTED);
	assert_non_null(strstr(said, "h='77'"));
	/* Gone meanwhile. */
	said[0] = '\0';
	writing = true;
	hear(second, "<resume xmlns='" NS_SM "' h='0' previd='%s'/>", id);
	resume_leave(second);
	writing = false;
	written(written_arg, TXN_COMMITTED);
	assert_string_equal(said, "");
}

/* A message whose recipient was still being read when its stream ended is committed with its number all the same. */
static void
decided_behind_the_end(void **state)
{
	struct stream *stream = managed("ana");
	struct slot *first = fifo_add(stream->fifo), *last;
	struct fifo *fifo = stream->fifo;
	const char *id;
	uint32_t h;

	(void)state;
	stream->smacks->count.handled = UINT32_MAX;
	slot_decided(first);
	last = fifo_add(fifo);
	resume_lost(stream);
	stream->fifo = fifo_new(&fifo_owner, stream, &shared.unhandled);
	fifo_leave(&fifo);
	assert_true(slot_counter(last, &id, &h));
	assert_int_equal(h, 1); /* behind 2^32-1 come 0 and 1 */
	assert_string_equal(id, stream->smacks->id);
	assert_false(slot_counter(first, &id, &h)); /* had its own when it was decided */
	slot_done(&first);
	slot_done(&last);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_they_sent),
		TEST(what_we_sent),
		TEST(taken_up_over_the_wrap),
		TEST(not_taken_up),
		TEST(more_than_was_sent),
		TEST(it_waits_and_the_last_has_it),
		TEST(in_their_places),
		TEST(so_much_and_no_more),
		TEST(too_much_while_it_is_sent_again),
		TEST(what_is_lost_is_told),
		TEST(the_number_is_read_behind_what_is_being_written),
		TEST(decided_behind_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
