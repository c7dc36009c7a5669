/*
 * bundle.h -- kept bundles: what it takes to write a first message to a device, published ones and those of
 * contact cards.
 *
 * A one-time prekey is used once: bundle_choose() takes it out in the caller's transaction.
 */
#ifndef CLIENT_DB_BUNDLE_H
#define CLIENT_DB_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/db/device.h"

enum { SIGNATURE_LEN = 64, PREKEY_PUBLIC_LEN = 33, BUNDLE_PREKEYS = 200 /* kept of one bundle at most */ };

enum bundle_source { BUNDLE_PUBLISHED, BUNDLE_CARD };

struct bundle_prekey {
	uint32_t id;
	uint8_t key[PREKEY_PUBLIC_LEN];
};

struct bundle {
	enum bundle_source source;
	int64_t fetched;
	uint8_t identity[IDENTITY_LEN];
	uint32_t signed_id;
	uint8_t signed_key[PREKEY_PUBLIC_LEN];
	uint8_t signature[SIGNATURE_LEN];
	size_t count;
	struct bundle_prekey prekeys[BUNDLE_PREKEYS];
};

/* In a transaction. Replaces the one from the same source. */
void bundle_put(struct db *db, int64_t account, const char *jid, uint32_t device,
		const struct bundle *bundle);
/* The best bundle there is: a card's with keys that nobody else has, then the published one. *prekey_r is one
 * of its one-time prekeys, taken out; false in *has_r when it has none. False: no bundle. */
bool bundle_choose(struct db *db, int64_t account, const char *jid, uint32_t device, struct bundle *bundle_r,
		   bool *has_r, struct bundle_prekey *prekey_r);

#endif
