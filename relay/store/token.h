/*
 * store/token.h -- tokens that clients log in with (XEP-0484): what the relay keeps of them.
 *
 * Each client of an account has two places, "current" and "new" (section 6.1): a token is issued into the second and moves to the
 * first when it is first used, which ends the one there. At most 20 clients an account: those issued to last stay. All end with a new
 * password and with the account. What a mechanism of the HT family needs of a token is the token, so it is kept as it is, in a
 * database that only the relay's user may read.
 * The operations are OP_TOKEN_* (txn.h).
 */
#ifndef RELAY_STORE_TOKEN_H
#define RELAY_STORE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum { TOKEN_CURRENT, TOKEN_NEW, TOKEN_PLACES };
enum { TOKEN_TEXT_MAX = 64, TOKEN_CLIENT_MAX = 36, TOKEN_MECHANISM_MAX = 20 };

struct token_row {
	bool there;
	char mechanism[TOKEN_MECHANISM_MAX + 1];
	char text[TOKEN_TEXT_MAX + 1];
	int64_t issued, expires; /* ms wall */
	int64_t count;           /* the highest that was told with it; 0: none */
};
struct token_rows {
	struct token_row place[TOKEN_PLACES];
	uint8_t salt[16]; /* of the account's password */
};

typedef void read_tokens_fn(void *arg, bool failed, const struct token_rows *rows);
/* Takes as long for a client without tokens of an account that exists as of one that does not (attack S8). */
void read_tokens(struct store *store, const char *node, const char *client, read_tokens_fn *fn, void *arg);

#endif
