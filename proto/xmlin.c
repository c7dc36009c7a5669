/*
 * xmlin.c -- bytes to stanzas, over expat: see xmlin.h. The only file that knows expat.
 *
 *     HEADER ----- <stream:stream ...> -----> BETWEEN <------ end of a first-level element ------.
 *                                               |  `---- start of a first-level element ----> INSIDE
 *                                               '----- </stream:stream> -----> closed
 *
 * Expat is fed pieces of at most PIECE bytes, so that its buffer stays small. Its reparse deferral is off,
 * because it could hold back a complete stanza until more bytes come; what it protects against (a large tag
 * in tiny reads, read anew each time: CVE-2023-52425) is done here: once a tag is larger than PIECE its bytes
 * are held until it ends or has doubled, which keeps reading linear.
 *
 * Expat keeps every element and attribute name that it ever saw, and its largest buffer; even new it takes 11
 * KiB. So a parser lives only while there is something to parse: it is thrown away when what was read ends
 * between two first-level elements, and also between two of them when it has read much (RENEW_BYTES) or grown
 * (RENEW_TAG). The next bytes are read by a new one that is first shown the stream header again (3 us), which
 * is why the header is kept and has a limit of its own. A few streams, those that spoke last, may keep theirs
 * (xmlin_keep): a login is seven elements in seven reads.
 *
 * DIAGNOSTICS: not-well-formed, restricted-xml, policy-violation, unsupported-encoding, invalid-xml (XML
 * version other than 1.0), bad-format (text between stanzas). Spec: RFC 6120 4.9.3, 11; XML 1.0; Namespaces
 * in XML 1.0.
 */
#include "config.h"

#include "proto/xmlin.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <expat.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmltree.h"

enum {
	PIECE = 1024,
	RENEW_BYTES = 64 * 1024,
	RENEW_TAG = 4 * PIECE,
	HEADER_MAX = 4 * 1024,
	WRITTEN = 2, /* a tree may be written in that many times the bytes that it may be read from */
	WRITTEN_SPARE = 1024,
	TREE_SPARE = 4 * 1024, /* what a tree may take beyond the owner's limit: an arena's first blocks */
};

const struct xmlin_limits xmlin_limits_default = {
	.bytes = 256 * 1024,
	.depth = 64,
	.attributes = 64,
	.namespaces = 32,
};

/* Twice the bytes and more: what was let in once must be let in again, with what was added meanwhile. */
const struct xmlin_limits xmlin_limits_stored = {
	.bytes = 2 * 1024 * 1024,
	.depth = 160,
	.attributes = 80,
	.namespaces = 80,
};

/* A row of streams with parsers at rest or, since then, in use; the next to come takes the place of the oldest. */
struct xmlin_kept {
	size_t most, next;
	struct xmlin *in[];
};

struct xmlin {
	const struct xmlin_owner *owner;
	void *arg;
	struct xmlin_limits limits;
	size_t next_bytes;   /* limits.bytes from the next element on */
	XML_Parser parser;   /* NULL while resting */
	struct xmltree tree; /* of the element being read */
	struct buf header;   /* the stream header as it came */
	char *content;       /* while the header is read: the default namespace that it declares */
	struct buf held;     /* the part of a large tag that expat has not seen yet */
	size_t fed;          /* bytes given to this parser */
	size_t pending;      /* of these, in a token that has not ended */
	size_t start;        /* index of the first byte that counts for the element being read */
	unsigned depth;      /* open elements; first-level ones are at 1 */
	unsigned namespaces; /* declared by the tag being read */
	size_t widest;       /* the largest `pending` of this parser */
	char token[2];       /* the pending token's first bytes, as many as there are */
	char quote;          /* the attribute value that the pending bytes end in: ' " or 0 */
	char held_quote;     /* and the held ones */
	char last;           /* byte fed */
	bool standalone;     /* one element without a stream around it */
	bool replaying;      /* the header is shown to a renewed parser */
	bool renew;          /* throw the parser away, the element just ended */
	bool stopped;        /* by the owner, or the stream has closed */
	bool feeding;
	size_t unread;
	enum stream_error error;
	struct xmlin_kept *kept; /* NULL: a parser is never kept */
	struct xmlin **place;    /* in `kept`; NULL: none */
};

