/*
 * test_xmlin.c -- reading a stream: what gets through, what is refused with which error, and that no way of
 * cutting the bytes into reads changes either. Names X1 to X15 and R1 are those of known attacks on XMPP
 * readers.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <malloc.h>
#include <cmocka.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/error.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"

#define HEADER                                                                                               \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "                                         \
	"xmlns:stream='http://etherx.jabber.org/streams' "                                                   \
	"to='relay.example' version='1.0'>"

/* What a stream has brought so far. */
struct seen {
	struct buf stanzas; /* each written again, with a newline */
	unsigned opened, count, closed;
	unsigned stop_at; /* stop in the callback of that stanza; 0: never */
	size_t largest;   /* memory of a tree */
	struct xmlin *in;
};

static void
on_open(void *arg, struct arena *arena, struct xml *header)
{
	struct seen *seen = arg;

	assert_true(xml_is(header, "stream", NS_STREAM));
	assert_null(header->first);
	seen->opened++;
	arena_free(&arena);
}

static void
on_stanza(void *arg, struct arena *arena, struct xml *stanza)
{
	struct seen *seen = arg;

	assert_int_equal(seen->closed, 0);
	seen->count++;
	if (arena_used(arena) > seen->largest)
		seen->largest = arena_used(arena);
	xmlout(&seen->stanzas, stanza, NS_CLIENT);
	buf_adds(&seen->stanzas, "\n");
	arena_free(&arena);
	if (seen->count == seen->stop_at)
		xmlin_stop(seen->in);
}

static void
on_close(void *arg)
{
	((struct seen *)arg)->closed++;
}

static const struct xmlin_owner owner = { .open = on_open, .stanza = on_stanza, .close = on_close };

static void
seen_start(struct seen *seen, const struct xmlin_limits *limits)
{
	*seen = (struct seen){ 0 };
	buf_adds(&seen->stanzas, "");
	seen->in = xmlin_new(&owner, seen, limits == NULL ? &xmlin_limits_default : limits);
}

static void
seen_end(struct seen *seen)
{
	xmlin_free(&seen->in);
	assert_null(seen->in);
	buf_free(&seen->stanzas);
}

/* Each read is copied to memory of its own size, so that a reader beyond its end is caught by sanitizers. */
static enum stream_error
feed_in(struct seen *seen, const char *bytes, size_t len, size_t step)
{
	enum stream_error error = STREAM_OK;

	while (len > 0 && error == STREAM_OK) {
		size_t n = len < step ? len : step;
		char *copy = malloc(n);

		memcpy(copy, bytes, n);
		error = xmlin_feed(seen->in, copy, n);
		free(copy);
		bytes += n;
		len -= n;
	}
	return error;
}

/* A whole stream, in reads of `step`: the error and the stanzas. */
static void
assert_stream(const char *bytes, size_t len, size_t step, enum stream_error want, const char *stanzas)
{
	struct seen seen;

	seen_start(&seen, NULL);
	enum stream_error error = feed_in(&seen, bytes, len, step);

	if (error != want)
		print_error("in steps of %zu: %.300s\n", step, bytes);
	assert_int_equal(error, want);
	if (stanzas != NULL)
		assert_string_equal(seen.stanzas.data, stanzas);
	seen_end(&seen);
}

static void
test_stream(void **state)
{
	static const char bytes[] =
	    HEADER "\n <message to='a@b' id='1'><body>Hola &lt;ma&#241;ana></body></message>\r\n\t"
		   "<presence/><iq type='get'><query xmlns='jabber:iq:roster'/></iq></stream:stream>";
	static const char want[] = "<message to='a@b' id='1'><body>Hola &lt;ma\xC3\xB1"
				   "ana></body></message>\n"
				   "<presence/>\n<iq type='get'><query xmlns='jabber:iq:roster'/></iq>\n";

	(void)state;
	for (size_t step = 1; step <= sizeof(bytes); step++) {
		struct seen seen;

		seen_start(&seen, NULL);
		assert_int_equal(feed_in(&seen, bytes, sizeof(bytes) - 1, step), STREAM_OK);
		assert_string_equal(seen.stanzas.data, want);
		assert_int_equal(seen.opened, 1);
		assert_int_equal(seen.closed, 1);
		assert_int_equal(xmlin_unread(seen.in), 0);
		seen_end(&seen);
	}
}

/* A complete stanza is handed over with its last byte, however the bytes come. */
static void
test_at_once(void **state)
{
	static const char stanza[] = "<message from='x'><body>abc</body></message>";

	(void)state;
	for (size_t cut = 1; cut < sizeof(stanza) - 1; cut++) {
		struct seen seen;

		seen_start(&seen, NULL);
		assert_int_equal(feed_in(&seen, HEADER, sizeof(HEADER) - 1, 1000), STREAM_OK);
		for (unsigned round = 1; round <= 3; round++) {
			assert_int_equal(xmlin_feed(seen.in, stanza, cut), STREAM_OK);
			assert_true(xmlin_mid_stanza(seen.in));
			assert_int_equal(xmlin_feed(seen.in, stanza + cut, sizeof(stanza) - 1 - cut),
					 STREAM_OK);
			assert_int_equal(seen.count, round);
			assert_false(xmlin_mid_stanza(seen.in));
		}
		seen_end(&seen);
	}
}

