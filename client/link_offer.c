/* link_offer.c -- stream features: see link_offer.h. */
#include "config.h"

#include "client/link_offer.h"

#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/xml.h"

static size_t
read_names(struct arena *arena, const struct xml *list, const char *names[static OFFER_MAX])
{
	size_t count = 0;

	for (const struct xml *at = list != NULL ? xml_find(list, "mechanism", NULL) : NULL; at != NULL && count < OFFER_MAX;
	     at = xml_next(at, "mechanism", NULL))
		names[count++] = xml_text(arena, at);
	return count;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In order of their bytes, with 0x1e between them. */
static const char *
join(struct arena *arena, const char *const *names, size_t count)
{
	const char *sorted[OFFER_MAX], *text = "";

	memcpy(sorted, names, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare);
	for (size_t i = 0; i < count; i++)
		text = arena_printf(arena, "%s%s%s", text, i == 0 ? "" : "\x1e", sorted[i]);
	return text;
}

static const char *
offer_text(struct arena *arena, const struct xml *features, const struct offer *offer)
{
	const struct xml *list = xml_find(features, "sasl-channel-binding", NS_SASL_CB);
	const char *text = join(arena, offer->mechanisms, offer->count), *kinds[OFFER_MAX];
	size_t count = 0;

	if (list == NULL)
		return text;
	for (const struct xml *at = xml_find(list, "channel-binding", NS_SASL_CB); at != NULL && count < OFFER_MAX;
	     at = xml_next(at, "channel-binding", NS_SASL_CB))
		if (xml_attr(at, "type") != NULL)
			kinds[count++] = xml_attr(at, "type");
	return arena_printf(arena, "%s\x1f%s", text, join(arena, kinds, count));
}

static const struct xml *
find_feature(const struct xml *list, const char *ns)
{
	for (const struct xml *at = list != NULL ? xml_find(list, "feature", NULL) : NULL; at != NULL;
	     at = xml_next(at, "feature", NULL))
		if (xml_attr(at, "var") != NULL && strcmp(xml_attr(at, "var"), ns) == 0)
			return at;
	return NULL;
}

void
offer_read(struct arena *arena, const struct xml *features, struct offer *offer_r)
{
	const struct xml *list = xml_find(features, "authentication", NS_SASL2);
	const struct xml *inside = list != NULL ? xml_find(list, "inline", NS_SASL2) : NULL;
	const struct xml *bind = inside != NULL ? xml_find(inside, "bind", NS_BIND2) : NULL;
	const struct xml *tokens = inside != NULL ? xml_find(inside, "fast", NS_FAST) : NULL;

	*offer_r = (struct offer){ .at_once = bind != NULL };
	if (!offer_r->at_once)
		list = xml_find(features, "mechanisms", NS_SASL);
	offer_r->count = read_names(arena, list, offer_r->mechanisms);
	offer_r->text = offer_text(arena, features, offer_r);
	if (!offer_r->at_once)
		return;
	offer_r->token_count = read_names(arena, tokens, offer_r->tokens);
	offer_r->sm = find_feature(xml_find(bind, "inline", NS_BIND2), NS_SM) != NULL;
}

bool
offer_has_token(const struct offer *offer, const char *mechanism)
{
	for (size_t i = 0; i < offer->token_count; i++)
		if (strcmp(offer->tokens[i], mechanism) == 0)
			return true;
	return false;
}
