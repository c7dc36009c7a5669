/*
 * clock.h -- the only place of the client that asks for the time.
 *
 * now_wall(): stamps, what is due, certificate advice. now_mono(): deadlines; never goes back.
 * Built with --enable-test-clock, now_wall() adds the offset (seconds, decimal text) found in the file that LAZO_TEST_CLOCK
 * names, looked at again each second.
 */
#ifndef CLIENT_CLOCK_H
#define CLIENT_CLOCK_H

#include <stdint.h>

int64_t now_wall(void); /* milliseconds since 1970, UTC */
int64_t now_mono(void); /* milliseconds */

#endif
