/* out.c -- stdout and stderr of lazo: see out.h. */
#include "config.h"

#include "client/cmd/out.h"

#include <errno.h>
#include <iconv.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/clock.h"
#include "client/intl.h"
#include "client/text.h"
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/mem.h"

static bool json_wanted;
static bool failed;      /* something could not be written */
static int64_t started;
static bool progress_shown;

void
out_start(bool json)
{
	json_wanted = json;
	started = now_mono();
}

bool
out_is_json(void)
{
	return json_wanted;
}

/* To a terminal that knows no UTF-8: the nearest it has, else "?". */
static void
write_converted(FILE *file, const char *codeset, char *text, size_t len)
{
	char *name = xasprintf("%s//TRANSLIT", codeset);
	iconv_t cd = iconv_open(name, "UTF-8");
	char piece[512], *to;
	size_t room;

	free(name);
	if (cd == (iconv_t)-1) {
		fwrite(text, 1, len, file);
		return;
	}
	while (len > 0) {
		to = piece;
		room = sizeof(piece);
		if (iconv(cd, &text, &len, &to, &room) == (size_t)-1 && errno != E2BIG && len > 0) {
			*to++ = '?';
			do {
				text++;
				len--;
			} while (len > 0 && ((unsigned char)*text & 0xc0) == 0x80);
		}
		fwrite(piece, 1, (size_t)(to - piece), file);
	}
	iconv_close(cd);
}

static void
write_text(FILE *file, char *text, size_t len)
{
	const char *codeset = intl_terminal_codeset();

	if (codeset != NULL && isatty(fileno(file)))
		write_converted(file, codeset, text, len);
	else
		fwrite(text, 1, len, file);
	if (ferror(file))
		failed = true;
}

static void
write_format(FILE *file, const char *format, va_list args)
{
	char *text = NULL;
	int len = vasprintf(&text, format, args);

	if (len >= 0)
		write_text(file, text, (size_t)len);
	free(text);
}

void
out(const char *format, ...)
{
	va_list args;

	out_progress("%s", "");
	va_start(args, format);
	write_format(stdout, format, args);
	va_end(args);
}

static void
json_line(FILE *file, json_t *object)
{
	char *text;

	json_object_set_new(object, "v", json_integer(1));
	text = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);
	if (text == NULL || fprintf(file, "%s\n", text) < 0)
		failed = true;
	free(text);
	json_decref(object);
}

void
out_json(json_t *object)
{
	json_line(stdout, object);
}

json_t *
out_json_text(const char *text)
{
	struct arena *arena = arena_new();
	json_t *string = json_string(text_is_utf8(text, strlen(text)) ? text : text_block(arena, text, 0));

	arena_free(&arena);
	return string;
}

void
out_json_note(json_t *object)
{
	json_line(stderr, object);
}

void
out_error(const char *word, const char *next, const char *format, ...)
{
	struct arena *arena = arena_new();
	char *text = NULL, *line;
	va_list args;

	out_progress("%s", "");
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	fflush(stdout);
	if (json_wanted) {
		json_line(stderr, json_pack("{s:s, s:o, s:o}", "error", word, "message", out_json_text(text != NULL ? text : ""),
		    "next", out_json_text(next != NULL ? next : "")));
	} else {
		line = xasprintf("lazo: %s\n%s%s%s", text != NULL ? text_line(arena, text) : "", next != NULL ? "  " : "",
		    next != NULL ? next : "", next != NULL && next[0] != '\0' ? "\n" : "");
		write_text(stderr, line, strlen(line));
		free(line);
	}
	free(text);
	arena_free(&arena);
}

void
out_note(const char *format, ...)
{
	va_list args;

	if (json_wanted)
		return;
	out_progress("%s", "");
	va_start(args, format);
	write_format(stderr, format, args);
	va_end(args);
}

bool
out_flush(void)
{
	if (fflush(stdout) != 0)
		failed = true;
	return !failed;
}

/* -- colour and columns ------------------------------------------------------------------------------------ */

static bool
colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && (no == NULL || no[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0;
}

const char *
out_bold(void)
{
	return colour() ? "\033[1m" : "";
}

const char *
out_plain(void)
{
	return colour() ? "\033[0m" : "";
}

int
out_columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 80;
}

void
out_row(struct arena *arena, const int *widths, const char *const *cells, int count)
{
	struct buf line = { 0 };

	for (int i = 0; i < count; i++) {
		const char *cell = text_line(arena, cells[i]);

		buf_printf(&line, "%s%s", i > 0 ? "  " : "", i + 1 < count ? text_pad(arena, cell, widths[i]) : cell);
	}
	while (line.len > 0 && line.data[line.len - 1] == ' ')
		line.data[--line.len] = '\0';
	out("%s\n", line.len > 0 ? line.data : "");
	buf_free(&line);
}

void
out_progress(const char *format, ...)
{
	const char *term = getenv("TERM");
	bool plain = term == NULL || strcmp(term, "dumb") == 0;
	char text[200];
	va_list args;

	if (json_wanted || !isatty(STDERR_FILENO))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (text[0] == '\0') {
		if (progress_shown && !plain)
			fputs("\r\033[K", stderr);
		progress_shown = false;
		return;
	}
	if (now_mono() - started < 1000)
		return;
	if (!plain)
		fprintf(stderr, "\r\033[K%s", text);
	else if (!progress_shown)
		fprintf(stderr, "%s\n", text);
	fflush(stderr);
	progress_shown = true;
}
