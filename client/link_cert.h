/*
 * link_cert.h -- what the peer's certificate says, over libcrypto.
 *
 * A pin is the SHA-256 of the certificate's SubjectPublicKeyInfo (RFC 7469 2.4; the "3 1 1" of DANE): it names the
 * key, so it survives the renewal of a certificate that keeps its key. Written sha256: and 64 hex digits.
 */
#ifndef CLIENT_LINK_CERT_H
#define CLIENT_LINK_CERT_H

#include <stdbool.h>
#include <stdint.h>
#include "client/fault.h"
#include "proto/digest.h"

enum { PIN_TEXT_LEN = 7 + 2 * SHA256_LEN };

/* "sha256:" may be left out; colons between digits and capitals are accepted. False: not a pin. */
bool cert_pin_parse(const char *text, uint8_t pin_r[static SHA256_LEN]);
void cert_pin_text(char out[static PIN_TEXT_LEN + 1], const uint8_t pin[static SHA256_LEN]);

/* The pin of a certificate in PEM. */
bool cert_pin(const char *pem, uint8_t pin_r[static SHA256_LEN]);

/* Which fault an OpenSSL verification text (X509_verify_cert_error_string) means. */
enum fault cert_fault(const char *reason);

#endif
