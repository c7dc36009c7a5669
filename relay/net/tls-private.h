/*
 * net/tls-private.h -- what io.c needs of tls.c; nothing above net/ includes this.
 */
#ifndef RELAY_NET_TLS_PRIVATE_H
#define RELAY_NET_TLS_PRIVATE_H

#include <openssl/ssl.h>
#include "relay/net/tls.h"

/* A server's session on a connected non-blocking fd. alpn: static text or NULL (whatever the peer offers is ignored).
 * NULL: OpenSSL would not. */
SSL *tls_session(struct tls *tls, int fd, const char *alpn);
/* A client's: `name` in A-form for SNI. */
SSL *tls_client_session(struct tls *tls, int fd, const char *name, const char *alpn);
/* tls_peer.c: does the other end's certificate prove that it is `domain` (U-form, canonical)? With a pin ("sha256:" and hex) its key
 * decides alone. *why_r: a static sentence. */
bool tls_peer_proves(SSL *ssl, const char *domain, const char *pin, const char **why_r);
/* RFC 5929 section 4: hash of the certificate; 0 when its signature has no hash of its own (Ed25519). */
size_t tls_end_point(const struct tls *tls, uint8_t out[static 64]);
/* OpenSSL's oldest waiting error in words; empties its list. Never NULL. */
const char *tls_reason(void);
/* Ends the process when OpenSSL cannot find what every session needs: it never looks again. */
void tls_must_be_whole(void);

#endif
