/*
 * net/resolver.c -- SRV records and addresses over libunbound: see resolver.h.
 *
 *   two SRV questions -> targets in order -> AAAA and A of each, all at once -> endpoints in the targets' order
 */
#include "config.h"

#include "relay/net/resolver.h"
#include "relay/net/loop-private.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>
#include "proto/digest.h"
#include "proto/mem.h"
#include "proto/srv.h"
#include "relay/log.h"

enum {
	RR_A = 1,
	RR_AAAA = 28,
	RR_SRV = 33,
	CLASS_IN = 1,
	PORT_STARTTLS = 5269,
	KINDS = 2,
	TARGETS_MOST = 16,
	RECORDS_MOST = 16,   /* of one answer */
	ANSWER_MS = 15 * 1000,
	SERVERS_MOST = 8,
};

struct question {
	struct search *search;
	struct ub_result *result; /* owned; NULL: no answer */
	int id;                   /* to cancel it */
	bool open;
};

struct search {
	struct search *next, **back;
	struct resolver *resolver;
	struct timer *timer;
	resolver_fn *fn;
	void *arg;
	char host[SRV_HOST_MAX + 1];
	struct srv targets[TARGETS_MOST];
	size_t target_count;
	struct question questions[KINDS * TARGETS_MOST];
	size_t question_count, open;
	bool addresses; /* the second round */
	bool nobody;    /* the answers say so */
};

struct watch {
	uv_poll_t poll;
	struct resolver *resolver; /* NULL: closed */
};

struct resolver {
	struct loop *loop;
	struct ub_ctx *ctx;
	struct watch *watch;
	struct search *searches;
	char *servers[SERVERS_MOST];
	size_t server_count;
	bool stale; /* a new context for the next search */
};

static void answered(void *arg, int error, struct ub_result *result);

/* ---- the context ---- */

static void
watch_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
drop_context(struct resolver *resolver)
{
	resolver->stale = false;
	if (resolver->ctx == NULL)
		return;
	resolver->watch->resolver = NULL;
	uv_close((uv_handle_t *)&resolver->watch->poll, watch_closed);
	ub_ctx_delete(resolver->ctx);
	resolver->ctx = NULL;
	resolver->watch = NULL;
}

static void
on_answers(uv_poll_t *handle, int status, int events)
{
	struct watch *watch = handle->data;

	(void)status;
	(void)events;
	if (watch->resolver != NULL)
		ub_process(watch->resolver->ctx); /* -> answered() */
}

static void
set_servers(const struct resolver *resolver)
{
	char text[SRV_HOST_MAX], *port;

	for (size_t i = 0; i < resolver->server_count; i++) {
		size_t skip = resolver->servers[i][0] == '[';

		/* "192.0.2.1:53" and "[2001:db8::1]:53" become what libunbound reads: address@port */
		if (strlen(resolver->servers[i]) >= sizeof text)
			continue;
		strcpy(text, resolver->servers[i] + skip);
		port = strrchr(text, ':');
		if (port != NULL && (skip != 0 || strchr(text, ':') == port)) {
			*port = '@';
			if (skip != 0 && port > text && port[-1] == ']')
				memmove(port - 1, port, strlen(port) + 1);
		}
		if (ub_ctx_set_fwd(resolver->ctx, text) != 0)
			log_error(NULL, "resolver %s is not an address", resolver->servers[i]);
	}
	ub_ctx_set_option(resolver->ctx, "do-not-query-localhost:", "no");
}

static bool
open_context(struct resolver *resolver)
{
	if (resolver->stale && resolver->searches == NULL)
		drop_context(resolver);
	if (resolver->ctx != NULL)
		return true;
	resolver->ctx = ub_ctx_create();
	if (resolver->ctx == NULL)
		return false;
	ub_ctx_async(resolver->ctx, 1); /* threads: without this it forks */
	if (resolver->server_count > 0) {
		set_servers(resolver);
	} else {
		ub_ctx_resolvconf(resolver->ctx, NULL);
		ub_ctx_hosts(resolver->ctx, NULL);
	}
	resolver->watch = xcalloc(1, sizeof *resolver->watch);
	resolver->watch->resolver = resolver;
	resolver->watch->poll.data = resolver->watch;
	if (uv_poll_init(loop_uv(resolver->loop), &resolver->watch->poll, ub_fd(resolver->ctx)) != 0) {
		ub_ctx_delete(resolver->ctx);
		resolver->ctx = NULL;
		free(resolver->watch);
		resolver->watch = NULL;
		return false;
	}
	uv_poll_start(&resolver->watch->poll, UV_READABLE, on_answers);
	return true;
}

