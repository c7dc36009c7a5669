/*
 * feature/pubsub_config.c -- the configuration of a pubsub node (XEP-0060 1.30.0 sections 8.2, 16.4.4;
 * defaults: XEP-0163 1.2.2 section 5).
 *
 * One row a field: how it is named, shown, read, compared and stored all comes from `fields`. Pure but for
 * malloc.
 */
#include "config.h"

#include "relay/feature/pubsub_config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/form.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"

enum kind {
	KIND_BOOL,
	KIND_COUNT,  /* 1..PUBSUB_ITEMS_MAX or "max" */
	KIND_CHOICE, /* an index into `choices` */
	KIND_TEXT,
	KIND_LIST,   /* values, each followed by '\n' */
	KIND_HIDDEN, /* a list that is stored but not part of the form that owners see: set by affiliations */
	KIND_FIXED,  /* understood, and the one value we implement is choices[0] */
};

struct field {
	const char *var, *label;
	enum kind kind;
	size_t offset;
	const char *const *choices;
};

static const char *const access_models[] = { "open", "presence", "roster", "whitelist", NULL };
static const char *const send_last_models[] = { "never", "on_sub", "on_sub_and_presence", NULL };
static const char *const only_publishers[] = { "publishers", NULL };
static const char *const only_headline[] = { "headline", NULL };
static const char *const only_leaf[] = { "leaf", NULL };
static const char *const only_max[] = { "max", NULL };
static const char *const only_true[] = { "1", NULL };
static const char *const only_false[] = { "0", NULL };

#define AT(member) offsetof(struct pubsub_config, member)
static const struct field fields[] = {
	{ "pubsub#title", "A short name for the node", KIND_TEXT, AT(title), NULL },
	{ "pubsub#description", "A description of the node", KIND_TEXT, AT(description), NULL },
	{ "pubsub#type", "The namespace of the payload", KIND_TEXT, AT(type), NULL },
	{ "pubsub#access_model", "Who may subscribe and retrieve items", KIND_CHOICE, AT(access),
	  access_models },
	{ "pubsub#roster_groups_allowed", "Roster groups that may subscribe and retrieve items", KIND_LIST,
	  AT(groups), NULL },
	{ "pubsub#persist_items", "Keep items", KIND_BOOL, AT(persist), NULL },
	{ "pubsub#max_items", "Number of items to keep", KIND_COUNT, AT(max_items), NULL },
	{ "pubsub#send_last_published_item", "When to send the last published item", KIND_CHOICE,
	  AT(send_last), send_last_models },
	{ "pubsub#deliver_payloads", "Deliver payloads with notifications", KIND_BOOL, AT(payloads), NULL },
	{ "pubsub#notify_config", "Notify when the configuration changes", KIND_BOOL, AT(notify_config),
	  NULL },
	{ "pubsub#notify_delete", "Notify when the node is deleted", KIND_BOOL, AT(notify_delete), NULL },
	{ "pubsub#notify_retract", "Notify when items are removed", KIND_BOOL, AT(notify_retract), NULL },
	{ "pubsub#publish_model", "Who may publish", KIND_FIXED, 0, only_publishers },
	{ "pubsub#notification_type", "Type of notification messages", KIND_FIXED, 0, only_headline },
	{ "pubsub#deliver_notifications", "Deliver notifications", KIND_FIXED, 0, only_true },
	{ "pubsub#presence_based_delivery", "Notify available users only", KIND_FIXED, 0, only_true },
	{ "pubsub#purge_offline", "Purge items when the publisher goes offline", KIND_FIXED, 0, only_false },
	{ "pubsub#item_expire", "Seconds after which items are purged", KIND_FIXED, 0, only_max },
	{ "pubsub#node_type", "Leaf or collection", KIND_FIXED, 0, only_leaf },
	{ "lazo#members", NULL, KIND_HIDDEN, AT(members), NULL },
	{ "lazo#outcasts", NULL, KIND_HIDDEN, AT(outcasts), NULL },
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

const struct pubsub_config pubsub_config_default = {
	.access = ACCESS_PRESENCE,
	.send_last = SEND_LAST_ON_SUB_AND_PRESENCE,
	.persist = 1,
	.payloads = 1,
	.notify_config = 0,
	.notify_delete = 1,
	.notify_retract = 1,
	.max_items = 1,
	.title = "",
	.description = "",
	.type = "",
	.groups = "",
	.members = "",
	.outcasts = "",
};

static int *
number_of(const struct field *field, struct pubsub_config *config)
{
	return (int *)((char *)config + field->offset);
}

static const char **
text_of(const struct field *field, struct pubsub_config *config)
{
	return (const char **)((char *)config + field->offset);
}

static bool
is_text(const struct field *field)
{
	return field->kind == KIND_TEXT || field->kind == KIND_LIST || field->kind == KIND_HIDDEN;
}

static const struct field *
field_find(const char *var)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (strcmp(fields[i].var, var) == 0)
			return &fields[i];
	return NULL;
}

