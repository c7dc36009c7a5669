/*
 * peer/carry.h -- which of the stanzas of a stream to another relay are held ones (queue/queue.h), and what the peer's answers say
 * about them. Pure.
 *
 * Stanzas of a stream are numbered from 1 in the order of sending. Whatever way the peer says that it has all up to a number
 * (XEP-0198's h; the answer to a ping behind them; the end of its stream in reply to ours), the held ones up to there are its.
 */
#ifndef RELAY_PEER_CARRY_H
#define RELAY_PEER_CARRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/digest.h"
#include "relay/queue/queue.h"

struct carry {
	uint64_t places[QUEUE_WINDOW]; /* of the held ones on their way, ascending */
	size_t count;
	uint64_t pinged;        /* all up to here were sent before the ping */
	char ping[ID_LEN + 1];  /* its id; "": none is under way */
};

void carry_clear(struct carry *carry); /* a new stream */
bool carry_has_room(const struct carry *carry);
void carry_sent(struct carry *carry, uint64_t number); /* a held one went out under that number */
/* The peer has all up to that number. How many held ones left with it. */
size_t carry_acked(struct carry *carry, uint64_t number);
/* A ping goes out behind `number` stanzas; its id. */
const char *carry_ping(struct carry *carry, uint64_t number);
/* An answer (result or error) under that id. False: not to our ping. */
bool carry_is_pong(struct carry *carry, const char *id);

#endif