struct refusal {
	const char *bytes; /* behind the header */
	enum stream_error error;
};

/* X1, X2, X10, X11 and what else is no XML of XMPP. */
static const struct refusal refusals[] = {
	{ "<!DOCTYPE a [<!ENTITY b 'c'>]>", STREAM_NOT_WELL_FORMED }, /* not allowed there by XML itself */
	{ "<message>&lol;</message>", STREAM_RESTRICTED_XML },
	{ "<message a='&lol;'/>", STREAM_RESTRICTED_XML },
	{ "<!-- a -->", STREAM_RESTRICTED_XML },
	{ "<message><!-- a --></message>", STREAM_RESTRICTED_XML },
	{ "<?php a ?>", STREAM_RESTRICTED_XML },
	{ "<message><?php a ?></message>", STREAM_RESTRICTED_XML },
	{ "<?xml version='1.0'?>", STREAM_RESTRICTED_XML },
	{ "<message><?xml version='1.0'?></message>", STREAM_RESTRICTED_XML },
	{ "text", STREAM_BAD_FORMAT },
	{ "<message/>text", STREAM_BAD_FORMAT },
	{ "<![CDATA[x]]>", STREAM_BAD_FORMAT },
	{ "<![CDATA[]]>", STREAM_BAD_FORMAT },
	{ "&lt;", STREAM_BAD_FORMAT },
	{ "<message></iq>", STREAM_NOT_WELL_FORMED },
	{ "<message a='1' a='2'/>", STREAM_NOT_WELL_FORMED },
	{ "<message xmlns:a='u' xmlns:b='u' a:x='1' b:x='2'/>", STREAM_NOT_WELL_FORMED },
	{ "<a:message/>", STREAM_NOT_WELL_FORMED },
	{ "<message a:b='c'/>", STREAM_NOT_WELL_FORMED },
	{ "<message xmlns:a=''/>", STREAM_NOT_WELL_FORMED },
	{ "<message xmlns:xml='urn:x'/>", STREAM_NOT_WELL_FORMED },
	{ "<message xmlns:xmlns='urn:x'/>", STREAM_NOT_WELL_FORMED },
	{ "<message a=b/>", STREAM_NOT_WELL_FORMED },
	{ "<message a='<'/>", STREAM_NOT_WELL_FORMED },
	{ "<message>]]></message>", STREAM_NOT_WELL_FORMED },
	{ "<message>&#0;</message>", STREAM_NOT_WELL_FORMED },
	{ "<message>&#1;</message>", STREAM_NOT_WELL_FORMED },
	{ "<message>&#xD800;</message>", STREAM_NOT_WELL_FORMED },
	{ "<message>&#xFFFE;</message>", STREAM_NOT_WELL_FORMED },
	{ "<message>&#x110000;</message>", STREAM_NOT_WELL_FORMED },
	{ "<message>\x01</message>", STREAM_NOT_WELL_FORMED },
	{ "<message>\x0C</message>", STREAM_NOT_WELL_FORMED },
	{ "<message>\xFF</message>", STREAM_NOT_WELL_FORMED },
	{ "<message>\x80</message>", STREAM_NOT_WELL_FORMED },
	{ "<message>\xC0\x80</message>", STREAM_NOT_WELL_FORMED },         /* overlong NUL */
	{ "<message>\xC1\xBF</message>", STREAM_NOT_WELL_FORMED },         /* overlong DEL */
	{ "<message>\xE0\x80\xBC</message>", STREAM_NOT_WELL_FORMED },     /* overlong < */
	{ "<message>\xF0\x80\x80\xBC</message>", STREAM_NOT_WELL_FORMED }, /* overlong < */
	{ "<message>\xED\xA0\x80</message>", STREAM_NOT_WELL_FORMED },     /* surrogate */
	{ "<message>\xEF\xBF\xBE</message>", STREAM_NOT_WELL_FORMED },     /* U+FFFE */
	{ "<message>\xEF\xBF\xBF</message>", STREAM_NOT_WELL_FORMED },
	{ "<message>\xF4\x90\x80\x80</message>", STREAM_NOT_WELL_FORMED }, /* beyond U+10FFFF */
	{ "<message>\xC3</message>", STREAM_NOT_WELL_FORMED },             /* cut short */
	{ "<message>\xE2\x82</message>", STREAM_NOT_WELL_FORMED },
	{ "<message a='\xED\xA0\x80'/>", STREAM_NOT_WELL_FORMED },
	{ "<message a='\xC0\xBC'/>", STREAM_NOT_WELL_FORMED },
	{ "<mess\xC0\x80"
	  "age/>",
	  STREAM_NOT_WELL_FORMED },
	{ "<mess\xED\xA0\x80/>", STREAM_NOT_WELL_FORMED },
	{ "<message \xFF='a'/>", STREAM_NOT_WELL_FORMED },
	{ "<message xmlns:e='a\x01"
	  "b'/>",
	  STREAM_NOT_WELL_FORMED }, /* X11 */
	{ "<message xmlns='a\x01"
	  "b'/>",
	  STREAM_NOT_WELL_FORMED },
	{ "<message xmlns='a&#1;b'/>", STREAM_NOT_WELL_FORMED },
	{ "<message xmlns='a\xFF"
	  "b'/>",
	  STREAM_NOT_WELL_FORMED },
	{ "</message>", STREAM_NOT_WELL_FORMED },
	{ "</stream>", STREAM_NOT_WELL_FORMED },
	{ "</stream:stream >x", STREAM_OK }, /* behind the close nothing is looked at */
};

