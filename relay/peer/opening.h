/*
 * peer/opening.h -- a stream of ours from TLS to the first stanza: is the other who it should be, and what proves us to it.
 *
 *   AUTH -- EXTERNAL --> PROVING -> FEATURES (-> ENABLING) -> opened
 *    `-- no EXTERNAL, dialback allowed --> KEY ------------> opened
 *
 * The other's certificate is judged before anything is said inside TLS, against the domain and not against the host that DNS gave.
 * With `dialback` on, a relay without pin may do without one; then nothing is taken from it on this stream (attack F7).
 * DIAGNOSTICS: what is wrong with the certificate; what the other did not take.
 */
#ifndef RELAY_PEER_OPENING_H
#define RELAY_PEER_OPENING_H

#include <stdbool.h>
#include "relay/log.h"
#include "relay/peer/outflow.h"

struct arena;
struct line;
struct opening;
struct peers;
struct xml;

struct opening_owner {
	/* Ready: line_give() it, then opening_free(). bidi: their stanzas come here too, and it has proven itself by certificate. */
	void (*opened)(void *arg, const struct outflow_terms *terms, bool bidi);
	/* A stanza of theirs that comes while the last is being agreed; takes the arena. */
	void (*early)(void *arg, struct arena *arena, struct xml *stanza);
	void (*ended)(void *arg, const char *why); /* the line is closed: line_free() it, and opening_free() */
};

/* The line has TLS; it stays the caller's. domain, log: borrowed. NULL: the other does not prove itself; why, borrowed. */
struct opening *opening_new(struct peers *peers, struct line *line, const char *domain, const struct log *log,
    const struct opening_owner *owner, void *arg, const char **why_r);
void opening_free(struct opening **opening); /* NULL inside is allowed */

/* What is said in <features/> or <bidi/> of the size of a stanza (XEP-0478 section 2); 0: nothing. */
size_t opening_max_bytes(struct arena *arena, const struct xml *features);

#endif
