/*
 * fuzz_bundle.c -- any bytes as a courier's bundle, and as what is packed into a part.
 *
 * The first byte chooses: a file in pieces of that size, or (0) a packed part, or (1) a file whose checksums are put right first, as
 * a fuzzer cannot guess them. Promises: what is given out is within its bounds; all at once and in pieces are the same; what unpacks
 * packs again to the same records.
 */
#include "config.h"

#include "fuzz.h"

#include <string.h>

#include "proto/bundle.h"
#include "proto/digest.h"

static size_t
read_file(const void *bytes, size_t len, size_t step, struct buf *again)
{
	struct bundle_in *in = bundle_in_new();
	struct bundle_part part;
	size_t parts = 0;
	enum bundle_outcome outcome = BUNDLE_MORE;

	for (size_t at = 0; at < len; at += step) {
		bundle_feed(in, (const char *)bytes + at, len - at < step ? len - at : step);
		while ((outcome = bundle_next(in, &part)) == BUNDLE_PART || outcome == BUNDLE_DAMAGED) {
			parts++;
			if (outcome == BUNDLE_DAMAGED)
				continue;
			PROMISE(part.len > 0 && part.len <= BUNDLE_SEALED_MAX && part.head.expires >= 0);
			PROMISE(part.head.to[0] != '\0' && strlen(part.head.to) <= BUNDLE_DOMAIN_MAX);
			if (again != NULL) {
				bundle_add_head(again, &part.head);
				bundle_add_part(again, &part.head, part.number, part.sealed, part.len);
			}
		}
	}
	bundle_in_free(&in);
	return parts;
}

static void
check_file(const void *bytes, size_t len, size_t step)
{
	struct buf again = { 0 };
	size_t all = read_file(bytes, len, len > 0 ? len : 1, &again);

	PROMISE(read_file(bytes, len, step, NULL) == all);
	PROMISE(read_file(again.data, again.len, 100, NULL) <= all);
	buf_free(&again);
}

static void
check_packed(const void *bytes, size_t len)
{
	struct buf plain = { 0 }, packed = { 0 }, again = { 0 };
	size_t at = 0, record_len;
	const char *record;
	bool broken;

	if (bundle_unpack(&plain, bytes, len)) {
		PROMISE(plain.len <= BUNDLE_PLAIN_MAX);
		while (bundle_next_record(plain.data, plain.len, &at, &record, &record_len, &broken))
			PROMISE(record_len > 0 && record >= plain.data && record + record_len <= plain.data + plain.len);
		bundle_pack(&packed, plain.data, plain.len);
		PROMISE(bundle_unpack(&again, packed.data, packed.len) && again.len == plain.len);
	}
	buf_free(&plain);
	buf_free(&packed);
	buf_free(&again);
}

/* Put the head's checksum right, and pad what should be packed to its class. */
static void
check_mended(const uint8_t *data, size_t size)
{
	struct buf file = { 0 };
	uint8_t check[SHA256_LEN];
	size_t head = size > 30 ? 30 + (size_t)data[5] : size;

	if (head < size && head > 30) {
		buf_add(&file, data, head);
		digest(DIGEST_SHA256, data, head, check);
		buf_add(&file, check, sizeof check);
		buf_add(&file, data + head, size - head);
		check_file(file.data, file.len, 17);
		buf_clear(&file);
	}
	const uint8_t length[4] = { (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size };

	buf_add(&file, length, sizeof length);
	buf_add(&file, data, size);
	size_t padded = bundle_class(file.len);

	while (file.len < padded)
		buf_add(&file, "", 1);
	check_packed(file.data, file.len);
	buf_free(&file);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 0)
		check_packed(data + 1, size - 1);
	else if (data[0] == 1)
		check_mended(data + 1, size - 1);
	else
		check_file(data + 1, size - 1, data[0]);
	return 0;
}
