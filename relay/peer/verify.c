/*
 * peer/verify.c -- see verify.h.
 *
 *   dial -> <stream> -> features -> <db:verify/> -> <db:verify type=/>
 */
#include "config.h"

#include "relay/peer/verify.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/peer/dial.h"
#include "relay/peer/dialback.h"
#include "relay/peer/peer-private.h"

enum { VERIFY_MOST = 64 };

struct verify {
	struct peers *peers;
	struct dial *dial;
	struct line *line; /* once TLS is there */
	char *domain, *id, *key;
	verify_fn *fn;
	void *arg;
	bool asked;
	struct log log;
};

static void
end(struct verify *verify, enum verify_result result, enum stanza_error error)
{
	verify_fn *fn = verify->fn;
	void *arg = verify->arg;

	verify_cancel(&verify);
	fn(arg, result, error);
}

static void
next(struct verify *verify, const char *why)
{
	line_free(&verify->line);
	verify->asked = false;
	dial_next(verify->dial, why);
}

/* ---- the question ---- */

static void
on_header(void *arg, struct arena *arena, struct xml *header)
{
	struct verify *verify = arg;
	enum stream_error error = peers_check_header(arena, header, verify->domain);

	if (error != STREAM_OK)
		line_close(verify->line, error, NULL);
}

static void
put(struct verify *verify)
{
	struct buf out = { .data = NULL };

	verify->asked = true;
	dialback_write(&out, "verify", verify->peers->domain, verify->domain, verify->id, NULL, verify->key);
	line_write(verify->line, out.data, out.len);
	buf_free(&out);
}

/* NULL type: no answer to us. */
static void
take_answer(struct verify *verify, const char *type)
{
	if (strcmp(type, "valid") == 0)
		end(verify, VERIFY_VALID, STANZA_OK);
	else if (strcmp(type, "invalid") == 0)
		end(verify, VERIFY_INVALID, STANZA_FORBIDDEN);
	else
		end(verify, VERIFY_ERROR, STANZA_REMOTE_SERVER_NOT_FOUND);
}

static void
on_element(void *arg, struct arena *arena, struct xml *element)
{
	struct verify *verify = arg;
	const char *type = xml_attr(element, "type");

	if (xml_is(element, "error", NS_STREAM))
		peers_hear_error(verify->line, &verify->log, arena, element);
	else if (!verify->asked && xml_is(element, "features", NS_STREAM))
		put(verify);
	else if (verify->asked && type != NULL &&
	    dialback_is(arena, element, "verify", verify->domain, verify->peers->domain, verify->id))
		take_answer(verify, type);
	else
		line_close(verify->line, STREAM_POLICY_VIOLATION, "that was not asked");
	arena_free(&arena);
}

static void
on_secure(void *arg)
{
	(void)arg; /* it is, since before we had the line */
}

static void
on_goodbye(void *arg)
{
	struct verify *verify = arg;

	line_close(verify->line, STREAM_OK, NULL);
}

static void
on_closed(void *arg, const char *why)
{
	struct verify *verify = arg;

	next(verify, why);
}

static const struct line_owner line_owner = {
	.header = on_header, .element = on_element, .secure = on_secure, .goodbye = on_goodbye, .closed = on_closed,
};

static void
secured(void *arg, struct line *line)
{
	struct verify *verify = arg;

	verify->line = line;
	line_give(line, &line_owner, verify);
	line_header(line, verify->domain, NULL);
}

static void
failed(void *arg, enum queue_reason reason, const char *why)
{
	struct verify *verify = arg;

	log_info(&verify->log, "its dialback key could not be checked: %s", why);
	end(verify, VERIFY_ERROR, reason == QUEUE_UNREACHED ? STANZA_REMOTE_SERVER_TIMEOUT : STANZA_REMOTE_SERVER_NOT_FOUND);
}

static const struct dial_owner dial_owner = { .secured = secured, .failed = failed };

/* ---- life ---- */

struct verify *
verify_begin(struct peers *peers, const char *domain, const char *id, const char *key, verify_fn *fn, void *arg)
{
	struct verify *verify = xcalloc(1, sizeof *verify);

	verify->domain = xstrdup(domain);
	peers_name_log(&verify->log, verify->domain);
	verify->dial = peers->verify_count >= VERIFY_MOST ? NULL : dial_new(peers, verify->domain, &verify->log, &dial_owner, verify);
	if (verify->dial == NULL) {
		free(verify->domain);
		free(verify);
		return NULL;
	}
	verify->peers = peers;
	verify->id = xstrdup(id);
	verify->key = xstrdup(key);
	verify->fn = fn;
	verify->arg = arg;
	peers->verify_count++;
	dial_begin(verify->dial);
	return verify;
}

void
verify_cancel(struct verify **verify_p)
{
	struct verify *verify = *verify_p;

	*verify_p = NULL;
	if (verify == NULL)
		return;
	verify->peers->verify_count--;
	line_free(&verify->line);
	dial_free(&verify->dial);
	free(verify->domain);
	free(verify->id);
	free(verify->key);
	free(verify);
}
