/* trees.c -- random trees for the tests of XML out: see trees.h. */
#include "config.h"

#include "trees.h"

#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/ns.h"
#include "proto/xml.h"

uint64_t
trees_random(uint64_t *state)
{
	*state ^= *state << 13; /* xorshift64 */
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 11;
}

uint64_t
trees_seed(void)
{
	const char *given = getenv("LAZO_SEED");
	uint64_t seed = 0;

	if (given != NULL)
		seed = strtoull(given, NULL, 10);
	while (seed == 0) {
		random_bytes(&seed, sizeof(seed));
		seed >>= 16; /* short enough to type */
	}
	return seed;
}

static const char *
pick(uint64_t *state, const char *const *from, size_t count)
{
	return from[trees_random(state) % count];
}

#define PICK(state, table) pick((state), (table), sizeof(table) / sizeof((table)[0]))

static const char *const names[] = { "a",      "message", "x",         "body",         "b-1",
				     "c.d",    "_",       "\xC3\xB1",  "\xE4\xB8\xAD", "ns1",
				     "xmlns1", "id",      "z\xCC\x81", "iq",           "error" };
static const char *const spaces[] = { "jabber:client", "",
				      "urn:x",         "urn:a&b",
				      "it's",          "<\">",
				      "urn:\xC3\xB1",  "http://etherx.jabber.org/streams",
				      "urn:x y",       "jabber:server" };
/* What readers stumble over, and some of each length of UTF-8. */
static const char *const pieces[] = { "a",
				      "Hola",
				      " ",
				      "  ",
				      "\n",
				      "\r",
				      "\r\n",
				      "\t",
				      "&",
				      "<",
				      ">",
				      "]]>",
				      "'",
				      "\"",
				      "&amp;",
				      "&#13;",
				      "<!--",
				      "-->",
				      "<![CDATA[",
				      "<?x?>",
				      "\x7F",
				      "\xC2\x80",
				      "\xC2\x85",
				      "\xC3\xB1",
				      "\xE2\x80\xA8",
				      "\xEF\xBB\xBF",
				      "\xEF\xB7\x90",
				      "\xEF\xBF\xBD",
				      "\xED\x9F\xBF",
				      "\xEE\x80\x80",
				      "\xF0\x9F\x98\x80",
				      "\xF0\x9F\xBF\xBE",
				      "\xF4\x8F\xBF\xBF",
				      "0",
				      "%s",
				      "\\",
				      "\xD8\xA7" };

static const char *
random_text(struct arena *arena, uint64_t *state)
{
	struct buf text = { 0 };
	size_t count = trees_random(state) % 8;

	if (trees_random(state) % 200 == 0)
		count = 2000; /* larger than a reader's buffer */
	for (size_t i = 0; i < count; i++)
		buf_adds(&text, PICK(state, pieces));
	const char *copy = arena_strndup(arena, text.data == NULL ? "" : text.data, text.len);

	buf_free(&text);
	return copy;
}

static void
add_attrs(struct arena *arena, struct xml *node, uint64_t *state)
{
	for (size_t count = trees_random(state) % 5; count > 0; count--) {
		const char *name = PICK(state, names), *ns = NULL;

		if (trees_random(state) % 3 == 0)
			ns = PICK(state, spaces);
		if (ns != NULL && ns[0] == '\0')
			ns = NULL;
		if (trees_random(state) % 8 == 0) {
			name = "lang";
			ns = NS_XML;
		}
		if (ns != NULL && strcmp(name, "id") == 0)
			name = "x"; /* a prefixed core name is taken out when read (attack R1) */
		if (xml_attr_ns(node, name, ns) != NULL)
			continue;
		struct xml_attr *attr = arena_alloc(arena, sizeof(*attr));

		attr->ns = ns;
		attr->name = name;
		attr->value = random_text(arena, state);
		attr->next = node->attrs;
		node->attrs = attr;
	}
}

struct xml *
trees_make(struct arena *arena, uint64_t *state)
{
	struct xml *path[24];
	size_t depth = 1;

	path[0] = xml_new(arena, PICK(state, names), PICK(state, spaces));
	add_attrs(arena, path[0], state);
	for (size_t steps = trees_random(state) % 24; steps > 0; steps--) {
		struct xml *parent = path[depth - 1];

		switch (trees_random(state) % 4) {
		case 0: {
			const char *text = random_text(arena, state);

			xml_add_text(arena, parent, text, strlen(text));
			break;
		}
		case 1:
			depth -= depth > 1;
			break;
		default: {
			const char *ns = trees_random(state) % 2 ? NULL : PICK(state, spaces);
			struct xml *child = xml_add(arena, parent, PICK(state, names), ns);

			add_attrs(arena, child, state);
			path[depth++] = child;
		}
		}
		if (depth == sizeof(path) / sizeof(path[0]))
			break;
	}
	return path[0];
}

void
trees_string(struct buf *out, char kind, const char *bytes, size_t len)
{
	if (kind != '\0')
		buf_add(out, &kind, 1);
	buf_printf(out, "%zu:", len);
	buf_add(out, bytes, len);
}

static int
by_name(const void *a, const void *b)
{
	const struct xml_attr *const *x = a, *const *y = b;
	const char *x_ns = (*x)->ns == NULL ? "" : (*x)->ns, *y_ns = (*y)->ns == NULL ? "" : (*y)->ns;
	int order = strcmp(x_ns, y_ns);

	return order != 0 ? order : strcmp((*x)->name, (*y)->name);
}

static void
attrs_text(struct buf *out, const struct xml *node)
{
	const struct xml_attr *row[64] = { NULL };
	size_t count = 0;

	for (const struct xml_attr *attr = node->attrs; attr != NULL && count < 64; attr = attr->next)
		row[count++] = attr;
	qsort(row, count, sizeof(row[0]), by_name);
	for (size_t i = 0; i < count; i++) {
		const char *ns = row[i]->ns == NULL ? "" : row[i]->ns;

		trees_string(out, 'A', ns, strlen(ns));
		trees_string(out, '\0', row[i]->name, strlen(row[i]->name));
		trees_string(out, '\0', row[i]->value, strlen(row[i]->value));
	}
}

void
trees_text(struct buf *out, const struct xml *node)
{
	struct buf text = { 0 };

	trees_string(out, 'E', node->ns, strlen(node->ns));
	trees_string(out, '\0', node->name, strlen(node->name));
	attrs_text(out, node);
	for (const struct xml *child = node->first;; child = child->next) {
		if (child != NULL && child->name == NULL) {
			buf_add(&text, child->text, child->len);
			continue;
		}
		if (text.len > 0)
			trees_string(out, 'T', text.data, text.len);
		buf_clear(&text);
		if (child == NULL)
			break;
		trees_text(out, child);
	}
	buf_adds(out, "Z");
	buf_free(&text);
}
