/*
 * session.c -- bound resources: coming, being found, being written to, going. See session.h.
 *
 * A resource asked for that is in use goes to the newcomer and the old stream is closed with conflict (RFC
 * 6120 7.7.2.2, the first choice): a client that lost its line must not be kept out by its own ghost.
 * DIAGNOSTICS: an address that cannot be a resource is refused (bad-request), the 21st session of an
 * account too (resource-constraint).
 */
#include "config.h"

#include "relay/route/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"
#include "relay/net/clock.h"
#include "relay/route/quiet.h"
#include "relay/route/route-private.h"
#include "relay/store/txn.h"
#include "relay/stream/stream.h"

struct session *
session_ref(struct session *session)
{
	session->refs++;
	return session;
}

void
session_unref(struct session **session_p)
{
	struct session *session = *session_p;

	*session_p = NULL;
	if (session == NULL || --session->refs > 0)
		return;
	account_unref(&session->account);
	free(session->text);
	free((char *)(uintptr_t)session->jid.node);
	free((char *)(uintptr_t)session->jid.domain);
	free((char *)(uintptr_t)session->jid.resource);
	free(session->presence);
	free(session->caps);
	quiet_free(session);
	free(session);
}

static void
send_by(struct session *session, void (*send)(struct stream *, const char *, size_t), const char *bytes, size_t len)
{
	if (session->stream == NULL)
		return;
	if (session->quiet != NULL)
		quiet_flush(session);
	if (session->stream == NULL)
		return;
	if (stream_queued(session->stream) > SESSION_QUEUED_MOST) {
		log_info(&session->log, "closed: does not read what it is sent");
		session_close(session, STREAM_RESOURCE_CONSTRAINT, "you do not read what you are sent");
		return;
	}
	send(session->stream, bytes, len);
}

void
session_send_bytes(struct session *session, const char *bytes, size_t len)
{
	send_by(session, stream_send_bytes, bytes, len);
}

void
session_send_row(struct session *session, const char *bytes, size_t len)
{
	send_by(session, stream_send_row, bytes, len);
}

void
session_send(struct session *session, const struct xml *stanza)
{
	struct buf buf = { 0 };

	if (session->stream == NULL)
		return;
	xmlout(&buf, stanza, NS_CLIENT);
	session_send_bytes(session, buf.data, buf.len);
	buf_free(&buf);
}

bool
session_is_eligible(const struct session *session)
{
	return !session->gone && session->available && session->priority >= 0;
}

size_t
session_row(struct account *account, struct session *row[static SESSION_MOST])
{
	size_t count = 0;

	for (struct session *at = account->sessions; at != NULL && count < SESSION_MOST; at = at->next)
		row[count++] = session_ref(at);
	return count;
}

void
session_each(struct account *account, void (*fn)(struct session *session, void *arg), void *arg)
{
	struct session *row[SESSION_MOST];
	size_t count = session_row(account, row);

	for (size_t i = 0; i < count; i++) {
		if (session_is_eligible(row[i]))
			fn(row[i], arg);
		session_unref(&row[i]);
	}
}

struct session *
session_find(struct account *account, const char *resource)
{
	for (struct session *at = account->sessions; at != NULL; at = at->next)
		if (strcmp(at->jid.resource, resource) == 0)
			return at;
	return NULL;
}

static void
list_remove(struct session *session)
{
	struct session **at = &session->account->sessions;

	while (*at != session)
		at = &(*at)->next;
	*at = session->next;
	session->next = NULL;
	*(session->all_prev != NULL ? &session->all_prev->all_next : &session->router->sessions) =
	    session->all_next;
	if (session->all_next != NULL)
		session->all_next->all_prev = session->all_prev;
	session->all_prev = session->all_next = NULL;
	session->router->session_count--;
}

/* Unavailable for all who saw it, as RFC 6121 4.5.3 wants of a stream that ends without saying so; then
 * gone. */
static void
end(struct session *session)
{
	struct arena *arena;
	struct event *event;

	if (session->gone)
		return;
	session->gone = true;
	session->stream = NULL;
	quiet_free(session);
	event_leave_session(session);
	arena = arena_new();
	event = event_new(session->router, session, NULL, arena,
			  stanza_new(arena, "presence", session->text, NULL, "unavailable", NULL));
	if (session->available)
		(void)router_run_hooks(event, POINT_UNAVAILABLE);
	(void)router_run_hooks(event, POINT_CLOSED);
	list_remove(session);
	event_leave_session(session);
	event_finish(event, HANDLED);
}

void
session_close(struct session *session, enum stream_error error, const char *text)
{
	struct stream *stream = session->stream;

	if (stream == NULL)
		return;
	session_ref(session);
	end(session);
	stream_close(stream, error, text);
	session_unref(&session);
}

void
session_closed(void *arg)
{
	struct session *session = arg;

	end(session);
	session_unref(&session);
}

void
session_resumed(void *arg, struct stream *stream, uint64_t upto)
{
	struct session *session = session_ref(arg);
	const struct router *router = session->router;

	session->stream = stream;
	snprintf(session->log.id, sizeof session->log.id, "%s", stream_id(stream));
	quiet_set(session, false); /* XEP-0352 5.2 */
	for (size_t i = 0; !session->gone && i < router->feature_count; i++)
		if (router->features[i]->resumed != NULL)
			router->features[i]->resumed(router->states[i], session, upto);
	session_unref(&session);
}

