/*
 * net/lookup.h -- what DNS says, for tools: blocking, all questions at once, within a time.
 */
#ifndef RELAY_NET_LOOKUP_H
#define RELAY_NET_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lookup_type { LOOKUP_A = 1, LOOKUP_AAAA = 28, LOOKUP_SRV = 33 };
enum { LOOKUP_ANSWERS = 8, LOOKUP_NAME = 256 };

struct lookup_answer {
	char text[LOOKUP_NAME]; /* an address, or the target of an SRV without its last dot; "." : there is no such service */
	unsigned port;          /* SRV */
};

struct lookup {
	const char *name;
	enum lookup_type type;
	bool known;   /* the resolver answered, if only that there is none */
	size_t count; /* at most LOOKUP_ANSWERS */
	struct lookup_answer answers[LOOKUP_ANSWERS];
};

/* resolvers: "address:port" each; none: the system's. Fills known and answers. False: no resolver could be made. */
bool lookup_all(char *const *resolvers, size_t resolver_count, struct lookup *questions, size_t count, int64_t within_ms);

#endif
