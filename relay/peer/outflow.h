/*
 * peer/outflow.h -- the stanzas that go out on one stream to another relay, whichever side began it (XEP-0288), and what the peer says
 * of them (XEP-0198, 0478; design 3.4).
 *
 * What is held (queue/queue.h) goes out as long as the peer keeps up, and is the peer's when it says so: by XEP-0198, else by the
 * answer to a ping behind it, which comes on whatever stream they use, else by the end of their stream in reply to the end of ours.
 * With stream management one <r/> is under way while anything is unacknowledged; no answer in 90 s ends the stream.
 * Never: sends more than the peer takes; opens or ends a stream by itself but for that.
 */
#ifndef RELAY_PEER_OUTFLOW_H
#define RELAY_PEER_OUTFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include "relay/queue/queue.h"

struct line;
struct outflow;
struct peers;
struct xml;

struct outflow_terms {
	size_t max_bytes; /* of a stanza; 0: not told */
	bool managed;     /* both sides count (XEP-0198) */
	bool custody;     /* it knows custody ids (proto/spec/custody.md 9) */
	bool courier;     /* it has a courier key (proto/spec/courier.md 4.1); both sides have proven themselves by certificate */
	bool mute;        /* it has let pings go unanswered */
};

/* line, domain: borrowed, and outlive it. */
struct outflow *outflow_new(struct peers *peers, struct line *line, const char *domain, const struct outflow_terms *terms);
void outflow_free(struct outflow **out); /* NULL inside is allowed */

/* Both sides count from here on. What went out before is taken with the first answer: a stream keeps its order. */
void outflow_manage(struct outflow *out);

enum outflow_sent { OUTFLOW_SENT, OUTFLOW_TOO_LARGE, OUTFLOW_FULL };
enum outflow_sent outflow_send(struct outflow *out, const char *bytes, size_t len);
enum queue_taken outflow_carry(struct outflow *out, const char *bytes, size_t len); /* a held message */

/* <a/> came. False: it says what cannot be; the line is closed. */
bool outflow_take_a(struct outflow *out, const struct xml *element);
/* An answer of the domain itself to us under that id: was it to a ping of ours? */
bool outflow_take_pong(struct outflow *out, const char *id);
/* Their end of the stream is here. In reply to ours it says that they have read all. */
void outflow_take_goodbye(struct outflow *out);
void outflow_drained(struct outflow *out); /* the line has written all */

/* End of our stream, so that what is under way may yet be acknowledged. */
void outflow_part(struct outflow *out);
bool outflow_is_usable(const struct outflow *out);
bool outflow_is_mute(const struct outflow *out);
bool outflow_deduplicates(const struct outflow *out);

#endif
