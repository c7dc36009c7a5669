/*
 * ctl/peers.h -- what is known of other relays, from the database, the configuration and the running relay together.
 */
#ifndef RELAY_CTL_PEERS_H
#define RELAY_CTL_PEERS_H

#include "relay/ctl/ctl.h"

/* By domain, an object each: domain, state (up, trying, waiting, idle), known, seen, waiting, bytes, tries, reason, next; pin (of
 * TLS, configured); key (courier's, believed), offered (another that it showed). domain: only this one; NULL: all. After ctl_store(). The
 * caller decrefs. */
json_t *ctl_peers_read(struct ctl *ctl, const char *domain);

/* Of a courier certificate (PEM): its fingerprint; null when there is none. */
json_t *ctl_courier_fingerprint(const char *pem);

#endif
