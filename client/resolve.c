/* resolve.c -- SRV and addresses over libunbound, and the race of addresses: see resolve.h. */
#include "config.h"

#include "client/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <unbound.h>

#include "client/clock.h"
#include "proto/digest.h"
#include "proto/mem.h"

enum {
	RR_A = 1,
	RR_AAAA = 28,
	RR_SRV = 33,
	CLASS_IN = 1,
	PORT_STARTTLS = 5222,
	PORT_DIRECT = 5223,
	RACE_STEP_MS = 250, /* RFC 8305 section 5 */
	RACE_LIMIT_MS = 10000,
};

/* -- what --server says ------------------------------------------------------------------------------------ */

static bool
parse_port(const char *text, uint16_t *port_r)
{
	char *end;
	unsigned long port;

	if (*text < '0' || *text > '9')
		return false;
	port = strtoul(text, &end, 10);
	if (*end != '\0' || port == 0 || port > 65535)
		return false;
	*port_r = (uint16_t)port;
	return true;
}

static bool
take_host(struct target *target, const char *host, size_t len)
{
	if (len == 0 || len > RESOLVE_HOST_MAX || memchr(host, '/', len) != NULL)
		return false;
	memcpy(target->host, host, len);
	target->host[len] = '\0';
	return true;
}

bool
resolve_server(const char *server, struct target *target_r)
{
	const char *colon;

	*target_r = (struct target){ .port = PORT_STARTTLS };
	if (strncmp(server, "xmpps://", 8) == 0) {
		*target_r = (struct target){ .port = PORT_DIRECT, .direct = true };
		server += 8;
	} else if (strncmp(server, "xmpp://", 7) == 0) {
		server += 7;
	}
	if (*server == '[') {
		const char *close = strchr(server, ']');

		if (close == NULL || !take_host(target_r, server + 1, (size_t)(close - server - 1)))
			return false;
		return close[1] == '\0' || (close[1] == ':' && parse_port(close + 2, &target_r->port));
	}
	colon = strrchr(server, ':');
	if (colon != NULL && strchr(server, ':') == colon)
		return take_host(target_r, server, (size_t)(colon - server)) && parse_port(colon + 1, &target_r->port);
	return take_host(target_r, server, strlen(server)); /* no port, or a bare IPv6 address */
}

/* -- SRV --------------------------------------------------------------------------------------------------- */

static uint16_t
be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

bool
resolve_srv(const uint8_t *data, size_t len, bool direct, struct target *target_r)
{
	size_t at = 6, out = 0;

	*target_r = (struct target){ .direct = direct };
	if (len < 7)
		return false;
	target_r->priority = be16(data);
	target_r->weight = be16(data + 2);
	target_r->port = be16(data + 4);
	while (at < len && data[at] != 0) {
		size_t label = data[at++];

		if (label > 63 || at + label > len || out + label + 1 > RESOLVE_HOST_MAX)
			return false;
		if (memchr(data + at, '\0', label) != NULL || memchr(data + at, '.', label) != NULL)
			return false;
		memcpy(target_r->host + out, data + at, label);
		at += label;
		out += label;
		target_r->host[out++] = '.';
	}
	if (out > 0)
		target_r->host[out - 1] = '\0';
	return at + 1 == len && (out == 0 || target_r->port != 0);
}

static int
by_priority(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	return (x->priority > y->priority) - (x->priority < y->priority);
}

/* RFC 2782: draw one of the same priority with a chance in proportion to its weight; weight 0 has a very small one. */
static size_t
draw(const struct target *list, size_t count, uint32_t (*random)(uint32_t below))
{
	uint32_t total = 0, at;

	for (size_t i = 0; i < count; i++)
		total += list[i].weight * 16u + 1;
	at = random(total);
	for (size_t i = 0; i < count; i++) {
		uint32_t share = list[i].weight * 16u + 1;

		if (at < share)
			return i;
		at -= share;
	}
	return 0;
}

void
resolve_order(struct target *list, size_t count, uint32_t (*random)(uint32_t below))
{
	qsort(list, count, sizeof(*list), by_priority);
	for (size_t i = 0; i < count; i++) {
		size_t same = 1, pick;
		struct target chosen;

		while (i + same < count && list[i + same].priority == list[i].priority)
			same++;
		pick = i + draw(list + i, same, random);
		chosen = list[pick];
		memmove(list + i + 1, list + i, (pick - i) * sizeof(*list));
		list[i] = chosen;
	}
}

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
take_srv(const struct question *question, bool direct, struct target *list, size_t count, bool *none_r)
{
	const struct ub_result *result = question->result;

	*none_r = false;
	if (result == NULL || !result->havedata)
		return count;
	for (int i = 0; result->data[i] != NULL && i < RESOLVE_TARGETS_MAX; i++) {
		struct target target;

		if (!resolve_srv((const uint8_t *)result->data[i], (size_t)result->len[i], direct, &target))
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
find_targets(struct ub_ctx *ctx, const char *domain, int64_t deadline, struct target *list, struct trouble *trouble)
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
		resolve_order(list, count, random_below);
	} else if (none[0] || none[1]) {
		trouble_set(trouble, FAULT_NO_SERVICE, "SRV target . of %s", domain);
	} else {
		list[0] = (struct target){ .port = PORT_STARTTLS };
		take_host(&list[0], domain, strlen(domain));
		count = 1;
	}
	return count;
}