/* Read. */

static bool
read_count(const char *value, int *count_r)
{
	char *end;
	long count;

	if (strcmp(value, "max") == 0) {
		*count_r = PUBSUB_ITEMS_MAX;
		return true;
	}
	count = strtol(value, &end, 10);
	if (end == value || *end != '\0' || count < 1 || count > PUBSUB_ITEMS_MAX)
		return false;
	*count_r = (int)count;
	return true;
}

static bool
read_choice(const struct field *field, const char *value, int *index_r)
{
	for (int i = 0; field->choices[i] != NULL; i++) {
		if (strcmp(field->choices[i], value) == 0) {
			*index_r = i;
			return true;
		}
	}
	return false;
}

static bool
fixed_holds(const struct field *field, const char *value)
{
	int wanted = form_bool(field->choices[0]);

	return wanted >= 0 ? form_bool(value) == wanted : strcmp(field->choices[0], value) == 0;
}

/* Values of a list; one that contains a line end would be two and is refused. */
static const char *
read_list(struct arena *arena, const struct xml *node)
{
	struct buf out = { .data = NULL };
	const char *list;

	for (const struct xml *value = xml_find(node, "value", NS_FORM); value != NULL;
	     value = xml_next(value, "value", NS_FORM)) {
		const char *text = xml_text(arena, value);
		if (strchr(text, '\n') != NULL) {
			buf_free(&out);
			return NULL;
		}
		buf_printf(&out, "%s\n", text);
	}
	list = arena_strndup(arena, out.data != NULL ? out.data : "", out.len);
	buf_free(&out);
	return list;
}

static bool
read_field(struct arena *arena, struct pubsub_config *config, const struct field *field,
	   const struct xml *node)
{
	const char *value = xml_child_text(arena, node, "value", NS_FORM);

	switch (field->kind) {
	case KIND_LIST:
	case KIND_HIDDEN:
		value = read_list(arena, node);
		if (value != NULL)
			*text_of(field, config) = value;
		return value != NULL;
	case KIND_TEXT:
		*text_of(field, config) = value != NULL ? value : "";
		return true;
	case KIND_BOOL:
		if (value == NULL || form_bool(value) < 0)
			return false;
		*number_of(field, config) = form_bool(value);
		return true;
	case KIND_COUNT:
		return value != NULL && read_count(value, number_of(field, config));
	case KIND_CHOICE:
		return value != NULL && read_choice(field, value, number_of(field, config));
	case KIND_FIXED:
		return value != NULL && fixed_holds(field, value);
	}
	return false;
}

static enum config_result
apply(struct arena *arena, struct pubsub_config *config, const struct xml *form, bool strict, bool stored,
      const char **var_r)
{
	for (const struct xml *node = xml_find(form, "field", NS_FORM); node != NULL;
	     node = xml_next(node, "field", NS_FORM)) {
		const char *var = xml_attr(node, "var");
		const struct field *field = var != NULL ? field_find(var) : NULL;

		*var_r = var != NULL ? var : "";
		if (field == NULL || (field->kind == KIND_HIDDEN && !stored)) {
			if (strict && strcmp(*var_r, "FORM_TYPE") != 0)
				return CONFIG_UNKNOWN;
			continue;
		}
		if (!read_field(arena, config, field, node))
			return field->choices == access_models ? CONFIG_BAD_ACCESS : CONFIG_BAD_VALUE;
	}
	return CONFIG_OK;
}

enum config_result
pubsub_config_apply(struct arena *arena, struct pubsub_config *config, const struct xml *form, bool strict,
		    const char **var_r)
{
	return apply(arena, config, form, strict, false, var_r);
}

struct pubsub_config
pubsub_config_copy(struct arena *arena, const struct pubsub_config *config)
{
	struct pubsub_config copy = *config;

	for (size_t i = 0; i < FIELDS; i++)
		if (is_text(&fields[i]))
			*text_of(&fields[i], &copy) = arena_strdup(arena, *text_of(&fields[i], &copy));
	return copy;
}

bool
pubsub_config_equal(const struct pubsub_config *a, const struct pubsub_config *b)
{
	struct pubsub_config left = *a, right = *b;

	for (size_t i = 0; i < FIELDS; i++) {
		const struct field *field = &fields[i];
		if (field->kind == KIND_FIXED)
			continue;
		if (is_text(field) ? strcmp(*text_of(field, &left), *text_of(field, &right)) != 0
				   : *number_of(field, &left) != *number_of(field, &right))
			return false;
	}
	return true;
}

