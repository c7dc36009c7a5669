/*
 * feature/avatar_image.c -- pictures by their bytes and their hash: see avatar_image.h.
 */
#include "config.h"

#include "relay/feature/avatar_image.h"

#include <ctype.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/xml.h"

enum { TYPE_MOST = 100 };

static const struct {
	const char *magic;
	size_t at, len;
	const char *type;
} types[] = {
	{ "\x89PNG\r\n\x1a\n", 0, 8, "image/png" },
	{ "\xff\xd8\xff", 0, 3, "image/jpeg" },
	{ "GIF8", 0, 4, "image/gif" },
	{ "WEBP", 8, 4, "image/webp" },
};

static const char *
type_of(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (len >= types[i].at + types[i].len &&
		    memcmp(bytes + types[i].at, types[i].magic, types[i].len) == 0)
			return types[i].type;
	return NULL;
}

bool
avatar_type_valid(const char *type)
{
	const char *slash = strchr(type, '/');

	if (slash == NULL || slash == type || slash[1] == '\0' || strlen(type) > TYPE_MOST)
		return false;
	for (const char *at = type; *at != '\0'; at++)
		if (at != slash && !isalnum((unsigned char)*at) && strchr("+-.", *at) == NULL)
			return false;
	return true;
}

bool
avatar_image_read(struct arena *arena, const char *text, struct avatar_image *image_r)
{
	size_t len = strlen(text), kept = 0;
	char *base64 = arena_alloc(arena, len + 1);
	uint8_t *bytes = arena_alloc(arena, len / 4 * 3 + 3), hash[SHA1_LEN];
	long count;

	for (size_t i = 0; i < len; i++)
		if (strchr(" \t\r\n", text[i]) == NULL)
			base64[kept++] = text[i];
	count = base64_decode(bytes, base64, kept);
	if (count <= 0)
		return false;
	*image_r = (struct avatar_image){ .base64 = base64,
					  .bytes = (size_t)count,
					  .type = type_of(bytes, (size_t)count) };
	digest(DIGEST_SHA1, bytes, (size_t)count, hash);
	hex_encode(image_r->id, hash, sizeof hash);
	return true;
}

static bool
is_hash(const char *text)
{
	uint8_t hash[SHA1_LEN];

	return text != NULL && hex_decode(hash, text, sizeof hash);
}

const char *
avatar_of_metadata(struct arena *arena, const struct xml *metadata)
{
	const char *type;

	if (metadata == NULL || !xml_is(metadata, "metadata", NS_AVATAR))
		return NULL;
	for (const struct xml *info = xml_find(metadata, "info", NS_AVATAR); info != NULL;
	     info = xml_next(info, "info", NS_AVATAR)) {
		if (xml_attr(info, "url") != NULL || !is_hash(xml_attr(info, "id")))
			continue;
		type = xml_attr(info, "type");
		return arena_printf(arena, "%s %s", xml_attr(info, "id"),
				    type != NULL && avatar_type_valid(type) ? type : "image/png");
	}
	return NULL;
}

/* XEP-0398 4: a photo element that is empty is the client's own will; everything else is ours to say. */
void
avatar_stamp(struct arena *arena, struct xml *presence, const char *avatar)
{
	struct xml *x = xml_find(presence, "x", NS_VCARD_UPDATE), *photo, *more;

	if (x != NULL && (photo = xml_find(x, "photo", NS_VCARD_UPDATE)) != NULL) {
		if (*xml_text(arena, photo) == '\0' || avatar == NULL)
			return;
	} else if (x == NULL && avatar == NULL) {
		return;
	}
	for (; x != NULL;
	     x = more) { /* one said twice would be read by some as the first, by others as the last */
		more = xml_next(x, "x", NS_VCARD_UPDATE);
		xml_remove(presence, x);
	}
	x = xml_add(arena, presence, "x", NS_VCARD_UPDATE);
	photo = xml_add(arena, x, "photo", NULL);
	if (avatar != NULL)
		xml_add_text(arena, photo, avatar, strcspn(avatar, " "));
}