static void
test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct buf bytes = { 0 };

		buf_adds(&bytes, HEADER);
		buf_adds(&bytes, refusals[i].bytes);
		/* An unfinished sequence shows as one at the next byte. */
		for (size_t step = 1; step <= bytes.len; step++)
			assert_stream(bytes.data, bytes.len, step, refusals[i].error, NULL);
		/* And at every single cut. */
		for (size_t cut = sizeof(HEADER); cut < bytes.len; cut++) {
			struct seen seen;

			seen_start(&seen, NULL);
			enum stream_error error = xmlin_feed(seen.in, bytes.data, cut);

			if (error == STREAM_OK)
				error = xmlin_feed(seen.in, bytes.data + cut, bytes.len - cut);
			assert_int_equal(error, refusals[i].error);
			seen_end(&seen);
		}
		buf_free(&bytes);
	}
}

static void
test_headers(void **state)
{
	static const struct refusal rows[] = {
		{ "<!DOCTYPE stream:stream [<!ENTITY a 'b'>]><stream:stream", STREAM_RESTRICTED_XML },
		{ "<?xml version='1.0'?><!DOCTYPE x SYSTEM 'file:///etc/passwd'>", STREAM_RESTRICTED_XML },
		{ "<!-- a --><stream:stream", STREAM_RESTRICTED_XML },
		{ "<?a b?><stream:stream", STREAM_RESTRICTED_XML },
		{ " <?xml version='1.0'?>", STREAM_RESTRICTED_XML },
		{ "<?xml version='1.1'?><a>", STREAM_INVALID_XML },
		{ "<?xml version='1.0' encoding='ISO-8859-1'?><a>", STREAM_UNSUPPORTED_ENCODING },
		{ "<?xml version='1.0' encoding='UTF-16'?><a>", STREAM_UNSUPPORTED_ENCODING },
		{ "GET / HTTP/1.1\r\n", STREAM_NOT_WELL_FORMED },
		{ "\xFF\xFE<", STREAM_UNSUPPORTED_ENCODING },
		{ "\xFE\xFF", STREAM_UNSUPPORTED_ENCODING },
		{ "\x16\x03\x01", STREAM_NOT_WELL_FORMED }, /* TLS where none was expected */
		{ "<?xml version='1.0' encoding='utf-8'?>"
		  "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>",
		  STREAM_OK },
		{ "<stream:stream", STREAM_OK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t step = 1; step <= strlen(rows[i].bytes); step++)
			assert_stream(rows[i].bytes, strlen(rows[i].bytes), step, rows[i].error, "");
	assert_stream("<\0s\0>\0", 6, 6, STREAM_UNSUPPORTED_ENCODING, "");
	assert_stream("<\0s\0>\0", 6, 1, STREAM_UNSUPPORTED_ENCODING, "");
	assert_stream("\0<\0s\0>", 6, 2, STREAM_UNSUPPORTED_ENCODING, "");
	assert_stream("<stream\0>", 9, 2, STREAM_NOT_WELL_FORMED, "");
}

/* X1: a billion laughs costs nothing, wherever XML is parsed. */
static void
test_laughs(void **state)
{
	static const char bomb[] =
	    "<!DOCTYPE l [<!ENTITY a 'lol'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
	    "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>]><l>&c;</l>";
	struct arena *arena = arena_new();
	enum stream_error error;

	(void)state;
	assert_null(xmlin_parse(arena, bomb, sizeof(bomb) - 1, &xmlin_limits_default, &error));
	assert_int_equal(error, STREAM_RESTRICTED_XML);
	assert_true(arena_used(arena) < 4096);
	arena_free(&arena);
}

/* X3: CDATA is text like any other, however it is cut. */
static void
test_cdata(void **state)
{
	static const char bytes[] =
	    HEADER "<message><body>a<![CDATA[<b>&]]]]><![CDATA[>c]]>d</body></message>";

	(void)state;
	for (size_t step = 1; step <= sizeof(bytes); step++)
		assert_stream(bytes, sizeof(bytes) - 1, step, STREAM_OK,
			      "<message><body>a&lt;b>&amp;]]&gt;cd</body></message>\n");
}

/* X10: every multi-byte sequence, cut at every byte. */
static void
test_multibyte(void **state)
{
	static const char bytes[] = HEADER
	    "<message \xC3\xB1='\xE2\x82\xAC'><\xE4\xB8\xAD>\xC2\x80\xEF\xBF\xBD\xED\x9F\xBF\xF4\x8F\xBF\xBF"
	    "</\xE4\xB8\xAD></message>";
	static const char want[] =
	    "<message \xC3\xB1='\xE2\x82\xAC'><\xE4\xB8\xAD>\xC2\x80\xEF\xBF\xBD\xED\x9F\xBF\xF4\x8F\xBF\xBF"
	    "</\xE4\xB8\xAD></message>\n";

	(void)state;
	for (size_t step = 1; step <= sizeof(bytes); step++)
		assert_stream(bytes, sizeof(bytes) - 1, step, STREAM_OK, want);
	for (size_t cut = 1; cut < sizeof(bytes) - 1; cut++) {
		struct seen seen;

		seen_start(&seen, NULL);
		assert_int_equal(xmlin_feed(seen.in, bytes, cut), STREAM_OK);
		assert_int_equal(xmlin_feed(seen.in, bytes + cut, sizeof(bytes) - 1 - cut), STREAM_OK);
		assert_string_equal(seen.stanzas.data, want);
		seen_end(&seen);
	}
}

static void
add_times(struct buf *buf, const char *text, size_t times)
{
	while (times-- > 0)
		buf_adds(buf, text);
}

static enum stream_error
nested(unsigned depth)
{
	struct buf bytes = { 0 };
	struct seen seen;

	seen_start(&seen, NULL);
	buf_adds(&bytes, HEADER);
	add_times(&bytes, "<a>", depth);
	add_times(&bytes, "</a>", depth);
	enum stream_error error = feed_in(&seen, bytes.data, bytes.len, 700);

	assert_int_equal(seen.count, error == STREAM_OK);
	seen_end(&seen);
	buf_free(&bytes);
	return error;
}

/* X4 */
static void
test_depth(void **state)
{
	(void)state;
	assert_int_equal(nested(1), STREAM_OK);
	assert_int_equal(nested(64), STREAM_OK);
	assert_int_equal(nested(65), STREAM_POLICY_VIOLATION);
	assert_int_equal(nested(80000), STREAM_POLICY_VIOLATION);
}

static enum stream_error
with_attributes(const char *format, unsigned count)
{
	struct buf bytes = { 0 };
	struct seen seen;

	seen_start(&seen, NULL);
	buf_adds(&bytes, HEADER "<message><a");
	for (unsigned i = 0; i < count; i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s%u='%u'", format, i, i);
		buf_adds(&bytes, text);
	}
	buf_adds(&bytes, "/></message>");
	enum stream_error error = feed_in(&seen, bytes.data, bytes.len, 4096);

	seen_end(&seen);
	buf_free(&bytes);
	return error;
}

/* X6, X7 */
static void
test_attributes(void **state)
{
	(void)state;
	assert_int_equal(with_attributes(" a", 64), STREAM_OK);
	assert_int_equal(with_attributes(" a", 65), STREAM_POLICY_VIOLATION);
	assert_int_equal(with_attributes(" a", 18000), STREAM_POLICY_VIOLATION);
	assert_int_equal(with_attributes(" xmlns:a", 32), STREAM_OK);
	assert_int_equal(with_attributes(" xmlns:a", 33), STREAM_POLICY_VIOLATION);
	assert_int_equal(with_attributes(" xmlns:a", 11000), STREAM_POLICY_VIOLATION);
}

/* R1: a prefixed attribute never looks like a core one. */
static void
test_shadowed(void **state)
{
	static const char bytes[] =
	    HEADER "<message xmlns:e='urn:x' e:from='mallory@evil' from='a@b' e:type='error' e:id='x' "
		   "e:to='x' e:by='x' "
		   "e:stamp='x' e:jid='x' e:rid='x' e:sid='x' e:other='kept' xml:lang='es'/>";

	(void)state;
	assert_stream(bytes, sizeof(bytes) - 1, 4096, STREAM_OK,
		      "<message from='a@b' xmlns:ns2='urn:x' ns2:other='kept' xml:lang='es'/>\n");
}

/* X13: the limit counts bytes on the wire: a stanza of just so many passes, with one more it does not. */
static void
limit_case(size_t stanza_len, size_t limit, size_t step, const char *open, const char *fill,
	   enum stream_error want)
{
	struct xmlin_limits limits = xmlin_limits_default;
	struct buf bytes = { 0 };
	struct seen seen;

	limits.bytes = limit;
	seen_start(&seen, &limits);
	buf_adds(&bytes, HEADER "  \n");
	size_t head = bytes.len;
	const char *end = strchr(open, '\'') != NULL ? "'/>" : "</a>";

	buf_adds(&bytes, open);
	while (bytes.len - head + strlen(end) + strlen(fill) <= stanza_len)
		buf_adds(&bytes, fill);
	while (bytes.len - head + strlen(end) < stanza_len)
		buf_adds(&bytes, " ");
	buf_adds(&bytes, end);
	assert_int_equal(bytes.len - head, stanza_len);
	buf_adds(&bytes, "<b/>");
	assert_int_equal(feed_in(&seen, bytes.data, bytes.len, step), want);
	assert_int_equal(seen.count, want == STREAM_OK ? 2 : 0);
	seen_end(&seen);
	buf_free(&bytes);
}

static void
test_bytes(void **state)
{
	static const char *const shapes[][2] = {
		{ "<a>", "x" },    { "<a>", "&lt;" },     { "<a>", "<![CDATA[x]]>" }, { "<a>", "<b>x</b>" },
		{ "<a b='", "x" }, { "<a b='", "&#38;" }, { "<a b='", ">" },          { "<a>", "\n" }
	};
	static const size_t steps[] = { 1, 7, 1023, 1024, 1025, 100000 };

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			const char *open = shapes[i][0], *fill = shapes[i][1];

			limit_case(9999, 10000, steps[k], open, fill, STREAM_OK);
			limit_case(10000, 10000, steps[k], open, fill, STREAM_OK);
			limit_case(10001, 10000, steps[k], open, fill, STREAM_POLICY_VIOLATION);
			limit_case(30000, 10000, steps[k], open, fill, STREAM_POLICY_VIOLATION);
		}
	}
}