/* Write. */

static const char *
form_type_of(enum kind kind)
{
	switch (kind) {
	case KIND_BOOL:
		return "boolean";
	case KIND_CHOICE:
		return "list-single";
	case KIND_LIST:
	case KIND_HIDDEN:
		return "text-multi";
	case KIND_COUNT:
	case KIND_TEXT:
	case KIND_FIXED:
		return "text-single";
	}
	return NULL;
}

static void
write_list(struct arena *arena, struct xml *node, const char *list)
{
	for (const char *end; (end = strchr(list, '\n')) != NULL; list = end + 1)
		form_value(arena, node, arena_strndup(arena, list, (size_t)(end - list)));
}

static void
write_field(struct arena *arena, struct xml *form, const struct field *field, struct pubsub_config *config,
	    bool full)
{
	const char *type = full ? form_type_of(field->kind) : NULL, *value = NULL;
	struct xml *node;

	switch (field->kind) {
	case KIND_BOOL:
	case KIND_COUNT:
		value = arena_printf(arena, "%d", *number_of(field, config));
		break;
	case KIND_CHOICE:
		value = field->choices[*number_of(field, config)];
		break;
	case KIND_TEXT:
		value = *text_of(field, config);
		break;
	case KIND_FIXED:
		value = field->choices[0];
		break;
	case KIND_LIST:
	case KIND_HIDDEN:
		break;
	}
	node = form_field(arena, form, field->var, type, full ? field->label : NULL, value);
	if (value == NULL)
		write_list(arena, node, *text_of(field, config));
	for (size_t i = 0; full && field->kind == KIND_CHOICE && field->choices[i] != NULL; i++)
		form_option(arena, node, field->choices[i]);
}

struct xml *
pubsub_config_form(struct arena *arena, struct xml *parent, const struct pubsub_config *config,
		   const char *type)
{
	struct xml *form = form_new(arena, parent, type, NS_PUBSUB_CONFIG);
	struct pubsub_config copy = *config;
	bool full = strcmp(type, "form") == 0;

	for (size_t i = 0; i < FIELDS; i++)
		if (fields[i].kind != KIND_HIDDEN)
			write_field(arena, form, &fields[i], &copy, full);
	return form;
}

const char *
pubsub_config_text(struct arena *arena, const struct pubsub_config *config)
{
	struct xml *form = form_new(arena, NULL, "submit", NS_PUBSUB_CONFIG);
	struct pubsub_config copy = *config;
	struct buf out = { .data = NULL };
	const char *text;

	for (size_t i = 0; i < FIELDS; i++)
		if (fields[i].kind != KIND_FIXED &&
		    !(is_text(&fields[i]) && **text_of(&fields[i], &copy) == '\0'))
			write_field(arena, form, &fields[i], &copy, false);
	xmlout(&out, form, NULL);
	text = arena_strndup(arena, out.data, out.len);
	buf_free(&out);
	return text;
}

/* The struct and its texts as one block. */
static struct pubsub_config *
flatten(struct pubsub_config *config)
{
	size_t size = sizeof *config;
	struct pubsub_config *flat;
	char *at;

	for (size_t i = 0; i < FIELDS; i++)
		if (is_text(&fields[i]))
			size += strlen(*text_of(&fields[i], config)) + 1;
	flat = xmalloc(size);
	*flat = *config;
	at = (char *)(flat + 1);
	for (size_t i = 0; i < FIELDS; i++) {
		if (!is_text(&fields[i]))
			continue;
		const char **text = text_of(&fields[i], flat);
		size_t len = strlen(*text) + 1;
		memcpy(at, *text, len);
		*text = at;
		at += len;
	}
	return flat;
}

struct pubsub_config *
pubsub_config_parse(const char *text)
{
	struct arena *arena = arena_new();
	struct pubsub_config config = pubsub_config_default, *flat;
	enum stream_error error;
	const char *var;
	const struct xml *form =
	    text != NULL ? xmlin_parse(arena, text, strlen(text), &xmlin_limits_stored, &error) : NULL;

	if (form == NULL || apply(arena, &config, form, true, true, &var) != CONFIG_OK) {
		config = pubsub_config_default;
		config.access = ACCESS_WHITELIST;
	}
	flat = flatten(&config);
	arena_free(&arena);
	return flat;
}

const struct pubsub_config *
pubsub_config_of(struct pubsub_node *node)
{
	if (node->parsed == NULL)
		node->parsed = pubsub_config_parse(node->config);
	return node->parsed;
}
