/*
 * peer/verify.h -- asking a domain's own relay whether a dialback key is its (XEP-0220 2.1.2): a stream of its own for one question.
 *
 * The answer counts only on the stream on which the question was put, for the very domains and id that were asked about (attack F1).
 * Whose certificate that relay has is not asked: that DNS leads there is all that dialback ever proves.
 * Never: takes anything else that comes there.
 */
#ifndef RELAY_PEER_VERIFY_H
#define RELAY_PEER_VERIFY_H

#include "proto/error.h"

struct peers;
struct verify;

enum verify_result { VERIFY_VALID, VERIFY_INVALID, VERIFY_ERROR };

/* error: for VERIFY_ERROR, what to say of it (XEP-0220 2.5). The verification is over and freed. */
typedef void verify_fn(void *arg, enum verify_result result, enum stanza_error error);

/* domain: canonical, who should have made the key; id: of the stream on which it came. All copied. fn is never called from inside.
 * NULL: too many are under way, or DNS has no form of the domain. */
struct verify *verify_begin(struct peers *peers, const char *domain, const char *id, const char *key, verify_fn *fn, void *arg);
void verify_cancel(struct verify **verify); /* NULL inside is allowed; not after fn was called */

#endif
