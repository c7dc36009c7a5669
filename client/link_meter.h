/*
 * link_meter.h -- libstrophe's memory for one link, counted and limited: its parser takes stanzas without end and joins their
 * text by strncat, quadratic in the pieces. So besides the bytes the clock is looked at: one fed block cannot run for hours.
 * Beyond a limit the owner is told once, and cuts the connection; realloc then fails.
 */
#ifndef CLIENT_LINK_METER_H
#define CLIENT_LINK_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct meter {
	size_t live;      /* bytes held by the library */
	unsigned calls;
	int64_t deadline; /* now_mono() of the wait going on; 0: none */
	bool over;        /* beyond a limit: sticky */
	void (*cut)(void *arg, const char *why);
	void *arg;
};

/* For xmpp_mem_t, with the meter as userdata. */
void *meter_alloc(size_t size, void *userdata);
void meter_free(void *bytes, void *userdata);
void *meter_realloc(void *bytes, size_t size, void *userdata);

#endif
