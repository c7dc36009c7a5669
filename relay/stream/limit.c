/*
 * stream/limit.c -- delays for login attempts, by address and by account: see limit.h.
 *
 * Records are small, live while they matter, and are at most RECORDS of each sort; beyond that, newcomers share one.
 * The trees are balanced: no choice of names or addresses makes them slow.
 */
#include "config.h"

#include "relay/stream/limit.h"

#include <assert.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "proto/digest.h"
#include "proto/mem.h"
#include "relay/net/address.h"

enum {
	RECORDS = 8192,
	BURST_MS = 2000,         /* of attempts at the permitted rate, all at once */
	HALF_LIFE = 60 * 1000,   /* ms in which half of the failures are forgiven */
	FAILURE_FIRST = 250,     /* ms; doubles with each further failure of the address */
	ACCOUNT_FREE = 10,       /* failures of an account before its attempts wait */
	ACCOUNT_STEP = 100,      /* ms for each failure more */
	SWEEP_MS = 10 * 1000,
};

/* One address or one account. */
struct record {
	uint8_t key[16]; /* first: the tree compares it */
	int64_t next;     /* when an attempt at the permitted rate would be due */
	int64_t decayed;  /* when `failures` was last brought up to date */
	double failures;
	struct address_group friend; /* an address that knew the password */
	bool has_friend;
};

struct table {
	void *tree; /* tsearch(3) */
	size_t count;
	struct record shared; /* for who finds the table full */
};

struct limiter {
	int64_t cost; /* ms an attempt; 0: no limit */
	int64_t swept;
	struct table addresses, accounts;
};

struct limiter *
limiter_new(int64_t attempts)
{
	struct limiter *limiter = xcalloc(1, sizeof *limiter);

	limiter_set(limiter, attempts);
	return limiter;
}

void
limiter_set(struct limiter *limiter, int64_t attempts)
{
	limiter->cost = attempts <= 0 ? 0 : attempts > 1000 ? 1 : 1000 / attempts;
}

void
limiter_free(struct limiter **limiter_p)
{
	struct limiter *limiter = *limiter_p;

	if (limiter == NULL)
		return;
	*limiter_p = NULL;
	tdestroy(limiter->addresses.tree, free);
	tdestroy(limiter->accounts.tree, free);
	free(limiter);
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof((struct record *)NULL)->key);
}

static void
decay(struct record *record, int64_t now)
{
	for (; now - record->decayed >= HALF_LIFE && record->failures > 0; record->decayed += HALF_LIFE)
		record->failures = record->failures < 0.5 ? 0 : record->failures / 2;
	if (record->failures <= 0)
		record->decayed = now;
}

struct sweep {
	struct record **old;
	size_t count;
	int64_t now;
};

static void
find_old(const void *node, VISIT visit, void *arg)
{
	struct record *record = *(struct record *const *)node;
	struct sweep *sweep = arg;

	if (visit != postorder && visit != leaf)
		return;
	decay(record, sweep->now);
	if (record->failures <= 0 && record->next <= sweep->now)
		sweep->old[sweep->count++] = record;
}

static void
sweep_table(struct table *table, int64_t now)
{
	struct sweep sweep = { .old = xcalloc(table->count + 1, sizeof(struct record *)), .now = now };

	twalk_r(table->tree, find_old, &sweep);
	for (size_t i = 0; i < sweep.count; i++) {
		tdelete(sweep.old[i], &table->tree, compare);
		free(sweep.old[i]);
	}
	table->count -= sweep.count;
	free(sweep.old);
}

static struct record *
record_get(struct table *table, const uint8_t key[static 16], int64_t now)
{
	struct record wanted = { .next = 0 }, *made, **found;

	memcpy(wanted.key, key, sizeof wanted.key);
	found = tfind(&wanted, &table->tree, compare);
	if (found == NULL && table->count >= RECORDS) {
		decay(&table->shared, now);
		return &table->shared;
	}
	if (found == NULL) {
		made = xcalloc(1, sizeof *made);
		*made = wanted;
		made->decayed = now;
		found = tsearch(made, &table->tree, compare);
		assert(found != NULL);
		table->count++;
	}
	decay(*found, now);
	return *found;
}

static struct record *
address_record(struct limiter *limiter, const char *peer, int64_t now)
{
	struct address_group group;

	address_group(peer, &group);
	return record_get(&limiter->addresses, group.bytes, now);
}

static struct record *
account_record(struct limiter *limiter, const char *node, int64_t now)
{
	uint8_t hash[SHA256_LEN];

	digest(DIGEST_SHA256, node, strlen(node), hash);
	return record_get(&limiter->accounts, hash, now);
}

/* The permitted rate, with a burst; whoever exceeds it waits, at most LIMIT_WAIT_MOST. */
static int64_t
wait_for_rate(const struct limiter *limiter, struct record *record, int64_t now)
{
	int64_t ahead;

	if (record->next < now)
		record->next = now;
	record->next += limiter->cost;
	if (record->next > now + BURST_MS + LIMIT_WAIT_MOST)
		record->next = now + BURST_MS + LIMIT_WAIT_MOST;
	ahead = record->next - now - BURST_MS;
	return ahead < 0 ? 0 : ahead;
}

static int64_t
wait_for_account(const struct record *record, const char *peer)
{
	struct address_group group;
	int64_t wait = (int64_t)(record->failures - ACCOUNT_FREE) * ACCOUNT_STEP;

	address_group(peer, &group);
	if (wait <= 0 || (record->has_friend && memcmp(&group, &record->friend, sizeof group) == 0))
		return 0;
	return wait > LIMIT_ACCOUNT_MOST ? LIMIT_ACCOUNT_MOST : wait;
}

int64_t
limiter_attempt(struct limiter *limiter, const char *peer, const char *node, int64_t now)
{
	int64_t by_address, by_account;

	if (limiter->cost == 0)
		return 0;
	if (now - limiter->swept >= SWEEP_MS) {
		limiter->swept = now;
		sweep_table(&limiter->addresses, now);
		sweep_table(&limiter->accounts, now);
	}
	by_address = wait_for_rate(limiter, address_record(limiter, peer, now), now);
	by_account = wait_for_account(account_record(limiter, node, now), peer);
	return by_address > by_account ? by_address : by_account;
}

int64_t
limiter_failed(struct limiter *limiter, const char *peer, const char *node, int64_t now)
{
	struct record *address;
	int64_t wait = FAILURE_FIRST;

	if (limiter->cost == 0)
		return 0;
	address = address_record(limiter, peer, now);
	for (int doubled = 1; doubled <= (int)address->failures && wait < LIMIT_FAILURE_MOST; doubled++)
		wait *= 2;
	address->failures++;
	account_record(limiter, node, now)->failures++;
	return wait;
}

void
limiter_passed(struct limiter *limiter, const char *peer, const char *node, int64_t now)
{
	struct record *account;

	if (limiter->cost == 0)
		return;
	account = account_record(limiter, node, now);
	if (account != &limiter->accounts.shared)
		account->has_friend = address_group(peer, &account->friend);
}
