/*
 * feature/caps_announcement.c -- what a presence's <c/> says: see caps_announcement.h.
 */
#include "config.h"

#include "relay/feature/caps_announcement.h"

#include <stddef.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/xml.h"
#include "relay/feature/caps_hash.h"

enum { ATTR_MAX = 512 }; /* bytes of node and ver that are worth keeping */

bool
caps_announcement_read(struct arena *arena, const char *session, const struct xml *c,
		       struct caps_announcement *out)
{
	const char *hash = xml_attr(c, "hash"), *ver = xml_attr(c, "ver"), *node = xml_attr(c, "node");
	enum digest kind;

	if (ver == NULL || node == NULL || strlen(ver) > ATTR_MAX || strlen(node) > ATTR_MAX ||
	    strchr(ver, '\n') != NULL)
		return false;
	out->node_ver = arena_printf(arena, "%s#%s", node, ver);
	out->own = arena_printf(arena, "\n%s\n%s", session, out->node_ver);
	out->key = hash != NULL && caps_hash_kind(hash, &kind)
		       ? arena_printf(arena, "%s\n%s\n%s", hash, ver, node)
		       : out->own;
	return true;
}

bool
caps_key_verified(struct arena *arena, const char *key, const struct xml *query)
{
	const char *ver = strchr(key, '\n'), *end = ver != NULL ? strchr(ver + 1, '\n') : NULL;
	char hash[CAPS_HASH_MAX];
	enum digest kind;

	if (end == NULL || !caps_hash_kind(arena_strndup(arena, key, (size_t)(ver - key)), &kind))
		return false;
	ver++;
	return caps_hash(arena, query, kind, hash) && strlen(hash) == (size_t)(end - ver) &&
	       memcmp(hash, ver, strlen(hash)) == 0;
}
