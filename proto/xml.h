/*
 * xml.h -- the tree of one stanza, and how to build and read it.
 *
 * Nodes live in an arena and are never freed singly. Element names carry their namespace; prefixes do not survive
 * parsing. Attributes without prefix have ns NULL; a prefixed attribute keeps its namespace and can never be
 * mistaken for a core one (xml_attr looks only at ns NULL).
 */
#ifndef PROTO_XML_H
#define PROTO_XML_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

struct xml_attr {
	struct xml_attr *next;
	const char *ns; /* NULL: no prefix. The xml: prefix is "http://www.w3.org/XML/1998/namespace". */
	const char *name;
	const char *value;
};

struct xml {
	struct xml *next;  /* sibling */
	struct xml *first; /* children, elements and text mixed */
	struct xml *last;
	const char *name; /* NULL: a text node */
	const char *ns;   /* never NULL in an element; "" for none */
	const char *text; /* of a text node; NUL-terminated, len counts */
	size_t len;
	struct xml_attr *attrs;
};

/* Build. All strings are copied into the arena. xml_add makes a child element; ns NULL inherits the parent's. */
struct xml *xml_new(struct arena *arena, const char *name, const char *ns);
struct xml *xml_add(struct arena *arena, struct xml *parent, const char *name, const char *ns);
struct xml *xml_add_leaf(struct arena *arena, struct xml *parent, const char *name, const char *ns,
    const char *text); /* child with text; text NULL: none */
void xml_add_text(struct arena *arena, struct xml *parent, const char *text, size_t len); /* len 0: no node */
void xml_append(struct xml *parent, struct xml *child); /* child must live as long; it must have no sibling yet */
void xml_set(struct arena *arena, struct xml *node, const char *name, const char *value); /* value NULL removes */
void xml_setf(struct arena *arena, struct xml *node, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void xml_remove(struct xml *parent, struct xml *child);
struct xml *xml_copy(struct arena *arena, const struct xml *node); /* deep; not recursive in the C stack beyond 64 */

/* Read. All results are borrowed. ns NULL in a search means any namespace; name NULL any name. */
const char *xml_attr(const struct xml *node, const char *name); /* NULL: absent */
const char *xml_attr_ns(const struct xml *node, const char *name, const char *ns);
struct xml *xml_find(const struct xml *node, const char *name, const char *ns); /* first such child element */
struct xml *xml_next(const struct xml *child, const char *name, const char *ns); /* next such sibling element */
struct xml *xml_first(const struct xml *node);                                  /* first child element or NULL */
bool xml_is(const struct xml *node, const char *name, const char *ns);
const char *xml_text(struct arena *arena, const struct xml *node);              /* all direct text, "" if none */
const char *xml_child_text(struct arena *arena, const struct xml *node, const char *name,
    const char *ns); /* NULL: no such child */

#endif
