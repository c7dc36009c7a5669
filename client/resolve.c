/* resolve.c -- SRV records and addresses over libunbound: see resolve.h. */
#include "config.h"

#include "client/resolve.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>

#include "client/clock.h"
#include "proto/digest.h"
#include "proto/jid.h"
#include "proto/mem.h"

enum {
	RR_A = 1,
	RR_AAAA = 28,
	RR_SRV = 33,
	CLASS_IN = 1,
	PORT_STARTTLS = 5222,
};

static uint32_t
random_below(uint32_t below)
{
	uint32_t number;

	random_bytes(&number, sizeof(number));
	return number % below;
}

/* -- asking ------------------------------------------------------------------------------------------------ */

struct question {
	struct ub_result *result; /* owned; NULL: no answer */
	bool done;
	int type;
};

static void
on_answer(void *arg, int error, struct ub_result *result)
{
	struct question *question = arg;

	question->done = true;
	question->result = error == 0 ? result : NULL;
	if (error != 0)
		ub_resolve_free(result);
}

static bool
ask(struct ub_ctx *ctx, const char *name, int type, struct question *question)
{
	*question = (struct question){ .type = type };
	question->done = ub_resolve_async(ctx, name, type, CLASS_IN, question, on_answer, NULL) != 0;
	return !question->done;
}

/* Until all have their answer or time is over. */
static void
await(struct ub_ctx *ctx, struct question *questions, size_t count, int64_t deadline)
{
	for (;;) {
		struct pollfd pfd = { .fd = ub_fd(ctx), .events = POLLIN };
		int64_t left = deadline - now_mono();
		size_t open = 0;

		for (size_t i = 0; i < count; i++)
			open += !questions[i].done;
		if (open == 0 || left <= 0)
			return;
		if (poll(&pfd, 1, (int)left) < 0)
			return;
		if (pfd.revents != 0)
			ub_process(ctx);
	}
}

static bool
answered(const struct question *question)
{
	return question->result != NULL && (question->result->rcode == 0 || question->result->nxdomain);
}

/* Which kinds the domain has taken away by "."; targets are added to `list`. Returns how many there are then. */
static size_t
take_srv(const struct question *question, bool direct, struct srv *list, size_t count, bool *none_r)
{
	const struct ub_result *result = question->result;

	*none_r = false;
	if (result == NULL || !result->havedata)
		return count;
	for (int i = 0; result->data[i] != NULL && i < RESOLVE_TARGETS_MAX; i++) {
		struct srv target;

		if (!srv_parse((const uint8_t *)result->data[i], (size_t)result->len[i], direct, &target))
			continue;
		if (target.host[0] == '\0')
			*none_r = true;
		else
			list[count++] = target;
	}
	return count;
}

/* The targets of a domain into `list` (of 2 * RESOLVE_TARGETS_MAX). 0: the trouble says why. */
static size_t
find_targets(struct ub_ctx *ctx, const char *domain, int64_t deadline, struct srv *list, struct trouble *trouble)
{
	struct question questions[2];
	char *direct = xasprintf("_xmpps-client._tcp.%s", domain), *starttls = xasprintf("_xmpp-client._tcp.%s", domain);
	bool none[2] = { false };
	size_t count = 0;

	ask(ctx, direct, RR_SRV, &questions[0]);
	ask(ctx, starttls, RR_SRV, &questions[1]);
	await(ctx, questions, 2, deadline);
	count = take_srv(&questions[0], true, list, count, &none[0]);
	count = take_srv(&questions[1], false, list, count, &none[1]);
	for (size_t i = 0; i < 2; i++)
		ub_resolve_free(questions[i].result);
	free(direct);
	free(starttls);
	if (count > 0) {
		srv_order(list, count, random_below);
	} else if (none[0] || none[1]) {
		trouble_set(trouble, FAULT_NO_SERVICE, "SRV target . of %s", domain);
	} else {
		list[0] = (struct srv){ .port = PORT_STARTTLS };
		resolve_host(&list[0], domain, strlen(domain));
		count = 1;
	}
	return count;
}

