/*
 * peer/carry.c -- see carry.h.
 */
#include "config.h"

#include "relay/peer/carry.h"

#include <assert.h>
#include <string.h>

void
carry_clear(struct carry *carry)
{
	carry->count = 0;
	carry->pinged = 0;
	carry->ping[0] = '\0';
}

bool
carry_has_room(const struct carry *carry)
{
	return carry->count < QUEUE_WINDOW;
}

void
carry_sent(struct carry *carry, uint64_t number)
{
	assert(carry_has_room(carry));
	carry->places[carry->count++] = number;
}

size_t
carry_acked(struct carry *carry, uint64_t number)
{
	size_t count = 0;

	while (count < carry->count && carry->places[count] <= number)
		count++;
	carry->count -= count;
	memmove(carry->places, carry->places + count, carry->count * sizeof carry->places[0]);
	return count;
}

const char *
carry_ping(struct carry *carry, uint64_t number)
{
	random_id(carry->ping);
	carry->pinged = number;
	return carry->ping;
}

bool
carry_is_pong(struct carry *carry, const char *id)
{
	if (carry->ping[0] == '\0' || id == NULL || strcmp(id, carry->ping) != 0)
		return false;
	carry->ping[0] = '\0';
	return true;
}