static void
fail(struct xmlin *in, enum stream_error error)
{
	if (in->error == STREAM_OK)
		in->error = error;
	XML_StopParser(in->parser, XML_FALSE);
}

/* Expat may still report what belongs to the token in which it was stopped. */
static bool
over(const struct xmlin *in)
{
	return in->error != STREAM_OK || in->stopped || in->renew;
}

static size_t
token_start(const struct xmlin *in)
{
	XML_Index index = XML_GetCurrentByteIndex(in->parser);

	return index < 0 ? in->fed : (size_t)index;
}

static size_t
token_end(const struct xmlin *in)
{
	return token_start(in) + (size_t)XML_GetCurrentByteCount(in->parser);
}

/* The tree may be larger than its bytes, within reason (attack X8). */
static bool
tree_fits(struct xmlin *in)
{
	size_t swell = in->limits.swell;

	if (in->tree.written > WRITTEN * in->limits.bytes + WRITTEN_SPARE) {
		fail(in, STREAM_POLICY_VIOLATION);
		return false;
	}
	if (swell == 0 || xmltree_size(&in->tree) <= swell * in->limits.bytes + TREE_SPARE)
		return true;
	fail(in, STREAM_POLICY_VIOLATION);
	return false;
}

/* Is the element being read, up to byte `end`, longer than it may be? */
static bool
too_long(const struct xmlin *in, size_t end)
{
	bool header = in->depth == 0 && !in->standalone;
	size_t most = header && in->limits.bytes > HEADER_MAX ? HEADER_MAX : in->limits.bytes;

	return end - in->start > most;
}

/* ---- what expat reports ---- */

static void
on_header(struct xmlin *in, const char *name, const char **attrs)
{
	struct xml *header;

	xmltree_begin(&in->tree, arena_new());
	xmltree_open(&in->tree, name, attrs);
	if (!tree_fits(in))
		return;
	/* Kept as long as the stream: without what came behind it, and without room to grow. */
	in->header.len = token_end(in);
	in->header.cap = in->header.len + 1;
	in->header.data = xrealloc(in->header.data, in->header.cap);
	in->depth = 1;
	struct arena *arena = xmltree_take(&in->tree, &header);

	xml_set(arena, header, "xmlns", in->content);
	free(in->content);
	in->content = NULL;
	in->owner->open(in->arg, arena, header);
}

static bool
is_header(const char *name)
{
	size_t len = strlen(NS_STREAM);

	return strncmp(name, NS_STREAM, len) == 0 && name[len] == XMLTREE_SEPARATOR && strcmp(name + len + 1, "stream") == 0;
}

static void
on_start(void *arg, const char *name, const char **attrs)
{
	struct xmlin *in = arg;
	unsigned outside = in->standalone ? 0 : 1, count = 0, namespaces = in->namespaces;

	in->namespaces = 0;
	if (over(in))
		return;
	if (in->replaying) {
		in->depth = 1; /* the header has been looked at before */
		return;
	}
	while (attrs[(size_t)2 * count] != NULL)
		count++;
	bool fits = in->depth < in->limits.depth + outside && count <= in->limits.attributes &&
		    namespaces <= in->limits.namespaces;

	if (in->depth <= outside)
		in->start = in->depth == 0 ? 0 : token_start(in);
	if (!fits || too_long(in, token_end(in))) {
		fail(in, STREAM_POLICY_VIOLATION);
		return;
	}
	if (in->depth < outside) {
		on_header(in, name, attrs);
		return;
	}
	if (in->depth == 1 && outside == 1 && is_header(name)) { /* it would never end */
		fail(in, STREAM_BAD_FORMAT);
		return;
	}
	if (in->depth == outside)
		in->limits.bytes = in->next_bytes;
	if (in->tree.arena == NULL)
		xmltree_begin(&in->tree, arena_new());
	xmltree_open(&in->tree, name, attrs);
	in->depth++;
	(void)tree_fits(in);
}

