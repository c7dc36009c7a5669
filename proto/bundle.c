/*
 * bundle.c -- the outside of a courier's bundle (proto/spec/courier.md 5): see bundle.h.
 *
 * All numbers are big-endian. A frame begins with four letters:
 *   head: "LZBH", version 1 byte, length of the domain 1 byte, id 16, expires 8, domain, SHA-256 of all this
 *   part: "LZBP", number 4, length 4, SHA-256 of (the head's frame, number, length, SHA-256 of sealed), sealed
 * The checksums find damage. Against forgery stands the seal.
 */
#include "config.h"

#include "proto/bundle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/digest.h"
#include "proto/mem.h"

enum {
	BUNDLE_VERSION = 1,
	HEAD_FIXED = 4 + 1 + 1 + BUNDLE_ID_LEN + 8, /* the domain and the checksum follow */
	HEAD_MAX = HEAD_FIXED + BUNDLE_DOMAIN_MAX + SHA256_LEN,
	PART_FIXED = 4 + 4 + 4 + SHA256_LEN,        /* the sealed bytes follow */
	NUMBERS = 8,                                /* of a part: number and length */
};
static const char HEAD_MARK[4] = "LZBH", PART_MARK[4] = "LZBP";

struct bundle_in {
	struct buf bytes;          /* fed, from the frame that is read on */
	size_t used;               /* of them: the frame that was given out last */
	uint8_t frame[HEAD_MAX];   /* the head's, for the checksums of its parts */
	size_t frame_len;          /* 0: no head yet */
	struct bundle_head head;
	enum bundle_outcome ended; /* BUNDLE_FOREIGN or BUNDLE_NEWER: final; else BUNDLE_MORE */
};

static void
put_number(uint8_t *out, uint64_t value, size_t size)
{
	for (size_t i = size; i-- > 0; value >>= 8)
		out[i] = (uint8_t)value;
}

static uint64_t
get_number(const uint8_t *in, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value = value << 8 | in[i];
	return value;
}

/* ---- write ---- */

/* The head as it stands in the file; -> its length. */
static size_t
head_frame(uint8_t frame[static HEAD_MAX], const struct bundle_head *head)
{
	size_t domain = strlen(head->to), len = HEAD_FIXED + domain;

	assert(domain > 0 && domain <= BUNDLE_DOMAIN_MAX && head->expires >= 0);
	memcpy(frame, HEAD_MARK, 4);
	frame[4] = BUNDLE_VERSION;
	frame[5] = (uint8_t)domain;
	memcpy(frame + 6, head->id, BUNDLE_ID_LEN);
	put_number(frame + 6 + BUNDLE_ID_LEN, (uint64_t)head->expires, 8);
	memcpy(frame + HEAD_FIXED, head->to, domain);
	digest(DIGEST_SHA256, frame, len, frame + len);
	return len + SHA256_LEN;
}

static void
part_check(const uint8_t *frame, size_t frame_len, const uint8_t numbers[static NUMBERS], const void *sealed, size_t len,
    uint8_t check[static SHA256_LEN])
{
	uint8_t all[HEAD_MAX + NUMBERS + SHA256_LEN];

	memcpy(all, frame, frame_len);
	memcpy(all + frame_len, numbers, NUMBERS);
	digest(DIGEST_SHA256, sealed, len, all + frame_len + NUMBERS);
	digest(DIGEST_SHA256, all, frame_len + NUMBERS + SHA256_LEN, check);
}

void
bundle_add_head(struct buf *out, const struct bundle_head *head)
{
	uint8_t frame[HEAD_MAX];

	buf_add(out, frame, head_frame(frame, head));
}

void
bundle_add_part(struct buf *out, const struct bundle_head *head, uint32_t number, const void *sealed, size_t len)
{
	uint8_t frame[HEAD_MAX], fixed[PART_FIXED];

	assert(len > 0 && len <= BUNDLE_SEALED_MAX);
	memcpy(fixed, PART_MARK, 4);
	put_number(fixed + 4, number, 4);
	put_number(fixed + 8, len, 4);
	part_check(frame, head_frame(frame, head), fixed + 4, sealed, len, fixed + 4 + NUMBERS);
	buf_add(out, fixed, sizeof fixed);
	buf_add(out, sealed, len);
}

int64_t
bundle_day(int64_t seconds)
{
	return (seconds + BUNDLE_DAY - 1) / BUNDLE_DAY * BUNDLE_DAY;
}

/* ---- read ---- */

