/*
 * link_sasl.h -- one SASL exchange as a client, over libgsasl: SCRAM-SHA-256 and SCRAM-SHA-1 (RFC 5802, 7677), and PLAIN only
 * where the caller allows it. Pure: text in, text out, no socket.
 *
 * Promises, whatever the server says:
 * - a login counts only once the server has proved (v=) that it knows the password too;
 * - the server's nonce extends ours, 4096 <= iterations <= 1,000,000, salt of at most 64 bytes, all checked before any
 *   hash of the password is made;
 * - where the relay signs what it offered (XEP-0474), that is what came here;
 * - one mechanism is chosen, the strongest offered, never one weaker than `least`, and after a failure no other is tried
 *   (XEP-0474 section 1 says why);
 * - secrets are cleansed.
 * Instead of the password the caller may keep the salted one (struct sasl_secret): it fits one account on one relay.
 */
#ifndef CLIENT_LINK_SASL_H
#define CLIENT_LINK_SASL_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include "client/fault.h"

enum {
	SASL_NAME_MAX = 20,
	SASL_SALT_MAX = 64,         /* bytes */
	SASL_ITERATIONS_MIN = 4096, /* RFC 7677 section 4 */
	SASL_ITERATIONS_MAX = 1000000,
	SASL_TOKEN_MAX = 255,
	SASL_TEXT_MAX = 8192, /* base64 of one challenge */
};

struct sasl_secret {
	char mechanism[SASL_NAME_MAX + 1]; /* "": nothing kept */
	char salt[(SASL_SALT_MAX + 2) / 3 * 4 + 1]; /* base64 */
	unsigned iterations;
	char salted[2 * 32 + 1]; /* hex */
};

/* What XEP-0484 gives instead of a password: for one account, one program, one mechanism. */
struct sasl_token {
	char mechanism[SASL_NAME_MAX + 1]; /* "": none */
	char text[SASL_TOKEN_MAX + 1];
	int64_t expires; /* ms wall */
};

struct sasl_config {
	const char *user;               /* the node of the JID */
	const char *password;           /* NULL: only `kept` */
	const struct sasl_secret *kept; /* NULL: none */
	const char *least;              /* mechanism used before: nothing weaker; NULL: any SCRAM */
	const char *offer;              /* what was offered, as XEP-0474 4.1 hashes it; NULL: not looked at */
	bool plain;                     /* PLAIN is allowed when there is no SCRAM */
};

struct sasl;

/* Choose from what the server offers. NULL: the trouble says why. */
struct sasl *sasl_new(const struct sasl_config *config, const char *const *offered, size_t count,
    struct trouble *trouble);
void sasl_free(struct sasl **sasl);
const char *sasl_mechanism(const struct sasl *sasl);

/* Each gives base64 text for the next <auth/> or <response/>, "" for none; free. NULL: give up, the trouble says why. */
char *sasl_start(struct sasl *sasl);
char *sasl_step(struct sasl *sasl, const char *challenge);
/* <success>text</success>; text may be "". True: logged in, and the server has proved itself. */
bool sasl_succeed(struct sasl *sasl, const char *text);

/* After success: what may be kept. False: this mechanism leaves nothing. */
bool sasl_keep(const struct sasl *sasl, struct sasl_secret *secret_r);

/* For tests and for doctor: 0 unknown or not allowed, greater is stronger. */
int sasl_rank(const char *mechanism);

#endif