struct resolver *
resolver_new(struct loop *loop)
{
	struct resolver *resolver = xcalloc(1, sizeof *resolver);

	resolver->loop = loop;
	return resolver;
}

static void
forget_servers(struct resolver *resolver)
{
	while (resolver->server_count > 0)
		free(resolver->servers[--resolver->server_count]);
}

void
resolver_set_servers(struct resolver *resolver, char *const *servers, size_t count)
{
	forget_servers(resolver);
	for (size_t i = 0; i < count && i < SERVERS_MOST; i++)
		resolver->servers[resolver->server_count++] = xstrdup(servers[i]);
	resolver->stale = true;
}

void
resolver_free(struct resolver **resolver)
{
	struct resolver *gone = *resolver;

	*resolver = NULL;
	if (gone == NULL)
		return;
	drop_context(gone);
	forget_servers(gone);
	free(gone);
}

/* ---- asking ---- */

static void
ask(struct search *search, size_t index, const char *name, int type)
{
	struct question *question = &search->questions[index];

	*question = (struct question){ .search = search };
	if (!open_context(search->resolver) ||
	    ub_resolve_async(search->resolver->ctx, name, type, CLASS_IN, question, answered, &question->id) != 0)
		return;
	question->open = true;
	search->open++;
}

static void
end_questions(struct search *search)
{
	for (size_t i = 0; i < search->question_count; i++) {
		struct question *question = &search->questions[i];

		if (question->open)
			ub_cancel(search->resolver->ctx, question->id);
		ub_resolve_free(question->result);
		*question = (struct question){ .search = search };
	}
	search->question_count = search->open = 0;
}

static void
answered(void *arg, int error, struct ub_result *result)
{
	struct question *question = arg;
	struct search *search = question->search;

	question->open = false;
	question->result = error == 0 ? result : NULL;
	if (error != 0)
		ub_resolve_free(result);
	if (--search->open == 0)
		timer_set(search->timer, 0); /* the context is busy with this call */
}

static bool
says_no(const struct question *question)
{
	return question->result != NULL && (question->result->rcode == 0 || question->result->nxdomain);
}

/* ---- the first round ---- */

static uint32_t
random_below(uint32_t below)
{
	uint32_t number;

	random_bytes(&number, sizeof number);
	return number % below;
}

static void
ask_for_targets(struct search *search)
{
	char *direct = xasprintf("_xmpps-server._tcp.%s", search->host);
	char *starttls = xasprintf("_xmpp-server._tcp.%s", search->host);

	search->question_count = KINDS;
	ask(search, 0, direct, RR_SRV);
	ask(search, 1, starttls, RR_SRV);
	free(direct);
	free(starttls);
}

/* True: this kind is taken away by ".". */
static bool
take_srv(struct search *search, const struct question *question, bool direct)
{
	const struct ub_result *result = question->result;
	struct srv target;
	bool none = false;

	if (result == NULL || !result->havedata)
		return false;
	for (size_t i = 0; i < RECORDS_MOST && result->data[i] != NULL; i++) {
		if (!srv_parse((const uint8_t *)result->data[i], (size_t)result->len[i], direct, &target))
			continue;
		if (target.host[0] == '\0')
			none = true;
		else if (search->target_count < TARGETS_MOST)
			search->targets[search->target_count++] = target;
	}
	return none;
}

/* RFC 6120 3.2.2: only without any SRV record is the domain itself tried. */
static void
take_targets(struct search *search)
{
	bool none_direct = take_srv(search, &search->questions[0], true);
	bool none_starttls = take_srv(search, &search->questions[1], false);

	if (search->target_count > 0) {
		srv_order(search->targets, search->target_count, random_below);
	} else if (none_direct || none_starttls) {
		search->nobody = true;
	} else if (says_no(&search->questions[0]) && says_no(&search->questions[1])) {
		search->targets[0] = (struct srv){ .port = PORT_STARTTLS };
		strcpy(search->targets[0].host, search->host);
		search->target_count = 1;
	}
}

/* ---- the second ---- */

static void
ask_for_addresses(struct search *search)
{
	uint8_t raw[16];

	search->question_count = search->target_count * KINDS;
	for (size_t i = 0; i < search->target_count; i++) {
		const char *host = search->targets[i].host;

		search->questions[i * KINDS] = search->questions[i * KINDS + 1] = (struct question){ .search = search };
		if (inet_pton(AF_INET, host, raw) == 1 || inet_pton(AF_INET6, host, raw) == 1)
			continue;
		ask(search, i * KINDS, host, RR_AAAA);
		ask(search, i * KINDS + 1, host, RR_A);
	}
}

