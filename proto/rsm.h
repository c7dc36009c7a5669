/*
 * rsm.h -- paging of results (XEP-0059 1.0).
 */
#ifndef PROTO_RSM_H
#define PROTO_RSM_H

#include <stdbool.h>

struct arena;
struct xml;

struct rsm {
	bool present;
	long max;           /* -1: not given */
	long index;         /* -1: not given */
	const char *after;  /* NULL: not given */
	const char *before; /* NULL: not given; "": the last page */
};

/* False: not a legal <set/> (answer bad-request). Absent: true with present false. */
bool rsm_parse(struct arena *arena, const struct xml *parent, struct rsm *rsm_r);
/* NULL first: an empty page. count or index < 0: left out. */
struct xml *rsm_add(struct arena *arena, struct xml *parent, const char *first, long index, const char *last,
    long count);
/* A request's set. */
struct xml *rsm_request(struct arena *arena, struct xml *parent, long max, const char *after, const char *before);

#endif