/* What has no end is refused at the limit, not kept: text, a tag, a name, a comment, an entity, white space
 * in a tag. */
static void
test_endless(void **state)
{
	static const char *const starts[][2] = {
		{ "<a>", "x" },  { "<a b='", "x" },  { "<a b='", ">" },       { "<a", "x" },
		{ "<a ", " " },  { "</a", "x" },     { "<!--", "x" },         { "<!--", ">" },
		{ "<?a ", "x" }, { "<a>&amp", "x" }, { "<a><![CDATA[", "x" }, { "<a></", "b" }
	};
	static const size_t steps[] = { 1, 1000 };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(starts) / sizeof(starts[0]); i++) {
		struct seen seen;
		enum stream_error error = STREAM_OK;
		size_t fed = 0;
		char row[1000];

		memset(row, starts[i / 2][1][0], sizeof(row));
		seen_start(&seen, NULL);
		assert_int_equal(feed_in(&seen, HEADER, sizeof(HEADER) - 1, 1000), STREAM_OK);
		error = feed_in(&seen, starts[i / 2][0], strlen(starts[i / 2][0]), 1000);
		for (; error == STREAM_OK && fed < 300000; fed += steps[i % 2])
			error = xmlin_feed(seen.in, row, steps[i % 2]);
		assert_true(error != STREAM_OK);
		assert_true(fed <= xmlin_limits_default.bytes + 2000);
		seen_end(&seen);
	}
}