/* Bytes as they were sent, inside a stream of NS_CLIENT. */
static const struct xml *
parse_sent(struct arena *arena, const char *bytes, size_t len)
{
	struct buf buf = { 0 };
	enum stream_error refused;
	const struct xml *stream;

	buf_adds(&buf, "<stream xmlns='" NS_CLIENT "'>");
	buf_add(&buf, bytes, len);
	buf_adds(&buf, "</stream>");
	stream = xmlin_parse(arena, buf.data, buf.len, &xmlin_limits_stored, &refused);
	buf_free(&buf);
	return stream == NULL ? NULL : xml_first(stream);
}

/* A request that nobody will answer (RFC 6120 8.2.3): as if it had come now that the resource is gone. Our own questions are
 * answered by the end of the session. */
void
session_lost(void *arg, const char *bytes, size_t len)
{
	struct session *session = arg;
	struct arena *arena = arena_new();
	const struct xml *iq = parse_sent(arena, bytes, len);
	const char *from = iq == NULL ? NULL : xml_attr(iq, "from");
	struct jid jid;

	if (iq != NULL && stanza_kind(iq) == STANZA_IQ && iq_valid(iq) &&
	    (iq_type(iq) == IQ_GET || iq_type(iq) == IQ_SET) && from != NULL &&
	    jid_parse_text(arena, from, &jid) && jid.resource != NULL)
		router_send(session->router, stanza_error(arena, iq, STANZA_SERVICE_UNAVAILABLE, NULL, false));
	arena_free(&arena);
}

/* A client that never takes up its lost sessions must not be kept out by them: the oldest goes. */
static void
make_room(struct account *account)
{
	struct session *oldest = NULL;

	for (struct session *at = account->sessions; at != NULL; at = at->next)
		if (at->stream != NULL && stream_is_away(at->stream))
			oldest = at;
	if (oldest != NULL)
		session_close(oldest, STREAM_OK, NULL);
}

/* XEP-0386 3.2: a program that logs in anew has no use for its earlier session. */
static void
close_earlier(struct account *account, const struct stream *stream)
{
	struct session *row[SESSION_MOST];
	size_t count = session_row(account, row);

	for (size_t i = 0; i < count; i++) {
		const char *client = row[i]->stream == NULL ? NULL : stream_client(row[i]->stream);

		if (client != NULL && strcmp(client, stream_client(stream)) == 0)
			session_close(row[i], STREAM_CONFLICT, "this client has logged in again");
		session_unref(&row[i]);
	}
}

static size_t
count_sessions(const struct account *account)
{
	size_t count = 0;

	for (const struct session *at = account->sessions; at != NULL; at = at->next)
		count++;
	return count;
}

static void
list_add(struct session *session)
{
	struct router *router = session->router;

	session->next = session->account->sessions;
	session->account->sessions = session;
	session->all_next = router->sessions;
	if (router->sessions != NULL)
		router->sessions->all_prev = session;
	router->sessions = session;
	router->session_count++;
}

static void
note_login(struct session *session)
{
	struct txn *txn = txn_new(session->router->store);

	txn_add(txn, &(struct op){ .kind = OP_ACCOUNT_SEEN,
				   .account = session->account->node,
				   .time = session->since });
	txn_submit(&txn, NULL, NULL);
}

void *
session_bound(void *arg, struct stream *stream, struct arena *arena, const char *node, const char *resource,
	      const char **resource_r, enum stanza_error *error_r)
{
	struct router *router = arg;
	struct session *session, *old;
	struct account *account;
	char made[ID_LEN + 1];
	struct jid jid;

	if (resource == NULL) { /* RFC 6120 7.6: ours, and not to be guessed */
		random_id(made);
		resource = made;
	}
	if (!jid_make(arena, node, router->domain, resource, &jid)) {
		*error_r = STANZA_BAD_REQUEST;
		return NULL;
	}
	account = account_open(router, jid.node);
	old = session_find(account, jid.resource);
	if (old != NULL) {
		log_info(&old->log, "replaced by a new session of the same resource");
		session_close(old, STREAM_CONFLICT, "this resource has logged in again");
	}
	if (stream_client(stream) != NULL)
		close_earlier(account, stream);
	if (count_sessions(account) >= SESSION_MOST)
		make_room(account);
	if (account_is_absent(account) || count_sessions(account) >= SESSION_MOST) {
		*error_r = account_is_absent(account) ? STANZA_NOT_ALLOWED : STANZA_RESOURCE_CONSTRAINT;
		account_unref(&account);
		return NULL;
	}
	session = xcalloc(1, sizeof *session);
	*session = (struct session){
		.router = router, .account = account, .stream = stream, .refs = 1, .since = now_wall()
	};
	session->jid = (struct jid){ xstrdup(jid.node), xstrdup(jid.domain), xstrdup(jid.resource) };
	session->text = xstrdup(jid_text(arena, &jid));
	snprintf(session->log.id, sizeof session->log.id, "%s", stream_id(stream));
	session->log.who = session->text;
	list_add(session);
	note_login(session);
	*resource_r = jid.resource;
	return session;
}
