/*
 * tally.c -- the counters and what they are called: see tally.h.
 */
#include "config.h"

#include "relay/tally.h"

#include <stdatomic.h>
#include <stddef.h>

const struct tally_row tally_rows[TALLIES] = {
	[TALLY_CONNECTIONS] = { "lazo_connections_total{result=\"accepted\"}", "Connections of clients.", 1 },
	[TALLY_CROWDED] = { "lazo_connections_total{result=\"refused\"}", NULL, 1 },
	[TALLY_TLS] = { "lazo_tls_handshakes_total", "TLS handshakes that were completed.", 1 },
	[TALLY_LOGINS] = { "lazo_logins_total{result=\"accepted\"}", "Attempts to log in.", 1 },
	[TALLY_LOGINS_REFUSED] = { "lazo_logins_total{result=\"refused\"}", NULL, 1 },
	[TALLY_OVERDUE] = { "lazo_deadlines_total", "Connections closed because a deadline was over.", 1 },
	[TALLY_STREAM_ERRORS] = { "lazo_stream_errors_total", "Stream errors sent to clients.", 1 },
	[TALLY_UNREAD] = { "lazo_unread_total", "Connections closed because their client did not read.", 1 },
	[TALLY_MESSAGES] = { "lazo_stanzas_total{kind=\"message\"}", "Stanzas of clients that have logged in.", 1 },
	[TALLY_PRESENCES] = { "lazo_stanzas_total{kind=\"presence\"}", NULL, 1 },
	[TALLY_IQS] = { "lazo_stanzas_total{kind=\"iq\"}", NULL, 1 },
	[TALLY_ACCEPTED] = { "lazo_messages_total{state=\"accepted\"}", "Messages stored, sent to a device, confirmed by one.", 1 },
	[TALLY_DELIVERED] = { "lazo_messages_total{state=\"delivered\"}", NULL, 1 },
	[TALLY_CONFIRMED] = { "lazo_messages_total{state=\"confirmed\"}", NULL, 1 },
	[TALLY_COMMITS] = { "lazo_commits_total", "Batches written to the database.", 1 },
	[TALLY_COMMIT_MS] = { "lazo_commit_seconds_total", "Time that writing them took.", 1e-3 },
	[TALLY_DISK_FULL] = { "lazo_disk_full_total", "Batches of which something was refused for want of room.", 1 },
	[TALLY_BYTES_IN] = { "lazo_bytes_total{way=\"in\"}", "Bytes of streams, inside TLS.", 1 },
	[TALLY_BYTES_OUT] = { "lazo_bytes_total{way=\"out\"}", NULL, 1 },
};

static atomic_uint_fast64_t counts[TALLIES];

void
tally_add(enum tally which, uint64_t n)
{
	atomic_fetch_add_explicit(&counts[which], n, memory_order_relaxed);
}

uint64_t
tally_get(enum tally which)
{
	return atomic_load_explicit(&counts[which], memory_order_relaxed);
}