/* White space between stanzas is no stanza: it may go on for ever and holds nothing. */
static void
test_white_space(void **state)
{
	struct seen seen;
	static char space[4096];

	(void)state;
	memset(space, ' ', sizeof(space));
	seen_start(&seen, NULL);
	assert_int_equal(feed_in(&seen, HEADER, sizeof(HEADER) - 1, 1000), STREAM_OK);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(xmlin_feed(seen.in, space, sizeof(space)), STREAM_OK);
	assert_int_equal(feed_in(&seen, "<a/>\r\n\r \t", 9, 1), STREAM_OK);
	assert_false(xmlin_mid_stanza(seen.in));
	assert_int_equal(xmlin_feed(seen.in, "<a/>\r", 5), STREAM_OK);
	assert_false(xmlin_mid_stanza(seen.in));
	assert_int_equal(xmlin_feed(seen.in, "<", 1), STREAM_OK);
	assert_true(xmlin_mid_stanza(seen.in));
	assert_int_equal(xmlin_feed(seen.in, "b/>", 3), STREAM_OK);
	assert_string_equal(seen.stanzas.data, "<a/>\n<a/>\n<b/>\n");
	seen_end(&seen);
}

/* X8: a tree is not many times larger than its bytes. */
static void
test_swell(void **state)
{
	struct xmlin_limits limits = xmlin_limits_default;
	struct buf bytes = { 0 };
	struct seen seen;

	(void)state;
	limits.bytes = 16 * 1024;
	limits.swell = 6;
	seen_start(&seen, &limits);
	buf_adds(&bytes, HEADER "<a>");
	add_times(&bytes, "<b/>", 4000);
	buf_adds(&bytes, "</a>");
	assert_int_equal(feed_in(&seen, bytes.data, bytes.len, 4096), STREAM_POLICY_VIOLATION);
	seen_end(&seen);

	/* A roster, which is dense, is not refused. */
	seen_start(&seen, &limits);
	buf_clear(&bytes);
	buf_adds(&bytes, HEADER "<iq><query xmlns='jabber:iq:roster'>");
	add_times(&bytes, "<item jid='a@b.example' subscription='both'/>", 350);
	buf_adds(&bytes, "</query></iq>");
	assert_int_equal(feed_in(&seen, bytes.data, bytes.len, 4096), STREAM_OK);
	assert_true(seen.largest < 6 * bytes.len);
	seen_end(&seen);
	buf_free(&bytes);
}

/* X8 again: a long namespace used by its prefix would be written anew for each element. */
static void
test_long_namespaces(void **state)
{
	static const char *const shapes[] = { "<e:b/>", "<b e:c=''/>", "<e:b><c/></e:b>" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct buf bytes = { 0 };
		struct seen seen;

		seen_start(&seen, NULL);
		buf_adds(&bytes, HEADER "<a xmlns:e='");
		add_times(&bytes, "0123456789", 10000);
		buf_adds(&bytes, "'>");
		add_times(&bytes, shapes[i], 10000);
		buf_adds(&bytes, "</a>");
		assert_int_equal(feed_in(&seen, bytes.data, bytes.len, 4096), STREAM_POLICY_VIOLATION);
		seen_end(&seen);

		/* As people use it, it is fine: what is let in is written in twice the bytes, and read again.
		 */
		seen_start(&seen, NULL);
		buf_clear(&bytes);
		buf_adds(&bytes, HEADER "<a xmlns:e='urn:xmpp:sid:0'>");
		add_times(&bytes, shapes[i], 3000);
		buf_adds(&bytes, "</a>");
		assert_int_equal(feed_in(&seen, bytes.data, bytes.len, 4096), STREAM_OK);
		seen_end(&seen);
		buf_free(&bytes);
	}
}