static size_t
add_endpoint(struct endpoint *list, size_t count, const struct target *target, int family, const void *raw)
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
add_literal(struct endpoint *list, size_t count, const struct target *target)
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
add_target(struct ub_ctx *ctx, const struct target *target, int64_t deadline, struct endpoint *list, size_t count,
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

size_t
resolve_find(const char *domain, const char *server, int64_t deadline, struct endpoint list[static RESOLVE_MAX],
    struct trouble *trouble)
{
	struct target targets[2 * RESOLVE_TARGETS_MAX] = { 0 };
	struct ub_ctx *ctx;
	size_t count = 0, found = 1;
	bool known = false;

	if (server != NULL)
		resolve_server(server, &targets[0]);
	else if (strlen(domain) <= RESOLVE_HOST_MAX)
		targets[0] = (struct target){ .port = PORT_STARTTLS };
	if (server == NULL)
		take_host(&targets[0], domain[0] == '[' ? domain + 1 : domain, strcspn(domain + (domain[0] == '['), "]"));
	count = add_literal(list, 0, &targets[0]);
	if (count > 0)
		return count;

	ctx = open_resolver();
	if (ctx == NULL) {
		trouble_set(trouble, FAULT_DNS, "no resolver");
		return 0;
	}
	if (server == NULL)
		found = find_targets(ctx, domain, deadline, targets, trouble);
	for (size_t i = 0; i < found; i++) {
		size_t before = count;

		count = add_literal(list, count, &targets[i]);
		if (count == before)
			count = add_target(ctx, &targets[i], deadline, list, count, &known);
	}
	ub_ctx_delete(ctx);
	if (count == 0)
		trouble_set(trouble, known ? FAULT_HOST : FAULT_DNS, "%s", server != NULL ? targets[0].host : domain);
	return count;
}

/* -- the race ---------------------------------------------------------------------------------------------- */

static int
start_probe(const struct endpoint *end)
{
	struct sockaddr_storage where = { .ss_family = (sa_family_t)end->family };
	struct sockaddr_in *four = (struct sockaddr_in *)&where;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&where;
	socklen_t len = end->family == AF_INET ? sizeof(*four) : sizeof(*six);
	int fd = socket(end->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (end->family == AF_INET) {
		four->sin_port = htons(end->port);
		inet_pton(AF_INET, end->address, &four->sin_addr);
	} else {
		six->sin6_port = htons(end->port);
		inet_pton(AF_INET6, end->address, &six->sin6_addr);
	}
	if (connect(fd, (struct sockaddr *)&where, len) == 0 || errno == EINPROGRESS)
		return fd;
	close(fd);
	return -1;
}

static bool
probe_failed(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0;
}

struct race {
	struct pollfd fds[RESOLVE_MAX]; /* fd -1: not running */
	size_t running;
};

/* Looks at what poll found. Returns the winner's index or -1. */
static int
race_look(struct race *race, struct endpoint *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (race->fds[i].fd < 0 || race->fds[i].revents == 0)
			continue;
		if (!probe_failed(race->fds[i].fd))
			return (int)i;
		list[i].tried = true;
		close(race->fds[i].fd);
		race->fds[i].fd = -1;
		race->running--;
	}
	return -1;
}

int
resolve_race(struct endpoint *list, size_t count, int64_t deadline)
{
	struct race race = { .running = 0 };
	int64_t limit = now_mono() + RACE_LIMIT_MS;
	size_t next = 0, left = 0, only = 0;
	int winner = -1;

	for (size_t i = 0; i < count; i++) {
		race.fds[i] = (struct pollfd){ .fd = -1, .events = POLLOUT };
		left += !list[i].tried;
		only = !list[i].tried ? i : only;
	}
	if (left <= 1) /* no race: the link's own connect tells */
		return left == 1 ? (int)only : -1;
	while (winner < 0 && now_mono() < limit && now_mono() < deadline) {
		while (next < count && list[next].tried)
			next++;
		if (next < count) {
			race.fds[next].fd = start_probe(&list[next]);
			list[next].tried = race.fds[next].fd < 0;
			race.running += race.fds[next].fd >= 0;
			next++;
		} else if (race.running == 0) {
			break;
		}
		if (race.running > 0 && poll(race.fds, count, RACE_STEP_MS) > 0)
			winner = race_look(&race, list, count);
	}
	for (size_t i = 0; i < count; i++)
		if (race.fds[i].fd >= 0)
			close(race.fds[i].fd);
	return winner;
}
