/*
 * bundle_pack.c -- what is sealed into a part of a bundle (proto/spec/courier.md 6): records, compressed and padded: see bundle.h.
 *
 * A record: its length, 4 bytes, big-endian, then the XML of one element. Packed: the length of the compressed bytes, 4 bytes,
 * one Zstandard frame (RFC 8878) that says its content's size, zeros up to a class of sizes.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "proto/bundle.h"
#include "proto/mem.h"

enum { LENGTH = 4, LEVEL = 3 };

static void
add_length(struct buf *out, size_t len)
{
	const uint8_t bytes[LENGTH] = { (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len };

	buf_add(out, bytes, sizeof bytes);
}

static size_t
length_at(const char *at)
{
	const uint8_t *byte = (const uint8_t *)at;

	return (size_t)byte[0] << 24 | (size_t)byte[1] << 16 | (size_t)byte[2] << 8 | byte[3];
}

void
bundle_add_record(struct buf *plain, const void *xml, size_t len)
{
	assert(len > 0 && len <= BUNDLE_PLAIN_MAX);
	add_length(plain, len);
	buf_add(plain, xml, len);
}

bool
bundle_next_record(const char *plain, size_t len, size_t *at, const char **record_r, size_t *record_len_r, bool *broken_r)
{
	size_t left = len - *at;

	*broken_r = false;
	if (left == 0)
		return false;
	if (left < LENGTH || length_at(plain + *at) == 0 || length_at(plain + *at) > left - LENGTH) {
		*broken_r = true;
		return false;
	}
	*record_len_r = length_at(plain + *at);
	*record_r = plain + *at + LENGTH;
	*at += LENGTH + *record_len_r;
	return true;
}

/* 4096, then four sizes up to each next power of two: at most a quarter is added, and there are few classes. */
size_t
bundle_class(size_t len)
{
	size_t power = BUNDLE_CLASS_LEAST;

	if (len <= power)
		return power;
	while (2 * power < len)
		power *= 2;
	return (len + power / 4 - 1) / (power / 4) * (power / 4);
}

void
bundle_pack(struct buf *packed, const void *plain, size_t len)
{
	size_t most = ZSTD_compressBound(len);
	char *compressed = xmalloc(most);
	size_t used = ZSTD_compress(compressed, most, plain, len, LEVEL);

	assert(len <= BUNDLE_PLAIN_MAX && !ZSTD_isError(used)); /* it fails only without memory or room */
	size_t start = packed->len, size = bundle_class(LENGTH + used);

	add_length(packed, used);
	buf_add(packed, compressed, used);
	free(compressed);
	static const char zeros[4096];

	while (packed->len - start < size) {
		size_t missing = size - (packed->len - start);

		buf_add(packed, zeros, missing < sizeof zeros ? missing : sizeof zeros);
	}
}

bool
bundle_unpack(struct buf *plain, const void *packed, size_t len)
{
	const char *bytes = packed;

	if (len < LENGTH || length_at(bytes) > len - LENGTH || len != bundle_class(LENGTH + length_at(bytes)))
		return false;
	size_t used = length_at(bytes);

	for (size_t i = LENGTH + used; i < len; i++)
		if (bytes[i] != 0)
			return false;
	unsigned long long size = ZSTD_getFrameContentSize(bytes + LENGTH, used);

	/* Also what zstd says of an unknown size or an error is larger than this. */
	if (size > BUNDLE_PLAIN_MAX || ZSTD_findFrameCompressedSize(bytes + LENGTH, used) != used)
		return false;
	char *out = xmalloc(size + 1);
	size_t got = ZSTD_decompress(out, size, bytes + LENGTH, used);
	bool good = !ZSTD_isError(got) && got == size;

	if (good)
		buf_add(plain, out, got);
	free(out);
	return good;
}
