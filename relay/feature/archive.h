/*
 * feature/archive.h -- what the files of the archive (XEP-0313 1.1.3) share: archive.c keeps, archive_query.c
 * answers.
 */
#ifndef RELAY_FEATURE_ARCHIVE_H
#define RELAY_FEATURE_ARCHIVE_H

#include "relay/route/feature.h"

struct event;
struct router;

/* iq handlers. */
enum verdict archive_on_form(struct event *event,
			     void *state); /* get <query/>: which fields may be asked for (4.1.5) */
enum verdict archive_on_query(struct event *event,
			      void *state); /* set <query/>: a page of one's own archive (4) */
enum verdict archive_on_metadata(struct event *event, void *state); /* get <metadata/> (5) */

/* The feature's state: queries that wait until their client has read what came before. */
void *archive_waits_new(struct router *router);
void archive_waits_free(void *state);

#endif
