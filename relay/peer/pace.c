/*
 * peer/pace.c -- see pace.h.
 */
#include "config.h"

#include "relay/peer/pace.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"
#include "relay/net/clock.h"
#include "relay/peer/line.h"

enum {
	BURST_SECONDS = 10, /* of reading at the permitted rate */
	BURST_LEAST = 2 * LINE_BYTES,
	PACES_MOST = 4096, /* remembered without a stream */
};

struct pace {
	struct pace *next;
	char *domain; /* NULL: alone */
	size_t users;
	int64_t tokens, most, rate;
	int64_t filled; /* monotonic ms */
};

static void
fill(struct pace *pace)
{
	int64_t now = now_mono();

	pace->tokens += (now - pace->filled) * pace->rate / 1000;
	pace->filled = now;
	if (pace->tokens > pace->most)
		pace->tokens = pace->most;
}

static void
destroy(struct pace *pace)
{
	free(pace->domain);
	free(pace);
}

/* Those that nobody uses and that are whole again; the rest too when there are too many. */
static void
forget(struct pace **list)
{
	size_t count = 0;

	for (struct pace **at = list, *pace; (pace = *at) != NULL;) {
		fill(pace);
		if (pace->users == 0 && (pace->rate == 0 || pace->tokens >= pace->most || ++count > PACES_MOST)) {
			*at = pace->next;
			destroy(pace);
		} else {
			at = &pace->next;
		}
	}
}

struct pace *
pace_alone(void)
{
	struct pace *pace = xcalloc(1, sizeof *pace);

	pace->users = 1;
	pace->tokens = pace->most = BURST_LEAST;
	pace->filled = now_mono();
	return pace;
}

struct pace *
pace_of(struct pace **list, const char *domain)
{
	struct pace *pace;

	forget(list);
	for (pace = *list; pace != NULL; pace = pace->next)
		if (strcmp(pace->domain, domain) == 0) {
			pace->users++;
			return pace;
		}
	pace = pace_alone();
	pace->domain = xstrdup(domain);
	pace->next = *list;
	*list = pace;
	return pace;
}

void
pace_leave(struct pace **pace)
{
	struct pace *left = *pace;

	*pace = NULL;
	if (left == NULL)
		return;
	left->users--;
	if (left->domain == NULL)
		destroy(left);
}

void
pace_free_all(struct pace **list)
{
	for (struct pace *pace; (pace = *list) != NULL;) {
		*list = pace->next;
		destroy(pace);
	}
}

int64_t
pace_charge(struct pace *pace, int64_t rate, size_t len)
{
	pace->rate = rate > 0 ? rate : 0;
	if (rate <= 0)
		return 0;
	pace->most = rate * BURST_SECONDS > BURST_LEAST ? rate * BURST_SECONDS : BURST_LEAST;
	fill(pace);
	pace->tokens -= (int64_t)len;
	return pace->tokens < 0 ? -pace->tokens * 1000 / rate + 1 : 0;
}
