/*
 * feature/unsent-private.h -- what unsent.c keeps in memory, and unsent_list.c looks after: contacts, by domain.
 */
#ifndef RELAY_FEATURE_UNSENT_PRIVATE_H
#define RELAY_FEATURE_UNSENT_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/net/loop.h"

enum { UNSENT_MOST = 10000, UNSENT_PAUSE_FIRST = 5 * 1000 /* ms */ };

struct router;

/* One contact of one account. */
struct one {
	struct one *next;
	char *node, *contact;
	bool told;    /* its present state was given to the stream */
	bool covered; /* and the open ping is behind it */
};

struct domain {
	struct domain *next, **back;
	struct unsent *unsent;
	char *name;
	struct one *ones;
	struct one *at;  /* the one being told; NULL: none */
	struct timer *timer;
	unsigned room;   /* in this round */
	uint64_t pause;
	bool busy;       /* telling, or waiting for the ping's answer, or clearing */
};

struct unsent {
	struct router *router;
	loop_fn *begin; /* a domain's timer fires */
	struct timer *start;
	struct domain *domains;
	size_t count;
	bool more; /* on the disk, not in memory */
};

struct domain *unsent_find(const struct unsent *unsent, const char *name);
/* One more contact, and its domain. NULL: too many; `more` is set. */
struct one *unsent_take(struct unsent *unsent, const char *node, const char *contact, struct domain **domain_r);
void unsent_drop(struct unsent *unsent, struct one **at);
void unsent_drop_domain(struct domain *domain); /* with its contacts */

#endif
