/*
 * peer/border.c -- see border.h.
 */
#include "config.h"

#include "relay/peer/border.h"

#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlout.h"

/* Trees are at most 64 deep (xmlin.h). */
static void
rename_all(struct xml *node, const char *from, const char *to)
{
	if (node->name == NULL || strcmp(node->ns, from) != 0)
		return;
	node->ns = to;
	for (struct xml *child = node->first; child != NULL; child = child->next)
		rename_all(child, from, to);
}

void
border_in(struct xml *stanza)
{
	rename_all(stanza, NS_SERVER, NS_CLIENT);
}

void
border_out(struct buf *out, const struct xml *stanza)
{
	struct arena *arena = arena_new();
	struct xml *copy = xml_copy(arena, stanza);

	rename_all(copy, NS_CLIENT, NS_SERVER);
	xmlout(out, copy, NS_SERVER);
	arena_free(&arena);
}
