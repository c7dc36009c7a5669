/*
 * peer/line.h -- one connection between relays as a stream of XML elements, whichever side began it: parser, TLS, time limits, rate.
 *
 * Elements come one at a time and wait while the owner holds the line; then reading stops. Half an element may take 60 s (30 s
 * before authentication), what is not written for 5 min is a white space. Nothing said in clear is taken for part of the stream
 * inside TLS, nor anything said before an authentication for part of the one behind it (attacks T1, X15).
 * Never: knows what an element means.
 */
#ifndef RELAY_PEER_LINE_H
#define RELAY_PEER_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/error.h"
#include "relay/log.h"

struct arena;
struct buf;
struct line;
struct peers;
struct xml;

enum {
	LINE_BYTES_BEFORE = 16 * 1024, /* XEP-0478 max-bytes, before authentication */
	LINE_BYTES = 512 * 1024,
	LINE_IDLE = 5 * 60, /* seconds */
	LINE_SAID = 64, /* bytes */
	LINE_QUEUE_MOST = 4 * 1024 * 1024,
};

/* arg: as given to line_new. Any of these may end the line. */
struct line_owner {
	void (*header)(void *arg, struct arena *arena, struct xml *header); /* arena: borrowed */
	void (*element)(void *arg, struct arena *arena, struct xml *element); /* arena: the owner's */
	void (*secure)(void *arg);  /* TLS is there */
	void (*goodbye)(void *arg); /* </stream:stream> */
	void (*drained)(void *arg); /* all is written; NULL: not wanted */
	/* Only line_free is left to do. Not called from inside another call. why: for people, borrowed. */
	void (*closed)(void *arg, const char *why);
};

/* fd becomes the line's. log: the owner's, borrowed. NULL: the system cannot watch it. */
struct line *line_new(struct peers *peers, int fd, const struct line_owner *owner, void *arg, const struct log *log);
void line_free(struct line **line); /* at once; NULL inside is allowed; also from inside a callback */

/* From here on somebody else hears of it. */
void line_give(struct line *line, const struct line_owner *owner, void *arg);
/* A new stream begins on the same connection: what the peer says from here on. most: bytes of an element. */
void line_restart(struct line *line, size_t most);
/* Whose it is: from here on it is read at the pace of that domain, all of whose lines share one. */
void line_proven(struct line *line, const char *domain);
void line_raise(struct line *line, size_t most); /* the same stream, larger elements */
/* Our header; id NULL: none (we began). to NULL: not known. */
void line_header(struct line *line, const char *to, const char *id);
void line_write(struct line *line, const char *bytes, size_t len);
void line_writes(struct line *line, const char *text);
/* Server side (name NULL) or client side. direct: with ALPN (XEP-0368). False: the peer cheats; the line will be closed. */
bool line_start_tls(struct line *line, const char *name, bool direct);
bool line_is_tls(const struct line *line);
bool line_proves(const struct line *line, const char *domain, const char *pin, const char **why_r);
const char *line_tls_version(const struct line *line);
void line_hold(struct line *line, bool held); /* elements wait */
void line_deadline(struct line *line, int64_t ms); /* connection-timeout then; < 0: none */
/* End of our stream; what the peer still says is heard, until its own end. Nothing may be written behind it. */
void line_goodbye(struct line *line);
size_t line_queued(const struct line *line);
/* The peer's stream error: `closed` will say that, rather than that the connection ended. */
void line_note_error(struct line *line, const struct xml *condition);
bool line_is_closing(const struct line *line);
const char *line_peer(const struct line *line);
/* Stream error (STREAM_OK: none), end of stream, and `closed` within 5 s. text: for people, may be NULL. */
void line_close(struct line *line, enum stream_error error, const char *text);

#endif
