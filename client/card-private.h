/*
 * card-private.h -- the card's bytes: what card.c and armor.c share.
 *
 *     8f "LAZO" 01                                 magic (no text begins so), version
 *     type(1) length(2, big endian) value ...      records; an unknown type below 128 means a newer card
 *     signature(64)                                XEdDSA by the identity key over "lazo card 1" and all
 * before it check(4)                                     first bytes of SHA-256 over all before it
 */
#ifndef CLIENT_CARD_PRIVATE_H
#define CLIENT_CARD_PRIVATE_H

#include <stdint.h>
#include "client/card.h"
#include "client/db/bundle.h"

enum { CARD_MAGIC_LEN = 6, CARD_CHECK_LEN = 4, CARD_JIDS = 8, CARD_TEXT_MAX = 1024, CARD_PREKEYS = 100 };

#define CARD_MAGIC "\x8fLAZO\x01"

/* The first bytes of SHA-256: damage, not forgery. */
void card_check(const void *bytes, size_t len, uint8_t out[static CARD_CHECK_LEN]);

struct card {
	struct card_info info;
	const char *jids[CARD_JIDS];
	struct bundle keys;
};
/* Everything but the signature of a device's owner being known: form, bounds, check, signature. For card.c
 * and its fuzzer. */
enum card_error card_parse(struct arena *arena, const uint8_t *bytes, size_t len, struct card *card_r);

#endif
