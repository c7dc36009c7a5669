/*
 * feature/avatar_image.h -- pictures as they come in vCards and pubsub items: base64 in, hash out. Pure;
 * nothing looks inside a picture beyond the first bytes that tell its type.
 */
#ifndef RELAY_FEATURE_AVATAR_IMAGE_H
#define RELAY_FEATURE_AVATAR_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/digest.h"

struct arena;
struct xml;

struct avatar_image {
	const char *base64;        /* without white space; the arena's */
	size_t bytes;              /* decoded */
	char id[2 * SHA1_LEN + 1]; /* SHA-1, lower case hexadecimal (XEP-0084 4.1) */
	const char *type;          /* by its first bytes; NULL: not known */
};

/* Base64 with line feeds (XEP-0084 4.2.1: must be accepted). False: none, or empty. */
bool avatar_image_read(struct arena *arena, const char *text, struct avatar_image *image_r);
/* The <info/> of XEP-0084 metadata whose picture is in the data node: "SHA-1 type" (arena's), or NULL. */
const char *avatar_of_metadata(struct arena *arena, const struct xml *metadata);
/* A type that may stand in an attribute: type/subtype of letters, digits and +-. */
bool avatar_type_valid(const char *type);

/* What a presence says of the picture (XEP-0398 4). avatar: "SHA-1 type", NULL: there is none. */
void avatar_stamp(struct arena *arena, struct xml *presence, const char *avatar);

#endif
