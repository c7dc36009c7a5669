/*
 * feature/caps_hash.h -- the verification string of entity capabilities (XEP-0115 1.6.0 section 5). Pure.
 */
#ifndef RELAY_FEATURE_CAPS_HASH_H
#define RELAY_FEATURE_CAPS_HASH_H

#include <stdbool.h>
#include "proto/digest.h"

enum { CAPS_HASH_MAX = 92 }; /* base64 of the longest digest, with its NUL, rounded up */

struct arena;
struct xml;

/* Of a disco#info <query/>. False: ill-formed (5.4: said twice, or a value that the string's own separators
 * would let pass for another), must not be believed for others. */
bool caps_hash(struct arena *arena, const struct xml *query, enum digest kind,
	       char out[static CAPS_HASH_MAX]);

/* The hash attribute's name; false: one that we cannot check. */
bool caps_hash_kind(const char *name, enum digest *kind_r);

#endif
