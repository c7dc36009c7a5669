/* mem.c -- memory that is there or the program is not: see mem.h. */
#include "config.h"

#include "proto/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>

static void *
checked(void *got)
{
	if (got == NULL) {
		fputs("out of memory\n", stderr);
		_Exit(71);
	}
	return got;
}

void *
xmalloc(size_t size)
{
	return checked(malloc(size == 0 ? 1 : size));
}

void *
xcalloc(size_t count, size_t size)
{
	return checked(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size));
}

void *
xrealloc(void *old, size_t size)
{
	return checked(realloc(old, size == 0 ? 1 : size));
}

char *
xstrdup(const char *text)
{
	return checked(strdup(text));
}

char *
xstrndup(const char *text, size_t len)
{
	return checked(strndup(text, len));
}

char *
xasprintf(const char *format, ...)
{
	va_list args;
	char *text = NULL;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return checked(text);
}

void
cleanse(void *secret, size_t len)
{
	OPENSSL_cleanse(secret, len);
}
