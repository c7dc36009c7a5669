/*
 * control.c -- answers lazoctl(8) beside the database: what only the running relay knows, and what it must
 * know at once.
 *
 * {"verb":"status"}                                    version, uptime (s), sessions, rss (bytes), peers, queued
 * {"verb":"sessions"}                                  jid, address, since (ms), available, priority of each
 * {"verb":"kick","jid":"ana@familia.example/casa"}     how many were closed; a bare address means all of its
 * sessions; tokens of what is closed end, with a bare address all of the account (XEP-0484)
 * {"verb":"account-changed","node":"ana","deleted":true}  a tool has written to the database
 * {"verb":"queue"} and others: control_queue.c
 *
 * Each answer is {"ok":true,...} or {"ok":false,"error":"..."}. Requests are at most 4 KiB and 16 callers are
 * served at a time; a caller that sends no line within 10 s is let go.
 */
#include "config.h"

#include "relay/control-private.h"

#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "relay/metrics.h"
#include "relay/net/callers.h"
#include "relay/net/clock.h"
#include "relay/net/local.h"
#include "relay/route/router.h"
#include "relay/route/session.h"
#include "relay/store/txn.h"
#include "relay/stream/stream.h"
#include "relay/version.h"

static const struct callers_limits limits = { .most = 16, .bytes = 4096, .silence = 10000 };

/* Verbs: each takes the request and returns the answer. */

json_t *
control_failure(const char *why)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", why);
}

static json_t *
verb_status(struct control *control, struct caller *caller, const json_t *request)
{
	json_t *status = json_pack("{s:b, s:s, s:I, s:I, s:I}", "ok", 1, "version", LAZO_VERSION, "uptime",
	    (json_int_t)((now_mono() - control->started) / 1000), "sessions", (json_int_t)router_session_count(control->router), "rss",
	    (json_int_t)metrics_resident());

	(void)caller;
	(void)request;
	control_count_peers(control, status);
	return status;
}

static void
describe(struct session *session, void *arg)
{
	json_array_append_new(arg, json_pack("{s:s, s:s, s:I, s:b, s:i}", "jid", session->text, "address",
					     session->stream != NULL ? stream_peer(session->stream) : "",
					     "since", (json_int_t)session->since, "available",
					     session->available, "priority", session->priority));
}

static json_t *
verb_sessions(struct control *control, struct caller *caller, const json_t *request)
{
	json_t *list = json_array();

	(void)caller;
	(void)request;
	router_each_session(control->router, describe, list);
	return json_pack("{s:b, s:o}", "ok", 1, "sessions", list);
}

struct kicking {
	struct jid jid;
	struct session **found;
	size_t count;
};

static void
choose(struct session *session, void *arg)
{
	struct kicking *kicking = arg;

	if (!jid_bare_equal(&session->jid, &kicking->jid) ||
	    (kicking->jid.resource != NULL && strcmp(kicking->jid.resource, session->jid.resource) != 0))
		return;
	kicking->found = xrealloc(kicking->found, (kicking->count + 1) * sizeof kicking->found[0]);
	kicking->found[kicking->count++] = session_ref(session);
}

static void
close_found(struct kicking *kicking)
{
	for (size_t i = 0; i < kicking->count; i++) {
		session_close(kicking->found[i], STREAM_POLICY_VIOLATION, "closed by the operator");
		session_unref(&kicking->found[i]);
	}
	free(kicking->found);
	free(kicking);
}

static void
tokens_ended(void *arg, enum txn_result result)
{
	if (result != TXN_COMMITTED)
		log_warn(NULL, "tokens of a closed session could not be ended");
	close_found(arg);
}

/* Who is kicked logs in by password again (XEP-0484): a stolen phone does not come back by its token, however fast. */
static void
end_tokens(struct control *control, struct kicking *kicking)
{
	struct txn *txn = txn_new(router_store(control->router));
	const char *node = kicking->jid.node, *client;

	if (node != NULL && kicking->jid.resource == NULL)
		txn_add(txn, &(struct op){ .kind = OP_TOKEN_DEL, .account = node });
	for (size_t i = 0; node != NULL && kicking->jid.resource != NULL && i < kicking->count; i++) {
		client = kicking->found[i]->stream == NULL ? NULL : stream_client(kicking->found[i]->stream);
		if (client != NULL)
			txn_add(txn, &(struct op){ .kind = OP_TOKEN_DEL, .account = node, .item = client });
	}
	if (!txn_is_empty(txn)) {
		txn_submit(&txn, tokens_ended, kicking);
		return;
	}
	txn_abandon(&txn);
	close_found(kicking);
}

