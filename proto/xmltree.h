/*
 * xmltree.h -- the tree of one element while it is being read. For xmlin.c alone.
 */
#ifndef PROTO_XMLTREE_H
#define PROTO_XMLTREE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/buf.h"

struct arena;
struct xml;

struct xmltree {
	struct arena *arena; /* NULL between elements; the tree's owner gets it */
	size_t before;       /* bytes that were in use in it before the tree */
	struct open *open;   /* the innermost open element */
	struct open *spare;  /* records of elements that have ended, in the same arena */
	struct xml *root;
	struct buf text;       /* of the text node being read */
	size_t written;        /* bytes that xmlout will make of it, at most */
	const char *spaces[4]; /* namespaces met last, to be shared */
	unsigned next_space;
};

/* Between namespace and name in the names that are passed here. Not a character of XML, so that no name holds
 * one (attack X11). */
#define XMLTREE_SEPARATOR '\x01'

void xmltree_begin(struct xmltree *tree, struct arena *arena);
/* `attrs` alternates names and values and ends in NULL. Prefixed attributes with a core local name are left
 * out. */
void xmltree_open(struct xmltree *tree, const char *name, const char **attrs);
void xmltree_text(struct xmltree *tree, const char *bytes, size_t len);
void xmltree_close(struct xmltree *tree);
size_t xmltree_size(const struct xmltree *tree); /* bytes of memory */

/* The tree is whole: hand it over. */
struct arena *xmltree_take(struct xmltree *tree, struct xml **root_r);
/* Free what was not handed over. */
void xmltree_free(struct xmltree *tree);

#endif
