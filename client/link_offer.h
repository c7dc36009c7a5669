/*
 * link_offer.h -- what a relay's stream features offer for logging in. Pure: one tree in, plain values out.
 */
#ifndef CLIENT_LINK_OFFER_H
#define CLIENT_LINK_OFFER_H

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct xml;

enum { OFFER_MAX = 32 };

struct offer {
	const char *mechanisms[OFFER_MAX]; /* the arena's, as everything here */
	size_t count;
	const char *tokens[OFFER_MAX];     /* mechanisms for a token (XEP-0484) */
	size_t token_count;
	const char *text;                  /* of mechanisms and bindings, as XEP-0474 4.1 hashes it */
	bool at_once;                      /* SASL2 with a resource inside (XEP-0388, 0386); else RFC 6120 */
	bool sm;                           /* and stream management with it */
};

void offer_read(struct arena *arena, const struct xml *features, struct offer *offer_r);
bool offer_has_token(const struct offer *offer, const char *mechanism);

#endif
