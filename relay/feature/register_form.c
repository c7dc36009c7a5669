/*
 * feature/register_form.c -- what a client asks of its registration (XEP-0077 2.4): see register_form.h.
 */
#include "config.h"

#include "relay/feature/register_form.h"

#include <stdint.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/form.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"

static const char *
value_of(struct arena *arena, const struct xml *query, const struct xml *form, const char *name)
{
	return form != NULL ? form_get(arena, form, name) : xml_child_text(arena, query, name, NS_REGISTER);
}

enum stanza_error
register_form_read(struct arena *arena, const struct xml *query, const char *domain,
		   struct register_form *form_r)
{
	const struct xml *form = form_find(query, NS_REGISTER), *first = xml_first(query);
	const char *name;

	*form_r = (struct register_form){ .remove = xml_find(query, "remove", NS_REGISTER) != NULL };
	if (form_r->remove) /* 3.2: it must be the only child */
		return xml_next(first, NULL, NULL) == NULL ? STANZA_OK : STANZA_BAD_REQUEST;
	name = value_of(arena, query, form, "username");
	form_r->password = value_of(arena, query, form, "password");
	if (name == NULL || name[0] == '\0' || form_r->password == NULL || form_r->password[0] == '\0')
		return STANZA_NOT_ACCEPTABLE;
	if (strlen(form_r->password) > REGISTER_PASSWORD_MAX)
		return STANZA_NOT_ACCEPTABLE;
	if (!jid_make(arena, name, domain, NULL, &form_r->jid) || form_r->jid.node == NULL)
		return STANZA_JID_MALFORMED;
	return STANZA_OK;
}

/* Depth is bounded by the stream's limit (64). */
static void
wipe(const struct xml *node)
{
	for (const struct xml *child = node->first; child != NULL; child = child->next) {
		if (child->name == NULL)
			cleanse((void *)(uintptr_t)child->text,
				child->len); /* ours: it came with this stanza's arena */
		else
			wipe(child);
	}
}

void
register_form_forget(struct xml *query)
{
	wipe(query);
	query->first = query->last = NULL;
}
