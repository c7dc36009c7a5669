/*
 * feature/archive_form.c -- what a client asks of its archive: filter and page (XEP-0313 4.1 and 4.3, XEP-0059). See archive_query.c.
 *
 * DIAGNOSTICS: item-not-found for an id that is none of ours; feature-not-implemented for fields and kinds of paging that
 * are not known here (4.1.5); policy-violation for more ids, or a longer queryid, than an answer is worth.
 */
#include "config.h"

#include "relay/feature/archive-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/form.h"
#include "proto/jid.h"
#include "proto/ns.h"
#include "proto/rsm.h"
#include "proto/stamp.h"
#include "proto/xml.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/store/store.h"

enum {
	PAGE_USUAL = 100, /* rows when the client does not say */
	PAGE_MOST = 250,
	IDS_MOST = 250,
	QUERYID_MOST = 256, /* bytes: it is repeated in each result */
};

/* ---- the form (4.1) ---- */

static int64_t
id_of(const struct asking *asking, const char *text)
{
	return store_id_of(router_store(asking->event->router), text);
}

static enum stanza_error
take_id(const struct asking *asking, const char *text, int64_t *id_r)
{
	*id_r = id_of(asking, text);
	return *id_r == 0 ? STANZA_ITEM_NOT_FOUND : STANZA_OK;
}

static enum stanza_error
take_with(struct asking *asking, const struct xml *field, const char *value)
{
	struct jid jid;

	(void)field;
	if (!jid_parse_text(asking->event->arena, value, &jid))
		return STANZA_JID_MALFORMED;
	asking->query.with = jid_bare_text(asking->event->arena, &jid);
	asking->query.resource = jid.resource;
	return STANZA_OK;
}

static enum stanza_error
take_start(struct asking *asking, const struct xml *field, const char *value)
{
	(void)field;
	return stamp_parse(value, &asking->query.start) ? STANZA_OK : STANZA_BAD_REQUEST;
}

/* What falls into the named second or millisecond is not after it. */
static enum stanza_error
take_end(struct asking *asking, const struct xml *field, const char *value)
{
	(void)field;
	if (!stamp_parse(value, &asking->query.end))
		return STANZA_BAD_REQUEST;
	if (asking->query.end == 0) /* 0 stands for open */
		asking->query.end = -1;
	return STANZA_OK;
}

static enum stanza_error
take_after_id(struct asking *asking, const struct xml *field, const char *value)
{
	(void)field;
	return take_id(asking, value, &asking->query.above);
}

static enum stanza_error
take_before_id(struct asking *asking, const struct xml *field, const char *value)
{
	(void)field;
	return take_id(asking, value, &asking->query.below);
}

static int
compare_ids(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return left < right ? -1 : left > right;
}

static enum stanza_error
take_ids(struct asking *asking, const struct xml *field, const char *value)
{
	struct arena *arena = asking->event->arena;
	int64_t *ids = arena_alloc(arena, IDS_MOST * sizeof *ids);
	size_t count = 0, unique = 0;
	enum stanza_error error;

	(void)value;
	for (const struct xml *at = xml_find(field, "value", NS_FORM); at != NULL;
	     at = xml_next(at, "value", NS_FORM)) {
		if (count == IDS_MOST)
			return STANZA_POLICY_VIOLATION;
		error = take_id(asking, xml_text(arena, at), &ids[count++]);
		if (error != STANZA_OK)
			return error;
	}
	qsort(ids, count, sizeof *ids, compare_ids);
	for (size_t i = 0; i < count; i++)
		if (unique == 0 || ids[i] != ids[unique - 1])
			ids[unique++] = ids[i];
	asking->query.ids = ids;
	asking->query.id_count = unique;
	return STANZA_OK;
}

/* There are none in this archive (6.1.1): asked for or not makes no difference. */
static enum stanza_error
take_groupchat(struct asking *asking, const struct xml *field, const char *value)
{
	(void)asking;
	(void)field;
	return form_bool(value) >= 0 ? STANZA_OK : STANZA_BAD_REQUEST;
}

