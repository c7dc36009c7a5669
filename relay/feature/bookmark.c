/* feature/bookmark.c -- a bookmark of a room, read and written in both forms: see bookmark.h. */
#include "config.h"

#include "relay/feature/bookmark.h"

#include <stddef.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/form.h"
#include "proto/jid.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlout.h"

static bool
read(struct arena *arena, const char *jid, const struct xml *conference, struct bookmark *bookmark)
{
	const char *autojoin = xml_attr(conference, "autojoin");
	struct jid room;

	if (!jid_parse_text(arena, jid, &room) || room.resource != NULL)
		return false;
	*bookmark =
	    (struct bookmark){ .room = jid_text(arena, &room),
			       .id = jid_text(arena, &room),
			       .name = xml_attr(conference, "name"),
			       .nick = xml_child_text(arena, conference, "nick", conference->ns),
			       .password = xml_child_text(arena, conference, "password", conference->ns),
			       .autojoin = autojoin != NULL && form_bool(autojoin) == 1 };
	return true;
}

static bool
has_foreign(const struct xml *parent, const char *ns)
{
	for (const struct xml *child = xml_first(parent); child != NULL; child = xml_next(child, NULL, NULL))
		if (strcmp(child->ns, ns) != 0)
			return true;
	return false;
}

bool
bookmark_read_item(struct arena *arena, const char *id, const struct xml *conference,
		   struct bookmark *bookmark_r)
{
	const struct xml *extensions;

	if (!xml_is(conference, "conference", NS_BOOKMARKS) || !read(arena, id, conference, bookmark_r))
		return false;
	bookmark_r->id = arena_strdup(arena, id);
	extensions = xml_find(conference, "extensions", NS_BOOKMARKS);
	if (extensions != NULL && has_foreign(extensions, NS_BOOKMARKS))
		bookmark_r->extra = extensions;
	return true;
}

bool
bookmark_read_old(struct arena *arena, const struct xml *conference, struct bookmark *bookmark_r)
{
	if (!xml_is(conference, "conference", NS_BOOKMARKS_OLD) ||
	    !read(arena, xml_attr(conference, "jid"), conference, bookmark_r))
		return false;
	if (has_foreign(conference, NS_BOOKMARKS_OLD))
		bookmark_r->extra = conference;
	return true;
}

static void
add_extra(struct arena *arena, struct xml *parent, const struct bookmark *bookmark)
{
	const struct xml *extra = bookmark->extra;

	for (const struct xml *child = extra == NULL ? NULL : xml_first(extra); child != NULL;
	     child = xml_next(child, NULL, NULL))
		if (strcmp(child->ns, extra->ns) != 0)
			xml_append(parent, xml_copy(arena, child));
}

static void
write(struct arena *arena, struct xml *conference, const struct bookmark *bookmark)
{
	xml_set(arena, conference, "name", bookmark->name);
	xml_set(arena, conference, "autojoin", bookmark->autojoin ? "true" : "false");
	if (bookmark->nick != NULL)
		xml_add_leaf(arena, conference, "nick", NULL, bookmark->nick);
	if (bookmark->password != NULL)
		xml_add_leaf(arena, conference, "password", NULL, bookmark->password);
}

struct xml *
bookmark_item(struct arena *arena, const struct bookmark *bookmark)
{
	struct xml *conference = xml_new(arena, "conference", NS_BOOKMARKS);

	write(arena, conference, bookmark);
	if (bookmark->extra != NULL)
		add_extra(arena, xml_add(arena, conference, "extensions", NULL), bookmark);
	return conference;
}

void
bookmark_add_old(struct arena *arena, struct xml *storage, const struct bookmark *bookmark)
{
	struct xml *conference = xml_add(arena, storage, "conference", NS_BOOKMARKS_OLD);

	xml_set(arena, conference, "jid", bookmark->room);
	write(arena, conference, bookmark);
	add_extra(arena, conference, bookmark);
}

static bool
same_text(const char *a, const char *b)
{
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

static bool
same_extra(struct arena *arena, const struct bookmark *a, const struct bookmark *b)
{
	const struct bookmark *both[] = { a, b };
	struct buf texts[2] = { { 0 } };
	bool same;

	for (size_t i = 0; i < 2; i++) {
		struct xml *box = xml_new(arena, "x", "");
		add_extra(arena, box, both[i]);
		xmlout(&texts[i], box, NULL);
	}
	same = strcmp(texts[0].data, texts[1].data) == 0;
	buf_free(&texts[0]);
	buf_free(&texts[1]);
	return same;
}

bool
bookmark_same(struct arena *arena, const struct bookmark *a, const struct bookmark *b)
{
	return same_text(a->room, b->room) && same_text(a->name, b->name) && same_text(a->nick, b->nick) &&
	       same_text(a->password, b->password) && a->autojoin == b->autojoin &&
	       (a->extra == NULL || b->extra == NULL || same_extra(arena, a, b));
}