struct bundle_in *
bundle_in_new(void)
{
	struct bundle_in *in = xcalloc(1, sizeof *in);

	in->ended = BUNDLE_MORE;
	return in;
}

void
bundle_in_free(struct bundle_in **in)
{
	if (*in != NULL)
		buf_free(&(*in)->bytes);
	free(*in);
	*in = NULL;
}

void
bundle_feed(struct bundle_in *in, const void *bytes, size_t len)
{
	if (in->ended == BUNDLE_MORE)
		buf_add(&in->bytes, bytes, len);
}

static enum bundle_outcome
end_with(struct bundle_in *in, enum bundle_outcome ended)
{
	buf_free(&in->bytes);
	in->used = 0;
	return in->ended = ended;
}

/* BUNDLE_PART: a head was taken, more may follow. */
static enum bundle_outcome
take_head(struct bundle_in *in)
{
	const uint8_t *at = (const uint8_t *)in->bytes.data;
	uint8_t check[SHA256_LEN];

	if (in->bytes.len > 4 && at[4] != BUNDLE_VERSION)
		return end_with(in, at[4] > BUNDLE_VERSION ? BUNDLE_NEWER : BUNDLE_FOREIGN);
	if (in->bytes.len < HEAD_FIXED)
		return BUNDLE_MORE;
	size_t domain = at[5], len = HEAD_FIXED + domain;

	if (domain == 0)
		return end_with(in, BUNDLE_FOREIGN);
	if (in->bytes.len < len + SHA256_LEN)
		return BUNDLE_MORE;
	digest(DIGEST_SHA256, at, len, check);
	uint64_t expires = get_number(at + 6 + BUNDLE_ID_LEN, 8);

	if (memcmp(check, at + len, SHA256_LEN) != 0 || memchr(at + HEAD_FIXED, 0, domain) != NULL ||
	    expires % BUNDLE_DAY != 0 || expires > INT64_MAX / 1000)
		return end_with(in, BUNDLE_FOREIGN);
	in->head = (struct bundle_head){ .expires = (int64_t)expires };
	memcpy(in->head.id, at + 6, BUNDLE_ID_LEN);
	memcpy(in->head.to, at + HEAD_FIXED, domain);
	in->frame_len = len + SHA256_LEN;
	memcpy(in->frame, at, in->frame_len);
	in->used = in->frame_len;
	return BUNDLE_PART;
}

static enum bundle_outcome
take_part(struct bundle_in *in, struct bundle_part *part_r)
{
	const uint8_t *at = (const uint8_t *)in->bytes.data;
	uint8_t check[SHA256_LEN];

	if (in->frame_len == 0)
		return end_with(in, BUNDLE_FOREIGN);
	if (in->bytes.len < PART_FIXED)
		return BUNDLE_MORE;
	size_t len = get_number(at + 8, 4);

	if (len == 0 || len > BUNDLE_SEALED_MAX)
		return end_with(in, BUNDLE_FOREIGN);
	if (in->bytes.len < PART_FIXED + len)
		return BUNDLE_MORE;
	*part_r = (struct bundle_part){ .head = in->head, .number = (uint32_t)get_number(at + 4, 4),
		.sealed = at + PART_FIXED, .len = len };
	part_check(in->frame, in->frame_len, at + 4, part_r->sealed, len, check);
	in->used = PART_FIXED + len;
	if (memcmp(check, at + 4 + NUMBERS, SHA256_LEN) == 0)
		return BUNDLE_PART;
	part_r->sealed = NULL;
	part_r->len = 0;
	return BUNDLE_DAMAGED;
}

enum bundle_outcome
bundle_next(struct bundle_in *in, struct bundle_part *part_r)
{
	for (;;) {
		buf_drop(&in->bytes, in->used);
		in->used = 0;
		size_t seen = in->bytes.len < 4 ? in->bytes.len : 4;

		if (in->ended != BUNDLE_MORE || seen == 0)
			return in->ended;
		bool head = memcmp(in->bytes.data, HEAD_MARK, seen) == 0, part = memcmp(in->bytes.data, PART_MARK, seen) == 0;

		if (!head && !part)
			return end_with(in, BUNDLE_FOREIGN);
		if (seen < 4)
			return BUNDLE_MORE;
		if (part)
			return take_part(in, part_r);
		enum bundle_outcome outcome = take_head(in);

		if (outcome != BUNDLE_PART)
			return outcome;
	}
}

bool
bundle_whole(const struct bundle_in *in)
{
	return in->ended == BUNDLE_MORE && in->frame_len > 0 && in->bytes.len == in->used;
}