static const struct field {
	const char *var, *type;
	enum stanza_error (*take)(struct asking *asking, const struct xml *field, const char *value);
} fields[] = {
	{ "with", "jid-single", take_with },
	{ "start", "text-single", take_start },
	{ "end", "text-single", take_end },
	{ "before-id", "text-single", take_before_id },
	{ "after-id", "text-single", take_after_id },
	{ "ids", "list-multi", take_ids },
	{ "include-groupchat", "boolean", take_groupchat },
};
enum { FIELDS = sizeof fields / sizeof *fields };

static enum stanza_error
take_field(struct asking *asking, const struct xml *field)
{
	const char *var = xml_attr(field, "var");
	const char *value = xml_child_text(asking->event->arena, field, "value", NS_FORM);

	if (var == NULL)
		return STANZA_BAD_REQUEST;
	if (strcmp(var, "FORM_TYPE") == 0)
		return STANZA_OK;
	for (size_t i = 0; i < FIELDS; i++)
		if (strcmp(var, fields[i].var) == 0)
			return value == NULL ? STANZA_OK : fields[i].take(asking, field, value);
	return STANZA_FEATURE_NOT_IMPLEMENTED;
}

static enum stanza_error
take_form(struct asking *asking, const struct xml *query)
{
	const struct xml *form = xml_find(query, "x", NS_FORM);
	enum stanza_error error = STANZA_OK;

	if (form == NULL)
		return STANZA_OK;
	if (form != form_find(query, NS_MAM) || xml_next(form, "x", NS_FORM) != NULL)
		return STANZA_BAD_REQUEST;
	for (const struct xml *at = xml_find(form, "field", NS_FORM); at != NULL && error == STANZA_OK;
	     at = xml_next(at, "field", NS_FORM))
		error = take_field(asking, at);
	return error;
}

enum verdict
archive_on_form(struct event *event, void *state)
{
	struct xml *result = event_result(event);
	struct xml *form =
	    form_new(event->arena, xml_add(event->arena, result, "query", NS_MAM), "form", NS_MAM);
	struct xml *field, *validate;

	(void)state;
	for (size_t i = 0; i < FIELDS; i++) {
		field = form_field(event->arena, form, fields[i].var, fields[i].type, NULL, NULL);
		if (strcmp(fields[i].var, "ids") != 0)
			continue;
		validate = xml_add(event->arena, field, "validate",
				   "http://jabber.org/protocol/xdata-validate"); /* XEP-0122 */
		xml_set(event->arena, validate, "datatype", "xs:string");
		xml_add(event->arena, validate, "open", NULL);
	}
	event_reply(event, result);
	return HANDLED;
}

/* ---- the page (4.3, XEP-0059) ---- */

static enum stanza_error
take_page(struct asking *asking, const struct xml *query)
{
	struct archive_query *page = &asking->query;
	enum stanza_error error = STANZA_OK;
	struct rsm rsm;

	if (!rsm_parse(asking->event->arena, query, &rsm))
		return STANZA_BAD_REQUEST;
	if (rsm.index >= 0) /* XEP-0059 2.8 */
		return STANZA_FEATURE_NOT_IMPLEMENTED;
	page->most = rsm.max < 0 ? PAGE_USUAL : rsm.max < PAGE_MOST ? (size_t)rsm.max : PAGE_MOST;
	page->counted = rsm.max == 0;
	page->back = rsm.before != NULL;
	if (rsm.after != NULL)
		error = take_id(asking, rsm.after, &page->after);
	if (error == STANZA_OK && rsm.before != NULL && rsm.before[0] != '\0')
		error = take_id(asking, rsm.before, &page->before);
	return error;
}

enum stanza_error
archive_take_query(struct asking *asking, const struct xml *query)
{
	enum stanza_error error;

	if (xml_attr(query, "node") != NULL) /* of pubsub archives (6.1.3) */
		return STANZA_FEATURE_NOT_IMPLEMENTED;
	asking->queryid = xml_attr(query, "queryid");
	if (asking->queryid != NULL && strlen(asking->queryid) > QUERYID_MOST)
		return STANZA_POLICY_VIOLATION;
	asking->flipped = xml_find(query, "flip-page", NS_MAM) != NULL;
	error = take_form(asking, query);
	return error != STANZA_OK ? error : take_page(asking, query);
}