/* The parser may go when it has grown: see the top. */
static bool
has_grown(const struct xmlin *in)
{
	return in->fed >= RENEW_BYTES || in->widest >= RENEW_TAG;
}

static void
on_end(void *arg, const char *name)
{
	struct xmlin *in = arg;

	(void)name;
	if (over(in))
		return;
	if (in->depth == 1 && !in->standalone) {
		in->depth = 0;
		xmlin_stop(in);
		in->owner->close(in->arg);
		return;
	}
	if (too_long(in, token_end(in))) {
		fail(in, STREAM_POLICY_VIOLATION);
		return;
	}
	xmltree_close(&in->tree);
	if (!tree_fits(in))
		return;
	in->depth--;
	if (in->standalone || in->depth > 1)
		return;
	struct xml *element;
	struct arena *arena = xmltree_take(&in->tree, &element);

	in->start = token_end(in);
	if (has_grown(in)) {
		in->renew = true;
		XML_StopParser(in->parser, XML_FALSE);
	}
	in->owner->stanza(in->arg, arena, element);
}

static void
on_text(void *arg, const char *bytes, int len)
{
	struct xmlin *in = arg;
	unsigned outside = in->standalone ? 0 : 1;

	if (over(in))
		return;
	if (in->depth <= outside) {
		for (int i = 0; i < len; i++)
			if (strchr(" \t\r\n", bytes[i]) == NULL)
				fail(in, STREAM_BAD_FORMAT);
		return;
	}
	if (too_long(in, token_end(in))) {
		fail(in, STREAM_POLICY_VIOLATION);
		return;
	}
	xmltree_text(&in->tree, bytes, (size_t)len);
	(void)tree_fits(in);
}

static void
on_namespace(void *arg, const char *prefix, const char *uri)
{
	struct xmlin *in = arg;

	if (prefix == NULL && uri != NULL && in->depth == 0 && !in->standalone && !in->replaying &&
	    in->content == NULL)
		in->content = xstrdup(uri);
	in->namespaces++;
}

static void
on_declaration(void *arg, const char *version, const char *encoding, int standalone)
{
	struct xmlin *in = arg;

	(void)standalone;
	if (over(in) || in->replaying)
		return;
	if (version == NULL || strcmp(version, "1.0") != 0)
		fail(in, STREAM_INVALID_XML);
	else if (encoding != NULL && strcasecmp(encoding, "UTF-8") != 0)
		fail(in, STREAM_UNSUPPORTED_ENCODING);
}

/* Between stanzas even an empty section is text. */
static void
on_cdata(void *arg)
{
	struct xmlin *in = arg;

	if (!over(in) && in->depth <= (in->standalone ? 0 : 1))
		fail(in, STREAM_BAD_FORMAT);
}

/* RFC 6120 11.1: what must not be sent. */
static void
on_comment(void *arg, const char *text)
{
	(void)text;
	fail(arg, STREAM_RESTRICTED_XML);
}

static void
on_instruction(void *arg, const char *target, const char *data)
{
	(void)target;
	(void)data;
	fail(arg, STREAM_RESTRICTED_XML);
}

static void
on_doctype(void *arg, const char *name, const char *system, const char *public, int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	fail(arg, STREAM_RESTRICTED_XML);
}

static enum stream_error
error_of(enum XML_Error code)
{
	switch (code) {
	case XML_ERROR_UNDEFINED_ENTITY: /* any but the five: RFC 6120 11.1 */
	case XML_ERROR_MISPLACED_XML_PI:
		return STREAM_RESTRICTED_XML;
	case XML_ERROR_UNKNOWN_ENCODING:
	case XML_ERROR_INCORRECT_ENCODING:
		return STREAM_UNSUPPORTED_ENCODING;
	default: /* a foreign enum that grows */
		return STREAM_NOT_WELL_FORMED;
	}
}