/* The worst growth that is let in can be read from the disk again. */
static void
test_stored(void **state)
{
	static const char *const texts[] = { "&", ">", "]]&gt;", "'\"\n\t" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct buf bytes = { 0 };
		struct seen seen;
		struct arena *arena = arena_new();
		enum stream_error error;

		seen_start(&seen, NULL);
		buf_adds(&bytes, HEADER);
		size_t head = bytes.len;

		buf_adds(&bytes, i == 0 ? "<a><b/><![CDATA[" : "<a><b/>");
		while (bytes.len - head < 250000)
			buf_adds(&bytes, i == 0 && bytes.len - head > 60000 ? "xxxxxxxx" : texts[i]);
		buf_adds(&bytes, i == 0 ? "]]></a>" : "</a>");
		error = feed_in(&seen, bytes.data, bytes.len, 4096);
		assert_int_equal(error, STREAM_OK);
		assert_non_null(
		    xmlin_parse(arena, seen.stanzas.data, seen.stanzas.len, &xmlin_limits_stored, &error));
		seen_end(&seen);
		buf_free(&bytes);
		arena_free(&arena);
	}
}

/* X15: told to stop inside a callback, it reads no further and says how much is left. */
static void
test_stop(void **state)
{
	static const char bytes[] =
	    HEADER "<a/><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\x16\x03\x01rest";
	static const size_t at = sizeof(HEADER "<a/><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>") - 1;

	(void)state;
	for (size_t cut = 1; cut < sizeof(bytes) - 1; cut++) {
		struct seen seen;

		seen_start(&seen, NULL);
		seen.stop_at = 2;
		assert_int_equal(xmlin_feed(seen.in, bytes, cut), STREAM_OK);
		if (cut < at)
			assert_int_equal(xmlin_feed(seen.in, bytes + cut, sizeof(bytes) - 1 - cut),
					 STREAM_OK);
		assert_int_equal(seen.count, 2);
		assert_int_equal(xmlin_unread(seen.in), cut < at ? sizeof(bytes) - 1 - at : cut - at);
		assert_int_equal(xmlin_feed(seen.in, "<b/>", 4), STREAM_OK);
		assert_int_equal(xmlin_unread(seen.in), 4);
		assert_int_equal(seen.count, 2);
		seen_end(&seen);
	}
}

/* After authentication a stanza may be larger. */
static void
test_set_bytes(void **state)
{
	struct xmlin_limits limits = xmlin_limits_default;
	struct buf bytes = { 0 };
	struct seen seen;

	(void)state;
	limits.bytes = 1000;
	seen_start(&seen, &limits);
	buf_adds(&bytes, "<a>");
	add_times(&bytes, "0123456789", 200);
	buf_adds(&bytes, "</a>");
	assert_int_equal(feed_in(&seen, HEADER, sizeof(HEADER) - 1, 1000), STREAM_OK);
	xmlin_set_bytes(seen.in, 3000);
	assert_int_equal(feed_in(&seen, bytes.data, bytes.len, 100), STREAM_OK);
	assert_int_equal(xmlin_feed(seen.in, "<a>", 3), STREAM_OK);
	xmlin_set_bytes(seen.in, 500); /* from the next one on */
	assert_int_equal(feed_in(&seen, bytes.data + 3, bytes.len - 3, 100), STREAM_OK);
	assert_int_equal(feed_in(&seen, bytes.data, bytes.len, 100), STREAM_POLICY_VIOLATION);
	seen_end(&seen);
	buf_free(&bytes);
}

/* The namespaces of the header hold for the whole stream, through every renewal of the parser. */
static void
test_renewed(void **state)
{
	static const char header[] =
	    "<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client' "
	    "xmlns:db='jabber:server:dialback'>";
	struct buf bytes = { 0 };

	(void)state;
	for (unsigned i = 0; i < 3000; i++)
		buf_printf(&bytes, "<message><n%u a%u='%s'/></message><db:result>x</db:result>", i, i,
			   "&lt;a long value, so that the parser is renewed");
	for (size_t step = 1; step < 100000; step = step * 5 + 2) {
		struct seen seen;

		seen_start(&seen, NULL);
		assert_int_equal(feed_in(&seen, header, sizeof(header) - 1, step), STREAM_OK);
		assert_int_equal(feed_in(&seen, bytes.data, bytes.len, step), STREAM_OK);
		assert_int_equal(seen.count, 6000);
		assert_non_null(
		    strstr(seen.stanzas.data, "<result xmlns='jabber:server:dialback'>x</result>"));
		assert_int_equal(feed_in(&seen, "</s:stream>", 11, step), STREAM_OK);
		assert_int_equal(seen.closed, 1);
		assert_int_equal(seen.opened, 1);
		seen_end(&seen);
	}
	buf_free(&bytes);
}

