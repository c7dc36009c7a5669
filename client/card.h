/*
 * card.h -- contact cards: keys handed from person to person, so that a first message can be written without
 * any network.
 *
 * A card holds bare JIDs, the relay, an optional courier key fingerprint, and for each device of ours that it
 * speaks for: identity key, signed prekey and signature, and one-time prekeys that were never published
 * anywhere; signed by the identity key over "lazo card 1" and the bytes. Three forms of the same bytes: the
 * file, armored text that survives chat programs, mail and SMS, and QR parts of at most CARD_QR_PART bytes.
 *
 * Whoever reads a card bounds everything before taking memory; a card that is not whole, not signed or names
 * us is refused. DIAGNOSTICS: enum card_error, words by card_error_word().
 */
#ifndef CLIENT_CARD_H
#define CLIENT_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/db/device.h"
#include "client/omemo/omemo.h"
#include "proto/buf.h"

struct arena;
struct db;

enum { CARD_MAX = 8192, CARD_QR_PART = 440, CARD_QR_PREKEYS = 5, CARD_FILE_PREKEYS = 20, CARD_QR_PARTS = 32 };

enum card_error {
	CARD_OK,
	CARD_NOT_A_CARD,   /* "not-a-card" */
	CARD_DAMAGED,      /* "damaged": checksum, or cut short */
	CARD_FORGED,       /* "forged": the signature does not hold */
	CARD_NEWER,        /* "newer": made by a newer program */
	CARD_MISSING_PART, /* "missing-part": some QR parts are not here */
	CARD_OWN,          /* "own": our own account's */
	CARD_CHANGED_KEY,  /* "changed-key": names a known device with another identity key; that device is
			      stopped */
	CARD_FAILED,       /* the database */
	CARD_ERRORS
};
const char *card_error_word(enum card_error error);

/* Take `prekeys` keys out of the reserve for one card, sign. Own transaction. The bytes are the file's. */
/* `also`: further addresses of ours that it names, at most 7. */
enum card_error card_make_naming(struct db *db, struct omemo *omemo, const char *const *also, size_t also_count,
				 const char *relay, unsigned prekeys, int64_t now, struct buf *bytes_r);
enum card_error card_make(struct db *db, struct omemo *omemo, int64_t account, const char *relay,
			  unsigned prekeys, int64_t now, struct buf *bytes_r);

/* Forms. */
void card_armor(struct buf *out, const void *bytes, size_t len);
size_t card_qr_parts(struct arena *arena, const void *bytes, size_t len,
		     const char ***texts_r); /* alphanumeric texts */

/* From any form: file bytes, text that holds an armored card or all QR parts' texts (one a line, any order),
 * with whatever else is around it. bytes_r: the file's bytes. */
enum card_error card_find(const void *input, size_t len, struct buf *bytes_r);

struct card_info {
	const char *jid; /* bare, of the first address */
	size_t jids;
	const char *const *jid_list;
	const char *relay;
	uint32_t device;
	uint8_t identity[IDENTITY_LEN];
	size_t prekeys;
	int64_t made;
	bool joined; /* card_import(): the further addresses became contacts, of one person with the first */
};
enum card_error card_read(struct arena *arena, const void *bytes, size_t len,
			  struct card_info *info_r); /* checks the signature */
/* Keep its keys: the contact, the device, a bundle never used. verified: the person says it was handed over
 * in person. Its further addresses are joined to the first by that, or by a signing key that was verified
 * before; a card alone joins nothing, else anyone could name somebody else's address as his own. */
enum card_error card_import(struct db *db, struct omemo *omemo, struct arena *arena, int64_t account,
			    const void *bytes, size_t len, bool verified, int64_t now,
			    struct card_info *info_r);

#endif
