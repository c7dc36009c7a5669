/*
 * backlog.c -- a batch of messages, sorted within each ratchet chain. See backlog.h.
 *
 * Two sorts of the same messages, by (chain, arrival) and by (chain, counter): the nth of the second goes to the place
 * of the nth of the first.
 */
#include "config.h"
#include "client/backlog.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"

struct letter {
	const struct xml *message;
	struct inbox_meta meta;
	size_t arrival;
	struct omemo_place place;
};

struct backlog {
	struct omemo *omemo;
	struct arena *arena;
	struct letter letters[BACKLOG_MOST];
	const struct letter *order[BACKLOG_MOST]; /* by arrival */
	const struct letter *placed[BACKLOG_MOST];
	size_t count, encrypted; /* encrypted: in `placed` */
};

struct backlog *
backlog_new(struct omemo *omemo)
{
	struct backlog *backlog = xcalloc(1, sizeof *backlog);
	backlog->omemo = omemo;
	backlog->arena = arena_new();
	return backlog;
}

void
backlog_free(struct backlog **backlog)
{
	if (!*backlog)
		return;
	arena_free(&(*backlog)->arena);
	free(*backlog);
	*backlog = NULL;
}

/* In a carbon (XEP-0280) it is further inside. */
static const struct xml *
encrypted_of(const struct xml *message)
{
	const struct xml *carbon = xml_find(message, NULL, NS_CARBONS);
	const struct xml *forwarded = carbon ? xml_find(carbon, "forwarded", NS_FORWARD) : NULL;
	if (forwarded)
		message = xml_find(forwarded, "message", NULL);
	return message ? xml_find(message, "encrypted", NS_OMEMO) : NULL;
}

void
backlog_add(struct backlog *backlog, const struct xml *message, const struct inbox_meta *meta)
{
	assert(backlog->count < BACKLOG_MOST);
	struct letter *letter = &backlog->letters[backlog->count];
	*letter = (struct letter){
		.message = xml_copy(backlog->arena, message), .meta = *meta, .arrival = backlog->count
	};
	if (meta->stanza_id)
		letter->meta.stanza_id = arena_strdup(backlog->arena, meta->stanza_id);
	const struct xml *encrypted = encrypted_of(letter->message);
	if (encrypted && omemo_place(backlog->omemo, backlog->arena, encrypted, &letter->place))
		backlog->placed[backlog->encrypted++] = letter;
	backlog->order[backlog->count++] = letter;
}

bool
backlog_full(const struct backlog *backlog)
{
	return backlog->count == BACKLOG_MOST || arena_used(backlog->arena) > BACKLOG_BYTES;
}

static int
compare(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

static int
by_arrival(const void *a, const void *b)
{
	const struct letter *left = *(const struct letter *const *)a, *right = *(const struct letter *const *)b;
	int chain = memcmp(left->place.chain, right->place.chain, sizeof left->place.chain);
	return chain ? chain : compare(left->arrival, right->arrival);
}

static int
by_counter(const void *a, const void *b)
{
	const struct letter *left = *(const struct letter *const *)a, *right = *(const struct letter *const *)b;
	int chain = memcmp(left->place.chain, right->place.chain, sizeof left->place.chain);
	int counter = compare(left->place.counter, right->place.counter);
	return chain	 ? chain
	       : counter ? counter
			 : compare(left->arrival, right->arrival);
}

static void
sort(struct backlog *backlog)
{
	const struct letter *places[BACKLOG_MOST];
	size_t size = sizeof places[0];
	memcpy(places, backlog->placed, backlog->encrypted * size);
	qsort(places, backlog->encrypted, size, by_arrival);
	qsort(backlog->placed, backlog->encrypted, size, by_counter);
	for (size_t i = 0; i < backlog->encrypted; i++)
		backlog->order[places[i]->arrival] = backlog->placed[i];
}

void
backlog_take(struct backlog *backlog,
	     void (*take)(void *arg, const struct xml *message, const struct inbox_meta *meta), void *arg)
{
	sort(backlog);
	for (size_t i = 0; i < backlog->count; i++)
		take(arg, backlog->order[i]->message, &backlog->order[i]->meta);
	backlog->count = backlog->encrypted = 0;
	arena_free(&backlog->arena);
	backlog->arena = arena_new();
}
