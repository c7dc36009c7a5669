/*
 * stream/smacks_count.c -- the arithmetic of stream management (XEP-0198 section 4), apart from any stream:
 * see smacks.h.
 */
#include "config.h"

#include "relay/stream/smacks.h"

#include <stddef.h>
#include <string.h>

enum { DIGITS_MOST = 10 };

bool
smacks_parse_h(const char *text, uint32_t *h_r)
{
	size_t len = text == NULL ? 0 : strlen(text);
	uint64_t value = 0;

	if (len == 0 || len > DIGITS_MOST || strspn(text, "0123456789") != len)
		return false;
	for (; *text != '\0'; text++)
		value = value * 10 + (uint64_t)(*text - '0');
	*h_r = (uint32_t)value;
	return value <= UINT32_MAX;
}

/* Modulo 2^32 (XEP-0198 section 4): how far h is ahead of the last one decides. One that is behind looks far
 * ahead. */
bool
smacks_count_acked(struct smacks_count *count, uint32_t h)
{
	uint32_t more = h - (uint32_t)count->acked;

	if (more > count->sent - count->acked)
		return false;
	count->acked += more;
	return true;
}
