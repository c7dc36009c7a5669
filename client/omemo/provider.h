/*
 * provider.h -- the ratchet library's crypto provider over OpenSSL, and its context.
 */
#ifndef CLIENT_OMEMO_PROVIDER_H
#define CLIENT_OMEMO_PROVIDER_H

#include <signal_protocol.h>

struct provider; /* algorithms fetched once, and the lock the library asks for */

/* NULL: OpenSSL lacks an algorithm (a broken installation). */
struct provider *provider_new(void);
void provider_free(struct provider **provider);
signal_context *provider_context(struct provider *provider);

#endif
