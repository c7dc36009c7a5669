/*
 * feature/expiry.c -- what has outlived its time leaves, some rows a transaction: duplicate keys
 * (design 3.3), archived messages beyond the configured age or size (XEP-0313 3.2), records of where messages
 * are (custody.md section 11), the counters of sessions that could have been taken up until a week ago
 * (XEP-0198).
 *
 * Promises: nothing leaves by age while the clock may be wrong (net/steady.h); an archive loses only its
 * oldest end; what waits in a mailbox stays (store/txn.h, OP_BOX_EXPIRE). Without work it costs a look a
 * minute. DIAGNOSTICS: a failed transaction is logged by the store and tried again at the next look.
 */
#include "config.h"

#include <stddef.h>
#include <stdlib.h>
#include "proto/mem.h"
#include "relay/conf.h"
#include "relay/feature/feature_table.h"
#include "relay/log.h"
#include "relay/net/clock.h"
#include "relay/net/loop.h"
#include "relay/net/steady.h"
#include "relay/route/router.h"
#include "relay/store/archive.h"
#include "relay/store/txn.h"

enum {
	LOOK_MS = 60 * 1000,
	ARCHIVE_LOOKS = 10,     /* looks between two passes over the archives */
	ARCHIVE_PAUSE_MS = 100, /* between two transactions of a pass */
	TRIMS_MOST = 2000,      /* transactions a pass */
	SEEN_SLICES = 10,       /* transactions a look: 5000 keys a minute */
	STATUS_SPARE = 30 * 24 * 3600, /* s behind the longest time a message is held: its record goes (custody.md 11) */
	COUNTER_LOOKS = 10,     /* looks between two transactions of 500 counters */
};

struct expiry {
	struct router *router;
	struct timer *look, *more;
	struct steady steady;
	bool trimming; /* a pass over the archives is under way */
	unsigned looks, slices, trims;
};

static bool
is_trusted(struct expiry *expiry)
{
	return steady_look(&expiry->steady, now_wall(), now_mono());
}

/* ---- duplicate keys ---- */

static void forget_keys(struct expiry *expiry);

static void
keys_forgotten(void *arg, enum txn_result result)
{
	struct expiry *expiry = arg;

	if (result != TXN_COMMITTED)
		expiry->slices = 0;
	if (expiry->slices > 0)
		forget_keys(expiry);
}

static void
forget_keys(struct expiry *expiry)
{
	struct txn *txn;

	expiry->slices = is_trusted(expiry) ? expiry->slices - 1 : 0;
	if (expiry->slices == 0)
		return;
	txn = txn_new(router_store(expiry->router));
	txn_add(txn, &(struct op){ .kind = OP_SEEN_EXPIRE, .time = now_wall() });
	txn_add(txn, &(struct op){ .kind = OP_STATUS_EXPIRE,
				   .time = now_wall() - (router_conf(expiry->router)->hold + STATUS_SPARE) * 1000 });
	txn_submit(&txn, keys_forgotten, expiry);
}

/* ---- counters ---- */

static const int64_t COUNTER_MS = 7 * 24 * 3600 * INT64_C(1000); /* for a client that comes back late to hear its number */

static void
forget_counters(struct expiry *expiry)
{
	int64_t age = router_conf(expiry->router)->resume * 1000 + COUNTER_MS;
	struct txn *txn = txn_new(router_store(expiry->router));

	txn_add(txn, &(struct op){ .kind = OP_COUNTER_EXPIRE, .time = now_wall() - age });
	txn_submit(&txn, NULL, NULL);
}

/* ---- archives ---- */

static int64_t
oldest_kept(struct expiry *expiry)
{
	int64_t age = router_conf(expiry->router)->quota_archive_age;

	return age > 0 && is_trusted(expiry) ? now_wall() - age * 1000 : 0;
}

static void
trimmed(void *arg, enum txn_result result)
{
	struct expiry *expiry = arg;

	if (result == TXN_COMMITTED)
		timer_set(expiry->more, ARCHIVE_PAUSE_MS);
	else
		expiry->trimming = false;
}

static void
trim(void *arg, bool failed, const char *node)
{
	struct expiry *expiry = arg;
	struct txn *txn;

	if (failed || node == NULL) {
		expiry->trimming = false;
		return;
	}
	log_debug(NULL, "the archive of %s is beyond its limits: its oldest messages leave", node);
	txn = txn_new(router_store(expiry->router));
	txn_add(txn, &(struct op){ .kind = OP_BOX_EXPIRE,
				   .account = node,
				   .time = oldest_kept(expiry),
				   .most = router_conf(expiry->router)->quota_archive });
	txn_submit(&txn, trimmed, expiry);
}

static void
look_for_more(void *arg)
{
	struct expiry *expiry = arg;
	int64_t before = oldest_kept(expiry), most = router_conf(expiry->router)->quota_archive;

	expiry->trimming = (before > 0 || most > 0) && expiry->trims++ < TRIMS_MOST;
	if (expiry->trimming)
		read_archive_over(router_store(expiry->router), before, most, trim, expiry);
}

/* ---- looking ---- */

static void
look(void *arg)
{
	struct expiry *expiry = arg;

	timer_set(expiry->look, LOOK_MS);
	if (is_trusted(expiry) && expiry->slices == 0) {
		expiry->slices = SEEN_SLICES + 1;
		forget_keys(expiry);
	}
	if (is_trusted(expiry) && expiry->looks % COUNTER_LOOKS == 0)
		forget_counters(expiry);
	if (expiry->looks++ % ARCHIVE_LOOKS == 0 && !expiry->trimming) {
		expiry->trims = 0;
		look_for_more(expiry);
	}
}

static void *
init(struct router *router)
{
	struct expiry *expiry = xcalloc(1, sizeof *expiry);

	expiry->router = router;
	expiry->look = timer_new(router_loop(router), look, expiry);
	expiry->more = timer_new(router_loop(router), look_for_more, expiry);
	(void)is_trusted(expiry);
	timer_set(expiry->look, LOOK_MS);
	return expiry;
}

static void
fini(void *state)
{
	struct expiry *expiry = state;

	timer_free(&expiry->look);
	timer_free(&expiry->more);
	free(expiry);
}

const struct feature feature_expiry = {
	.name = "expiry",
	.spec = "XEP-0313 1.1.3 section 3.2",
	.init = init,
	.free = fini,
};
