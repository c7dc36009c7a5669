/*
 * fuzz_jid.c -- any bytes as an address. Promises: what is taken has parts within their limits, its text is
 * taken again and is the same address, and no part holds a separator that would make it another.
 */
#include "config.h"

#include "fuzz.h"

#include <string.h>

#include "proto/arena.h"
#include "proto/jid.h"

static void
check(struct arena *arena, const struct jid *jid)
{
	struct jid again;
	const char *text = jid_text(arena, jid);

	PROMISE(jid->domain != NULL && jid->domain[0] != '\0' && strlen(jid->domain) <= JID_PART_MAX);
	PROMISE(strpbrk(jid->domain, "@/ ") == NULL && jid_domain_valid(jid->domain));
	PROMISE(jid->node == NULL || (jid->node[0] != '\0' && strlen(jid->node) <= JID_PART_MAX));
	PROMISE(jid->node == NULL || strpbrk(jid->node, "\"&'/:<>@ ") == NULL);
	PROMISE(jid->resource == NULL || (jid->resource[0] != '\0' && strlen(jid->resource) <= JID_PART_MAX));
	PROMISE(jid_parse_text(arena, text, &again) && jid_equal(jid, &again));
	PROMISE(strcmp(text, jid_text(arena, &again)) == 0);
	PROMISE(jid_make(arena, jid->node, jid->domain, jid->resource, &again) && jid_equal(jid, &again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	struct jid jid;
	const char *part = arena_strndup(arena, (const char *)data, size);

	if (jid_parse(arena, (const char *)data, size, &jid))
		check(arena, &jid);
	else
		PROMISE(jid.node == NULL && jid.domain == NULL && jid.resource == NULL);
	if (jid_make(arena, part, "b", NULL, &jid))
		check(arena, &jid);
	if (jid_make(arena, NULL, part, NULL, &jid))
		check(arena, &jid);
	if (jid_make(arena, NULL, "b", part, &jid))
		check(arena, &jid);
	arena_free(&arena);
	return 0;
}
