/*
 * xmltree.c -- the tree of one element while it is being read: see xmltree.h.
 *
 * Names that the parent or the sibling before has already are shared: rosters and results repeat few names,
 * and a tree should not be many times as large as its bytes (attack X8).
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

/* NULL: to be left out. */
static struct xml_attr *
attr_new(struct arena *arena, const char *full, const char *value)
{
	const char *split = strchr(full, XMLTREE_SEPARATOR);

	if (split != NULL && is_core_name(split + 1))
		return NULL;
	struct xml_attr *attr = arena_alloc(arena, sizeof(*attr));

	attr->ns = split == NULL ? NULL : arena_strndup(arena, full, (size_t)(split - full));
	attr->name = arena_strdup(arena, split == NULL ? full : split + 1);
	attr->value = arena_strdup(arena, value);
	return attr;
}

static bool
same_text(const char *text, const char *bytes, size_t len)
{
	return strncmp(text, bytes, len) == 0 && text[len] == '\0';
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
	if (parent != NULL && same_text(parent->ns, full, ns_len))
		node->ns = parent->ns;
	else
		node->ns = arena_strndup(tree->arena, full, ns_len);
	for (; attrs[0] != NULL; attrs += 2) {
		*tail = attr_new(tree->arena, attrs[0], attrs[1]);
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
