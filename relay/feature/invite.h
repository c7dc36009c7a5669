/*
 * feature/invite.h -- the invitation that a stream has shown, for whoever makes its account (register.c).
 */
#ifndef RELAY_FEATURE_INVITE_H
#define RELAY_FEATURE_INVITE_H

#include <stdint.h>
#include "relay/route/router.h"

struct stream;

struct invite_ticket {
	const char *token;
	const char *node; /* the address that it is for; NULL: any free one */
	int64_t time;     /* ms wall: when it was shown. Expiry counts at that moment (XEP-0445 section 4) */
};

/* Borrowed until the next stanza; NULL: the stream has shown none. */
const struct invite_ticket *invite_of(struct router *router, const struct stream *stream);

#endif