/* ---- feeding ---- */

static void
leave_place(struct xmlin *in)
{
	if (in->place != NULL)
		*in->place = NULL;
	in->place = NULL;
}

static void
parser_free(struct xmlin *in)
{
	leave_place(in);
	if (in->parser != NULL)
		XML_ParserFree(in->parser);
	in->parser = NULL;
}

/* expat asks the system itself. What it says to want of memory is ours to say, not the peer's fault. */
static void
need_memory(bool had)
{
	if (!had)
		(void)xmalloc((size_t)-1 / 2); /* says so and ends the process */
}

static void
parser_new(struct xmlin *in)
{
	unsigned long salt;

	random_bytes(&salt, sizeof(salt));
	in->parser = XML_ParserCreateNS("UTF-8", XMLTREE_SEPARATOR);
	need_memory(in->parser != NULL);
	XML_SetHashSalt(in->parser, salt | 1); /* 0 would mean: choose one */
#ifdef HAVE_XML_SETREPARSEDEFERRALENABLED
	XML_SetReparseDeferralEnabled(in->parser, XML_FALSE);
#endif
	XML_SetUserData(in->parser, in);
	XML_SetElementHandler(in->parser, on_start, on_end);
	XML_SetCharacterDataHandler(in->parser, on_text);
	XML_SetStartCdataSectionHandler(in->parser, on_cdata);
	XML_SetStartNamespaceDeclHandler(in->parser, on_namespace);
	XML_SetXmlDeclHandler(in->parser, on_declaration);
	XML_SetCommentHandler(in->parser, on_comment);
	XML_SetProcessingInstructionHandler(in->parser, on_instruction);
	XML_SetStartDoctypeDeclHandler(in->parser, on_doctype);
	in->fed = 0;
	in->pending = 0;
	in->start = 0;
	in->widest = 0;
	in->last = '\0';
}

/* A parser for the middle of the stream: it learns the header's namespaces from the header. */
static void
parser_renew(struct xmlin *in)
{
	parser_free(in);
	parser_new(in);
	in->renew = false;
	if (in->header.len == 0)
		return;
	in->replaying = true;
	in->depth = 0;
	enum XML_Status status = XML_Parse(in->parser, in->header.data, (int)in->header.len, 0);

	need_memory(status == XML_STATUS_OK || XML_GetErrorCode(in->parser) != XML_ERROR_NO_MEMORY);
	assert(status == XML_STATUS_OK && in->depth == 1);
	(void)status;
	in->replaying = false;
	in->fed = in->header.len;
	in->start = in->fed;
}

/* How far a tag goes in `bytes`: through its closing '>', or all of it. */
static size_t
scan_tag(char *quote, const char *bytes, size_t len, bool *ended_r)
{
	*ended_r = false;
	for (size_t i = 0; i < len; i++) {
		if (*quote != '\0') {
			if (bytes[i] == *quote)
				*quote = '\0';
		} else if (bytes[i] == '"' || bytes[i] == '\'') {
			*quote = bytes[i];
		} else if (bytes[i] == '>') {
			*ended_r = true;
			return i + 1;
		}
	}
	return len;
}

/* After a parse: how much expat waits with, and where in a tag that is. */
static void
note_pending(struct xmlin *in, const char *bytes, size_t len)
{
	bool ended;
	size_t index = token_start(in), known = in->pending;

	in->pending = in->fed - index;
	if (in->pending > in->widest)
		in->widest = in->pending;
	if (in->depth == 1 && !in->standalone)
		in->start = index;
	if (in->pending <= len) { /* the token began in these bytes */
		bytes += len - in->pending;
		len = in->pending;
		in->quote = '\0';
		known = 0;
	}
	for (size_t i = 0; i < len && known + i < sizeof(in->token); i++)
		in->token[known + i] = bytes[i];
	(void)scan_tag(&in->quote, bytes, len, &ended);
}

/* Told to read UTF-8, expat still takes a document for UTF-16 when its first bytes look so (RFC 6120 11.6).
 */
