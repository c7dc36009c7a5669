/* link_tree.c -- libstrophe's element as one of ours: see link_tree.h. */
#include "config.h"

#include "client/link_tree.h"

#include <string.h>

#include "proto/arena.h"
#include "proto/xml.h"

enum {
	DEPTH_MAX = 64,      /* of elements in elements */
	ATTRIBUTES_MAX = 64, /* of one element */
};

static bool
copy_attributes(struct arena *arena, struct xml *node, xmpp_stanza_t *from)
{
	const char *pairs[2 * (ATTRIBUTES_MAX + 1)];
	int count = xmpp_stanza_get_attribute_count(from);

	if (count > ATTRIBUTES_MAX)
		return false;
	count = xmpp_stanza_get_attributes(from, pairs, 2 * count);
	for (int i = 0; i + 1 < count; i += 2)
		if (strcmp(pairs[i], "xmlns") != 0)
			xml_set(arena, node, pairs[i], pairs[i + 1]);
	return true;
}

static bool copy_children(struct arena *arena, struct xml *node, xmpp_stanza_t *from, int depth);

static bool
copy_child(struct arena *arena, struct xml *parent, xmpp_stanza_t *from, int depth)
{
	const char *text, *ns;
	struct xml *node;

	if (xmpp_stanza_is_text(from)) {
		text = xmpp_stanza_get_text_ptr(from);
		if (text != NULL)
			xml_add_text(arena, parent, text, strlen(text));
		return true;
	}
	if (depth >= DEPTH_MAX || xmpp_stanza_get_name(from) == NULL)
		return false;
	ns = xmpp_stanza_get_ns(from);
	node = xml_add(arena, parent, xmpp_stanza_get_name(from), ns != NULL ? ns : "");
	return copy_attributes(arena, node, from) && copy_children(arena, node, from, depth);
}

static bool
copy_children(struct arena *arena, struct xml *node, xmpp_stanza_t *from, int depth)
{
	for (xmpp_stanza_t *child = xmpp_stanza_get_children(from); child != NULL; child = xmpp_stanza_get_next(child))
		if (!copy_child(arena, node, child, depth + 1))
			return false;
	return true;
}

struct xml *
link_tree(struct arena *arena, xmpp_stanza_t *from)
{
	const char *ns = xmpp_stanza_get_ns(from);
	struct xml *node = xml_new(arena, xmpp_stanza_get_name(from), ns != NULL ? ns : "");

	return copy_attributes(arena, node, from) && copy_children(arena, node, from, 0) ? node : NULL;
}
