/*
 * ctl/peers.h -- what is known of other relays, from the database, the configuration and the running relay together.
 */
#ifndef RELAY_CTL_PEERS_H
#define RELAY_CTL_PEERS_H

#include "relay/ctl/ctl.h"

/* By domain, an object each: domain, state (up, trying, waiting, idle), known, seen, waiting, bytes, tries, reason, next, key. domain:
 * only this one; NULL: all. After ctl_store(). The caller decrefs. */
json_t *ctl_peers_read(struct ctl *ctl, const char *domain);

#endif