static void
test_long_header(void **state)
{
	struct buf bytes = { 0 };

	(void)state;
	buf_adds(&bytes, "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' a='");
	add_times(&bytes, "x", 3900);
	buf_adds(&bytes, "'>");
	assert_stream(bytes.data, bytes.len, 100, STREAM_OK, "");
	assert_stream(bytes.data, bytes.len, 9000, STREAM_OK, "");
	bytes.len -= 2;
	add_times(&bytes, "x", 200);
	assert_stream(bytes.data, bytes.len, 100, STREAM_POLICY_VIOLATION, "");
	buf_adds(&bytes, "'>");
	assert_stream(bytes.data, bytes.len, 9000, STREAM_POLICY_VIOLATION, "");
	buf_free(&bytes);
}

static double
cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Processor time to read one token of `len` bytes, one at a time: the best of five. */
static double
time_token(const char *open, char fill, size_t len)
{
	struct xmlin_limits limits = xmlin_limits_default;
	double best = 1e9;

	limits.bytes = 8 * 1024 * 1024;
	for (int i = 0; i < 5; i++) {
		struct seen seen;
		double start = cpu_seconds();

		seen_start(&seen, &limits);
		assert_int_equal(feed_in(&seen, HEADER, sizeof(HEADER) - 1, 1000), STREAM_OK);
		assert_int_equal(feed_in(&seen, open, strlen(open), 1), STREAM_OK);
		for (size_t k = 0; k < len; k++)
			assert_int_equal(xmlin_feed(seen.in, &fill, 1), STREAM_OK);
		seen_end(&seen);
		start = cpu_seconds() - start;
		best = start < best ? start : best;
	}
	return best;
}

/* X5: reading is linear, however small the reads. */
static void
test_linear(void **state)
{
	static const struct {
		const char *open;
		char fill;
	} rows[] = { { "<a b='", 'x' }, { "<a b='", '>' }, { "<a b='\"", '>' },
		     { "<a ", ' ' },    { "<a>", 'x' },    { "<a><b>", '\n' } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double half = time_token(rows[i].open, rows[i].fill, 512 * 1024);
		double whole = time_token(rows[i].open, rows[i].fill, 1024 * 1024);

		printf("%s%c...: 512 KiB %.0f ms, 1 MiB %.0f ms\n", rows[i].open, rows[i].fill, half * 1e3,
		       whole * 1e3);
		/* Quadratic would be 4; a busy machine is noisy. */
		assert_true(whole < 3 * half + 0.02);
	}
}

/* An idle stream is small, also after large stanzas and many names. */
static void
test_memory(void **state)
{
	enum { STREAMS = 100 };
	struct seen seen[STREAMS];
	struct buf bytes = { 0 };

	(void)state;
	buf_adds(&bytes, "<message><a b='");
	add_times(&bytes, "0123456789", 10000);
	buf_adds(&bytes, "'/>");
	for (unsigned i = 0; i < 2000; i++)
		buf_printf(&bytes, "<n%u a%u='%u'/>", i, i, i);
	buf_adds(&bytes, "</message>");
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;

	for (unsigned i = 0; i < STREAMS; i++) {
		seen_start(&seen[i], NULL);
		assert_int_equal(feed_in(&seen[i], HEADER, sizeof(HEADER) - 1, 1000), STREAM_OK);
	}
	size_t started = (mallinfo2().uordblks + mallinfo2().hblkhd - before) / STREAMS;

	for (unsigned i = 0; i < STREAMS; i++) {
		assert_int_equal(feed_in(&seen[i], bytes.data, bytes.len, 3000), STREAM_OK);
		assert_int_equal(seen[i].count, 1);
		buf_free(&seen[i].stanzas);
	}
	size_t after = (mallinfo2().uordblks + mallinfo2().hblkhd - before) / STREAMS;

	printf("bytes an idle stream: %zu after its header, %zu after a stanza of %zu\n", started, after,
	       bytes.len);
	/* Sanitizers and valgrind have allocators of their own, which tell nothing. */
	assert_true(started < 1024);
	assert_true(after < 1024);
	for (unsigned i = 0; i < STREAMS; i++)
		seen_end(&seen[i]);
	buf_free(&bytes);
}

/* Parsers are kept for two of three streams that speak in turn: each hears its own, whatever is cut where. */
static void
test_kept(void **state)
{
	enum { STREAMS = 3 };
	static const char bytes[] = HEADER "<a><b c='d'/>text</a> <e xmlns='f'/>\r\n<message><body>&amp;</body></message><g/>";
	static const char want[] = "<a><b c='d'/>text</a>\n<e xmlns='f'/>\n<message><body>&amp;</body></message>\n<g/>\n";
	struct seen seen[STREAMS];

	(void)state;
	for (size_t step = 1; step <= sizeof(bytes); step++) {
		struct xmlin_kept *kept = xmlin_kept_new(2);

		for (unsigned i = 0; i < STREAMS; i++) {
			seen_start(&seen[i], NULL);
			xmlin_keep(seen[i].in, kept);
		}
		for (size_t at = 0; at < sizeof(bytes) - 1; at += step) {
			size_t left = sizeof(bytes) - 1 - at;

			for (unsigned i = 0; i < STREAMS; i++)
				assert_int_equal(feed_in(&seen[i], bytes + at, left < step ? left : step, step + i), STREAM_OK);
		}
		for (unsigned i = 0; i < STREAMS; i++) {
			assert_string_equal(seen[i].stanzas.data, want);
			assert_false(xmlin_mid_stanza(seen[i].in));
			seen_end(&seen[i]);
		}
		xmlin_kept_free(&kept);
		assert_null(kept);
	}
}

