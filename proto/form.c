/* form.c -- data forms (XEP-0004 2.13.1) with FORM_TYPE (XEP-0068): see form.h. */
#include "config.h"

#include "proto/form.h"

#include <stddef.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/xml.h"

struct xml *
form_new(struct arena *arena, struct xml *parent, const char *type, const char *form_type)
{
	struct xml *form =
	    parent == NULL ? xml_new(arena, "x", NS_FORM) : xml_add(arena, parent, "x", NS_FORM);

	xml_set(arena, form, "type", type);
	if (form_type != NULL)
		form_field(arena, form, "FORM_TYPE", "hidden", NULL, form_type);
	return form;
}

struct xml *
form_field(struct arena *arena, struct xml *form, const char *var, const char *type, const char *label,
	   const char *value)
{
	struct xml *field = xml_add(arena, form, "field", NS_FORM);

	xml_set(arena, field, "var", var);
	xml_set(arena, field, "type", type);
	xml_set(arena, field, "label", label);
	if (value != NULL)
		form_value(arena, field, value);
	return field;
}

void
form_value(struct arena *arena, struct xml *field, const char *value)
{
	xml_add_leaf(arena, field, "value", NS_FORM, value);
}

void
form_option(struct arena *arena, struct xml *field, const char *value)
{
	struct xml *option = xml_add(arena, field, "option", NS_FORM);

	form_value(arena, option, value);
}

struct xml *
form_find(const struct xml *parent, const char *form_type)
{
	for (struct xml *x = xml_find(parent, "x", NS_FORM); x != NULL; x = xml_next(x, "x", NS_FORM)) {
		const struct xml *field = form_get_field(x, "FORM_TYPE");
		const struct xml *value = field == NULL ? NULL : xml_find(field, "value", NS_FORM);
		const char *at = form_type;

		/* The text may be in several nodes: compared piece by piece, so that no arena is needed. */
		for (const struct xml *text = value == NULL ? NULL : value->first; text != NULL && at != NULL;
		     text = text->next) {
			bool same = text->name == NULL && strncmp(at, text->text, text->len) == 0;

			at = same ? at + text->len : NULL;
		}
		if (value != NULL && at != NULL && *at == '\0')
			return x;
	}
	return NULL;
}

const char *
form_type(struct arena *arena, const struct xml *form)
{
	return form_get(arena, form, "FORM_TYPE");
}

const char *
form_get(struct arena *arena, const struct xml *form, const char *var)
{
	const struct xml *field = form_get_field(form, var);

	return field == NULL ? NULL : xml_child_text(arena, field, "value", NS_FORM);
}

const struct xml *
form_get_field(const struct xml *form, const char *var)
{
	for (const struct xml *field = xml_find(form, "field", NS_FORM); field != NULL;
	     field = xml_next(field, "field", NS_FORM)) {
		const char *name = xml_attr(field, "var");

		if (name != NULL && strcmp(name, var) == 0)
			return field;
	}
	return NULL;
}

int
form_bool(const char *value)
{
	if (value == NULL)
		return -1;
	if (strcmp(value, "1") == 0 || strcmp(value, "true") == 0)
		return 1;
	return strcmp(value, "0") == 0 || strcmp(value, "false") == 0 ? 0 : -1;
}
