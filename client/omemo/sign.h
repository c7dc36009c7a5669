/*
 * sign.h -- what contact cards need of this device: its keys from the reserve, and signatures by identity
 * keys.
 */
#ifndef CLIENT_OMEMO_SIGN_H
#define CLIENT_OMEMO_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/db/bundle.h"

struct omemo;

/* Own identity and signed prekey, and `count` one-time prekeys taken out of the reserve for one card (made
 * when there are too few). In a transaction. */
bool omemo_card_keys(struct omemo *omemo, size_t count, int64_t now, struct bundle *bundle_r);
/* Keep what a card brought, as omemo_take_bundle does; the card's signature was checked by the caller. */
enum omemo_card {
	OMEMO_CARD_OK,
	OMEMO_CARD_BAD,     /* a key is no key, or the signed prekey's signature does not hold */
	OMEMO_CARD_CHANGED, /* another identity key for a known device: stopped */
};
enum omemo_card omemo_take_card(struct omemo *omemo, const char *jid, uint32_t device,
				const struct bundle *bundle, int64_t now);

bool omemo_sign(struct omemo *omemo, const void *bytes, size_t len,
		uint8_t signature_r[static SIGNATURE_LEN]);
/* Needs no account: cards are read before there is one. */
bool omemo_signature_holds(const uint8_t identity[static IDENTITY_LEN], const void *bytes, size_t len,
			   const uint8_t signature[static SIGNATURE_LEN]);

#endif
