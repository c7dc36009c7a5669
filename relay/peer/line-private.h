/*
 * peer/line-private.h -- what line.c (life, time, what we say) and line_read.c (what comes) share.
 */
#ifndef RELAY_PEER_LINE_PRIVATE_H
#define RELAY_PEER_LINE_PRIVATE_H

#include "proto/buf.h"
#include "relay/net/io.h"
#include "relay/peer/line.h"

struct pace;
struct timer;
struct xmlin;

enum when { WHEN_PHASE, WHEN_HALF, WHEN_RATE, WHEN_TURN, WHEN_KEEPALIVE, WHEN_CLOSED, WHENS };

struct arrival {
	struct arrival *next;
	struct arena *arena;
	struct xml *element;
};

struct line {
	struct peers *peers;
	const struct line_owner *owner;
	void *arg;
	const struct log *log;
	struct io *io;
	struct xmlin *in;
	struct timer *timer;
	struct buf rest; /* bytes not yet given to the parser */
	struct arrival *waiting, **waiting_last;
	int64_t at[WHENS]; /* monotonic ms; 0: none */
	int64_t sent;      /* monotonic: last bytes */
	struct pace *pace;
	size_t most;
	const char *alpn;
	const char *why;
	char said[LINE_SAID]; /* the stream error that came; "": none */
	bool held, feeding, restart, header_sent, said_goodbye, closing, dead, element_in_piece;
	bool peer_closed;   /* its end of the stream was read */
	bool heard_goodbye; /* and the owner was told */
};

/* line.c */
void line_set_when(struct line *line, enum when which, int64_t ms); /* from now; < 0: not */
void line_end_soon(struct line *line, const char *why);
void line_closed(struct line *line); /* tells the owner, who frees it */

/* line_read.c */
void line_on_io(void *arg, enum io_event event, const char *bytes, size_t len);
void line_new_parser(struct line *line); /* once the old parser's feed has returned */
void line_pump(struct line *line);
void line_drop_waiting(struct line *line);
void line_destroy(struct line *line);

#endif
