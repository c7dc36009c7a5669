/*
 * feature/archive-private.h -- one question to an archive on its way: archive_form.c reads it, archive_query.c lets it wait
 * its turn, archive_result.c answers it.
 */
#ifndef RELAY_FEATURE_ARCHIVE_PRIVATE_H
#define RELAY_FEATURE_ARCHIVE_PRIVATE_H

#include <stdbool.h>
#include "proto/error.h"
#include "relay/feature/archive.h"
#include "relay/store/archive.h"

struct xml;

struct asking {
	struct asking *next; /* of those that wait */
	struct archive_waits *waits;
	struct event *event;
	struct archive_query query;
	const char *queryid; /* NULL: none */
	bool flipped;
};

/* What <query/> asks for: the form (XEP-0313 4.1), the page (4.3, XEP-0059). */
enum stanza_error archive_take_query(struct asking *asking, const struct xml *query);
/* Read the page, send it, finish the event. */
void archive_answer(struct asking *asking);

#endif
