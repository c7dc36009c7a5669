/*
 * buf.h -- a growing row of bytes. `data` always ends in a NUL that `len` does not count once anything was added.
 */
#ifndef PROTO_BUF_H
#define PROTO_BUF_H

#include <stddef.h>

struct buf {
	char *data; /* owned; NULL while empty */
	size_t len;
	size_t cap;
};

void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_adds(struct buf *buf, const char *text);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_drop(struct buf *buf, size_t count); /* remove the first `count` bytes */
void buf_clear(struct buf *buf);              /* len 0, memory kept */
void buf_free(struct buf *buf);               /* memory returned, buf usable again */
char *buf_take(struct buf *buf);              /* the bytes, NUL-terminated, now the caller's (free); buf is empty */

#endif
