/*
 * net/resolver.c -- libunbound's context: the servers that it asks, and when it is made anew: see resolver.h.
 */
#include "config.h"

#include "relay/net/resolver-private.h"
#include "relay/net/loop-private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>
#include "proto/mem.h"
#include "relay/log.h"

enum { SERVER_TEXT = 256 };

struct watch {
	uv_poll_t poll;
	struct resolver *resolver; /* NULL: closed */
};

/* A server that did not answer is tried again soon: by itself libunbound holds it for dead for up to 15 min. */
static const char *const forgetful[][2] = {
	{ "infra-host-ttl:", "30" },
	{ "infra-keep-probing:", "yes" },
};

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
		ub_process(watch->resolver->ctx); /* -> search.c */
}

static void
set_servers(const struct resolver *resolver)
{
	char text[SERVER_TEXT], *port;

	for (size_t i = 0; i < resolver->server_count; i++) {
		size_t skip = resolver->servers[i][0] == '[';

		/* "192.0.2.1:53" and "[2001:db8::1]:53" become what libunbound reads: address@port */
		if (strlen(resolver->servers[i]) >= sizeof text)
			continue;
		snprintf(text, sizeof text, "%s", resolver->servers[i] + skip);
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

bool
resolver_open(struct resolver *resolver)
{
	if (resolver->stale && resolver->searches == NULL)
		drop_context(resolver);
	if (resolver->ctx != NULL)
		return true;
	resolver->ctx = ub_ctx_create();
	if (resolver->ctx == NULL)
		return false;
	ub_ctx_async(resolver->ctx, 1); /* threads: without this it forks */
	for (size_t i = 0; i < sizeof forgetful / sizeof forgetful[0]; i++)
		ub_ctx_set_option(resolver->ctx, forgetful[i][0], forgetful[i][1]);
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
