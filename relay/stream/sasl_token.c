/*
 * stream/sasl_token.c -- logging in by a token (XEP-0484): the HT mechanisms, and what a login changes of its client's tokens.
 *
 * A token is for one client (user agent) of one account and one mechanism, lives 30 days, and is replaced by a new one when it is used
 * a day after it was issued; the old one is good until the new one is used. Nothing is issued that is not on the disk.
 * A client that tells a count must tell a higher one each time (XEP-0484 4.4), though early data is never taken here.
 * Whether there are tokens changes neither answers nor their time (attack S8): as many are compared as there can be.
 * DIAGNOSTICS: malformed-request, not-authorized; credentials-expired to who knows a token that was good.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "relay/net/clock.h"
#include "relay/stream/hashed.h"
#include "relay/stream/sasl-private.h"

#define DAY (24 * 3600 * (int64_t)1000) /* ms */
enum { LIVES_DAYS = 30, ROTATE_DAYS = 1, TOKEN_BYTES = 32 };

/* As long as a real one. */
static const char nobody[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

static size_t
bound_to(const struct sasl *sasl, uint8_t out[static 64])
{
	struct scram_binding binding = sasl_binding(sasl->stream);

	switch (sasl->mechanism->bound) {
	case BOUND_EXPORTER:
		memcpy(out, binding.exporter, binding.exporter_len);
		return binding.exporter_len;
	case BOUND_END_POINT:
		memcpy(out, binding.end_point, binding.end_point_len);
		return binding.end_point_len;
	case BOUND_NONE:
	case BOUND_ANY:
		break;
	}
	return 0;
}

enum sasl_error
token_begin(struct sasl *sasl, const char *bytes, size_t len)
{
	const char *user;
	enum sasl_error error;

	if (!sasl->want.fast || sasl->want.client[0] == '\0')
		return SASL_MALFORMED_REQUEST;
	error = hashed_read(sasl->arena, bytes, len, &user, sasl->hash);
	if (error == SASL_OK)
		sasl_ask_keys(sasl, user);
	return error;
}

/* Which of the client's tokens the hash belongs to. False: none. */
static bool
find(struct sasl *sasl, const struct token_rows *rows, const uint8_t *bound, size_t bound_len)
{
	bool found = false;

	for (int place = 0; place < TOKEN_PLACES; place++) {
		const struct token_row *row = &rows->place[place];
		bool fits = row->there && sasl->legal && strcmp(row->mechanism, sasl->mechanism->name) == 0;
		bool holds = hashed_holds(fits ? row->text : nobody, sasl->hash, bound, bound_len);

		if (!(holds & fits))
			continue;
		sasl->token = *row;
		sasl->place = place;
		found = true;
	}
	return found;
}

static void
on_tokens(void *arg, bool failed, const struct token_rows *rows)
{
	struct sasl *sasl = arg;
	uint8_t bound[64], *answer;
	size_t bound_len;

	if (!sasl_came_back(sasl))
		return;
	if (failed) {
		sasl_fail(sasl, SASL_TEMPORARY_AUTH_FAILURE);
		return;
	}
	bound_len = bound_to(sasl, bound);
	if (!find(sasl, rows, bound, bound_len) || (sasl->want.count > 0 && sasl->want.count <= sasl->token.count)) {
		sasl_fail(sasl, SASL_NOT_AUTHORIZED);
		return;
	}
	if (sasl->token.expires <= now_wall()) {
		sasl_fail(sasl, SASL_CREDENTIALS_EXPIRED);
		return;
	}
	sasl->known = true;
	memcpy(sasl->keys.salt, rows->salt, sizeof sasl->keys.salt); /* which password the session is of */
	answer = arena_alloc(sasl->arena, SHA256_LEN);
	hashed_answer(sasl->token.text, bound, bound_len, answer);
	sasl_succeed(sasl, answer, SHA256_LEN);
}

void
token_ask(struct sasl *sasl)
{
	sasl->under_way++;
	read_tokens(sasl->stream->host->store, sasl->node, sasl->want.client, on_tokens, sasl);
}

/* ---- after a login ---- */

static bool
is_due(const struct sasl *sasl)
{
	return sasl->mechanism->kind == KIND_TOKEN && !sasl->want.invalidate &&
	    now_wall() >= sasl->token.issued + ROTATE_DAYS * DAY;
}

/* For which mechanism a token is to be issued; NULL: none. */
static const struct mechanism *
to_issue(const struct sasl *sasl)
{
	if (sasl->want.client[0] == '\0')
		return NULL;
	if (sasl->want.token != NULL)
		return sasl->want.token;
	return is_due(sasl) ? sasl->mechanism : NULL;
}

static void
on_settled(void *arg, enum txn_result result)
{
	struct sasl *sasl = arg;

	if (!sasl_came_back(sasl))
		return;
	switch (result) {
	case TXN_COMMITTED:
		break;
	case TXN_CONFLICT: /* the password has changed meanwhile, or the token has ended */
		sasl_fail(sasl, SASL_NOT_AUTHORIZED);
		return;
	case TXN_FULL:
	case TXN_OVER:
	case TXN_FAILED:
		if (sasl->want.invalidate || sasl->want.count > 0) {
			sasl_fail(sasl, SASL_TEMPORARY_AUTH_FAILURE);
			return;
		}
		sasl->issued[0] = '\0'; /* one may still log in */
		break;
	}
	sasl2_settled(sasl);
}

static void
add_use(const struct sasl *sasl, struct txn *txn, bool moved)
{
	struct op op = { .kind = OP_TOKEN_USE, .account = sasl->node, .item = sasl->want.client, .token = sasl->token.text,
		.most = sasl->want.count, .time = now_wall() };

	if (sasl->mechanism->kind != KIND_TOKEN)
		return;
	if (moved || sasl->place == TOKEN_NEW || sasl->want.count > 0 || sasl->want.invalidate)
		txn_add(txn, &op);
	if (sasl->want.invalidate)
		txn_add(txn, &(struct op){ .kind = OP_TOKEN_DEL, .account = sasl->node, .item = sasl->want.client });
}

static void
add_new(struct sasl *sasl, struct txn *txn, const struct mechanism *mechanism)
{
	uint8_t random[TOKEN_BYTES];
	bool password = sasl->mechanism->kind != KIND_TOKEN;

	random_bytes(random, sizeof random);
	base64_encode(sasl->issued, random, sizeof random);
	cleanse(random, sizeof random);
	sasl->issued_until = now_wall() + LIVES_DAYS * DAY;
	txn_add(txn, &(struct op){ .kind = OP_TOKEN_NEW, .account = sasl->node, .item = sasl->want.client,
	    .config = mechanism->name, .token = sasl->issued, .time = now_wall(), .expires = sasl->issued_until,
	    .keys = password ? &sasl->keys : NULL });
}

void
token_settle(struct sasl *sasl)
{
	const struct mechanism *issue = to_issue(sasl);
	struct txn *txn = txn_new(sasl->stream->host->store);

	add_use(sasl, txn, issue != NULL);
	if (issue != NULL)
		add_new(sasl, txn, issue);
	if (txn_is_empty(txn)) {
		txn_abandon(&txn);
		sasl2_settled(sasl);
		return;
	}
	sasl->under_way++;
	txn_submit(&txn, on_settled, sasl);
}
