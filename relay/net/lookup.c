/*
 * net/lookup.c -- questions to DNS by libunbound: see lookup.h. What an answer says is read within its length and nowhere else.
 */
#include "config.h"

#include "relay/net/lookup.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>

#include "proto/mem.h"
#include "relay/net/clock.h"

enum { CLASS_IN = 1, SRV_HEAD = 6 /* priority, weight, port */ };

struct asking {
	struct lookup *lookup;
	bool done;
};

/* A name as labels; only what may stand in a host's name is taken. False: it is none. */
static bool
read_name(const uint8_t *at, size_t len, char out[static LOOKUP_NAME])
{
	size_t used = 0, label;

	for (; len > 0 && (label = at[0]) != 0; at += label + 1, len -= label + 1) {
		if (label > 63 || label + 1 > len || used + label + 2 > LOOKUP_NAME)
			return false;
		for (size_t i = 1; i <= label; i++)
			if (!isalnum(at[i]) && at[i] != '-' && at[i] != '_')
				return false;
		memcpy(out + used, at + 1, label);
		used += label;
		out[used++] = '.';
	}
	if (used == 0)
		out[used++] = '.';
	out[used == 1 ? used : used - 1] = '\0'; /* without the last dot; the root is one */
	return len == 1;
}

static bool
read_answer(enum lookup_type type, const uint8_t *data, size_t len, struct lookup_answer *out)
{
	switch (type) {
	case LOOKUP_A:
		return len == 4 && inet_ntop(AF_INET, data, out->text, sizeof out->text) != NULL;
	case LOOKUP_AAAA:
		return len == 16 && inet_ntop(AF_INET6, data, out->text, sizeof out->text) != NULL;
	case LOOKUP_SRV:
		if (len <= SRV_HEAD)
			return false;
		out->port = (unsigned)data[4] << 8 | data[5];
		return read_name(data + SRV_HEAD, len - SRV_HEAD, out->text);
	}
	return false;
}

static void
on_answer(void *arg, int error, struct ub_result *result)
{
	struct asking *asking = arg;
	struct lookup *lookup = asking->lookup;

	asking->done = true;
	lookup->known = error == 0 && (result->rcode == 0 || result->nxdomain);
	for (int i = 0; lookup->known && result->havedata && result->data[i] != NULL && lookup->count < LOOKUP_ANSWERS; i++)
		if (read_answer(lookup->type, (const uint8_t *)result->data[i], (size_t)result->len[i],
			&lookup->answers[lookup->count]))
			lookup->count++;
	ub_resolve_free(result);
}

static void
await(struct ub_ctx *ctx, const struct asking *asking, size_t count, int64_t deadline)
{
	for (;;) {
		struct pollfd pfd = { .fd = ub_fd(ctx), .events = POLLIN };
		int64_t left = deadline - now_mono();
		size_t open = 0;

		for (size_t i = 0; i < count; i++)
			open += !asking[i].done;
		if (open == 0 || left <= 0 || poll(&pfd, 1, (int)left) < 0)
			return;
		if (pfd.revents != 0)
			ub_process(ctx);
	}
}

/* libunbound writes the port behind an @. */
static void
use_resolver(struct ub_ctx *ctx, const char *where)
{
	char *text = xstrdup(where), *colon = strrchr(text, ':');

	if (colon != NULL)
		*colon = '@';
	if (text[0] == '[' && colon != NULL && colon[-1] == ']') { /* [::1]:53 */
		memmove(text, text + 1, strlen(text));
		memmove(colon - 2, colon - 1, strlen(colon - 1) + 1);
	}
	ub_ctx_set_fwd(ctx, text);
	free(text);
}

bool
lookup_all(char *const *resolvers, size_t resolver_count, struct lookup *questions, size_t count, int64_t within_ms)
{
	struct ub_ctx *ctx = ub_ctx_create();
	struct asking *asking;

	if (ctx == NULL)
		return false;
	ub_ctx_async(ctx, 1); /* a thread: without this it forks */
	ub_ctx_set_option(ctx, "do-not-query-localhost:", "no");
	for (size_t i = 0; i < resolver_count; i++)
		use_resolver(ctx, resolvers[i]);
	if (resolver_count == 0) {
		ub_ctx_resolvconf(ctx, NULL);
		ub_ctx_hosts(ctx, NULL);
	}
	asking = xcalloc(count + 1, sizeof *asking);
	for (size_t i = 0; i < count; i++) {
		asking[i].lookup = &questions[i];
		questions[i].known = false;
		questions[i].count = 0;
		asking[i].done = ub_resolve_async(ctx, questions[i].name, (int)questions[i].type, CLASS_IN, &asking[i],
				     on_answer, NULL) != 0;
	}
	await(ctx, asking, count, now_mono() + within_ms);
	ub_ctx_delete(ctx); /* no answer comes after this */
	free(asking);
	return true;
}
