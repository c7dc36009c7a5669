/*
 * peer/pace.h -- how fast what another domain says is read (limits.rate_server): one allowance for all of its streams, so that more of
 * them bring no more.
 *
 * An allowance outlives its last stream until it is whole again: to come back is no way to a new one. Pure but for the list.
 */
#ifndef RELAY_PEER_PACE_H
#define RELAY_PEER_PACE_H

#include <stddef.h>
#include <stdint.h>

struct pace;

/* Of a domain (canonical); given back by pace_leave(). list: of all, NULL at first. */
struct pace *pace_of(struct pace **list, const char *domain);
struct pace *pace_alone(void); /* of who has not said who it is */
void pace_leave(struct pace **pace); /* NULL inside is allowed */
void pace_free_all(struct pace **list); /* nobody has one any more */

/* So many bytes came; rate: a second, 0: none. How many ms to read no more; 0: go on. */
int64_t pace_charge(struct pace *pace, int64_t rate, size_t len);

#endif
