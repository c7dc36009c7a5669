/*
 * link_tree.h -- from libstrophe's tree of an element to proto's, at once, so that no type of the library stands above the link.
 * The library has dropped the namespaces of attributes by then. NULL: nested or attributed beyond all use.
 */
#ifndef CLIENT_LINK_TREE_H
#define CLIENT_LINK_TREE_H

#include <strophe.h>

struct arena;
struct xml;

struct xml *link_tree(struct arena *arena, xmpp_stanza_t *from);

#endif
