/*
 * feature/bookmark.h -- one bookmark of a room in its two forms: an item of its own (XEP-0402) and an element
 * of one document (XEP-0048). Pure; texts and trees are borrowed from what was read.
 */
#ifndef RELAY_FEATURE_BOOKMARK_H
#define RELAY_FEATURE_BOOKMARK_H

#include <stdbool.h>

struct arena;
struct xml;

struct bookmark {
	const char *room; /* bare JID, canonical */
	const char *id;   /* the item's id: the same, but for clients that wrote it in another form */
	const char *name, *nick, *password; /* NULL: none */
	bool autojoin;
	const struct xml
	    *extra; /* an element whose element children of other namespaces belong to it; NULL: none */
};

/* False: no bookmark of a room. */
bool bookmark_read_item(struct arena *arena, const char *id, const struct xml *conference,
			struct bookmark *bookmark_r);
bool bookmark_read_old(struct arena *arena, const struct xml *conference, struct bookmark *bookmark_r);
struct xml *bookmark_item(struct arena *arena, const struct bookmark *bookmark);
void bookmark_add_old(struct arena *arena, struct xml *storage, const struct bookmark *bookmark);
/* Do they say the same? Of what the older form leaves out (extra) nothing is said. */
bool bookmark_same(struct arena *arena, const struct bookmark *a, const struct bookmark *b);

#endif
