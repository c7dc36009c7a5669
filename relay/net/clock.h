/*
 * net/clock.h -- the only place that asks for the time.
 *
 * now_wall(): stamps, expiry, next try, certificate checks. now_mono(): deadlines; never goes back.
 * Built with --enable-test-clock, now_wall() adds the offset (seconds, decimal text) found in the file that LAZO_TEST_CLOCK names,
 * looked at again each second.
 */
#ifndef RELAY_NET_CLOCK_H
#define RELAY_NET_CLOCK_H

#include <stdint.h>

int64_t now_wall(void); /* milliseconds since 1970, UTC */
int64_t now_mono(void); /* milliseconds */

#endif
