/*
 * armor.c -- a contact card as text: armored, for chat programs, mail and SMS; and in parts, for QR codes.
 *
 *     -----BEGIN LAZO CARD-----                    base64 without padding, 40 characters a line
 *     j0xBWk8BAQ...
 *     -----END LAZO CARD-----
 *
 *     LAZOCARD/1/3/9F3A0C11/R5GEC2SP...            part 1 of 3 of the card with that check; base32, all in
 * QR's alphanumeric mode
 *
 * What is on the way is survived: lines broken or joined, '>' and '|' of quoting, spaces of every kind,
 * dashes made longer, changed case of QR texts, words around it. What is lost or changed is told by the
 * card's check.
 */
#include "config.h"
#include "client/card-private.h"

#include <string.h>
#include "proto/arena.h"
#include "proto/digest.h"

static const char begin[] = "BEGIN LAZO CARD", end[] = "END LAZO CARD", part_mark[] = "LAZOCARD/";
static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; /* RFC 4648 section 6 */

enum { LINE = 40, PART_HEAD = 32, INPUT_MAX = 1024 * 1024 };

void
card_armor(struct buf *out, const void *bytes, size_t len)
{
	struct arena *arena = arena_new();
	char *text = arena_alloc(arena, base64_encoded_len(len) + 1);
	base64_encode(text, bytes, len);
	text[strcspn(text, "=")] = '\0'; /* mail programs read '=' at a line's end as their own */
	buf_printf(out, "-----%s-----\n", begin);
	for (; *text; text += strnlen(text, LINE))
		buf_printf(out, "%.*s\n", LINE, text);
	buf_printf(out, "-----%s-----\n", end);
	arena_free(&arena);
}

static void
base32_encode(struct buf *out, const uint8_t *bytes, size_t len)
{
	unsigned bits = 0, have = 0;
	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | bytes[i];
		for (have += 8; have >= 5; have -= 5)
			buf_add(out, &base32[bits >> (have - 5) & 31], 1);
	}
	if (have > 0)
		buf_add(out, &base32[bits << (5 - have) & 31], 1);
}

size_t
card_qr_parts(struct arena *arena, const void *bytes, size_t len, const char ***texts_r)
{
	struct buf all = { 0 };
	uint8_t check[CARD_CHECK_LEN];
	char check_hex[2 * CARD_CHECK_LEN + 1];
	card_check(bytes, len, check);
	hex_encode(check_hex, check, CARD_CHECK_LEN);
	for (char *c = check_hex; *c; c++)
		*c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c);
	base32_encode(&all, bytes, len);
	size_t room = CARD_QR_PART - PART_HEAD, count = (all.len + room - 1) / room;
	size_t each = (all.len + count - 1) / count; /* parts of one size make codes of one size */
	*texts_r = arena_alloc(arena, count * sizeof **texts_r);
	for (size_t i = 0; i < count; i++) {
		size_t at = i * each, rest = all.len - at;
		(*texts_r)[i] = arena_printf(arena, "%s%zu/%zu/%s/%.*s", part_mark, i + 1, count, check_hex,
					     (int)(rest < each ? rest : each), all.data + at);
	}
	buf_free(&all);
	return count;
}

/* -1: not a letter of this alphabet. */
static int
base64_value(char c)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(letters, c) : NULL;
	return at ? (int)(at - letters) : -1;
}

static int
base32_value(char c)
{
	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	const char *at = c ? strchr(base32, c) : NULL;
	return at ? (int)(at - base32) : -1;
}

/* All letters of the alphabet among the bytes; everything else is what the way added. False: too much. */
static bool
letters_decode(struct buf *out, const char *text, size_t len, int (*value)(char c), unsigned width)
{
	unsigned bits = 0, have = 0;
	for (size_t i = 0; i < len; i++) {
		int letter = value(text[i]);
		if (letter < 0)
			continue;
		bits = bits << width | (unsigned)letter;
		have += width;
		if (have >= 8) {
			have -= 8;
			uint8_t byte = (uint8_t)(bits >> have);
			buf_add(out, &byte, 1);
		}
		if (out->len > CARD_MAX)
			return false;
	}
	return true;
}

static const char *
find_bytes(const char *text, size_t len, const char *what)
{
	return memmem(text, len, what, strlen(what));
}