static size_t
add_endpoint(struct endpoint *list, size_t count, const struct srv *target, int family, const void *raw)
{
	struct endpoint *end = &list[count];

	if (count == RESOLVE_MAX)
		return count;
	*end = (struct endpoint){ .family = family, .port = target->port, .direct = target->direct };
	inet_ntop(family, raw, end->address, sizeof(end->address));
	return count + 1;
}

/* A numeric host needs no asking. */
static size_t
add_literal(struct endpoint *list, size_t count, const struct srv *target)
{
	uint8_t raw[16];

	if (inet_pton(AF_INET, target->host, raw) == 1)
		return add_endpoint(list, count, target, AF_INET, raw);
	if (inet_pton(AF_INET6, target->host, raw) == 1)
		return add_endpoint(list, count, target, AF_INET6, raw);
	return count;
}

static size_t
usable(const struct question *question, int len)
{
	size_t count = 0;

	if (question->result == NULL || !question->result->havedata)
		return 0;
	while (question->result->data[count] != NULL && question->result->len[count] == len)
		count++;
	return count;
}

/* Both families of one target, by turns, IPv6 first. *known_r: the name server answered at all. */
static size_t
add_target(struct ub_ctx *ctx, const struct srv *target, int64_t deadline, struct endpoint *list, size_t count,
    bool *known_r)
{
	struct question six_four[2];
	size_t six, four;

	ask(ctx, target->host, RR_AAAA, &six_four[0]);
	ask(ctx, target->host, RR_A, &six_four[1]);
	await(ctx, six_four, 2, deadline);
	six = usable(&six_four[0], 16);
	four = usable(&six_four[1], 4);
	for (size_t i = 0; i < six || i < four; i++) {
		if (i < six)
			count = add_endpoint(list, count, target, AF_INET6, six_four[0].result->data[i]);
		if (i < four)
			count = add_endpoint(list, count, target, AF_INET, six_four[1].result->data[i]);
	}
	*known_r = *known_r || answered(&six_four[0]) || answered(&six_four[1]);
	ub_resolve_free(six_four[0].result);
	ub_resolve_free(six_four[1].result);
	return count;
}

static struct ub_ctx *
open_resolver(void)
{
	struct ub_ctx *ctx = ub_ctx_create();

	if (ctx == NULL)
		return NULL;
	ub_ctx_async(ctx, 1); /* threads: without this it forks */
	ub_ctx_resolvconf(ctx, NULL);
	ub_ctx_hosts(ctx, NULL);
	return ctx;
}

/* What is asked for first: the --server, else the domain; in its A-form. */
static void
first_target(const char *domain, const char *server, struct srv *target)
{
	char ascii[JID_PART_MAX + 1];
	bool literal = server == NULL && domain[0] == '[';

	if (server != NULL)
		resolve_server(server, target);
	else
		target->port = PORT_STARTTLS;
	if (jid_domain_ascii(server != NULL ? target->host : domain, ascii))
		resolve_host(target, ascii + literal, strcspn(ascii + literal, "]"));
}

size_t
resolve_find(const char *domain, const char *server, int64_t deadline, struct endpoint list[static RESOLVE_MAX],
    struct trouble *trouble)
{
	struct srv targets[2 * RESOLVE_TARGETS_MAX] = { 0 }, first = { 0 };
	struct ub_ctx *ctx;
	size_t count = 0, found = 1;
	bool known = false;

	first_target(domain, server, &first);
	count = add_literal(list, 0, &first);
	if (count > 0)
		return count;

	ctx = open_resolver();
	if (ctx == NULL) {
		trouble_set(trouble, FAULT_DNS, "no resolver");
		return 0;
	}
	if (server == NULL)
		found = find_targets(ctx, first.host, deadline, targets, trouble);
	else
		targets[0] = first;
	for (size_t i = 0; i < found; i++) {
		size_t before = count;

		count = add_literal(list, count, &targets[i]);
		if (count == before)
			count = add_target(ctx, &targets[i], deadline, list, count, &known);
	}
	ub_ctx_delete(ctx);
	if (count == 0)
		trouble_set(trouble, known ? FAULT_HOST : FAULT_DNS, "%s", server != NULL ? first.host : domain);
	return count;
}
