/* test_bundle.c -- bundles: written and read, cut and damaged at every byte, packed and unpacked. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <zstd.h>

#include "proto/buf.h"
#include "proto/bundle.h"
#include "proto/digest.h"
#include "proto/mem.h"

static const struct bundle_head HEAD = { .to = "hogar.example", .id = "0123456789abcdef", .expires = 20500LL * BUNDLE_DAY };

static void
write_small(struct buf *out)
{
	bundle_add_head(out, &HEAD);
	bundle_add_part(out, &HEAD, 0, "first", 5);
	bundle_add_part(out, &HEAD, 7, "the second", 10);
}

struct seen {
	size_t parts, damaged;
	enum bundle_outcome last;
	bool whole;
	bool other; /* a part with words that were never written */
};

static struct seen
read_all(const struct buf *file, size_t step)
{
	struct bundle_in *in = bundle_in_new();
	struct seen seen = { 0 };
	struct bundle_part part;

	for (size_t at = 0; at < file->len; at += step) {
		bundle_feed(in, file->data + at, file->len - at < step ? file->len - at : step);
		while ((seen.last = bundle_next(in, &part)) == BUNDLE_PART || seen.last == BUNDLE_DAMAGED) {
			seen.parts += seen.last == BUNDLE_PART;
			seen.damaged += seen.last == BUNDLE_DAMAGED;
			if (seen.last != BUNDLE_PART)
				continue;
			bool first = part.number == 0 && part.len == 5 && memcmp(part.sealed, "first", 5) == 0;
			bool second = part.number == 7 && part.len == 10 && memcmp(part.sealed, "the second", 10) == 0;

			seen.other |= !(first || second) || strcmp(part.head.to, HEAD.to) != 0 ||
			              memcmp(part.head.id, HEAD.id, sizeof HEAD.id) != 0 || part.head.expires != HEAD.expires;
		}
	}
	seen.whole = bundle_whole(in);
	bundle_in_free(&in);
	return seen;
}

static void
test_reads_what_was_written(void **state)
{
	struct buf file = { 0 };

	(void)state;
	write_small(&file);
	for (size_t step = 1; step <= file.len; step++) {
		struct seen seen = read_all(&file, step);

		assert_int_equal(seen.parts, 2);
		assert_int_equal(seen.damaged, 0);
		assert_int_equal(seen.last, BUNDLE_MORE);
		assert_true(seen.whole && !seen.other);
	}
	buf_free(&file);
}

static void
test_two_files_behind_each_other_are_one(void **state)
{
	struct buf file = { 0 };

	(void)state;
	write_small(&file);
	write_small(&file);
	struct seen seen = read_all(&file, 50);

	assert_int_equal(seen.parts, 4);
	assert_true(seen.whole && !seen.other);
	buf_free(&file);
}

static void
test_cut_at_every_byte(void **state)
{
	struct buf file = { 0 }, head = { 0 };

	(void)state;
	bundle_add_head(&head, &HEAD);
	write_small(&file);
	size_t full = file.len, first_end = head.len + 44 + 5;

	for (file.len = 1; file.len < full; file.len++) {
		struct seen seen = read_all(&file, file.len + 1);

		assert_int_equal(seen.parts, file.len >= first_end);
		assert_false(seen.other);
		assert_int_equal(seen.last, BUNDLE_MORE);
		/* A file that ends between two parts is whole as far as anybody can know: what is missing is inside the seal. */
		assert_int_equal(seen.whole, file.len == head.len || file.len == first_end);
	}
	buf_free(&file);
	buf_free(&head);
}

