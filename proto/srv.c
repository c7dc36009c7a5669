/*
 * srv.c -- SRV records: their data, and the order in which to try them: see srv.h. RFC 2782, RFC 1035 3.3.
 */
#include "config.h"

#include "proto/srv.h"

#include <stdlib.h>
#include <string.h>

static uint16_t
be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

bool
srv_parse(const uint8_t *data, size_t len, bool direct, struct srv *target_r)
{
	size_t at = 6, out = 0;

	*target_r = (struct srv){ .direct = direct };
	if (len < 7)
		return false;
	target_r->priority = be16(data);
	target_r->weight = be16(data + 2);
	target_r->port = be16(data + 4);
	while (at < len && data[at] != 0) {
		size_t label = data[at++];

		if (label > 63 || at + label > len || out + label + 1 > SRV_HOST_MAX)
			return false;
		if (memchr(data + at, '\0', label) != NULL || memchr(data + at, '.', label) != NULL)
			return false;
		memcpy(target_r->host + out, data + at, label);
		at += label;
		out += label;
		target_r->host[out++] = '.';
	}
	if (out > 0)
		target_r->host[out - 1] = '\0';
	return at + 1 == len && (out == 0 || target_r->port != 0);
}

static int
by_priority(const void *a, const void *b)
{
	const struct srv *x = a, *y = b;

	return (x->priority > y->priority) - (x->priority < y->priority);
}

/* RFC 2782: draw one of the same priority with a chance in proportion to its weight; weight 0 has a very small one. */
static size_t
draw(const struct srv *list, size_t count, uint32_t (*random)(uint32_t below))
{
	uint32_t total = 0, at;

	for (size_t i = 0; i < count; i++)
		total += list[i].weight * 16u + 1;
	at = random(total);
	for (size_t i = 0; i < count; i++) {
		uint32_t share = list[i].weight * 16u + 1;

		if (at < share)
			return i;
		at -= share;
	}
	return 0;
}

void
srv_order(struct srv *list, size_t count, uint32_t (*random)(uint32_t below))
{
	qsort(list, count, sizeof(*list), by_priority);
	for (size_t i = 0; i < count; i++) {
		size_t same = 1, pick;
		struct srv chosen;

		while (i + same < count && list[i + same].priority == list[i].priority)
			same++;
		pick = i + draw(list + i, same, random);
		chosen = list[pick];
		memmove(list + i + 1, list + i, (pick - i) * sizeof(*list));
		list[i] = chosen;
	}
}
