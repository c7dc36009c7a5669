/*
 * peer/intake.h -- the stanzas that come in on one stream from another relay, whichever side began it (XEP-0288), and what we say of
 * them (XEP-0198).
 *
 * Each must come from the very domain that was proven, in whatever form it is written, and be for us (attacks F4, F6); its addresses go
 * on in canonical form. A stanza counts as handled when it and all before it are committed (stream/fifo.h), so that <a/> moves
 * custody. The line is held while too many are not.
 * DIAGNOSTICS: host-unknown, improper-addressing, invalid-from.
 */
#ifndef RELAY_PEER_INTAKE_H
#define RELAY_PEER_INTAKE_H

#include <stdbool.h>

struct arena;
struct intake;
struct line;
struct outflow;
struct peers;
struct xml;

/* line, domain: borrowed, and outlive it. domain: who has proven itself. */
struct intake *intake_new(struct peers *peers, struct line *line, const char *domain);
void intake_free(struct intake **intake); /* NULL inside is allowed; what is under way goes on without it */

void intake_take(struct intake *intake, struct arena *arena, struct xml *stanza); /* takes the arena; may close the line */
void intake_manage(struct intake *intake); /* both sides count from here on */
void intake_prove(struct intake *intake);  /* both sides have proven themselves by certificate: courier.h goes on here */
void intake_ask_key(struct intake *intake, struct outflow *out); /* once; out: of the same stream */
void intake_take_r(struct intake *intake); /* <r/>: answered when all before it is handled */
void intake_leave(struct intake *intake);  /* </stream:stream>: answers, then closes the line */
void intake_say_last(struct intake *intake); /* the line is about to be closed: how far it came */
void intake_go_on(struct intake *intake); /* the store has room */

#endif
