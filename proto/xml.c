/*
 * xml.c -- the tree of one stanza: see xml.h.
 *
 * A node is its parent's to find and the arena's to free. Nothing here recurses: how deep a tree is never
 * decides how much of the C stack is used.
 */
#include "config.h"

#include "proto/xml.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/mem.h"

struct xml *
xml_new(struct arena *arena, const char *name, const char *ns)
{
	struct xml *node = arena_alloc(arena, sizeof(*node));

	assert(name != NULL);
	node->name = arena_strdup(arena, name);
	node->ns = ns == NULL ? "" : arena_strdup(arena, ns);
	return node;
}

struct xml *
xml_add(struct arena *arena, struct xml *parent, const char *name, const char *ns)
{
	struct xml *node = arena_alloc(arena, sizeof(*node));

	assert(name != NULL);
	node->name = arena_strdup(arena, name);
	node->ns = arena_strdup(arena, ns == NULL ? parent->ns : ns);
	xml_append(parent, node);
	return node;
}

struct xml *
xml_add_leaf(struct arena *arena, struct xml *parent, const char *name, const char *ns, const char *text)
{
	struct xml *node = xml_add(arena, parent, name, ns);

	if (text != NULL)
		xml_add_text(arena, node, text, strlen(text));
	return node;
}

void
xml_add_text(struct arena *arena, struct xml *parent, const char *text, size_t len)
{
	if (len == 0)
		return;
	struct xml *node = arena_alloc(arena, sizeof(*node));

	node->text = arena_strndup(arena, text, len);
	node->len = len;
	xml_append(parent, node);
}

void
xml_append(struct xml *parent, struct xml *child)
{
	assert(child->next == NULL && child != parent && parent->name != NULL);
	if (parent->last == NULL)
		parent->first = child;
	else
		parent->last->next = child;
	parent->last = child;
}

void
xml_set(struct arena *arena, struct xml *node, const char *name, const char *value)
{
	struct xml_attr **at = &node->attrs;

	while (*at != NULL && ((*at)->ns != NULL || strcmp((*at)->name, name) != 0))
		at = &(*at)->next;
	if (value == NULL) {
		if (*at != NULL)
			*at = (*at)->next;
		return;
	}
	/* The value may be the very one that is replaced. */
	const char *copy = arena_strdup(arena, value);

	if (*at == NULL) {
		*at = arena_alloc(arena, sizeof(**at));
		(*at)->name = arena_strdup(arena, name);
	}
	(*at)->value = copy;
}

void
xml_setf(struct arena *arena, struct xml *node, const char *name, const char *format, ...)
{
	va_list args;
	char *text = NULL;

	va_start(args, format);
	int len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		text = xstrdup(""); /* only when there is no memory, and then this dies */
	xml_set(arena, node, name, text);
	free(text);
}

void
xml_remove(struct xml *parent, struct xml *child)
{
	struct xml *before = NULL;

	for (struct xml *at = parent->first; at != child; at = at->next) {
		assert(at != NULL);
		before = at;
	}
	if (before == NULL)
		parent->first = child->next;
	else
		before->next = child->next;
	if (parent->last == child)
		parent->last = before;
	child->next = NULL;
}

/* One node without children or siblings. */
static struct xml *
copy_one(struct arena *arena, const struct xml *node)
{
	struct xml *copy = arena_alloc(arena, sizeof(*copy));
	struct xml_attr **tail = &copy->attrs;

	if (node->name == NULL) {
		copy->text = arena_strndup(arena, node->text, node->len);
		copy->len = node->len;
		return copy;
	}
	copy->name = arena_strdup(arena, node->name);
	copy->ns = arena_strdup(arena, node->ns);
	for (const struct xml_attr *attr = node->attrs; attr != NULL; attr = attr->next) {
		*tail = arena_alloc(arena, sizeof(**tail));
		(*tail)->ns = attr->ns == NULL ? NULL : arena_strdup(arena, attr->ns);
		(*tail)->name = arena_strdup(arena, attr->name);
		(*tail)->value = arena_strdup(arena, attr->value);
		tail = &(*tail)->next;
	}
	return copy;
}

struct level {
	const struct xml *from; /* the next child to copy */
	struct xml *to;         /* its new parent */
};

struct xml *
xml_copy(struct arena *arena, const struct xml *node)
{
	struct xml *root = copy_one(arena, node);
	struct buf stack = { 0 };
	struct level level = { node->first, root };

	for (;;) {
		if (level.from == NULL) {
			if (stack.len == 0)
				break;
			stack.len -= sizeof(level);
			memcpy(&level, stack.data + stack.len, sizeof(level));
			continue;
		}
		const struct xml *from = level.from;
		struct xml *copy = copy_one(arena, from);

		xml_append(level.to, copy);
		level.from = from->next;
		if (from->first != NULL) {
			buf_add(&stack, &level, sizeof(level));
			level = (struct level){ from->first, copy };
		}
	}
	buf_free(&stack);
	return root;
}

const char *
xml_attr(const struct xml *node, const char *name)
{
	for (const struct xml_attr *attr = node->attrs; attr != NULL; attr = attr->next)
		if (attr->ns == NULL && strcmp(attr->name, name) == 0)
			return attr->value;
	return NULL;
}

const char *
xml_attr_ns(const struct xml *node, const char *name, const char *ns)
{
	if (ns == NULL)
		return xml_attr(node, name);
	for (const struct xml_attr *attr = node->attrs; attr != NULL; attr = attr->next)
		if (attr->ns != NULL && strcmp(attr->name, name) == 0 && strcmp(attr->ns, ns) == 0)
			return attr->value;
	return NULL;
}

bool
xml_is(const struct xml *node, const char *name, const char *ns)
{
	return node->name != NULL && (name == NULL || strcmp(node->name, name) == 0) &&
	       (ns == NULL || strcmp(node->ns, ns) == 0);
}

/* `node` or the first sibling after it that matches. */
static struct xml *
match_from(struct xml *node, const char *name, const char *ns)
{
	while (node != NULL && !xml_is(node, name, ns))
		node = node->next;
	return node;
}

struct xml *
xml_find(const struct xml *node, const char *name, const char *ns)
{
	return match_from(node->first, name, ns);
}

struct xml *
xml_next(const struct xml *child, const char *name, const char *ns)
{
	return match_from(child->next, name, ns);
}

struct xml *
xml_first(const struct xml *node)
{
	return match_from(node->first, NULL, NULL);
}

const char *
xml_text(struct arena *arena, const struct xml *node)
{
	const struct xml *only = NULL;
	size_t len = 0, count = 0;

	for (const struct xml *child = node->first; child != NULL; child = child->next) {
		if (child->name == NULL) {
			only = child;
			len += child->len;
			count++;
		}
	}
	if (count < 2)
		return count == 0 ? "" : only->text;

	char *text = arena_alloc(arena, len + 1), *end = text;

	for (const struct xml *child = node->first; child != NULL; child = child->next) {
		if (child->name == NULL && child->len > 0) {
			memcpy(end, child->text, child->len);
			end += child->len;
		}
	}
	return text;
}

const char *
xml_child_text(struct arena *arena, const struct xml *node, const char *name, const char *ns)
{
	const struct xml *child = xml_find(node, name, ns);

	return child == NULL ? NULL : xml_text(arena, child);
}
