/* peer/seal-private.h -- what seal.c and seal_key.c share. */
#ifndef RELAY_PEER_SEAL_PRIVATE_H
#define RELAY_PEER_SEAL_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

struct seal_pin {
	X509 *certificate; /* owned */
};
struct seal_key {
	EVP_PKEY *key;     /* owned */
	struct seal_pin pin;
};

/* Are these bytes built as seal() builds them, each field that is not different every time with the value that it has there? */
bool seal_has_shape(const void *der, size_t der_len);

#endif
