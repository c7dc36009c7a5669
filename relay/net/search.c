/*
 * net/search.c -- one search for the addresses of a relay: see resolver.h.
 *
 *   two SRV questions -> targets in order -> AAAA and A of each, all at once -> endpoints in the targets' order
 */
#include "config.h"

#include "relay/net/resolver-private.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>
#include "proto/digest.h"
#include "proto/mem.h"
#include "proto/srv.h"
#include "relay/net/loop.h"

enum {
	RR_A = 1,
	RR_AAAA = 28,
	RR_SRV = 33,
	CLASS_IN = 1,
	NAME_MOST = 253, /* letters of a name without its last dot (RFC 1035 2.3.4) */
	PORT_STARTTLS = 5269,
	KINDS = 2,
	TARGETS_MOST = 16,
	RECORDS_MOST = 50,   /* SRV, of one answer */
	ADDRESSES_MOST = 16, /* of one answer */
	ANSWER_MS = 15 * 1000,
	GRACE_MS = 2 * 1000, /* for the rest, once something is there: some servers let AAAA fall silently */
};

struct question {
	struct search *search;
	struct ub_result *result; /* owned; NULL: no answer */
	int id;                   /* to cancel it */
	bool open;
	bool no_name; /* DNS cannot have such a name */
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
	bool hurried;   /* GRACE_MS runs */
	bool nobody;    /* the answers say so */
};

static void answered(void *arg, int error, struct ub_result *result);

/* ---- asking ---- */

static void
ask(struct search *search, size_t index, const char *name, int type)
{
	struct question *question = &search->questions[index];

	*question = (struct question){ .search = search, .no_name = strlen(name) > NAME_MOST };
	if (question->no_name || !resolver_open(search->resolver) ||
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
	if (--search->open == 0) {
		timer_set(search->timer, 0); /* the context is busy with this call */
	} else if (!search->hurried && question->result != NULL && question->result->havedata) {
		search->hurried = true;
		timer_set(search->timer, GRACE_MS);
	}
}

static bool
says_no(const struct question *question)
{
	const struct ub_result *result = question->result;

	return question->no_name || (result != NULL && !result->havedata && (result->rcode == 0 || result->nxdomain));
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

/* Appends to the list. True: there are records, and none names a host: this kind is taken away, by "." as a rule. */
static bool
take_srv(const struct question *question, bool direct, struct srv *list, size_t *count)
{
	const struct ub_result *result = question->result;
	size_t before = *count;

	if (result == NULL || !result->havedata)
		return false;
	for (size_t i = 0; i < RECORDS_MOST && result->data[i] != NULL; i++)
		*count += srv_parse((const uint8_t *)result->data[i], (size_t)result->len[i], direct, &list[*count]) &&
		    list[*count].host[0] != '\0';
	return *count == before;
}

/* RFC 6120 3.2.2: only without any SRV record is the domain itself tried; that there is no direct TLS does not change that. */
static void
take_targets(struct search *search)
{
	const struct question *both = search->questions;
	struct srv list[KINDS * RECORDS_MOST];
	size_t count = 0;
	bool no_direct = take_srv(&both[0], true, list, &count), no_starttls = take_srv(&both[1], false, list, &count);

	if (count > 0) {
		srv_order(list, count, random_below);
		search->target_count = count < TARGETS_MOST ? count : TARGETS_MOST;
		memcpy(search->targets, list, search->target_count * sizeof *list);
	} else if (no_starttls) {
		search->nobody = no_direct || says_no(&both[0]);
	} else if (says_no(&both[1]) && (no_direct || says_no(&both[0]))) {
		search->targets[0] = (struct srv){ .port = PORT_STARTTLS };
		memcpy(search->targets[0].host, search->host, sizeof search->host);
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
	while (count < ADDRESSES_MOST && question->result->data[count] != NULL && question->result->len[count] == len)
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
	bool itself = search->target_count == 1 && strcmp(search->targets[0].host, search->host) == 0;

	if (search->nobody)
		return RESOLVER_NO_SERVICE;
	for (size_t i = 0; i < search->question_count; i++) {
		const struct question *question = &search->questions[i];

		if (!says_no(question))
			return RESOLVER_FAILED;
		if (itself && (question->no_name || question->result->nxdomain))
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
	search->hurried = false;
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
		memcpy(search->targets[0].host, search->host, sizeof search->host);
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
