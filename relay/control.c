/*
 * control.c -- answers lazoctl(8) beside the database: what only the running relay knows, and what it must
 * know at once.
 *
 * {"verb":"status"}                                    version, uptime (s), sessions, rss (bytes)
 * {"verb":"sessions"}                                  jid, address, since (ms), available, priority of each
 * {"verb":"kick","jid":"ana@familia.example/casa"}     how many were closed; a bare address means all of its
 * sessions; tokens of what is closed end, with a bare address all of the account (XEP-0484)
 * {"verb":"account-changed","node":"ana","deleted":true}  a tool has written to the database
 *
 * Each answer is {"ok":true,...} or {"ok":false,"error":"..."}. Requests are at most 4 KiB and 16 callers are
 * served at a time; a caller that sends no line within 10 s is let go.
 */
#include "config.h"

#include "relay/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "relay/net/clock.h"
#include "relay/net/io.h"
#include "relay/net/local.h"
#include "relay/net/loop.h"
#include "relay/route/router.h"
#include "relay/route/session.h"
#include "relay/store/txn.h"
#include "relay/stream/stream.h"
#include "relay/version.h"

enum { REQUEST_MAX = 4096, CALLERS_MAX = 16, SILENCE_MAX = 10000 /* ms */ };

struct caller {
	struct caller *next;
	struct control *control;
	struct io *io;
	struct timer *deadline;
	struct buf in;
};

struct control {
	struct loop *loop;
	struct router *router;
	struct local *local;
	struct caller *callers;
	size_t count;
	int64_t started; /* ms monotonic */
};

/* Verbs: each takes the request and returns the answer. */

static json_t *
failure(const char *why)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", why);
}

static json_int_t
resident_bytes(void)
{
	long size = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL)
		return 0;
	if (fscanf(file, "%ld %ld", &size, &resident) != 2)
		resident = 0;
	fclose(file);
	return (json_int_t)resident * sysconf(_SC_PAGESIZE);
}

static json_t *
verb_status(struct control *control, const json_t *request)
{
	(void)request;
	return json_pack("{s:b, s:s, s:I, s:I, s:I}", "ok", 1, "version", LAZO_VERSION, "uptime",
			 (json_int_t)((now_mono() - control->started) / 1000), "sessions",
			 (json_int_t)router_session_count(control->router), "rss", resident_bytes());
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
verb_sessions(struct control *control, const json_t *request)
{
	json_t *list = json_array();

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
verb_kick(struct control *control, const json_t *request)
{
	struct arena *arena = arena_new();
	struct kicking *kicking = xcalloc(1, sizeof *kicking);
	bool valid = jid_parse_text(arena, json_string_value(json_object_get(request, "jid")), &kicking->jid);
	size_t count;

	if (valid)
		router_each_session(control->router, choose, kicking);
	count = kicking->count;
	end_tokens(control, kicking);
	arena_free(&arena);
	return valid ? json_pack("{s:b, s:I}", "ok", 1, "closed", (json_int_t)count) : failure("not an address");
}

static json_t *
verb_account_changed(struct control *control, const json_t *request)
{
	const char *node = json_string_value(json_object_get(request, "node"));

	if (node == NULL)
		return failure("no node");
	router_account_changed(control->router, node, json_is_true(json_object_get(request, "deleted")));
	return json_pack("{s:b}", "ok", 1);
}

static const struct {
	const char *name;
	json_t *(*fn)(struct control *control, const json_t *request);
} verbs[] = {
	{ "account-changed", verb_account_changed },
	{ "kick", verb_kick },
	{ "sessions", verb_sessions },
	{ "status", verb_status },
};

static json_t *
answer(struct control *control, const char *line, size_t len)
{
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL), *reply = NULL;
	const char *name = json_string_value(json_object_get(request, "verb"));

	for (size_t i = 0; name != NULL && i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(name, verbs[i].name) == 0)
			reply = verbs[i].fn(control, request);
	json_decref(request);
	return reply != NULL ? reply : failure("not a request");
}

/* Callers. */

static void
caller_free(struct caller *caller)
{
	struct caller **at = &caller->control->callers;

	while (*at != caller)
		at = &(*at)->next;
	*at = caller->next;
	caller->control->count--;
	io_free(&caller->io);
	timer_free(&caller->deadline);
	buf_free(&caller->in);
	free(caller);
}

static void
say(struct caller *caller, json_t *reply)
{
	char *text = json_dumps(reply, JSON_COMPACT | JSON_SORT_KEYS);

	json_decref(reply);
	if (text == NULL)
		return;
	io_write(caller->io, text, strlen(text));
	io_write(caller->io, "\n", 1);
	free(text);
}

static void
take_lines(struct caller *caller)
{
	char *end;

	while (caller->in.len > 0 && (end = memchr(caller->in.data, '\n', caller->in.len)) != NULL) {
		size_t len = (size_t)(end - caller->in.data);
		say(caller, answer(caller->control, caller->in.data, len));
		buf_drop(&caller->in, len + 1);
		timer_set(caller->deadline, SILENCE_MAX);
	}
	if (caller->in.len > REQUEST_MAX)
		caller_free(caller);
}

static void
on_io(void *arg, enum io_event event, const char *bytes, size_t len)
{
	struct caller *caller = arg;

	switch (event) {
	case IO_DATA:
		buf_add(&caller->in, bytes, len);
		take_lines(caller);
		return;
	case IO_CLOSED:
		caller_free(caller);
		return;
	case IO_TLS_READY:
	case IO_DRAINED:
		return;
	}
}

static void
overdue(void *arg)
{
	caller_free(arg);
}

static void
called(void *arg, int fd)
{
	struct control *control = arg;
	struct caller *caller;

	if (control->count >= CALLERS_MAX) {
		close(fd);
		return;
	}
	caller = xcalloc(1, sizeof *caller);
	caller->control = control;
	caller->next = control->callers;
	control->callers = caller;
	control->count++;
	caller->deadline = timer_new(control->loop, overdue, caller);
	timer_set(caller->deadline, SILENCE_MAX);
	caller->io = io_new(control->loop, fd, on_io, caller);
}

struct control *
control_new(struct loop *loop, const char *path, struct router *router, char **error_r)
{
	struct control *control = xcalloc(1, sizeof *control);

	control->loop = loop;
	control->router = router;
	control->started = now_mono();
	control->local = local_listen(loop, path, called, control, error_r);
	if (control->local == NULL) {
		free(control);
		return NULL;
	}
	return control;
}

void
control_free(struct control **handle)
{
	struct control *control = *handle;

	if (control == NULL)
		return;
	*handle = NULL;
	while (control->callers != NULL)
		caller_free(control->callers);
	local_free(&control->local);
	free(control);
}