static enum card_error
armor_find(const char *text, size_t len, struct buf *bytes_r)
{
	const char *from = find_bytes(text, len, begin);
	if (!from)
		return CARD_NOT_A_CARD;
	from += strlen(begin);
	size_t rest = len - (size_t)(from - text);
	const char *to = find_bytes(from, rest, end);
	if (!to)
		return CARD_DAMAGED; /* cut short */
	return letters_decode(bytes_r, from, (size_t)(to - from), base64_value, 6) ? CARD_OK : CARD_DAMAGED;
}

/* Parts as they were found; all of one card. */
struct parts {
	size_t count; /* 0: none seen yet */
	char check[2 * CARD_CHECK_LEN];
	const char *text[CARD_QR_PARTS];
	size_t len[CARD_QR_PARTS];
};

/* A number of one or two digits, and the '/' behind it. */
static bool
part_number(const char **at, const char *stop, size_t *number_r)
{
	*number_r = 0;
	for (int digits = 0; *at < stop && **at >= '0' && **at <= '9' && digits < 2; digits++)
		*number_r = *number_r * 10 + (size_t)(*(*at)++ - '0');
	return *at < stop && *(*at)++ == '/' && *number_r >= 1 && *number_r <= CARD_QR_PARTS;
}

/* What stands behind a mark, up to the next mark or white space. Parts of another card than the first are
 * passed over. */
static void
part_take(struct parts *parts, const char *at, const char *stop)
{
	size_t index, count;
	if (!part_number(&at, stop, &index) || !part_number(&at, stop, &count) || index > count ||
	    (size_t)(stop - at) < sizeof parts->check + 1 || at[sizeof parts->check] != '/')
		return;
	if (parts->count == 0) {
		parts->count = count;
		memcpy(parts->check, at, sizeof parts->check);
	}
	if (count != parts->count || memcmp(parts->check, at, sizeof parts->check) != 0)
		return;
	at += sizeof parts->check + 1;
	size_t len = 0;
	while (at + len < stop && base32_value(at[len]) >= 0)
		len++;
	if (!parts->text[index - 1]) {
		parts->text[index - 1] = at;
		parts->len[index - 1] = len;
	}
}

static enum card_error
parts_find(const char *text, size_t len, struct buf *bytes_r)
{
	struct parts parts = { 0 };
	struct buf all = { 0 };
	const char *stop = text + len, *at;
	while ((at = find_bytes(text, (size_t)(stop - text), part_mark))) {
		text = at + strlen(part_mark);
		part_take(&parts, text, stop);
	}
	if (parts.count == 0)
		return CARD_NOT_A_CARD;
	for (size_t i = 0; i < parts.count; i++) {
		if (!parts.text[i]) {
			buf_free(&all);
			return CARD_MISSING_PART;
		}
		buf_add(&all, parts.text[i], parts.len[i]);
	}
	bool decoded = letters_decode(bytes_r, all.data, all.len, base32_value, 5);
	buf_free(&all);
	return decoded ? CARD_OK : CARD_DAMAGED;
}

/* QR readers and people change case: the marks are looked for in upper case; base32 does not mind. */
static char *
upper_copy(struct arena *arena, const char *text, size_t len)
{
	char *copy = arena_strndup(arena, text, len);
	for (size_t i = 0; i < len; i++)
		copy[i] = (char)(copy[i] >= 'a' && copy[i] <= 'z' ? copy[i] - 'a' + 'A' : copy[i]);
	return copy;
}

enum card_error
card_find(const void *input, size_t len, struct buf *bytes_r)
{
	if (len >= CARD_MAGIC_LEN && memcmp(input, CARD_MAGIC, CARD_MAGIC_LEN - 1) == 0) {
		if (len > CARD_MAX)
			return CARD_DAMAGED;
		buf_add(bytes_r, input, len);
		return CARD_OK;
	}
	if (len > INPUT_MAX)
		return CARD_NOT_A_CARD;
	enum card_error error = armor_find(input, len, bytes_r);
	if (error == CARD_NOT_A_CARD) {
		struct arena *arena = arena_new();
		error = parts_find(upper_copy(arena, input, len), len, bytes_r);
		arena_free(&arena);
	}
	if (error != CARD_OK)
		buf_clear(bytes_r);
	return error;
}
