/*
 * spool_fill.c -- write many messages for other relays into a relay's database, fast: what it holds after a long separation.
 *
 * usage: spool_fill FOLDER COUNT DOMAINS
 *
 * FOLDER is the `data` of a relay that does not run; COUNT messages of 300 bytes from its users u1 to u100, which are made, to people of
 * d000.example, d001.example, ... in turn, each archived. The domains were tried in vain for days; their next tries are spread over
 * the hour to come.
 * DIAGNOSTICS: 0 they are there, 1 with why on stderr, 64 usage.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include "proto/digest.h"
#include "relay/net/clock.h"
#include "relay/store/store.h"
#include "relay/store/txn.h"

enum { BATCH = 500, USERS = 100, TRIES = 60, PAYLOAD = 300 };

static const int64_t HOUR_MS = 3600 * 1000, YEAR_MS = INT64_C(365) * 24 * 3600 * 1000;

static void
done(void *arg, enum txn_result result)
{
	enum txn_result *result_r = arg;

	*result_r = result;
}

static bool
submit(struct txn **txn)
{
	enum txn_result result = TXN_FAILED;

	txn_submit(txn, done, &result);
	return result == TXN_COMMITTED;
}

static bool
make_users(struct store *store)
{
	static const struct scram_keys keys = { .iterations = 10000 };
	struct txn *txn = txn_new(store);
	char node[16];

	for (int i = 1; i <= USERS; i++) {
		snprintf(node, sizeof node, "u%d", i);
		txn_add(txn, &(struct op){ .kind = OP_ACCOUNT_NEW, .account = node, .time = now_wall(), .keys = &keys });
	}
	return submit(&txn);
}

static void
name_domain(char out[static 32], long number)
{
	snprintf(out, 32, "d%03ld.example", number);
}

static void
add_message(struct store *store, struct txn *txn, long number, long domains)
{
	char domain[32], node[16], from[64], to[64], bare[64], body[PAYLOAD + 256], payload[PAYLOAD + 1];
	int64_t id = store_next_id(store), now = now_wall();
	uint8_t key[32];
	int len;

	memset(payload, 'x', PAYLOAD);
	payload[PAYLOAD] = '\0';
	name_domain(domain, number % domains);
	snprintf(node, sizeof node, "u%ld", 1 + number % USERS);
	snprintf(from, sizeof from, "%s@familia.example/phone", node);
	snprintf(bare, sizeof bare, "v%ld@%s", number % 1000, domain);
	snprintf(to, sizeof to, "%s", bare);
	random_bytes(key, sizeof key);
	len = snprintf(body, sizeof body,
	    "<message xmlns='jabber:client' from='%s' to='%s' id='m%ld' type='chat'><body>%s</body></message>", from, to, number, payload);
	txn_add(txn, &(struct op){ .kind = OP_MESSAGE, .id = id, .time = now, .from = from, .to = to, .body = body,
		.body_len = (size_t)len });
	txn_add(txn, &(struct op){ .kind = OP_BOX, .id = id, .account = node, .peer = bare });
	txn_add(txn, &(struct op){ .kind = OP_SPOOL_NEW, .id = id, .peer = domain, .key = key, .time = now, .expires = now + YEAR_MS,
		.most = now + YEAR_MS });
}

static bool
fill(struct store *store, long count, long domains)
{
	struct txn *txn;
	char domain[32];

	for (long i = 0; i < count;) {
		txn = txn_new(store);
		for (long end = i + BATCH < count ? i + BATCH : count; i < end; i++)
			add_message(store, txn, i, domains);
		if (!submit(&txn))
			return false;
	}
	txn = txn_new(store);
	for (long i = 0; i < domains; i++) {
		name_domain(domain, i);
		txn_add(txn, &(struct op){ .kind = OP_PEER_TRIED, .peer = domain, .time = now_wall(), .id = TRIES,
			.expires = now_wall() + HOUR_MS * (i + 1) / domains, .config = "not reached" });
	}
	return submit(&txn);
}

int
main(int argc, char **argv)
{
	long count = argc == 4 ? strtol(argv[2], NULL, 10) : 0, domains = argc == 4 ? strtol(argv[3], NULL, 10) : 0;
	struct store *store;
	char *error = NULL;
	bool fine;

	if (count <= 0 || domains <= 0 || domains > 1000) {
		fprintf(stderr, "usage: spool_fill FOLDER COUNT DOMAINS\n");
		return EX_USAGE;
	}
	store = store_open(argv[1], NULL, &error);
	fine = store != NULL && make_users(store) && fill(store, count, domains);
	if (!fine)
		fprintf(stderr, "spool_fill: %s\n", error != NULL ? error : "the database did not take it");
	if (store != NULL)
		store_close(&store);
	free(error);
	return fine ? 0 : 1;
}