static bool
looks_utf16(const struct xmlin *in, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len && in->fed + i < 4; i++)
		if (bytes[i] == '\0' || bytes[i] == '\xFE' || bytes[i] == '\xFF')
			return true;
	return false;
}

/* Give expat `len` bytes. Returns how many it took: fewer only when told to stop there or to renew. */
static size_t
parse(struct xmlin *in, const char *bytes, size_t len, bool final)
{
	size_t before = in->fed;

	if (looks_utf16(in, bytes, len)) {
		in->error = STREAM_UNSUPPORTED_ENCODING;
		return len;
	}
	if (in->depth == 0 && !in->standalone)
		buf_add(&in->header, bytes, len);
	in->fed += len;
	if (len > 0)
		in->last = bytes[len - 1];
	if (XML_Parse(in->parser, bytes, (int)len, final) == XML_STATUS_ERROR) {
		if (in->error != STREAM_OK)
			return len;
		if ((in->stopped || in->renew) && XML_GetErrorCode(in->parser) == XML_ERROR_ABORTED)
			return token_end(in) - before;
		need_memory(XML_GetErrorCode(in->parser) != XML_ERROR_NO_MEMORY);
		in->error = error_of(XML_GetErrorCode(in->parser));
		return len;
	}
	note_pending(in, bytes, len);
	if (too_long(in, in->fed))
		in->error = STREAM_POLICY_VIOLATION;
	return len;
}

/* Between stanzas, and expat holds nothing back. */
static bool
at_boundary(const struct xmlin *in)
{
	return in->parser == NULL ? in->depth == 1 : (in->depth == 1 && !in->standalone && in->pending == 0);
}

/* The parser rests: keep it where there is room for some, else free it. */
static void
parser_rest(struct xmlin *in)
{
	if (in->kept == NULL) {
		parser_free(in);
		return;
	}
	if (in->place != NULL)
		return;
	in->place = &in->kept->in[in->kept->next];
	in->kept->next = (in->kept->next + 1) % in->kept->most;
	struct xmlin *before = *in->place;

	*in->place = in;
	if (before == NULL)
		return;
	before->place = NULL;
	if (at_boundary(before)) /* else it is in use and rests later */
		parser_free(before);
}

/* White space between stanzas (keepalives) needs no parser. */
static size_t
skip_space(const struct xmlin *in, const char *bytes, size_t len)
{
	size_t skipped = 0;

	if (!at_boundary(in))
		return 0;
	while (skipped < len && strchr(" \t\r\n", bytes[skipped]) != NULL && bytes[skipped] != '\0')
		skipped++;
	return skipped;
}

/* A tag larger than PIECE: hold its bytes until it ends or has doubled. Returns how many of the bytes were
 * used. */
static size_t
feed_held(struct xmlin *in, const char *bytes, size_t len)
{
	bool ended;
	size_t room = in->pending - in->held.len;

	if (in->token[0] != '<' || in->token[1] == '!' || in->token[1] == '?') {
		/* No tag: only a comment, an instruction or a foreign entity can be so long. */
		in->error = STREAM_RESTRICTED_XML;
		return len;
	}
	if (in->held.len == 0)
		in->held_quote = in->quote;
	size_t taken = scan_tag(&in->held_quote, bytes, len < room ? len : room, &ended);

	buf_add(&in->held, bytes, taken);
	if (!ended && in->held.len < in->pending) {
		if (too_long(in, in->fed + in->held.len))
			in->error = STREAM_POLICY_VIOLATION;
		return taken;
	}
	size_t left = in->held.len - parse(in, in->held.data, in->held.len, false);

	/* What expat left, told to stop, came with these bytes: the tag had not ended before them. */
	assert(left <= taken);
	buf_free(&in->held);
	return taken - left;
}