static json_t *
verb_kick(struct control *control, struct caller *caller, const json_t *request)
{
	struct arena *arena = arena_new();
	struct kicking *kicking = xcalloc(1, sizeof *kicking);
	bool valid = jid_parse_text(arena, json_string_value(json_object_get(request, "jid")), &kicking->jid);
	size_t count;

	(void)caller;
	if (valid)
		router_each_session(control->router, choose, kicking);
	count = kicking->count;
	end_tokens(control, kicking);
	arena_free(&arena);
	return valid ? json_pack("{s:b, s:I}", "ok", 1, "closed", (json_int_t)count) : control_failure("not an address");
}

static json_t *
verb_account_changed(struct control *control, struct caller *caller, const json_t *request)
{
	const char *node = json_string_value(json_object_get(request, "node"));

	(void)caller;
	if (node == NULL)
		return control_failure("no node");
	router_account_changed(control->router, node, json_is_true(json_object_get(request, "deleted")));
	return json_pack("{s:b}", "ok", 1);
}

static const struct {
	const char *name;
	control_verb_fn *fn;
} verbs[] = {
	{ "account-changed", verb_account_changed },
	{ "kick", verb_kick },
	{ "queue", control_queue },
	{ "queue-cancel", control_queue_cancel },
	{ "queue-expire", control_queue_expire },
	{ "queue-retry", control_queue_retry },
	{ "sessions", verb_sessions },
	{ "status", verb_status },
};

/* Callers. */

static void
say(struct caller *caller, json_t *reply)
{
	char *text = json_dumps(reply, JSON_COMPACT | JSON_SORT_KEYS);

	json_decref(reply);
	if (text == NULL)
		return;
	caller_write(caller, text, strlen(text));
	caller_write(caller, "\n", 1);
	free(text);
}

/* An answer to come. */
struct later {
	struct later *next;
	struct control *control; /* NULL: gone */
	uint64_t number;         /* the caller's */
};

struct later *
control_later(struct control *control, struct caller *caller)
{
	struct later *later = xcalloc(1, sizeof *later);

	*later = (struct later){ .next = control->laters, .control = control, .number = caller_pause(caller) };
	control->laters = later;
	return later;
}

void
control_answer(struct later *later, json_t *reply)
{
	struct control *control = later->control;
	struct later **at = control == NULL ? NULL : &control->laters;
	struct caller *caller = control == NULL ? NULL : callers_find(control->callers, later->number);

	while (at != NULL && *at != later)
		at = &(*at)->next;
	if (at != NULL)
		*at = later->next;
	free(later);
	if (caller == NULL) {
		json_decref(reply);
		return;
	}
	say(caller, reply);
	caller_resume(caller);
}

/* NULL: comes later. */
static json_t *
answer(struct control *control, struct caller *caller, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "verb"));

	for (size_t i = 0; name != NULL && i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(name, verbs[i].name) == 0)
			return verbs[i].fn(control, caller, request);
	return control_failure("not a request");
}

static bool
heard(void *arg, struct caller *caller, struct buf *in)
{
	json_t *request, *reply;
	char *end;

	while (in->len > 0 && (end = memchr(in->data, '\n', in->len)) != NULL) {
		request = json_loadb(in->data, (size_t)(end - in->data), JSON_REJECT_DUPLICATES, NULL);
		buf_drop(in, (size_t)(end - in->data) + 1);
		caller_alive(caller);
		reply = answer(arg, caller, request);
		json_decref(request);
		if (reply == NULL)
			return true;
		say(caller, reply);
	}
	return true;
}

static void
called(void *arg, int fd)
{
	struct control *control = arg;

	callers_take(control->callers, fd);
}

struct control *
control_new(struct loop *loop, const char *path, struct router *router, char **error_r)
{
	struct control *control = xcalloc(1, sizeof *control);

	control->router = router;
	control->started = now_mono();
	control->local = local_listen(loop, path, called, control, error_r);
	control->callers = callers_new(loop, &limits, heard, control);
	if (control->local == NULL)
		control_free(&control);
	return control;
}

void
control_free(struct control **handle)
{
	struct control *control = *handle;

	if (control == NULL)
		return;
	*handle = NULL;
	for (struct later *later = control->laters; later != NULL; later = later->next)
		later->control = NULL;
	local_free(&control->local);
	callers_free(&control->callers);
	free(control);
}
