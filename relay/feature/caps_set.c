/*
 * feature/caps_set.c -- the +notify features of one version of a client, as one block of memory.
 */
#include "config.h"

#include "relay/feature/caps_set.h"

#include <stdlib.h>
#include <string.h>

#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"

#define SUFFIX "+notify"
enum { SUFFIX_LEN = sizeof SUFFIX - 1 };

struct caps_set {
	unsigned refs;
	size_t count;
	char *nodes[]; /* sorted; the texts lie behind */
};

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Length of N in a feature N+notify; 0: another feature. */
static size_t
interest_len(const struct xml *feature)
{
	const char *var = xml_attr(feature, "var");
	size_t len = var != NULL ? strlen(var) : 0;

	return len > SUFFIX_LEN && strcmp(var + len - SUFFIX_LEN, SUFFIX) == 0 ? len - SUFFIX_LEN : 0;
}

struct caps_set *
caps_set_new(const struct xml *query)
{
	size_t count = 0, bytes = 0, at = 0;
	struct caps_set *set;
	char *text;

	for (const struct xml *f = query != NULL ? xml_find(query, "feature", NS_DISCO_INFO) : NULL;
	     f != NULL && count < CAPS_NODES_MAX; f = xml_next(f, "feature", NS_DISCO_INFO)) {
		size_t len = interest_len(f);
		count += len > 0;
		bytes += len > 0 ? len + 1 : 0;
	}
	set = xmalloc(sizeof *set + count * sizeof set->nodes[0] + bytes);
	set->refs = 1;
	set->count = count;
	text = (char *)(set->nodes + count);
	for (const struct xml *f = count > 0 ? xml_find(query, "feature", NS_DISCO_INFO) : NULL; at < count;
	     f = xml_next(f, "feature", NS_DISCO_INFO)) {
		size_t len = interest_len(f);
		if (len == 0)
			continue;
		memcpy(text, xml_attr(f, "var"), len);
		text[len] = '\0';
		set->nodes[at++] = text;
		text += len + 1;
	}
	if (count > 1)
		qsort(set->nodes, count, sizeof set->nodes[0], by_text);
	return set;
}

struct caps_set *
caps_set_ref(struct caps_set *set)
{
	if (set != NULL)
		set->refs++;
	return set;
}

void
caps_set_unref(struct caps_set **set)
{
	if (*set != NULL && --(*set)->refs == 0)
		free(*set);
	*set = NULL;
}

bool
caps_set_has(const struct caps_set *set, const char *node)
{
	return set != NULL && set->count > 0 &&
	       bsearch(&node, set->nodes, set->count, sizeof set->nodes[0], by_text) != NULL;
}