/* One step: returns how many of the bytes were used. */
static size_t
feed_some(struct xmlin *in, const char *bytes, size_t len)
{
	size_t skipped = skip_space(in, bytes, len);

	if (skipped > 0)
		return skipped;
	if (in->parser == NULL || in->renew)
		parser_renew(in);
	if (in->pending < PIECE)
		return parse(in, bytes, len < PIECE ? len : PIECE, false);

	return feed_held(in, bytes, len);
}

struct xmlin *
xmlin_new(const struct xmlin_owner *owner, void *arg, const struct xmlin_limits *limits)
{
	struct xmlin *in = xcalloc(1, sizeof(*in));

	in->owner = owner;
	in->arg = arg;
	in->limits = *limits;
	in->next_bytes = limits->bytes;
	return in;
}

struct xmlin_kept *
xmlin_kept_new(size_t most)
{
	struct xmlin_kept *kept = xcalloc(1, sizeof(*kept) + most * sizeof(kept->in[0]));

	assert(most > 0);
	kept->most = most;
	return kept;
}

void
xmlin_kept_free(struct xmlin_kept **kept)
{
	for (size_t i = 0; *kept != NULL && i < (*kept)->most; i++)
		assert((*kept)->in[i] == NULL);
	free(*kept);
	*kept = NULL;
}

void
xmlin_keep(struct xmlin *in, struct xmlin_kept *kept)
{
	assert(in->parser == NULL);
	in->kept = kept;
}

static void
clear(struct xmlin *in)
{
	parser_free(in);
	buf_free(&in->header);
	free(in->content);
	buf_free(&in->held);
}

void
xmlin_free(struct xmlin **in)
{
	if (*in == NULL)
		return;
	assert(!(*in)->feeding);
	xmltree_free(&(*in)->tree);
	clear(*in);
	free(*in);
	*in = NULL;
}

void
xmlin_set_bytes(struct xmlin *in, size_t bytes)
{
	in->next_bytes = bytes;
	if (in->depth <= 1) {
		in->limits.bytes = bytes;
		in->limits.swell = 0;
	}
}

enum stream_error
xmlin_feed(struct xmlin *in, const char *bytes, size_t len)
{
	assert(!in->feeding);
	in->feeding = true;
	while (len > 0 && in->error == STREAM_OK && !in->stopped) {
		size_t used = feed_some(in, bytes, len);

		bytes += used;
		len -= used;
	}
	in->unread = len;
	in->feeding = false;
	if (in->error != STREAM_OK || in->stopped || in->renew)
		parser_free(in);
	else if (in->parser != NULL && at_boundary(in))
		parser_rest(in);
	return in->error;
}

void
xmlin_stop(struct xmlin *in)
{
	in->stopped = true;
	if (in->feeding)
		XML_StopParser(in->parser, XML_FALSE);
}

size_t
xmlin_unread(const struct xmlin *in)
{
	return in->unread;
}

bool
xmlin_mid_stanza(const struct xmlin *in)
{
	if (in->stopped || in->parser == NULL)
		return false;
	/* Expat keeps a CR to see whether an LF follows: between stanzas that is but white space. */
	return in->depth != 1 || in->pending > 1 || (in->pending == 1 && in->last != '\r');
}

struct xml *
xmlin_parse(struct arena *arena, const char *bytes, size_t len, const struct xmlin_limits *limits,
	    enum stream_error *error_r)
{
	struct xmlin in = {
		.limits = *limits,
		.next_bytes = limits->bytes,
		.standalone = true,
		.feeding = true,
	};

	xmltree_begin(&in.tree, arena);
	parser_new(&in);
	while (len > 0 && in.error == STREAM_OK) {
		size_t used = feed_some(&in, bytes, len);

		bytes += used;
		len -= used;
	}
	if (in.error == STREAM_OK && in.held.len > 0)
		in.error = STREAM_NOT_WELL_FORMED; /* the end of a tag is missing */
	if (in.error == STREAM_OK)
		(void)parse(&in, "", 0, true);
	struct xml *root;

	(void)xmltree_take(&in.tree, &root);
	clear(&in);
	*error_r = in.error;
	return in.error == STREAM_OK ? root : NULL;
}