static size_t
usable(const struct question *question, int len)
{
	size_t count = 0;

	if (question->result == NULL || !question->result->havedata)
		return 0;
	while (count < RECORDS_MOST && question->result->data[count] != NULL && question->result->len[count] == len)
		count++;
	return count;
}

static size_t
add_literal(const struct srv *target, struct endpoint *list, size_t count)
{
	uint8_t raw[16];
	int family = inet_pton(AF_INET, target->host, raw) == 1 ? AF_INET : AF_INET6;

	if (count == ENDPOINTS_MOST || (family == AF_INET6 && inet_pton(AF_INET6, target->host, raw) != 1))
		return count;
	list[count] = endpoint_of(family, raw, target->port, target->direct);
	return count + 1;
}

/* Both families by turns, IPv6 first. */
static size_t
add_target(const struct search *search, size_t index, struct endpoint *list, size_t count)
{
	const struct srv *target = &search->targets[index];
	const struct question *both[KINDS] = { &search->questions[index * KINDS], &search->questions[index * KINDS + 1] };
	size_t six = usable(both[0], 16), four = usable(both[1], 4);

	for (size_t i = 0; (i < six || i < four) && count < ENDPOINTS_MOST; i++) {
		if (i < six)
			list[count++] = endpoint_of(AF_INET6, both[0]->result->data[i], target->port, target->direct);
		if (i < four && count < ENDPOINTS_MOST)
			list[count++] = endpoint_of(AF_INET, both[1]->result->data[i], target->port, target->direct);
	}
	return add_literal(target, list, count);
}

/* No address of any target: what the answers say, if every one is a real one. */
static enum resolver_result
none(const struct search *search)
{
	enum resolver_result result = RESOLVER_NO_SERVICE;

	if (search->nobody)
		return RESOLVER_NO_SERVICE;
	for (size_t i = 0; i < search->question_count; i++) {
		if (!says_no(&search->questions[i]))
			return RESOLVER_FAILED;
		if (search->questions[i].result->nxdomain)
			result = RESOLVER_NO_DOMAIN;
	}
	return search->question_count > 0 ? result : RESOLVER_FAILED;
}

static void
tell(struct search *search, enum resolver_result result, const struct endpoint *list, size_t count)
{
	resolver_fn *fn = search->fn;
	void *arg = search->arg;

	if (result == RESOLVER_FAILED)
		search->resolver->stale = true;
	resolver_cancel(&search);
	fn(arg, result, list, count);
}

static void
finish(struct search *search)
{
	struct endpoint list[ENDPOINTS_MOST];
	size_t count = 0;

	for (size_t i = 0; i < search->target_count; i++)
		count = add_target(search, i, list, count);
	if (count > 0)
		tell(search, RESOLVER_FOUND, list, count);
	else
		tell(search, none(search), NULL, 0);
}

/* All questions of a round have their answer, or time is over. */
static void
round_over(void *arg)
{
	struct search *search = arg;

	if (search->addresses) {
		finish(search);
		return;
	}
	search->addresses = true;
	if (search->target_count == 0) /* no literal */
		take_targets(search);
	end_questions(search);
	ask_for_addresses(search);
	if (search->open == 0)
		finish(search);
	else
		timer_set(search->timer, ANSWER_MS);
}

struct search *
resolver_find(struct resolver *resolver, const char *ascii, resolver_fn *fn, void *arg)
{
	struct search *search = xcalloc(1, sizeof *search);
	uint8_t raw[16];
	size_t literal = ascii[0] == '[', len = strcspn(ascii + literal, "]");

	search->resolver = resolver;
	search->fn = fn;
	search->arg = arg;
	search->timer = timer_new(resolver->loop, round_over, search);
	search->next = resolver->searches;
	search->back = &resolver->searches;
	if (search->next != NULL)
		search->next->back = &search->next;
	if (len <= SRV_HOST_MAX)
		memcpy(search->host, ascii + literal, len);
	if (inet_pton(AF_INET, search->host, raw) == 1 || inet_pton(AF_INET6, search->host, raw) == 1) {
		search->targets[0] = (struct srv){ .port = PORT_STARTTLS };
		strcpy(search->targets[0].host, search->host);
		search->target_count = 1;
	} else {
		ask_for_targets(search); /* before it is in the list: a stale context may go now */
	}
	resolver->searches = search;
	timer_set(search->timer, search->open == 0 ? 0 : ANSWER_MS);
	return search;
}

void
resolver_cancel(struct search **search_p)
{
	struct search *search = *search_p;

	*search_p = NULL;
	if (search == NULL)
		return;
	end_questions(search);
	*search->back = search->next;
	if (search->next != NULL)
		search->next->back = search->back;
	timer_free(&search->timer);
	free(search);
}
