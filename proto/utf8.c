/* utf8.c -- reading UTF-8: see utf8.h. */
#include "config.h"

#include "proto/utf8.h"

size_t
utf8_next(const char *text, size_t left, uint32_t *code_r)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *at = (const unsigned char *)text;
	size_t len = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
	uint32_t code;

	if (len == 0 || len > left)
		return 0;
	code = len == 1 ? at[0] : at[0] & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		if (at[i] >> 6 != 2)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*code_r = code;
	return len;
}

bool
utf8_valid(const char *text, size_t len)
{
	uint32_t code;

	for (size_t at = 0, step; at < len; at += step) {
		step = utf8_next(text + at, len - at, &code);
		if (step == 0)
			return false;
	}
	return true;
}
