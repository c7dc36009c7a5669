/*
 * fuzz_xmlin.c -- any bytes, in any reads, through the stream reader.
 *
 * The first byte chooses how the rest is cut into reads. Promises: the result does not depend on the cutting;
 * what was read is within its limits; written and read again it is the same tree; no core attribute has a
 * prefix (attack R1).
 */
#include "config.h"

#include "fuzz.h"

#include <stdbool.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/error.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"

enum { DEPTH = 8, ATTRIBUTES = 6 };

static const struct xmlin_limits limits = {
	.bytes = 3000, .depth = DEPTH, .attributes = ATTRIBUTES, .namespaces = 4
};

struct seen {
	struct buf stanzas;
	struct xmlin *in;
	unsigned opened, closed;
	bool mid; /* in the middle of something when the bytes ended */
};

static void
check_node(const struct xml *node, unsigned depth)
{
	static const char core[] = " from to id type by stamp jid rid sid ";
	unsigned attributes = 0;

	PROMISE(depth <= DEPTH && node->ns != NULL && node->name[0] != '\0');
	for (const struct xml_attr *attr = node->attrs; attr != NULL; attr = attr->next) {
		char word[64];

		snprintf(word, sizeof(word), " %.60s ", attr->name);
		PROMISE(attr->ns == NULL || strstr(core, word) == NULL);
		attributes++;
	}
	PROMISE(attributes <= ATTRIBUTES + 1); /* a stream header has its xmlns too */
	for (const struct xml *child = node->first; child != NULL; child = child->next) {
		if (child->name != NULL)
			check_node(child, depth + 1);
		else
			PROMISE(child->len > 0 && strlen(child->text) == child->len);
	}
}

/* What is written is read as the same: writing that again gives the same bytes. */
static void
check_again(const struct xml *node)
{
	struct xmlin_limits wide = xmlin_limits_default;
	struct arena *arena = arena_new();
	struct buf once = { 0 }, twice = { 0 };
	enum stream_error error;

	xmlout(&once, node, NULL);
	struct xml *again = xmlin_parse(arena, once.data, once.len, &wide, &error);

	PROMISE(again != NULL);
	PROMISE(once.len <= 2 * limits.bytes + 1024);
	xmlout(&twice, again, NULL);
	PROMISE(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
	buf_free(&once);
	buf_free(&twice);
	arena_free(&arena);
}

static void
on_open(void *arg, struct arena *arena, struct xml *header)
{
	struct seen *seen = arg;

	PROMISE(seen->opened++ == 0);
	check_node(header, 1);
	arena_free(&arena);
}

static void
on_stanza(void *arg, struct arena *arena, struct xml *stanza)
{
	struct seen *seen = arg;

	PROMISE(seen->opened == 1 && seen->closed == 0);
	check_node(stanza, 1);
	check_again(stanza);
	xmlout(&seen->stanzas, stanza, "");
	if (strcmp(stanza->name, "stop") == 0)
		xmlin_stop(seen->in);
	arena_free(&arena);
}

static void
on_close(void *arg)
{
	PROMISE(((struct seen *)arg)->closed++ == 0);
}

/* cut 0: all at once. Otherwise pseudo-random reads of at most `cut` bytes. */
static enum stream_error
feed(struct seen *seen, const uint8_t *data, size_t size, size_t cut)
{
	static const struct xmlin_owner owner = { .open = on_open, .stanza = on_stanza, .close = on_close };
	enum stream_error error = STREAM_OK;
	uint32_t random = (uint32_t)cut;

	*seen = (struct seen){ 0 };
	seen->in = xmlin_new(&owner, seen, &limits);
	while (size > 0 && error == STREAM_OK) {
		size_t most = cut == 0 ? size : 1 + (random >> 16) % cut, n = most < size ? most : size;
		uint8_t *copy = malloc(n);

		PROMISE(copy != NULL);
		memcpy(copy, data, n);
		error = xmlin_feed(seen->in, (const char *)copy, n);
		free(copy);
		seen->mid = xmlin_mid_stanza(seen->in);
		PROMISE(xmlin_unread(seen->in) <= n);
		random = random * 1664525 + 1013904223;
		data += n;
		size -= n;
	}
	xmlin_free(&seen->in);
	return error;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, cut;

	if (size == 0)
		return 0;
	size_t most = data[0] == 0 ? 1 : data[0];
	enum stream_error one = feed(&whole, data + 1, size - 1, 0),
			  other = feed(&cut, data + 1, size - 1, most);

	/* What is wrong in a large tag may be seen only when it ends; and with two faults, which one is said
	 * may differ. */
	PROMISE((one == STREAM_OK) == (other == STREAM_OK) || (one == STREAM_OK ? whole.mid : cut.mid));
	PROMISE(one != STREAM_OK || other != STREAM_OK || whole.stanzas.len == cut.stanzas.len);
	PROMISE(whole.stanzas.len != cut.stanzas.len || whole.stanzas.len == 0 ||
		memcmp(whole.stanzas.data, cut.stanzas.data, whole.stanzas.len) == 0);
	PROMISE(whole.opened == cut.opened || one != STREAM_OK);
	buf_free(&whole.stanzas);
	buf_free(&cut.stanzas);

	struct arena *arena = arena_new();
	enum stream_error error;
	struct xml *node = xmlin_parse(arena, (const char *)data + 1, size - 1, &limits, &error);

	PROMISE((node == NULL) == (error != STREAM_OK));
	if (node != NULL) {
		check_node(node, 1);
		check_again(node);
	}
	arena_free(&arena);
	return 0;
}
