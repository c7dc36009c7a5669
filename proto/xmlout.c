/*
 * xmlout.c -- trees to bytes: see xmlout.h. Iterative; text that XML 1.0 cannot carry becomes U+FFFD, so that
 * no caller's mistake can end a stream. In text a > is escaped only where it could end a ]]>, so that text
 * does not grow without need. Spec: XML 1.0 2.2, 2.11, 3.3.3; Namespaces in XML 1.0.
 */
#include "config.h"

#include "proto/xmlout.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "proto/ns.h"
#include "proto/xml.h"

/* What an ASCII character is written as; NULL: itself. CR would be read as LF anywhere (XML 1.0 2.11), LF and
 * TAB as a space in an attribute (3.3.3). */
static const char *const escape_text[128] = {
	['&'] = "&amp;",
	['<'] = "&lt;",
	['>'] = "&gt;",
	['\r'] = "&#xD;",
};
static const char *const escape_attr[128] = {
	/* attributes are written between apostrophes */
	['&'] = "&amp;",  ['<'] = "&lt;",   ['\''] = "&apos;",
	['\r'] = "&#xD;", ['\n'] = "&#xA;", ['\t'] = "&#x9;",
};
static const char *const escape_any[128] = {
	['&'] = "&amp;",  ['<'] = "&lt;",   ['>'] = "&gt;",   ['\''] = "&apos;",
	['"'] = "&quot;", ['\r'] = "&#xD;", ['\n'] = "&#xA;", ['\t'] = "&#x9;",
};
static const char replacement[] = "\xEF\xBF\xBD";

/* Length of the UTF-8 sequence at `s`, when it is one that XML allows; else 0. */
static size_t
sequence(const uint8_t *s, size_t len)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t least;
	} forms[] = { { 0xE0, 0xC0, 0x80 }, { 0xF0, 0xE0, 0x800 }, { 0xF8, 0xF0, 0x10000 } };

	for (size_t n = 0; n < sizeof(forms) / sizeof(forms[0]); n++) {
		if ((s[0] & forms[n].mask) != forms[n].lead || len < n + 2)
			continue;
		uint32_t point = s[0] & (uint8_t)~forms[n].mask;

		for (size_t i = 1; i <= n + 1; i++) {
			if ((s[i] & 0xC0) != 0x80)
				return 0;
			point = point << 6 | (s[i] & 0x3F);
		}
		bool surrogate = point >= 0xD800 && point <= 0xDFFF;

		if (point < forms[n].least || point > 0x10FFFF || surrogate || point == 0xFFFE ||
		    point == 0xFFFF)
			return 0;
		return n + 2;
	}
	return 0;
}

static void
escape(struct buf *out, const char *const table[128], const char *text, size_t len)
{
	const uint8_t *s = (const uint8_t *)text;
	size_t plain = 0; /* start of what is copied as it is */

	for (size_t i = 0; i < len;) {
		const char *instead = replacement;
		size_t step = 1;

		if (s[i] >= 0x80) {
			step = sequence(s + i, len - i);
			instead = step == 0 ? replacement : NULL;
			step += step == 0;
		} else if (table == escape_text && s[i] == '>' && i > 0 && s[i - 1] != ']') {
			instead = NULL;
		} else if (table[s[i]] != NULL) {
			instead = table[s[i]];
		} else if (s[i] >= 0x20 || s[i] == '\n' || s[i] == '\t') {
			instead = NULL;
		}
		if (instead != NULL) {
			buf_add(out, text + plain, i - plain);
			buf_adds(out, instead);
			plain = i + step;
		}
		i += step;
	}
	buf_add(out, text + plain, len - plain);
}

void
xmlout_escape(struct buf *out, const char *text, size_t len)
{
	escape(out, escape_any, text, len);
}

/* The prefix of an attribute is numbered by the place of the first attribute that has its namespace. */
static unsigned
prefix_number(const struct xml *node, const struct xml_attr *of, bool *first_r)
{
	const struct xml_attr *attr = node->attrs;
	unsigned number = 1;

	for (; attr->ns == NULL || strcmp(attr->ns, of->ns) != 0; attr = attr->next)
		number++;
	*first_r = attr == of;
	return number;
}

static void
write_attr(struct buf *out, const struct xml *node, const struct xml_attr *attr)
{
	if (attr->ns == NULL || attr->ns[0] == '\0') {
		buf_adds(out, " ");
	} else if (strcmp(attr->ns, NS_XML) == 0) {
		buf_adds(out, " xml:");
	} else {
		bool first = false;
		unsigned number = prefix_number(node, attr, &first);

		if (first) {
			buf_printf(out, " xmlns:ns%u='", number);
			escape(out, escape_attr, attr->ns, strlen(attr->ns));
			buf_adds(out, "'");
		}
		buf_printf(out, " ns%u:", number);
	}
	buf_adds(out, attr->name);
	buf_adds(out, "='");
	escape(out, escape_attr, attr->value, strlen(attr->value));
	buf_adds(out, "'");
}

static void
write_start(struct buf *out, const struct xml *node, const char *outer)
{
	buf_adds(out, "<");
	buf_adds(out, node->name);
	if (strcmp(node->ns, outer) != 0) {
		buf_adds(out, " xmlns='");
		escape(out, escape_attr, node->ns, strlen(node->ns));
		buf_adds(out, "'");
	}
	for (const struct xml_attr *attr = node->attrs; attr != NULL; attr = attr->next)
		write_attr(out, node, attr);
	buf_adds(out, node->first == NULL ? "/>" : ">");
}

static void
write_end(struct buf *out, const struct xml *node)
{
	buf_adds(out, "</");
	buf_adds(out, node->name);
	buf_adds(out, ">");
}

void
xmlout(struct buf *out, const struct xml *node, const char *outer)
{
	struct buf stack = { 0 }; /* of const struct xml *: the open elements */
	const struct xml *open = NULL;
	const struct xml *next = node;

	assert(node != NULL);
	do {
		if (next == NULL) {
			assert(open != NULL);
			write_end(out, open);
			next = open->next;
			stack.len -= sizeof(open);
			memcpy(&open, stack.data + stack.len, sizeof(open));
			continue;
		}
		if (next->name == NULL) {
			escape(out, escape_text, next->text, next->len);
			next = next->next;
			continue;
		}
		write_start(out, next, open != NULL ? open->ns : outer != NULL ? outer : "");
		if (next->first == NULL) {
			next = next->next;
			continue;
		}
		buf_add(&stack, &open, sizeof(open));
		open = next;
		next = next->first;
	} while (open != NULL);
	buf_free(&stack);
}

void
xmlout_attribute(struct buf *out, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_printf(out, " %s='", name);
	xmlout_escape(out, value, strlen(value));
	buf_adds(out, "'");
}
