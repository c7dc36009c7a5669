/*
 * bundle.h -- the outside of a courier's bundle, and the packing of what is sealed into it (proto/spec/courier.md 5 and 6).
 *
 * A bundle is a head and a row of parts; each part is a sealed thing of its own, usable without the others and in any order.
 * What a carrier can read is in struct bundle_head and the sizes, and nothing of it is to be believed before the seal holds:
 * what is inside says the same again.
 *
 * Whoever reads bounds everything before taking memory, never goes back, and holds at most one part. Damage is told from the end of
 * the file: a stick that was pulled gives the parts that are whole. Nothing here decides whether a seal is good (relay/peer/seal.h),
 * and bundle_unpack() is only for bytes whose seal held.
 */
#ifndef PROTO_BUNDLE_H
#define PROTO_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/buf.h"

enum {
	BUNDLE_ID_LEN = 16,
	BUNDLE_DOMAIN_MAX = 255,         /* bytes, as canonical in a JID */
	BUNDLE_PLAIN_MAX = 4 << 20,      /* of one part, unpacked */
	BUNDLE_SEALED_MAX = 6 << 20,     /* of one part, sealed */
	BUNDLE_CLASS_LEAST = 4096,       /* the smallest size a packed part is padded to */
	BUNDLE_DAY = 24 * 3600,          /* seconds: the grain of the expiry that a carrier sees */
};

struct bundle_head {
	char to[BUNDLE_DOMAIN_MAX + 1];  /* destination: a domain */
	uint8_t id[BUNDLE_ID_LEN];       /* random, one for each bundle */
	int64_t expires;                 /* seconds since 1970; a whole day: bundle_day() */
};

struct bundle_part {
	struct bundle_head head;
	uint32_t number;                 /* from 0 */
	const uint8_t *sealed;           /* borrowed until the next call */
	size_t len;
};

/* Write. number and len within their bounds are the caller's duty. */
void bundle_add_head(struct buf *out, const struct bundle_head *head);
void bundle_add_part(struct buf *out, const struct bundle_head *head, uint32_t number, const void *sealed, size_t len);
int64_t bundle_day(int64_t seconds); /* up to the next whole day */

/* Read. */
enum bundle_outcome {
	BUNDLE_PART,     /* part_r is set */
	BUNDLE_MORE,     /* give more bytes; at the end of the file ask bundle_whole() */
	BUNDLE_DAMAGED,  /* this part is, its checksum says; part_r has its head and number. What follows may be whole: go on */
	BUNDLE_FOREIGN,  /* not a bundle, or from here on not one any more. Final */
	BUNDLE_NEWER,    /* of a version that is not known here. Final */
};
struct bundle_in;
struct bundle_in *bundle_in_new(void);
void bundle_in_free(struct bundle_in **in);
void bundle_feed(struct bundle_in *in, const void *bytes, size_t len);
enum bundle_outcome bundle_next(struct bundle_in *in, struct bundle_part *part_r);
bool bundle_whole(const struct bundle_in *in); /* a head was read, and nothing is half read */

/* Inside a part: a row of records, each the XML of one element. */
void bundle_add_record(struct buf *plain, const void *xml, size_t len);
/* The next record behind *at of `len` bytes; false: that was the last, or (*broken_r) what is there is none. */
bool bundle_next_record(const char *plain, size_t len, size_t *at, const char **record_r, size_t *record_len_r, bool *broken_r);

/* Compressed and padded to a class of sizes: what is signed and sealed. plain: at most BUNDLE_PLAIN_MAX. */
void bundle_pack(struct buf *packed, const void *plain, size_t len);
/* False: not so packed, or larger than BUNDLE_PLAIN_MAX, whatever it claims. */
bool bundle_unpack(struct buf *plain, const void *packed, size_t len);
size_t bundle_class(size_t len); /* the size that so many bytes are padded to: at most a quarter more, 4096 at least */

#endif
