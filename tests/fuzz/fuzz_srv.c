/*
 * fuzz_srv.c -- any bytes as the data of SRV records, each behind a byte that says how long it is. Promises: a name is terminated,
 * within its bounds and without empty labels; the order changes no record and keeps priorities rising, whatever chance says.
 */
#include "config.h"

#include "fuzz.h"

#include <stdbool.h>
#include <string.h>
#include "proto/srv.h"

enum { MOST = 40 };

static uint32_t state;

/* As the contract allows: any number below. */
static uint32_t
any_below(uint32_t below)
{
	PROMISE(below > 0);
	state = state * 1664525 + 1013904223;
	return state % below;
}

static void
check_record(const struct srv *srv, size_t len)
{
	size_t host = strnlen(srv->host, sizeof srv->host);

	PROMISE(host < sizeof srv->host && host < len);
	PROMISE(host == 0 || (srv->port != 0 && srv->host[0] != '.' && srv->host[host - 1] != '.'));
	PROMISE(strstr(srv->host, "..") == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct srv list[MOST], before[MOST];
	size_t count = 0;

	state = (uint32_t)size;
	for (size_t at = 0; at < size && count < MOST; at += data[at] + (size_t)1) {
		size_t len = data[at] < size - at - 1 ? data[at] : size - at - 1;
		uint8_t *exact = malloc(len + 1); /* one more: malloc(0) may be NULL */

		PROMISE(exact != NULL);
		memcpy(exact + 1, data + at + 1, len);
		if (srv_parse(exact + 1, len, (at & 1) != 0, &list[count])) {
			check_record(&list[count], len);
			count++;
		}
		free(exact);
	}
	if (count == 0)
		return 0;
	memcpy(before, list, sizeof list[0] * count);
	srv_order(list, count, any_below);
	for (size_t i = 1; i < count; i++)
		PROMISE(list[i - 1].priority <= list[i].priority);
	for (size_t i = 0; i < count; i++) {
		size_t j = 0, k = 0;
		for (size_t n = 0; n < count; n++) {
			j += memcmp(&before[i], &list[n], sizeof list[n]) == 0;
			k += memcmp(&before[i], &before[n], sizeof list[n]) == 0;
		}
		PROMISE(j == k);
	}
	return 0;
}
