/*
 * xmltree.c -- the tree of one element while it is being read: see xmltree.h.
 *
 * Names that the parent or the sibling before has already are shared: rosters and results repeat few names,
 * and a tree should not be many times as large as its bytes (attack X8). Prefixes can make it so: a long
 * namespace, declared once, is written anew for every element that uses it. So what xmlout will write is
 * reckoned up, for a limit.
 */
#include "config.h"

#include "proto/xmltree.h"

#include <string.h>

#include "proto/arena.h"
#include "proto/xml.h"

/* An open element. */
struct open {
	struct open *outer;
	struct xml *node;
};

void
xmltree_begin(struct xmltree *tree, struct arena *arena)
{
	tree->arena = arena;
	tree->before = arena_used(arena);
	tree->open = NULL;
	tree->spare = NULL;
	tree->root = NULL;
	tree->written = 0;
	memset(tree->spaces, 0, sizeof(tree->spaces));
}

/* Local names of attributes that mean something in every stanza: prefixed, they are not the real ones (attack
 * R1). */
static bool
is_core_name(const char *name)
{
	static const char *const names[] = { "from", "to", "id", "type", "by", "stamp", "jid", "rid", "sid" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Length of text or of an attribute's value as xmlout writes it. `before`: the byte before it in its text. */
static size_t
escaped_len(const char *bytes, size_t len, bool attr, char before)
{
	size_t total = len;

	for (size_t i = 0; i < len; before = bytes[i++]) {
		if (bytes[i] == '&' || bytes[i] == '\r' || (attr && (bytes[i] == '\n' || bytes[i] == '\t')))
			total += 4;
		else if (bytes[i] == '<' || (!attr && bytes[i] == '>' && (before == ']' || before == '\0')))
			total += 3;
		else if (attr && bytes[i] == '\'')
			total += 5;
	}
	return total;
}

static bool
same_text(const char *text, const char *bytes, size_t len)
{
	return strncmp(text, bytes, len) == 0 && text[len] == '\0';
}

/* A namespace, shared with an element met before where that is cheap to see. */
static const char *
share_space(struct xmltree *tree, const char *ns, size_t len)
{
	enum { SPACES = sizeof(tree->spaces) / sizeof(tree->spaces[0]) };

	for (unsigned i = 0; i < SPACES; i++)
		if (tree->spaces[i] != NULL && same_text(tree->spaces[i], ns, len))
			return tree->spaces[i];
	const char *copy = arena_strndup(tree->arena, ns, len);

	tree->spaces[tree->next_space++ % SPACES] = copy;
	return copy;
}

/* NULL: to be left out. */
static struct xml_attr *
attr_new(struct xmltree *tree, const char *full, const char *value)
{
	struct arena *arena = tree->arena;
	const char *split = strchr(full, XMLTREE_SEPARATOR);

	if (split != NULL && is_core_name(split + 1))
		return NULL;
	struct xml_attr *attr = arena_alloc(arena, sizeof(*attr));

	attr->ns = split == NULL ? NULL : share_space(tree, full, (size_t)(split - full));
	tree->written += sizeof(" =''") + strlen(split == NULL ? full : split + 1) +
			 escaped_len(value, strlen(value), true, '\0');
	if (split != NULL) /* declared there, with a prefix of ours */
		tree->written +=
		    sizeof(" xmlns:ns12='' ns12:") + escaped_len(full, (size_t)(split - full), true, '\0');
	attr->name = arena_strdup(arena, split == NULL ? full : split + 1);
	attr->value = arena_strdup(arena, value);
	return attr;
}

static struct xml *
node_new(struct xmltree *tree, const char *full, const char **attrs)
{
	const struct xml *parent = tree->open == NULL ? NULL : tree->open->node;
	const struct xml *before = parent == NULL ? NULL : parent->last;
	const char *split = strchr(full, XMLTREE_SEPARATOR);
	const char *name = split == NULL ? full : split + 1;
	size_t ns_len = split == NULL ? 0 : (size_t)(split - full);
	struct xml *node = arena_alloc(tree->arena, sizeof(*node));
	struct xml_attr **tail = &node->attrs;

	if (before != NULL && before->name != NULL && strcmp(before->name, name) == 0)
		node->name = before->name;
	else
		node->name = arena_strdup(tree->arena, name);
	tree->written += sizeof("<></>") + 2 * strlen(name);
	if (parent != NULL && same_text(parent->ns, full, ns_len)) {
		node->ns = parent->ns;
	} else {
		tree->written += sizeof(" xmlns=''") + escaped_len(full, ns_len, true, '\0');
		node->ns = share_space(tree, full, ns_len);
	}
	for (; attrs[0] != NULL; attrs += 2) {
		*tail = attr_new(tree, attrs[0], attrs[1]);
		if (*tail != NULL)
			tail = &(*tail)->next;
	}
	return node;
}

/* Text comes in pieces; it becomes one node when something else comes. */
static void
flush_text(struct xmltree *tree)
{
	if (tree->text.len > 0) {
		xml_add_text(tree->arena, tree->open->node, tree->text.data, tree->text.len);
		buf_clear(&tree->text);
	}
}

void
xmltree_open(struct xmltree *tree, const char *name, const char **attrs)
{
	flush_text(tree);
	struct xml *node = node_new(tree, name, attrs);
	struct open *open = tree->spare;

	if (open == NULL)
		open = arena_alloc(tree->arena, sizeof(*open));
	else
		tree->spare = open->outer;
	if (tree->open == NULL)
		tree->root = node;
	else
		xml_append(tree->open->node, node);
	*open = (struct open){ .outer = tree->open, .node = node };
	tree->open = open;
}

void
xmltree_text(struct xmltree *tree, const char *bytes, size_t len)
{
	char before = '\0';

	if (tree->text.len > 0)
		before = tree->text.data[tree->text.len - 1];
	tree->written += escaped_len(bytes, len, false, before);
	buf_add(&tree->text, bytes, len);
}

void
xmltree_close(struct xmltree *tree)
{
	flush_text(tree);
	struct open *open = tree->open;

	tree->open = open->outer;
	open->outer = tree->spare;
	tree->spare = open;
}

size_t
xmltree_size(const struct xmltree *tree)
{
	return arena_used(tree->arena) - tree->before;
}

struct arena *
xmltree_take(struct xmltree *tree, struct xml **root_r)
{
	struct arena *arena = tree->arena;

	*root_r = tree->root;
	buf_free(&tree->text);
	*tree = (struct xmltree){ 0 };
	return arena;
}

void
xmltree_free(struct xmltree *tree)
{
	arena_free(&tree->arena);
	buf_free(&tree->text);
}
