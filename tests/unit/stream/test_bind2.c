/* test_bind2.c -- what is asked for inside of a login, with an owner that closes the stream at each of those very points: nothing is asked
 * of it, enabled or said behind that, and the attempt is freed once. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "relay/log.h"
#include "relay/stream/sasl-private.h"
#include "relay/stream/smacks-private.h"

static const char asks[] = "<bind xmlns='" NS_BIND2 "'><a xmlns='urn:a'/><enable xmlns='" NS_SM "'/><b xmlns='urn:b'/></bind>";

static char said[1024];
static char asked[16];
static const char *closes; /* the child at which the owner closes; "bound", "ahead"; NULL: none */
static int session;
static struct stream *stream;
static struct fifo_owner fifo_owner;
static size_t unhandled;

/* ---- instead of a connection (linked with --wrap) ---- */

void __wrap_stream_write(struct stream *of, const char *bytes, size_t len);
void __wrap_stream_close(struct stream *of, enum stream_error error, const char *text);
void __wrap_stream_later(struct stream *of);
enum stanza_error __wrap_bind_session(struct stream *of, struct arena *arena, const char *wanted);
struct xml *__wrap_sasl2_success(struct sasl *sasl);
void __wrap_negotiate_features(struct stream *of, struct arena *arena, struct buf *out);

void
__wrap_stream_write(struct stream *of, const char *bytes, size_t len)
{
	assert_ptr_equal(of, stream);
	assert_true(strlen(said) + len < sizeof said);
	strncat(said, bytes, len);
}

/* As the real one: what the stream holds is let go of in a later turn. */
void
__wrap_stream_close(struct stream *of, enum stream_error error, const char *text)
{
	(void)error;
	(void)text;
	of->state = STATE_CLOSING;
}

void
__wrap_stream_later(struct stream *of)
{
	(void)of;
}

static void
close_at(const char *point)
{
	if (closes != NULL && strcmp(closes, point) == 0)
		stream_close(stream, STREAM_RESOURCE_CONSTRAINT, NULL);
}

enum stanza_error
__wrap_bind_session(struct stream *of, struct arena *arena, const char *wanted)
{
	(void)arena;
	assert_non_null(wanted);
	of->session = &session;
	close_at("bound");
	return STANZA_OK;
}

struct xml *
__wrap_sasl2_success(struct sasl *sasl)
{
	return xml_new(sasl->arena, "success", NS_SASL2);
}

void
__wrap_negotiate_features(struct stream *of, struct arena *arena, struct buf *out)
{
	(void)of;
	(void)arena;
	buf_adds(out, "<features/>");
}

/* ---- the owner ---- */

static void
on_ahead(void *arg, const char *node, struct arena *arena, struct xml *bound, void (*then)(void *then_arg), void *then_arg)
{
	(void)arg;
	(void)node;
	(void)arena;
	(void)bound;
	close_at("ahead");
	then(then_arg);
}

static void
on_ask(void *of, const struct xml *element)
{
	assert_ptr_equal(of, &session);
	strcat(asked, element->name);
	close_at(element->name);
}

static const struct stream_owner owner = { .bind_ahead = on_ahead, .inline_ask = on_ask };
static struct stream_shared shared;
static struct stream_host host = { .owner = &owner, .limiter = &shared, .domain = "example.org" };

/* A login of ana's with that <bind/>, up to where the stream is left to itself. */
static void
log_in(const char *point)
{
	static const struct mechanism mechanism = { .name = "SCRAM-SHA-256" };
	struct inline_request want = { .client = "" };
	struct arena *arena = arena_new();
	enum stream_error error;

	said[0] = asked[0] = '\0';
	closes = point;
	stream = xcalloc(1, sizeof *stream);
	stream->host = &host;
	stream->state = STATE_BIND;
	stream->node = xstrdup("ana");
	stream->fifo = fifo_new(&fifo_owner, stream, &unhandled);
	want.bind = xmlin_parse(arena, asks, strlen(asks), &xmlin_limits_default, &error);
	assert_non_null(want.bind);
	sasl_begin(stream, &sasl_profile_2, &mechanism, &want, arena);
	bind2_begin(stream->sasl);
}

static bool
is_managed(void)
{
	return stream->smacks != NULL;
}

/* What the stream's release does. */
static void
let_go(void)
{
	sasl_leave(stream);
	assert_null(stream->sasl);
	smacks_free(stream);
	fifo_leave(&stream->fifo);
	free(stream->node);
	free(stream);
}

/* ---- tests ---- */

static void
nobody_closes(void **state)
{
	(void)state;
	log_in(NULL);
	assert_string_equal(asked, "ab");
	assert_true(is_managed());
	assert_non_null(strstr(said, "<success xmlns='" NS_SASL2 "'><bound xmlns='" NS_BIND2 "'><enabled xmlns='" NS_SM "'/></bound></success>"));
	assert_non_null(strstr(said, "<features/>"));
	let_go();
}

static void
closed_at_a_point(void **state)
{
	static const struct {
		const char *point, *asked;
		bool managed;
	} cases[] = { { "ahead", "", false }, { "bound", "", false }, { "a", "a", false }, { "b", "ab", true } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		log_in(cases[i].point);
		assert_string_equal(asked, cases[i].asked);
		assert_int_equal(is_managed(), cases[i].managed);
		assert_string_equal(said, "");
		let_go();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nobody_closes), cmocka_unit_test(closed_at_a_point) };

	log_level_set(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
