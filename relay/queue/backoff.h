/*
 * queue/backoff.h -- how long to wait for another relay that did not answer (design 3.4). Pure.
 */
#ifndef RELAY_QUEUE_BACKOFF_H
#define RELAY_QUEUE_BACKOFF_H

#include <stdint.h>

/* ms to wait after the `tries`th try in vain (1, 2, ...): 1, 2, 4, 8, 15 times first, then each 15 times first until about 300 times
 * first are over, then doubling up to most, +-20 %; at the top not less than most. first, most: ms. chance: any random number. */
int64_t backoff_ms(int64_t tries, int64_t first, int64_t most, uint32_t chance);

#endif
