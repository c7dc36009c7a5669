/*
 * net/io.h -- one connected socket, plain and then TLS on the same fd, as events.
 *
 *     io_new -> IO_DATA* -> [io_start_tls -> IO_TLS_READY -> IO_DATA*] -> IO_CLOSED -> io_free
 *
 * Writes are queued and never block; the owner watches io_queued() and IO_DRAINED. One read buffer (16 KiB) is shared by all.
 * io_free may be called from inside the callback. No callback comes after io_free.
 */
#ifndef RELAY_NET_IO_H
#define RELAY_NET_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct io;
struct loop;
struct tls;

enum io_event {
	IO_DATA,      /* bytes, len: borrowed for the call */
	IO_TLS_READY, /* handshake done */
	IO_DRAINED,   /* everything written has been taken by the kernel */
	IO_CLOSED,    /* peer closed, error, or TLS failure; bytes: a word or sentence why. Only io_free is left to do. */
};
typedef void io_fn(void *arg, enum io_event event, const char *bytes, size_t len);

/* fd becomes io's; it is made non-blocking, close-on-exec, TCP_NODELAY and TCP keepalive. NULL: the system cannot watch it; fd is closed. */
struct io *io_new(struct loop *loop, int fd, io_fn *fn, void *arg);
void io_free(struct io **io); /* closes at once */

/* Server side. What is queued leaves in clear first. False when the peer has sent more in clear before hearing so (STARTTLS injection,
 * attack T1): only io_free is left to do. alpn: static text; NULL with STARTTLS. */
bool io_start_tls(struct io *io, struct tls *tls, const char *alpn);

/* Client side, likewise. name: the domain in A-form, for SNI. */
bool io_start_tls_client(struct io *io, struct tls *tls, const char *name, const char *alpn);

void io_write(struct io *io, const char *bytes, size_t len);
void io_pause(struct io *io, bool paused); /* stop or go on reading */
size_t io_queued(const struct io *io);     /* bytes not yet taken by the kernel */
size_t io_queued_all(struct loop *loop);   /* the same of all connections of the loop */
void io_shutdown(struct io *io);           /* close_notify and FIN after what is queued; then IO_CLOSED comes from the peer's end */

const char *io_peer(const struct io *io); /* "192.0.2.7:5222" or "[2001:db8::1]:5222"; borrowed */

/* About the TLS session, for channel binding (RFC 9266, RFC 5929) and logs. */
bool io_is_tls(const struct io *io);
const char *io_tls_version(const struct io *io); /* "TLSv1.3" */
bool io_tls_has_exporter(const struct io *io); /* not under TLS 1.2 without extended master secret */
bool io_tls_exporter(const struct io *io, uint8_t out[static 32]); /* 15 us; false: it has none */
size_t io_tls_end_point(const struct io *io, uint8_t out[static 64]); /* hash of our certificate; its length */
/* tls-unique: the client's Finished of this handshake, which no other session can have (0 under TLS 1.2 without extended master
 * secret, and for a resumed session). Not defined for TLS 1.3 (RFC 9266): there it is what OpenSSL gives Python's clients. */
size_t io_tls_unique(const struct io *io, uint8_t out[static 64]);

/* With tls_load_peer(): does the other end's certificate prove that it is `domain` (canonical), or is its key the one of the pin
 * ("sha256:" and hex; NULL: none)? *why_r: what is missing, static. */
bool io_tls_proves(const struct io *io, const char *domain, const char *pin, const char **why_r);

#endif
