/* buf.c -- a growing row of bytes: see buf.h. Grows by doubling, so that adding byte by byte is linear. */
#include "config.h"

#include "proto/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/mem.h"

enum { BUF_FIRST = 64 };

/* Room for `more` bytes and the NUL. */
static void
reserve(struct buf *buf, size_t more)
{
	assert(more < SIZE_MAX / 2 - buf->len);
	size_t need = buf->len + more + 1;

	if (need <= buf->cap)
		return;
	size_t cap = buf->cap == 0 ? BUF_FIRST : buf->cap;

	while (cap < need)
		cap *= 2;
	buf->data = xrealloc(buf->data, cap);
	buf->cap = cap;
}

void
buf_add(struct buf *buf, const void *bytes, size_t len)
{
	reserve(buf, len);
	if (len > 0)
		memcpy(buf->data + buf->len, bytes, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void
buf_adds(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void
buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	assert(len >= 0);
	reserve(buf, (size_t)len);
	va_start(args, format);
	(void)vsnprintf(buf->data + buf->len, (size_t)len + 1, format, args);
	va_end(args);
	buf->len += (size_t)len;
}

void
buf_drop(struct buf *buf, size_t count)
{
	assert(count <= buf->len);
	if (count == 0)
		return;
	buf->len -= count;
	memmove(buf->data, buf->data + count, buf->len + 1);
}

void
buf_clear(struct buf *buf)
{
	buf->len = 0;
	if (buf->data != NULL)
		buf->data[0] = '\0';
}

void
buf_free(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){ 0 };
}

char *
buf_take(struct buf *buf)
{
	reserve(buf, 0);
	char *data = buf->data;

	data[buf->len] = '\0';
	*buf = (struct buf){ 0 };
	return data;
}
