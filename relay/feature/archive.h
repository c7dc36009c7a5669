/*
 * feature/archive.h -- what the files of the archive (XEP-0313 1.1.3) share: archive.c keeps, archive_query.c
 * and archive_metadata.c answer.
 */
#ifndef RELAY_FEATURE_ARCHIVE_H
#define RELAY_FEATURE_ARCHIVE_H

#include "relay/route/feature.h"

struct arena;
struct event;
struct router;
struct xml;

/* iq handlers. */
enum verdict archive_on_form(struct event *event,
			     void *state); /* get <query/>: which fields may be asked for (4.1.5) */
enum verdict archive_on_query(struct event *event,
			      void *state); /* set <query/>: a page of one's own archive (4) */
enum verdict archive_on_metadata(struct event *event, void *state); /* get <metadata/> (5) */

/* The same told with a new session: feature.h's bind_ahead. */
void archive_bind_ahead(struct router *router, const char *node, struct arena *arena, struct xml *bound,
    void (*then)(void *then_arg), void *then_arg);

/* The feature's state: queries that wait until their client has read what came before. */
void *archive_waits_new(struct router *router);
void archive_waits_free(void *state);

#endif