static void
test_every_bit_turned(void **state)
{
	struct buf file = { 0 };

	(void)state;
	write_small(&file);
	for (size_t bit = 0; bit < 8 * file.len; bit++) {
		file.data[bit / 8] ^= (char)(1 << bit % 8);
		struct seen seen = read_all(&file, file.len);

		assert_true(seen.parts < 2);
		assert_false(seen.other);
		file.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_int_equal(read_all(&file, file.len).parts, 2); /* and as it was it is good */
	buf_free(&file);
}

static void
test_a_damaged_part_does_not_hide_the_next(void **state)
{
	struct buf file = { 0 };

	(void)state;
	write_small(&file);
	char *at = memmem(file.data, file.len, "first", 5);

	assert_non_null(at);
	*at = 'F';
	struct seen seen = read_all(&file, 10);

	assert_int_equal(seen.damaged, 1);
	assert_int_equal(seen.parts, 1);
	assert_true(seen.whole);
	buf_free(&file);
}

static void
test_what_it_is_not(void **state)
{
	static const char newer[] = "LZBH\2 and what it may be";
	static const struct {
		const char *bytes;
		size_t len;
		enum bundle_outcome outcome;
	} rows[] = {
		{ "", 0, BUNDLE_MORE },
		{ "L", 1, BUNDLE_MORE },
		{ "\x89PNG\r\n", 6, BUNDLE_FOREIGN },
		{ "LZBP\0\0\0\0", 8, BUNDLE_FOREIGN },                  /* a part before any head */
		{ newer, sizeof newer - 1, BUNDLE_NEWER },
		{ "LZBH\0", 5, BUNDLE_FOREIGN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bundle_in *in = bundle_in_new();
		struct bundle_part part;

		bundle_feed(in, rows[i].bytes, rows[i].len);
		assert_int_equal(bundle_next(in, &part), rows[i].outcome);
		assert_int_equal(bundle_next(in, &part), rows[i].outcome);
		assert_false(bundle_whole(in));
		bundle_in_free(&in);
	}
}

/* A length of 4 GiB is refused when it is read, not when it is reached. */
static void
test_giant_length(void **state)
{
	static const uint32_t lengths[] = { 0, BUNDLE_SEALED_MAX + 1, INT32_MAX, (uint32_t)INT32_MAX + 1, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		struct buf file = { 0 };
		uint32_t length = lengths[i];
		const uint8_t frame[12] = { 'L', 'Z', 'B', 'P', 0, 0, 0, 0, (uint8_t)(length >> 24), (uint8_t)(length >> 16),
			(uint8_t)(length >> 8), (uint8_t)length };
		char check[32] = { 0 };

		bundle_add_head(&file, &HEAD);
		buf_add(&file, frame, sizeof frame);
		buf_add(&file, check, sizeof check);
		assert_int_equal(read_all(&file, file.len).last, BUNDLE_FOREIGN);
		buf_free(&file);
	}
}

static void
test_records(void **state)
{
	struct buf plain = { 0 };
	const char *record;
	size_t at = 0, len;
	bool broken;

	(void)state;
	bundle_add_record(&plain, "<a/>", 4);
	bundle_add_record(&plain, "<b>words</b>", 12);
	assert_true(bundle_next_record(plain.data, plain.len, &at, &record, &len, &broken));
	assert_int_equal(len, 4);
	assert_memory_equal(record, "<a/>", 4);
	assert_true(bundle_next_record(plain.data, plain.len, &at, &record, &len, &broken));
	assert_int_equal(len, 12);
	assert_false(bundle_next_record(plain.data, plain.len, &at, &record, &len, &broken));
	assert_false(broken);
	for (size_t cut = 1; cut < plain.len; cut++) {
		size_t count = 0;

		at = 0;
		while (bundle_next_record(plain.data, cut, &at, &record, &len, &broken))
			count++;
		assert_int_equal(count, cut >= 8);
		assert_int_equal(broken, cut != 8);
	}
	buf_free(&plain);
}

static void
test_pack(void **state)
{
	static const size_t lengths[] = { 0, 1, 100, 4096, 100000, BUNDLE_PLAIN_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
		for (int noise = 0; noise < 2; noise++) {
			struct buf packed = { 0 }, again = { 0 };
			uint8_t *plain = xcalloc(1, lengths[i] + 1);

			if (noise)
				random_bytes(plain, lengths[i]);
			bundle_pack(&packed, plain, lengths[i]);
			assert_true(packed.len >= BUNDLE_CLASS_LEAST && packed.len < BUNDLE_SEALED_MAX);
			assert_int_equal(packed.len, bundle_class(packed.len));
			assert_true(bundle_unpack(&again, packed.data, packed.len));
			assert_int_equal(again.len, lengths[i]);
			assert_memory_equal(again.data != NULL ? again.data : "", plain, lengths[i]);
			assert_false(bundle_unpack(&again, packed.data, packed.len - 1));
			packed.data[packed.len - 1] ^= 1;   /* padding is zeros, nothing hides there */
			assert_false(bundle_unpack(&again, packed.data, packed.len));
			buf_free(&packed);
			buf_free(&again);
			free(plain);
		}
}

/* Sizes are few, and little is added. */
static void
test_classes(void **state)
{
	size_t last = 0, classes = 0;

	(void)state;
	for (size_t len = 0; len < 5u << 20; len += 7) {
		size_t size = bundle_class(len);

		assert_true(size >= len && size >= last && (size <= BUNDLE_CLASS_LEAST || size - len <= len / 4 + 1));
		classes += size != last;
		last = size;
	}
	assert_in_range(classes, 20, 50);
}

/* Three bytes that unpack to a gigabyte would be believed only by who believes what they claim. */
static void
test_bomb(void **state)
{
	size_t huge = 64u << 20, most = ZSTD_compressBound(huge);
	char *plain = xcalloc(1, huge), *bomb = xmalloc(most);
	struct buf packed = { 0 }, out = { 0 };

	(void)state;
	size_t used = ZSTD_compress(bomb, most, plain, huge, 19);
	const char length[4] = { (char)(used >> 24), (char)(used >> 16), (char)(used >> 8), (char)used };

	buf_add(&packed, length, sizeof length);
	buf_add(&packed, bomb, used);
	size_t size = bundle_class(packed.len);

	while (packed.len < size)
		buf_add(&packed, "", 1);
	assert_false(bundle_unpack(&out, packed.data, packed.len));
	assert_int_equal(out.len, 0);
	buf_free(&packed);
	free(plain);
	free(bomb);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_was_written),
		cmocka_unit_test(test_two_files_behind_each_other_are_one),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_every_bit_turned),
		cmocka_unit_test(test_a_damaged_part_does_not_hide_the_next),
		cmocka_unit_test(test_what_it_is_not),
		cmocka_unit_test(test_giant_length),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_pack),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_bomb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
