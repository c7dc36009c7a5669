/*
 * feature/caps_hash.c -- the verification string of entity capabilities (XEP-0115 1.6.0 section 5). Pure: no
 * state, no clock, no socket.
 */
#include "config.h"

#include "relay/feature/caps_hash.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/form.h"
#include "proto/ns.h"
#include "proto/xml.h"

enum {
	LIST_MAX = 1024
}; /* identities, features, fields or values of one answer; 256 KiB hold no honest answer with more */

/* What is sorted: identities by three keys, all else by the first alone. */
struct entry {
	const char *key[3];
	const char *name;
	const struct xml *node;
};
struct list {
	struct entry *entries;
	size_t count, room;
};

static int
entry_order(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;
	int order = 0;

	for (size_t i = 0; i < 3 && order == 0; i++)
		order = strcmp(left->key[i], right->key[i]);
	return order;
}

static bool
list_add(struct arena *arena, struct list *list, struct entry entry)
{
	if (list->count == LIST_MAX)
		return false;
	if (list->count == list->room) { /* by need: a stranger's form has thousands of fields with one value */
		struct entry *old = list->entries;
		list->room = list->room == 0 ? 4 : list->room * 2;
		list->entries = arena_alloc(arena, list->room * sizeof list->entries[0]);
		if (list->count > 0)
			memcpy(list->entries, old, list->count * sizeof list->entries[0]);
	}
	for (size_t i = 0; i < 3; i++)
		if (entry.key[i] == NULL)
			entry.key[i] = "";
	list->entries[list->count++] = entry;
	return true;
}

static void
list_sort(struct list *list)
{
	if (list->count > 1)
		qsort(list->entries, list->count, sizeof list->entries[0], entry_order);
}

/* A '<' inside a value would let one set of features pass for another (section 7.2). */
static bool
put(struct buf *out, const char *value)
{
	if (strchr(value, '<') != NULL)
		return false;
	buf_adds(out, value);
	buf_adds(out, "<");
	return true;
}

static bool
put_identities(struct arena *arena, const struct xml *query, struct buf *out)
{
	struct list list = { .count = 0 };

	for (const struct xml *node = xml_find(query, "identity", NS_DISCO_INFO); node != NULL;
	     node = xml_next(node, "identity", NS_DISCO_INFO)) {
		const char *name = xml_attr(node, "name");
		struct entry entry = { .key = { xml_attr(node, "category"), xml_attr(node, "type"),
						xml_attr_ns(node, "lang", NS_XML) },
				       .name = name != NULL ? name : "" };
		if (!list_add(arena, &list, entry))
			return false;
	}
	list_sort(&list);
	for (size_t i = 0; i < list.count; i++) {
		const struct entry *entry = &list.entries[i];
		for (size_t k = 0; k < 3; k++)
			if (strpbrk(entry->key[k], "</") != NULL)
				return false;
		/* Same category, type, lang and name twice: ill-formed (5.4, 3.3). */
		if (i > 0 && entry_order(entry, entry - 1) == 0 && strcmp(entry->name, entry[-1].name) == 0)
			return false;
		buf_printf(out, "%s/%s/%s/", entry->key[0], entry->key[1], entry->key[2]);
		if (!put(out, entry->name))
			return false;
	}
	return true;
}

static bool
put_features(struct arena *arena, const struct xml *query, struct buf *out)
{
	struct list list = { .count = 0 };

	for (const struct xml *node = xml_find(query, "feature", NS_DISCO_INFO); node != NULL;
	     node = xml_next(node, "feature", NS_DISCO_INFO))
		if (!list_add(arena, &list, (struct entry){ .key = { xml_attr(node, "var") } }))
			return false;
	list_sort(&list);
	for (size_t i = 0; i < list.count; i++)
		if ((i > 0 && entry_order(&list.entries[i], &list.entries[i - 1]) == 0) ||
		    !put(out, list.entries[i].key[0]))
			return false;
	return true;
}

static bool
put_field(struct arena *arena, const struct xml *field, struct buf *out)
{
	struct list list = { .count = 0 };
	const char *var = xml_attr(field, "var");

	for (const struct xml *value = xml_find(field, "value", NS_FORM); value != NULL;
	     value = xml_next(value, "value", NS_FORM))
		if (!list_add(arena, &list, (struct entry){ .key = { xml_text(arena, value) } }))
			return false;
	list_sort(&list);
	if (!put(out, var != NULL ? var : ""))
		return false;
	for (size_t i = 0; i < list.count; i++)
		if (!put(out, list.entries[i].key[0]))
			return false;
	return true;
}

static bool
put_form(struct arena *arena, const struct xml *form, struct buf *out)
{
	struct list list = { .count = 0 };

	for (const struct xml *field = xml_find(form, "field", NS_FORM); field != NULL;
	     field = xml_next(field, "field", NS_FORM)) {
		const char *var = xml_attr(field, "var");
		if (var != NULL && strcmp(var, "FORM_TYPE") == 0)
			continue;
		if (!list_add(arena, &list, (struct entry){ .key = { var }, .node = field }))
			return false;
	}
	list_sort(&list);
	for (size_t i = 0; i < list.count; i++)
		if (!put_field(arena, list.entries[i].node, out))
			return false;
	return true;
}

/* A form counts when its FORM_TYPE is hidden (5.4, 3.6). */
static bool
form_counts(const struct xml *form)
{
	const struct xml *field = form_get_field(form, "FORM_TYPE");
	const char *type = field != NULL ? xml_attr(field, "type") : NULL;

	return type != NULL && strcmp(type, "hidden") == 0 && xml_find(field, "value", NS_FORM) != NULL;
}

static bool
put_forms(struct arena *arena, const struct xml *query, struct buf *out)
{
	struct list list = { .count = 0 };

	for (const struct xml *form = xml_find(query, "x", NS_FORM); form != NULL;
	     form = xml_next(form, "x", NS_FORM))
		if (form_counts(form) &&
		    !list_add(arena, &list,
			      (struct entry){ .key = { form_type(arena, form) }, .node = form }))
			return false;
	list_sort(&list);
	for (size_t i = 0; i < list.count; i++)
		if ((i > 0 && entry_order(&list.entries[i], &list.entries[i - 1]) == 0) ||
		    !put(out, list.entries[i].key[0]) || !put_form(arena, list.entries[i].node, out))
			return false;
	return true;
}

bool
caps_hash(struct arena *arena, const struct xml *query, enum digest kind, char out[static CAPS_HASH_MAX])
{
	struct buf text = { .data = NULL };
	uint8_t hash[DIGEST_MAX];
	bool fine = put_identities(arena, query, &text) && put_features(arena, query, &text) &&
		    put_forms(arena, query, &text);

	if (fine) {
		digest(kind, text.data != NULL ? text.data : "", text.len, hash);
		base64_encode(out, hash, digest_len(kind));
	}
	buf_free(&text);
	return fine;
}

bool
caps_hash_kind(const char *name, enum digest *kind_r)
{
	static const struct {
		const char *name;
		enum digest kind;
	} kinds[] = {
		{ "sha-1", DIGEST_SHA1 },
		{ "sha-256", DIGEST_SHA256 },
		{ "sha-512", DIGEST_SHA512 },
	};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcmp(name, kinds[i].name) == 0) {
			*kind_r = kinds[i].kind;
			return true;
		}
	}
	return false;
}
