/* archive_prefs.c -- reading, writing and asking the preferences: see archive_prefs.h. */
#include "config.h"

#include "relay/feature/archive_prefs.h"

#include <stddef.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/jid.h"
#include "proto/ns.h"
#include "proto/xml.h"

static const char *const defaults[] = { "always", "never", "roster" };

static const char *
known_default(const char *word)
{
	for (size_t i = 0; word != NULL && i < sizeof defaults / sizeof *defaults; i++)
		if (strcmp(word, defaults[i]) == 0)
			return defaults[i];
	return NULL;
}

static enum stanza_error
read_list(struct arena *arena, const struct xml *list, char sign, struct buf *out, size_t *count)
{
	struct jid jid;

	for (const struct xml *at = list == NULL ? NULL : xml_find(list, "jid", NS_MAM); at != NULL;
	     at = xml_next(at, "jid", NS_MAM)) {
		if (!jid_parse_text(arena, xml_text(arena, at), &jid))
			return STANZA_JID_MALFORMED;
		if (++*count > ARCHIVE_PREFS_MOST)
			return STANZA_POLICY_VIOLATION;
		buf_printf(out, "%c%s\n", sign, jid_text(arena, &jid));
	}
	return STANZA_OK;
}

const char *
archive_prefs_read(struct arena *arena, const struct xml *prefs, enum stanza_error *error_r)
{
	const char *word = known_default(xml_attr(prefs, "default")), *text;
	struct buf out = { 0 };
	size_t count = 0;

	*error_r = STANZA_BAD_REQUEST;
	if (word == NULL)
		return NULL;
	buf_printf(&out, "%s\n", word);
	*error_r = read_list(arena, xml_find(prefs, "always", NS_MAM), '+', &out, &count);
	if (*error_r == STANZA_OK)
		*error_r = read_list(arena, xml_find(prefs, "never", NS_MAM), '-', &out, &count);
	text = *error_r == STANZA_OK ? arena_strndup(arena, out.data, out.len) : NULL;
	buf_free(&out);
	return text;
}

void
archive_prefs_write(struct arena *arena, struct xml *parent, const char *text)
{
	struct xml *prefs = xml_add(arena, parent, "prefs", NS_MAM), *always, *never;
	const char *line = text == NULL ? "always\n" : text;
	size_t len = strcspn(line, "\n");

	xml_set(arena, prefs, "default", arena_strndup(arena, line, len));
	always = xml_add(arena, prefs, "always", NS_MAM);
	never = xml_add(arena, prefs, "never", NS_MAM);
	for (line += len + (line[len] != '\0'); *line != '\0'; line += len + (line[len] != '\0')) {
		len = strcspn(line, "\n");
		xml_add_leaf(arena, *line == '+' ? always : never, "jid", NS_MAM,
			     arena_strndup(arena, line + 1, len - 1));
	}
}

static bool
lists(struct arena *arena, const char *text, char sign, const char *jid)
{
	return strstr(text, arena_printf(arena, "\n%c%s\n", sign, jid)) != NULL;
}

bool
archive_prefs_wants(struct arena *arena, const char *text, const struct jid *peer, bool in_roster)
{
	const char *forms[] = { jid_text(arena, peer), jid_bare_text(arena, peer) };

	if (text == NULL)
		return true;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		if (lists(arena, text, '-', forms[i]))
			return false;
		if (lists(arena, text, '+', forms[i]))
			return true;
	}
	return strncmp(text, "always\n", 7) == 0 || (in_roster && strncmp(text, "roster\n", 7) == 0);
}
