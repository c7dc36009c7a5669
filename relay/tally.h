/*
 * tally.h -- how often what has happened since the start: for the operator (metrics.h). May be called from any thread.
 *
 * One row of numbers for the process; each has a name and a sentence in tally.c. No addresses, no names of people: what is
 * counted here is fixed when the program is built.
 */
#ifndef RELAY_TALLY_H
#define RELAY_TALLY_H

#include <stdint.h>

enum tally {
	TALLY_CONNECTIONS,      /* accepted */
	TALLY_CROWDED,          /* refused: too many of one address */
	TALLY_TLS,              /* handshakes done */
	TALLY_LOGINS,           /* that succeeded */
	TALLY_LOGINS_REFUSED,
	TALLY_OVERDUE,          /* connections closed because a deadline was over */
	TALLY_STREAM_ERRORS,    /* that we sent */
	TALLY_UNREAD,           /* connections closed because their peer did not read */
	TALLY_MESSAGES,         /* client stanzas, by kind */
	TALLY_PRESENCES,
	TALLY_IQS,
	TALLY_ACCEPTED,         /* messages stored for somebody here */
	TALLY_DELIVERED,        /* sent to a device; again counts again */
	TALLY_CONFIRMED,        /* a device has it */
	TALLY_COMMITS,          /* batches written */
	TALLY_COMMIT_MS,        /* ms that took, together */
	TALLY_DISK_FULL,        /* batches with something refused for want of room */
	TALLY_BYTES_IN,         /* as read from sockets, before or inside TLS */
	TALLY_BYTES_OUT,
	TALLIES
};

struct tally_row {
	const char *name, *help; /* Prometheus: lazo_..._total; counts of one family have names with labels */
	double scale;
};
extern const struct tally_row tally_rows[TALLIES];

void tally_add(enum tally which, uint64_t n);
uint64_t tally_get(enum tally which);

#endif
