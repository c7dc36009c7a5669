/*
 * uri.h -- `xmpp:user@host?omemo-sid-<id>=<64 hex>;…`, as Conversations and Dino show and scan it.
 */
#ifndef CLIENT_OMEMO_URI_H
#define CLIENT_OMEMO_URI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/db/device.h"

enum { OMEMO_URI_DEVICES = 64 };

struct arena;

struct omemo_uri {
	const char *jid; /* bare */
	size_t count;
	struct {
		uint32_t device;
		uint8_t identity[IDENTITY_LEN];
	} devices[OMEMO_URI_DEVICES];
};

const char *omemo_uri_make(struct arena *arena, const struct omemo_uri *uri);
/* White space around it and letters of either case are taken; unknown parameters are passed over. */
bool omemo_uri_parse(struct arena *arena, const char *text, struct omemo_uri *uri_r);

#endif
