/*
 * peer/peers.h -- all streams with other relays (RFC 6120, XEP-0178, 0198, 0220, 0288, 0368, 0478): a struct transport for the router,
 * a line for the queue, and an end for what comes in.
 *
 * Each relay proves its domain with its certificate inside TLS (SASL EXTERNAL), or by the key pinned for it in `peer {}`. Only with
 * `dialback` on may one without a pin do with a dialback key. Who proves nothing sends nothing. A stream carries stanzas between the
 * domain that was proven and ours, no others: from who began it, and back too if both have agreed on that.
 * What is sent and waits for a stream (iq, presence) waits 30 s at most, in memory, bounded; then an iq is answered with
 * remote-server-timeout. Nothing of this is on disk.
 */
#ifndef RELAY_PEER_PEERS_H
#define RELAY_PEER_PEERS_H

#include <stdbool.h>
#include <stddef.h>

struct conf;
struct loop;
struct peers;
struct router;
struct tls;

/* tls: of tls_load_peer(), counted here too. Becomes the router's transport. */
struct peers *peers_new(struct loop *loop, struct router *router, const struct conf *conf, struct tls *tls);
void peers_set(struct peers *peers, const struct conf *conf, struct tls *tls); /* SIGHUP: for new streams */
/* A connection came in. direct: TLS starts at once. on_gone tells the listener. */
void peers_accept(struct peers *peers, int fd, bool direct, void (*on_gone)(void *arg, const char *peer), void *arg);
size_t peers_count(const struct peers *peers); /* streams, of both kinds */
/* Goodbye to all, then done, within 4 s. */
void peers_shutdown(struct peers *peers, void (*done)(void *arg), void *arg);
/* Closes what is left at once. After the router is gone: what was under way in it knows us. */
void peers_free(struct peers **peers);

#endif
