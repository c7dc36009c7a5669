/*
 * peer/seal.h -- what two relays say to each other through a carrier's hands: signed by one, readable to the other (design 3.6,
 * proto/spec/courier.md 7).
 *
 * A relay has a courier key: P-256, with a self-signed certificate that nobody's authority has to vouch for. Another relay pins it.
 * Sealed is AuthEnvelopedData (RFC 5083; AES-256-GCM, RFC 5084; an ephemeral key agreed with the recipient's, RFC 5753, SHA-256)
 * around SignedData (RFC 5652; ECDSA with SHA-256). Signer and recipient are named by key identifiers; no certificate is inside.
 *
 * Promises: seal_open() gives bytes only after tag and signature hold, for exactly one recipient, who is us, and exactly one signer,
 * whose pin it names. It never looks at a certificate that came along. Never keeps a private key beyond its struct, cleansed when freed.
 */
#ifndef RELAY_PEER_SEAL_H
#define RELAY_PEER_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/buf.h"

enum { SEAL_FINGERPRINT_LEN = 7 + 64 /* "sha256:" and hex digits, of the public key (SPKI) */ };

struct seal_key; /* ours: private key and certificate */
struct seal_pin; /* another's certificate, or our own's public side */

/* now: ms. The certificate names the domain (id-on-xmppAddr, RFC 6120 13.7.1.4) and does not expire: a pin ends by being replaced. */
struct seal_key *seal_key_make(const char *domain, int64_t now);
/* Both PEM blocks. NULL: *error_r says why. */
struct seal_key *seal_key_read(const char *pem, size_t len, const char **error_r);
void seal_key_write(const struct seal_key *key, struct buf *pem); /* secret: cleanse it */
void seal_key_free(struct seal_key **key);
const struct seal_pin *seal_key_pin(const struct seal_key *key);  /* borrowed */

/* One PEM certificate; anything that is no courier's is refused: *error_r says why. */
struct seal_pin *seal_pin_read(const char *pem, size_t len, const char **error_r);
void seal_pin_write(const struct seal_pin *pin, struct buf *pem);
/* The certificate alone, as it travels over a stream. */
struct seal_pin *seal_pin_read_der(const void *der, size_t len, const char **error_r);
void seal_pin_write_der(const struct seal_pin *pin, struct buf *der);
void seal_pin_free(struct seal_pin **pin);
void seal_pin_fingerprint(const struct seal_pin *pin, char out[static SEAL_FINGERPRINT_LEN + 1]);
bool seal_pin_same(const struct seal_pin *a, const struct seal_pin *b);   /* the same public key */
bool seal_pin_names(const struct seal_pin *pin, const char *domain);      /* its certificate is for this domain */

void seal(const struct seal_key *from, const struct seal_pin *to, const void *plain, size_t len, struct buf *sealed);

enum seal_outcome {
	SEAL_OPENED,
	SEAL_OTHERS,  /* for a key that is none of ours */
	SEAL_UNKNOWN, /* for us; by a signer whom none of the pins is */
	SEAL_FORGED,  /* or damaged: no seal of this form, or it does not hold */
};
/* keys: ours, the old ones too. pins: of those whom we believe. signer_r: which of them. */
enum seal_outcome seal_open(struct seal_key *const *keys, size_t key_count, struct seal_pin *const *pins, size_t pin_count,
    const void *sealed, size_t len, struct buf *plain, size_t *signer_r);

#endif
