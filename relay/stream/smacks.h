/*
 * stream/smacks.h -- the numbers of stream management (XEP-0198 1.6.3 section 4): what each side has sent and
 * handled.
 *
 * On the wire h counts modulo 2^32; here what we sent is counted in 64 bits, so that nothing above ever meets
 * the wrap.
 */
#ifndef RELAY_STREAM_SMACKS_H
#define RELAY_STREAM_SMACKS_H

#include <stdbool.h>
#include <stdint.h>

struct smacks_count {
	uint64_t sent;    /* by us, since it was enabled */
	uint64_t acked;   /* of these; never above `sent` */
	uint32_t handled; /* by us: our h */
};

/* xs:unsignedInt as clients write it: 1 to 10 decimal digits, at most 2^32-1; no sign, no space, nothing else
 * (attack M2). */
bool smacks_parse_h(const char *text, uint32_t *h_r);
/* The peer says h. False: not between what it said before and what was sent; nothing is changed. */
bool smacks_count_acked(struct smacks_count *count, uint32_t h);

#endif
