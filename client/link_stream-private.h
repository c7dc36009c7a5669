/*
 * link_stream-private.h -- one stream, for the files that share it: link_stream.c (life, stanzas), link_login.c (from TCP to
 * bound), link_once.c (the same in one exchange), link_sm.c (stream management).
 */
#ifndef CLIENT_LINK_STREAM_PRIVATE_H
#define CLIENT_LINK_STREAM_PRIVATE_H

#include "client/link.h"
#include "client/link_stream.h"
#include "client/resolve.h"
#include "proto/digest.h"

/* A stanza that came between <enable/> and <enabled/>. */
struct early {
	struct early *next;
	struct arena *arena; /* owned */
	struct xml *stanza;
};

struct stream {
	struct link *link;
	struct early *early; /* first what came first */
	struct link_config link_config;
	struct trouble *trouble;
	const struct stream_config *config;
	char *jid;
	char address[RESOLVE_ADDRESS_LEN];
	const char *mechanism; /* constant */
	struct sasl_secret secret;
	bool keeps;
	struct sasl_token token; /* came with this login */
	bool by_token, token_refused;
	bool offers_sm;
	bool managed;
	uint32_t sent;
	uint32_t acked;    /* of sent */
	uint32_t received; /* handed out */
	uint32_t handled;  /* of received, what may be told */
	uint32_t told;     /* of handled */
};

/* link_login.c */
void stream_step(const struct stream *stream, const char *name);
/* RFC 6120 4.9.3: what a stream error means to us. False. */
bool stream_error_fault(struct trouble *trouble, const struct xml *error);
/* The next element of the negotiation, which must be `name`, or with name NULL anything. NULL: the trouble says why. */
struct xml *stream_expect(struct stream *stream, struct arena **arena_r, const char *name, const char *ns, const char *what);
void stream_send_element(struct stream *stream, const char *name, const char *ns, const char *text);
/* From the first stream header to a bound resource. With `direct` TLS is there already. */
bool stream_negotiate(struct stream *stream, bool direct);

struct offer;
struct sasl;
struct sasl *stream_new_sasl(struct stream *stream, const struct offer *offer); /* NULL: the trouble says why */
void stream_keep_sasl(struct stream *stream, const struct sasl *sasl, bool done);
bool stream_sasl_failure(struct stream *stream, struct arena *arena, const struct xml *failure); /* false */
/* The address we are bound as, which must be our own. */
bool stream_take_address(struct stream *stream, const char *jid);
void stream_drop_early(struct stream *stream);
bool stream_bind(struct stream *stream); /* RFC 6120 section 7; behind the features */

/* link_once.c */
enum once { ONCE_DONE, ONCE_REFUSED, ONCE_FAILED };
enum once stream_log_in_at_once(struct stream *stream, const struct offer *offer);

/* link_sm.c */
bool stream_enable_sm(struct stream *stream); /* false: the trouble says why */
/* <r/> or <a/>. False: neither. True: looked after; *grew_r: more of ours is acknowledged. */
bool stream_take_sm(struct stream *stream, const struct xml *element, bool *grew_r);

#endif
