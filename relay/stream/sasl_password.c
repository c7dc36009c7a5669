/*
 * stream/sasl_password.c -- logging in by a password: SCRAM by stream/scram.c, PLAIN (RFC 4616) if configured.
 */
#include "config.h"

#include <string.h>
#include <stdlib.h>
#include "proto/arena.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/utf8.h"
#include "relay/stream/pool.h"
#include "relay/stream/sasl-private.h"

/* ---- SCRAM ---- */

enum sasl_error
scram_begin(struct sasl *sasl, const char *text, size_t len)
{
	struct scram_binding binding = { .exporter_len = 0 };
	bool plus = sasl->mechanism->bound != BOUND_NONE;
	const char *user;
	enum sasl_error error;

	if (plus)
		binding = sasl_binding(sasl->stream);
	sasl->scram = scram_new(sasl->mechanism->digest, plus, sasl_offers_binding(sasl->stream), &binding);
	scram_offered(sasl->scram, sasl_offer_text(sasl->stream, sasl->profile, sasl->arena));
	error = scram_first(sasl->scram, text, len, sasl->stream->host->domain, &user);
	if (error == SASL_OK)
		sasl_ask_keys(sasl, user);
	return error;
}

void
scram_keyed(struct sasl *sasl)
{
	sasl_write_data(sasl->stream, sasl->profile, "challenge",
	    scram_challenge(sasl->scram, &sasl->keys, sasl->known));
	sasl->step = STEP_FINAL;
	stream_later(sasl->stream);
}

void
scram_end(struct sasl *sasl, const char *text, size_t len)
{
	const char *final;
	enum sasl_error error = scram_final(sasl->scram, text, len, &final);

	if (error == SASL_OK)
		sasl_succeed(sasl, final, strlen(final));
	else
		sasl_fail(sasl, error);
}

/* ---- PLAIN (RFC 4616) ---- */

/* [authzid] NUL authcid NUL password, exactly two NULs. */
enum sasl_error
plain_begin(struct sasl *sasl, const char *text, size_t len)
{
	const char *end = text + len, *authcid, *password;
	struct jid wanted, own;

	authcid = memchr(text, '\0', len);
	password = authcid == NULL ? NULL : memchr(authcid + 1, '\0', (size_t)(end - authcid - 1));
	if (!utf8_valid(text, len) || password == NULL || password == authcid + 1 || password + 1 == end ||
	    memchr(password + 1, '\0', (size_t)(end - password - 1)) != NULL)
		return SASL_MALFORMED_REQUEST;
	if (authcid != text &&
	    (!jid_parse_text(sasl->arena, text, &wanted) || !jid_is_bare(&wanted) ||
	        !jid_make(sasl->arena, authcid + 1, sasl->stream->host->domain, NULL, &own) || !jid_equal(&wanted, &own)))
		return SASL_INVALID_AUTHZID;
	sasl->password = xstrndup(password + 1, (size_t)(end - password - 1));
	sasl_ask_keys(sasl, arena_strdup(sasl->arena, authcid + 1));
	return SASL_OK;
}

static void
plain_work(void *arg)
{
	struct sasl *sasl = arg;

	sasl->right = scram_check_password(sasl->password, &sasl->keys);
}

static void
plain_done(void *arg)
{
	struct sasl *sasl = arg;

	cleanse(sasl->password, strlen(sasl->password));
	free(sasl->password);
	sasl->password = NULL;
	if (!sasl_came_back(sasl))
		return;
	if (sasl->right & sasl->known)
		sasl_succeed(sasl, NULL, 0);
	else
		sasl_fail(sasl, SASL_NOT_AUTHORIZED);
}

void
plain_keyed(struct sasl *sasl)
{
	sasl->under_way++;
	pool_run(stream_shared(sasl->stream->host)->pool, plain_work, plain_done, sasl);
}
