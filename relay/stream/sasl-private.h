/*
 * stream/sasl-private.h -- one login, from the first element to the bound session, as its files share it:
 *
 *   sasl.c            the attempt: waiting its turn, the way to the keys, failing
 *   sasl_offer.c      what is announced
 *   sasl_password.c   the mechanisms that a password is for: SCRAM, PLAIN
 *   sasl_token.c      those that a token is for: HT-SHA-256-*; issuing and ending tokens (XEP-0484)
 *   sasl1.c, sasl2.c  how it looks on the wire: RFC 6120 section 6, XEP-0388
 *   bind2.c           what is asked for inside of XEP-0388 and done with success: XEP-0386, XEP-0198 section 9
 */
#ifndef RELAY_STREAM_SASL_PRIVATE_H
#define RELAY_STREAM_SASL_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/digest.h"
#include "proto/error.h"
#include "relay/store/token.h"
#include "relay/store/txn.h"
#include "relay/stream/scram.h"
#include "relay/stream/stream-private.h"

enum sasl_step {
	STEP_INITIAL, /* the client's first message is wanted */
	STEP_BUSY,    /* something is waited for that is not the client */
	STEP_FINAL,   /* the client's last message is wanted */
};

struct sasl;

/* How an exchange is written on the wire. */
struct sasl_profile {
	const char *ns;
	void (*passed)(struct sasl *sasl, const void *data, size_t len); /* data of the mechanism's success; NULL: none */
};
extern const struct sasl_profile sasl_profile_1, sasl_profile_2;

enum sasl_kind { KIND_SCRAM, KIND_PLAIN, KIND_TOKEN };
enum sasl_bound { BOUND_NONE, BOUND_ANY, BOUND_EXPORTER, BOUND_END_POINT }; /* which channel binding it wants */

struct mechanism {
	const char *name;
	enum sasl_kind kind;
	enum digest digest;
	enum sasl_bound bound;
	bool legacy; /* for RFC 6120 alone: whoever speaks XEP-0388 knows better */
	enum sasl_error (*first)(struct sasl *sasl, const char *text, size_t len); /* ends in sasl_ask_keys() */
	void (*ask)(struct sasl *sasl);                                            /* the store, when it is its turn */
	void (*keyed)(struct sasl *sasl);                                          /* `keys` are there */
	void (*last)(struct sasl *sasl, const char *text, size_t len);             /* NULL: one message is all */
};
enum { MECHANISMS = 7 };
extern const struct mechanism sasl_mechanisms[MECHANISMS]; /* best first */

/* What came in <authenticate/> besides the mechanism's message (XEP-0388 2.3). */
struct inline_request {
	char client[TOKEN_CLIENT_MAX + 1]; /* id of the user agent; "": none */
	const struct xml *bind;            /* XEP-0386, in the attempt's arena; NULL: not asked */
	const struct xml *resume;          /* XEP-0198, likewise */
	const struct mechanism *token;     /* for which a token is wanted; NULL: none */
	bool fast, invalidate;
	bool brief;                        /* bind2.c */
	int64_t count;                     /* 0: none */
};

struct sasl {
	struct stream *stream; /* NULL: gone; freed when nothing is under way */
	const struct sasl_profile *profile;
	const struct mechanism *mechanism;
	struct arena *arena;
	struct scram *scram;
	enum sasl_step step;
	const char *node; /* prepared, or the raw name that cannot be prepared */
	bool legal;       /* it was prepared */
	bool known, right;
	char *password;   /* PLAIN; NULL otherwise */
	struct scram_keys keys;
	uint8_t hash[SHA256_LEN]; /* HT: what the client showed */
	struct token_row token;   /* HT: that it belongs to */
	int place;                /* of that */
	unsigned under_way;              /* callbacks to come */
	void (*then)(struct sasl *sasl); /* after DEADLINE_LOGIN */
	enum sasl_error error;           /* to tell */
	struct inline_request want;      /* sasl2.c */
	const void *data;                /* of success, arena */
	size_t data_len;
	char issued[TOKEN_TEXT_MAX + 1]; /* a token for the client; "": none */
	int64_t issued_until;
	struct xml *resume, *bound;      /* what success will say besides; NULL: nothing */
};

/* sasl.c */
void sasl_begin(struct stream *stream, const struct sasl_profile *profile, const struct mechanism *mechanism,
    const struct inline_request *want, struct arena *arena); /* `arena`, with what `want` borrows, becomes the attempt's */
void sasl_message(struct sasl *sasl, const char *text);           /* base64 as it came, "" or "=" for none */
void sasl_fail(struct sasl *sasl, enum sasl_error error);
void sasl_tell_failure(struct stream *stream, const struct sasl_profile *profile, enum sasl_error error);
void sasl_succeed(struct sasl *sasl, const void *data, size_t len);
void sasl_known(struct sasl *sasl); /* the stream is the account's from now on: STATE_BIND */
bool sasl_came_back(struct sasl *sasl); /* a callback has come. False: the stream is gone or about to go */
void sasl_ask_keys(struct sasl *sasl, const char *user); /* then the mechanism's own ask() */
void keys_ask(struct sasl *sasl);
void sasl_wait(struct sasl *sasl, int64_t ms, void (*then)(struct sasl *sasl));
void sasl_write_data(struct stream *stream, const struct sasl_profile *profile, const char *name, const char *data);

/* sasl_offer.c */
bool sasl_offers_binding(const struct stream *stream);
struct scram_binding sasl_binding(const struct stream *stream); /* its bytes: only for who binds */
/* NULL: not offered there. */
const struct mechanism *sasl_mechanism_find(const struct stream *stream, const struct sasl_profile *profile, const char *name);
const char *sasl_offer_text(const struct stream *stream, const struct sasl_profile *profile, struct arena *arena); /* what XEP-0474 hashes */

/* sasl_password.c */
enum sasl_error scram_begin(struct sasl *sasl, const char *text, size_t len);
void scram_keyed(struct sasl *sasl);
void scram_end(struct sasl *sasl, const char *text, size_t len);
enum sasl_error plain_begin(struct sasl *sasl, const char *text, size_t len);
void plain_keyed(struct sasl *sasl);

/* sasl_token.c */
void token_ask(struct sasl *sasl);
enum sasl_error token_begin(struct sasl *sasl, const char *bytes, size_t len);
/* What a login changes of its client's tokens; then goes on with sasl2_settled(). */
void token_settle(struct sasl *sasl);

/* sasl1.c, sasl2.c */
bool sasl1_element(struct stream *stream, struct arena **arena, struct xml *element); /* false: not its own */
bool sasl2_element(struct stream *stream, struct arena **arena, struct xml *element);
void sasl2_settled(struct sasl *sasl);
struct xml *sasl2_success(struct sasl *sasl); /* to be added to */

/* bind2.c */
void bind2_offer(struct stream *stream, struct arena *arena, struct xml *list); /* <inline/> of XEP-0388 */
void bind2_begin(struct sasl *sasl); /* authenticated; ends with <success/> */

#endif
