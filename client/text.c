/* text.c -- text from others made harmless, columns and dates: see text.h. */
#include "config.h"

#include "client/text.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "client/intl.h"
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/stamp.h"

/* One character. Its length, or 0: not UTF-8 (RFC 3629: shortest form, no surrogates, at most U+10FFFF). */
static size_t
decode(const unsigned char *at, size_t left, uint32_t *code_r)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = at[0] < 0x80 ? 1 : at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	uint32_t code;

	*code_r = at[0];
	if (len == 1)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4 || len > left)
		return 0;
	code = at[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	*code_r = code;
	return code >= least[len] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? len : 0;
}

bool
text_is_utf8(const char *text, size_t len)
{
	uint32_t code;

	for (size_t at = 0; at < len;) {
		size_t one = decode((const unsigned char *)text + at, len - at, &code);

		if (one == 0)
			return false;
		at += one;
	}
	return true;
}

/* Characters that move, hide or turn what stands around them. */
static bool
is_harmful(uint32_t code)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x00, 0x1f },       { 0x7f, 0x9f },                 /* C0, DEL, C1: terminal escapes */
		{ 0xad, 0xad },       { 0x61c, 0x61c },               /* soft hyphen; Arabic letter mark */
		{ 0x180e, 0x180e },   { 0x200b, 0x200b },             /* spaces without width */
		{ 0x200e, 0x200f },   { 0x2028, 0x202e },             /* marks, line separators, bidi embeddings and overrides */
		{ 0x2060, 0x206f },   { 0xfeff, 0xfeff },             /* word joiner, isolates, deprecated; BOM */
		{ 0xfff9, 0xfffb },   { 0xe0000, 0xe007f },           /* interlinear; tags */
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}

/* `indent` < 0: one line. */
static const char *
clean(struct arena *arena, const char *text, int indent)
{
	size_t left = strlen(text);
	struct buf out = { 0 };
	const char *result;
	uint32_t code;

	while (left > 0) {
		size_t len = decode((const unsigned char *)text, left, &code);

		if (len == 0)
			buf_adds(&out, "\xef\xbf\xbd"); /* U+FFFD */
		else if (code == '\n' && indent >= 0)
			buf_printf(&out, "\n%*s", indent, "");
		else if (code == '\n' || code == '\t' || code == '\r')
			buf_adds(&out, " ");
		else if (is_harmful(code))
			buf_printf(&out, "<U+%04X>", (unsigned)code);
		else
			buf_add(&out, text, len);
		len = len == 0 ? 1 : len;
		text += len;
		left -= len;
	}
	result = arena_strndup(arena, out.data != NULL ? out.data : "", out.len);
	buf_free(&out);
	return result;
}

const char *
text_line(struct arena *arena, const char *text)
{
	return clean(arena, text, -1);
}

const char *
text_block(struct arena *arena, const char *text, int indent)
{
	size_t len = strlen(text);

	while (len > 0 && text[len - 1] == '\n') /* line ends at the end say nothing */
		len--;
	return clean(arena, arena_strndup(arena, text, len), indent);
}

static int
code_width(uint32_t code)
{
	int width = wcwidth((wchar_t)code);

	return width < 0 ? 1 : width;
}

int
text_width(const char *text)
{
	size_t left = strlen(text);
	int width = 0;
	uint32_t code;

	while (left > 0) {
		size_t len = decode((const unsigned char *)text, left, &code);

		width += len == 0 ? 1 : code_width(code);
		len = len == 0 ? 1 : len;
		text += len;
		left -= len;
	}
	return width;
}

const char *
text_cut(struct arena *arena, const char *text, int columns)
{
	size_t at = 0, left = strlen(text);
	int width = 0;
	uint32_t code;

	if (text_width(text) <= columns)
		return text;
	while (left > 0) {
		size_t len = decode((const unsigned char *)text + at, left, &code);
		int one = len == 0 ? 1 : code_width(code);

		if (width + one > columns - 1)
			break;
		width += one;
		len = len == 0 ? 1 : len;
		at += len;
		left -= len;
	}
	return arena_printf(arena, "%.*s\xe2\x80\xa6", (int)at, text);
}

const char *
text_pad(struct arena *arena, const char *text, int columns)
{
	int width = text_width(text);

	return arena_printf(arena, "%s%*s", text, columns > width ? columns - width : 0, "");
}

/* -- dates ------------------------------------------------------------------------------------------------- */

static bool
has_own_dates(void)
{
	const char *name = setlocale(LC_TIME, NULL);

	return name != NULL && strcmp(name, "C") != 0 && strcmp(name, "POSIX") != 0 && strncmp(name, "C.", 2) != 0;
}

static const char *
format_time(struct arena *arena, const char *format, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char out[128];

	if (localtime_r(&seconds, &tm) == NULL || strftime(out, sizeof(out), format, &tm) == 0)
		return "?";
	return arena_strdup(arena, out);
}

const char *
text_when_full(struct arena *arena, int64_t ms)
{
	if (has_own_dates())
		return format_time(arena, "%x %H:%M", ms);
	/* TRANSLATORS: a date and time by strftime(3), as people write it in your language. */
	return format_time(arena, _("%Y-%m-%d %H:%M"), ms);
}

const char *
text_when(struct arena *arena, int64_t ms, int64_t now)
{
	if (strcmp(format_time(arena, "%Y-%j", ms), format_time(arena, "%Y-%j", now)) == 0)
		return format_time(arena, "%H:%M", ms);
	return text_when_full(arena, ms);
}

const char *
text_rfc3339(struct arena *arena, int64_t ms)
{
	char out[STAMP_LEN + 1];

	stamp_format(out, ms);
	return arena_strdup(arena, out);
}
