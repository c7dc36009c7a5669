/*
 * stamp.h -- dates and times of XEP-0082 1.1.1, always UTC when written. No clock is read here.
 * Milliseconds since 1970 (UTC), signed 64 bits.
 */
#ifndef PROTO_STAMP_H
#define PROTO_STAMP_H

#include <stdbool.h>
#include <stdint.h>

enum { STAMP_LEN = 24 }; /* 2026-11-22T14:37:05.123Z */

void stamp_format(char out[static STAMP_LEN + 1], int64_t ms);       /* with milliseconds; years 0000..9999, clamped */
bool stamp_parse(const char *text, int64_t *ms_r);                   /* any legal offset and fraction */
/* XEP-0203 delay element inside `stanza`. */
struct arena;
struct xml;
struct xml *stamp_delay(struct arena *arena, struct xml *stanza, const char *from, int64_t ms);

#endif
