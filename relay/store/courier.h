/*
 * store/courier.h -- courier keys and pins (proto/spec/courier.md 4): ours, and those of other relays as we believe them.
 *
 * Kept as PEM texts, as they were given: who asks reads them with relay/peer/seal.h. Of ours one is in use, the others open what was
 * sealed for them before. A domain has at most one pin, which nothing but OP_COURIER_PIN with its flag replaces; a different
 * certificate that the domain shows is kept beside it, for the operator to look at.
 * The operations are OP_COURIER_* (txn.h).
 */
#ifndef RELAY_STORE_COURIER_H
#define RELAY_STORE_COURIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum { COURIER_PINS_MOST = 10000 }; /* beyond, none is taken from a stream: strangers have many domains */

/* How a pin came. */
#define COURIER_HOW_STREAM "stream" /* the first that the domain showed on a stream proven by certificate */
#define COURIER_HOW_FILE "file"     /* the operator said so */

struct courier_key_row {
	const char *pem;       /* private key and certificate; overwritten behind the call */
	int64_t made, retired; /* ms; retired 0: in use */
};
struct courier_pin_row {
	const char *domain, *pem, *how;
	int64_t time;        /* ms */
	const char *offered; /* another certificate, PEM; NULL: none */
	int64_t offered_time;
};
typedef void read_courier_keys_fn(void *arg, bool failed, const struct courier_key_row *rows, size_t count);
typedef void read_courier_pins_fn(void *arg, bool failed, const struct courier_pin_row *rows, size_t count);

/* The one in use first, then from the newest on. */
void read_courier_keys(struct store *store, read_courier_keys_fn *fn, void *arg);
/* By domain; NULL: all. */
void read_courier_pins(struct store *store, const char *domain, read_courier_pins_fn *fn, void *arg);

#endif
