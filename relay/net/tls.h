/*
 * net/tls.h -- server identities and the policy of TLS: 1.2 and 1.3, no renegotiation, compression, early data or session cache,
 * one ticket, RELEASE_BUFFERS (attack T3; RFC 7590). <openssl/ssl.h> is included in net/ only.
 */
#ifndef RELAY_NET_TLS_H
#define RELAY_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls; /* a loaded certificate and key, shared by connections, counted */

/* alpn: "xmpp-client" or "xmpp-server" for direct TLS (XEP-0368), accepted when the peer offers it; a peer that offers
 * only others is refused. A key file readable by others than its owner and group is refused. NULL: *error_r (malloc'd) says what to mend. */
struct tls *tls_load(const char *certificate, const char *key, char **error_r);
/* For streams between relays: one identity for both directions. The other's certificate is asked for; its chain is held against the
 * system's authorities and those in the files of `trust`, and the handshake goes on whatever it is: io_tls_proves() tells. */
struct tls *tls_load_peer(const char *certificate, const char *key, char *const *trust, size_t trust_count,
    char **error_r);
struct tls *tls_ref(struct tls *tls);
void tls_unref(struct tls **tls);
int64_t tls_expires(const struct tls *tls); /* ms since 1970 */

#endif
