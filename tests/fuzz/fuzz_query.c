/*
 * fuzz_query.c -- any XML as what a request carries: a page (XEP-0059), a form (XEP-0004), dates (XEP-0082), an error, an address.
 * Promises: what is taken is within its bounds, and what is written of it is read as the same.
 */
#include "config.h"

#include "fuzz.h"

#include <stdbool.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/error.h"
#include "proto/form.h"
#include "proto/rsm.h"
#include "proto/stamp.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "proto/xmlin.h"

static void
check_stamp(const char *text)
{
	static const char first[] = "0000-01-01T00:00:00.000Z", last[] = "9999-12-31T23:59:59.999Z"; /* beyond: clamped */
	int64_t ms, again;
	char out[STAMP_LEN + 1];

	if (text == NULL || !stamp_parse(text, &ms))
		return;
	stamp_format(out, ms);
	PROMISE(strlen(out) == STAMP_LEN);
	PROMISE(stamp_parse(out, &again) && (again == ms || strcmp(out, again > ms ? first : last) == 0));
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
check_page(struct arena *arena, const struct xml *node)
{
	struct rsm page, again;
	struct xml *parent = xml_new(arena, "query", "urn:example");

	if (!rsm_parse(arena, node, &page) || !page.present)
		return;
	PROMISE(page.max >= -1 && page.index >= -1);
	rsm_request(arena, parent, page.max, page.after, page.before);
	PROMISE(rsm_parse(arena, parent, &again) && again.present);
	PROMISE(again.max == page.max && same(again.after, page.after) && same(again.before, page.before));
}

static void
check_form(struct arena *arena, const struct xml *node)
{
	const struct xml *form = form_find(node, "urn:xmpp:mam:2");
	const char *value;

	if (form == NULL)
		return;
	PROMISE(same(form_type(arena, form), "urn:xmpp:mam:2"));
	value = form_get(arena, form, "start");
	PROMISE(value == NULL || form_get_field(form, "start") != NULL);
	check_stamp(value);
	PROMISE(form_bool(value) >= -1 && form_bool(value) <= 1);
}

static void
walk(struct arena *arena, const struct xml *node)
{
	enum stanza_error error = stanza_error_of(node);

	PROMISE(error >= STANZA_OK && error < STANZA_ERRORS);
	check_page(arena, node);
	check_form(arena, node);
	for (const struct xml_attr *attr = node->attrs; attr != NULL; attr = attr->next)
		check_stamp(attr->value);
	for (const struct xml *child = node->first; child != NULL; child = child->next) {
		if (child->name != NULL)
			walk(arena, child);
		else
			check_stamp(child->text);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	enum stream_error error;
	const struct xml *node = xmlin_parse(arena, (const char *)data, size, &xmlin_limits_default, &error);

	if (node != NULL)
		walk(arena, node);
	arena_free(&arena);
	return 0;
}
