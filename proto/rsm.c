/* rsm.c -- paging of results (XEP-0059 1.0): see rsm.h. */
#include "config.h"

#include "proto/rsm.h"

#include <stdint.h>
#include <stddef.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/xml.h"

/* An xs:int that is not negative. Absent: -1. False: something else. */
static bool
count_of(struct arena *arena, const struct xml *set, const char *name, long *value_r)
{
	const char *text = xml_child_text(arena, set, name, NS_RSM);

	*value_r = -1;
	if (text == NULL)
		return true;
	text += strspn(text, " \t\r\n");
	text += *text == '+';
	if (*text < '0' || *text > '9')
		return false;
	long value = 0;

	for (; *text >= '0' && *text <= '9'; text++) {
		value = 10 * value + (*text - '0');
		if (value > INT32_MAX)
			return false;
	}
	*value_r = value;
	return text[strspn(text, " \t\r\n")] == '\0';
}

bool
rsm_parse(struct arena *arena, const struct xml *parent, struct rsm *rsm_r)
{
	const struct xml *set = xml_find(parent, "set", NS_RSM);

	*rsm_r = (struct rsm){ .max = -1, .index = -1 };
	if (set == NULL)
		return true;
	rsm_r->present = true;
	rsm_r->after = xml_child_text(arena, set, "after", NS_RSM);
	rsm_r->before = xml_child_text(arena, set, "before", NS_RSM);
	if (rsm_r->after != NULL && rsm_r->after[0] == '\0')
		rsm_r->after = NULL; /* after nothing: from the start */
	return count_of(arena, set, "max", &rsm_r->max) && count_of(arena, set, "index", &rsm_r->index) &&
	       xml_next(set, "set", NS_RSM) == NULL;
}

static void
add_number(struct arena *arena, struct xml *set, const char *name, long value)
{
	if (value >= 0)
		xml_add_leaf(arena, set, name, NS_RSM, arena_printf(arena, "%ld", value));
}

struct xml *
rsm_add(struct arena *arena, struct xml *parent, const char *first, long index, const char *last, long count)
{
	struct xml *set = xml_add(arena, parent, "set", NS_RSM);

	if (first != NULL) {
		struct xml *element = xml_add_leaf(arena, set, "first", NS_RSM, first);

		if (index >= 0)
			xml_setf(arena, element, "index", "%ld", index);
		xml_add_leaf(arena, set, "last", NS_RSM, last);
	}
	add_number(arena, set, "count", count);
	return set;
}

struct xml *
rsm_request(struct arena *arena, struct xml *parent, long max, const char *after, const char *before)
{
	struct xml *set = xml_add(arena, parent, "set", NS_RSM);

	add_number(arena, set, "max", max);
	if (after != NULL)
		xml_add_leaf(arena, set, "after", NS_RSM, after);
	if (before != NULL)
		xml_add_leaf(arena, set, "before", NS_RSM, before);
	return set;
}
