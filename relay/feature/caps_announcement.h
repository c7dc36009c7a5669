/*
 * feature/caps_announcement.h -- what a presence's <c/> says (XEP-0115 section 4), and under which key it
 * counts. Pure.
 */
#ifndef RELAY_FEATURE_CAPS_ANNOUNCEMENT_H
#define RELAY_FEATURE_CAPS_ANNOUNCEMENT_H

#include <stdbool.h>

struct arena;
struct xml;

struct caps_announcement {    /* texts are the arena's */
	const char *node_ver; /* "node#ver": what a question about it names */
	const char
	    *key; /* "hash\nver\nnode" when the hash can be checked, else the session's own (5.4, 2.3) */
	const char *own; /* "\nfull JID\nnode#ver": what it has after an answer that did not hash to it */
};

/* session: its full JID. False: not of use. */
bool caps_announcement_read(struct arena *arena, const char *session, const struct xml *c,
			    struct caps_announcement *out);

/* Does this disco#info <query/> hash to what a shared key says. */
bool caps_key_verified(struct arena *arena, const char *key, const struct xml *query);

#endif