/* As many are kept as was said, and no more. */
static void
test_kept_memory(void **state)
{
	enum { STREAMS = 100, KEPT = 4, PARSER = 32 * 1024 };
	struct xmlin_kept *kept = xmlin_kept_new(KEPT);
	struct seen seen[STREAMS];
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;

	(void)state;
	for (unsigned i = 0; i < STREAMS; i++) {
		seen_start(&seen[i], NULL);
		xmlin_keep(seen[i].in, kept);
		assert_int_equal(feed_in(&seen[i], HEADER "<a/>", sizeof(HEADER "<a/>") - 1, 1000), STREAM_OK);
	}
	assert_true(mallinfo2().uordblks + mallinfo2().hblkhd - before < STREAMS * 1024 + KEPT * PARSER);
	for (unsigned i = 0; i < STREAMS; i++)
		seen_end(&seen[i]);
	xmlin_kept_free(&kept);
}

struct single {
	const char *bytes;
	enum stream_error error;
	const char *again;
};

static void
test_parse(void **state)
{
	static const struct single rows[] = {
		{ "<a/>", STREAM_OK, "<a/>" },
		{ " <a b='c'>d<e/></a>\n", STREAM_OK, "<a b='c'>d<e/></a>" },
		{ "<?xml version='1.0'?><a/>", STREAM_OK, "<a/>" },
		{ "<message xmlns='jabber:client'><x xmlns='y'/></message>", STREAM_OK,
		  "<message xmlns='jabber:client'><x xmlns='y'/></message>" },
		{ "", STREAM_NOT_WELL_FORMED, NULL },
		{ "<a>", STREAM_NOT_WELL_FORMED, NULL },
		{ "<a", STREAM_NOT_WELL_FORMED, NULL },
		{ "<a/><b/>", STREAM_NOT_WELL_FORMED, NULL },
		{ "<a/>x", STREAM_NOT_WELL_FORMED, NULL },
		{ "x<a/>", STREAM_NOT_WELL_FORMED, NULL },
		{ "<a/><!-- b -->", STREAM_RESTRICTED_XML, NULL },
		{ "<a><!-- b --></a>", STREAM_RESTRICTED_XML, NULL },
		{ "<!DOCTYPE a><a/>", STREAM_RESTRICTED_XML, NULL },
		{ "<a>&b;</a>", STREAM_RESTRICTED_XML, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena *arena = arena_new();
		enum stream_error error;
		struct xml *node =
		    xmlin_parse(arena, rows[i].bytes, strlen(rows[i].bytes), &xmlin_limits_default, &error);

		assert_int_equal(error, rows[i].error);
		assert_int_equal(node != NULL, error == STREAM_OK);
		if (node != NULL) {
			struct buf out = { 0 };

			xmlout(&out, node, NULL);
			assert_string_equal(out.data, rows[i].again);
			buf_free(&out);
		}
		arena_free(&arena);
	}
}

/* The limits hold there too, and a large tag needs no stream. */
static void
test_parse_limits(void **state)
{
	struct xmlin_limits limits = { .bytes = 20000, .depth = 2, .attributes = 1, .namespaces = 1 };
	struct arena *arena = arena_new();
	struct buf bytes = { 0 };
	enum stream_error error;

	(void)state;
	assert_non_null(xmlin_parse(arena, "<a><b/></a>", 11, &limits, &error));
	assert_null(xmlin_parse(arena, "<a><b><c/></b></a>", 18, &limits, &error));
	assert_int_equal(error, STREAM_POLICY_VIOLATION);
	assert_null(xmlin_parse(arena, "<a b='' c=''/>", 14, &limits, &error));
	assert_int_equal(error, STREAM_POLICY_VIOLATION);
	assert_null(xmlin_parse(arena, "<a xmlns='b' xmlns:c='d'/>", 26, &limits, &error));
	assert_int_equal(error, STREAM_POLICY_VIOLATION);
	buf_adds(&bytes, "<a b='");
	add_times(&bytes, ">", 19991);
	assert_null(xmlin_parse(arena, bytes.data, bytes.len, &limits, &error));
	assert_int_equal(error, STREAM_NOT_WELL_FORMED);
	buf_adds(&bytes, "'/>");
	assert_int_equal(bytes.len, 20000);
	assert_non_null(xmlin_parse(arena, bytes.data, bytes.len, &limits, &error));
	limits.bytes--;
	assert_null(xmlin_parse(arena, bytes.data, bytes.len, &limits, &error));
	assert_int_equal(error, STREAM_POLICY_VIOLATION);
	buf_free(&bytes);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_laughs),
		cmocka_unit_test(test_cdata),
		cmocka_unit_test(test_multibyte),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_shadowed),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_white_space),
		cmocka_unit_test(test_swell),
		cmocka_unit_test(test_long_namespaces),
		cmocka_unit_test(test_stored),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_set_bytes),
		cmocka_unit_test(test_renewed),
		cmocka_unit_test(test_long_header),
		cmocka_unit_test(test_linear),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_kept_memory),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_limits),
	};

	return cmocka_run_group_tests_name("proto/xmlin", tests, NULL, NULL);
}
