/*
 * pairs.c -- a sender here and a recipient there between whom nothing goes for a while, so that what is behind a message that was put off
 * stays behind it, and nobody else waits.
 *
 * Promises: bounded (PAIRS_MOST); beyond that each message waits by itself, and no domain as a whole. When the time of a pair has come,
 * reading begins again at the front, at what was skipped.
 */
#include "config.h"

#include "relay/queue/queue-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"
#include "relay/net/clock.h"

static size_t
bare_len(const char *jid)
{
	return strcspn(jid, "/");
}

static int
compare_bare(const char *bare, const char *jid)
{
	size_t len = bare_len(jid), bare_size = strlen(bare);
	int order = memcmp(bare, jid, len < bare_size ? len : bare_size);

	return order != 0 ? order : (bare_size > len) - (bare_size < len);
}

/* The first that is not before these two. */
static size_t
find(const struct domain *domain, const char *from, const char *to, bool *there_r)
{
	size_t low = 0, high = domain->pair_count;

	*there_r = false;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = compare_bare(domain->pairs[middle].to, to);
		if (order == 0)
			order = compare_bare(domain->pairs[middle].from, from);
		if (order < 0) {
			low = middle + 1;
		} else {
			high = middle;
			*there_r = *there_r || order == 0;
		}
	}
	return low;
}

bool
pairs_have(const struct domain *domain, const struct spool_row *row)
{
	bool there;

	(void)find(domain, row->from, row->to, &there);
	return there;
}

void
pairs_stop(struct domain *domain, const char *from, const char *to, int64_t ms)
{
	int64_t until = now_mono() + ms;
	bool there;
	size_t at = find(domain, from, to, &there);
	struct pair *pair;

	if (there) {
		domain->pairs[at].until = until;
		return;
	}
	if (domain->pair_count == PAIRS_MOST) {
		if (domain->beyond == 0 || until < domain->beyond)
			domain->beyond = until;
		return;
	}
	if (domain->pair_count == domain->pair_room) {
		domain->pair_room = domain->pair_room == 0 ? 4 : 2 * domain->pair_room;
		domain->pairs = xrealloc(domain->pairs, domain->pair_room * sizeof *domain->pairs);
	}
	pair = &domain->pairs[at];
	memmove(pair + 1, pair, (domain->pair_count++ - at) * sizeof *pair);
	*pair = (struct pair){ .from = xstrndup(from, bare_len(from)), .to = xstrndup(to, bare_len(to)), .until = until };
}

static void
pair_clear(struct pair *pair)
{
	free(pair->from);
	free(pair->to);
}

/* What was skipped. */
static void
go_on(struct domain *domain)
{
	pump_rewind(domain);
	domain->due = true;
}

int64_t
pairs_until(struct domain *domain)
{
	int64_t first = INT64_MAX, now = now_mono();
	size_t kept = 0;

	if (domain->beyond != 0 && domain->beyond <= now) {
		domain->beyond = 0;
		go_on(domain);
	}
	if (domain->beyond != 0)
		first = domain->beyond;
	for (size_t i = 0; i < domain->pair_count; i++) {
		struct pair *pair = &domain->pairs[i];
		if (pair->until > now) {
			first = pair->until < first ? pair->until : first;
			domain->pairs[kept++] = *pair;
		} else {
			pair_clear(pair);
			go_on(domain);
		}
	}
	domain->pair_count = kept;
	return first;
}

void
pairs_clear(struct domain *domain)
{
	for (size_t i = 0; i < domain->pair_count; i++)
		pair_clear(&domain->pairs[i]);
	free(domain->pairs);
	domain->pairs = NULL;
	domain->pair_count = domain->pair_room = 0;
}
