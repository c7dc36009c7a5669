/*
 * log.c -- sentences with a subject, on stderr: see log.h. May be called from any thread.
 *
 * A call site is known by its format's address. When one has written 50 lines within 10 s, the rest of that
 * time is counted; the count is said with the first line that anyone writes afterwards.
 */
#include "config.h"

#include "relay/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "proto/stamp.h"
#include "proto/utf8.h"
#include "relay/net/clock.h"

enum {
	FORMAT_MAX = 512,      /* of our own formats, once made safe */
	TEXT_MAX = 2048,       /* a sentence, before escaping */
	LINE_MAX_LEN = 4608,   /* a whole line: half of the sentence may need escaping */
	SITES = 256,           /* call sites remembered; more share places */
	WINDOW_MS = 10 * 1000,
	LINES_PER_WINDOW = 50,
	STEPS_PER_WINDOW = 2000, /* of log_journal() */
};

struct site {
	const char *format;
	int64_t since; /* monotonic */
	unsigned lines, left_out;
};

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

static enum log_level most = LOG_LEVEL_INFO;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct site sites[SITES];
static unsigned sites_muted; /* how many have left_out > 0 */

struct line {
	char text[LINE_MAX_LEN];
	size_t len;
};

static void
put(struct line *line, const char *bytes, size_t len)
{
	if (len > sizeof line->text - 1 - line->len) /* 1: the newline */
		return;
	memcpy(line->text + line->len, bytes, len);
	line->len += len;
}

static void
put_hex(struct line *line, uint8_t byte)
{
	char hex[5];

	snprintf(hex, sizeof hex, "\\x%02x", byte);
	put(line, hex, 4);
}

/* Control characters and those that turn the direction of writing would let a peer forge lines on a terminal. */
static bool
is_harmful(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x061c || (code >= 0x200e && code <= 0x200f) ||
	    (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

static void
put_harmless(struct line *line, const char *text)
{
	size_t left = strlen(text), len;
	uint32_t code;

	for (; left > 0; text += len, left -= len) {
		len = utf8_next(text, left, &code);
		if (len != 0 && !is_harmful(code)) {
			put(line, text, len);
			continue;
		}
		len = len == 0 ? 1 : len;
		for (size_t i = 0; i < len; i++)
			put_hex(line, (uint8_t)text[i]);
	}
}

/* "%s" becomes "%.200s": no peer fills a line. Formats are ours; one that does not fit is printed up to there. */
static void
bound_strings(char out[static FORMAT_MAX], const char *format)
{
	size_t len = 0;

	while (*format != '\0' && len < FORMAT_MAX - 8) {
		if (format[0] == '%' && format[1] == 's') {
			memcpy(out + len, "%.200s", 6);
			len += 6;
			format += 2;
		} else if (format[0] == '%' && format[1] == '%') {
			memcpy(out + len, "%%", 2);
			len += 2;
			format += 2;
		} else {
			out[len++] = *format++;
		}
	}
	out[len] = '\0';
}

static void
write_line(const struct log *log, enum log_level level, const char *text)
{
	struct line line = { .len = 0 };
	char stamp[STAMP_LEN + 1];
	const char *who = log == NULL || log->who == NULL ? "" : log->who;
	const char *id = log == NULL ? "" : log->id;

	stamp_format(stamp, now_wall());
	put(&line, stamp, strlen(stamp));
	put(&line, " ", 1);
	put(&line, level_names[level], strlen(level_names[level]));
	put(&line, " ", 1);
	if (*id != '\0' || *who != '\0') {
		put(&line, "[", 1);
		put_harmless(&line, id);
		if (*id != '\0' && *who != '\0')
			put(&line, " ", 1);
		put_harmless(&line, who);
		put(&line, "] ", 2);
	}
	put_harmless(&line, text);
	line.text[line.len++] = '\n';
	/* One write a line, so that lines of different threads do not mix. A log that cannot be written has nobody to tell. */
	if (write(STDERR_FILENO, line.text, line.len) < 0)
		return;
}

static void
say_left_out(struct site *site)
{
	char text[FORMAT_MAX + 64];

	snprintf(text, sizeof text, "%u more lines like \"%.*s\" were left out", site->left_out, FORMAT_MAX,
	    site->format);
	write_line(NULL, LOG_LEVEL_WARN, text);
	site->left_out = 0;
	sites_muted--;
}

/* May this site write now? Also says what was left out in windows that are over. */
static bool
may_write(const char *format, unsigned limit)
{
	int64_t now = now_mono();
	struct site *site = &sites[((uintptr_t)format >> 3) % SITES];

	for (size_t i = 0; sites_muted > 0 && i < SITES; i++)
		if (sites[i].left_out > 0 && (now - sites[i].since >= WINDOW_MS))
			say_left_out(&sites[i]);
	if (site->format != format || now - site->since >= WINDOW_MS) {
		if (site->left_out > 0)
			say_left_out(site);
		*site = (struct site){ .format = format, .since = now };
	}
	if (site->lines < limit) {
		site->lines++;
		return true;
	}
	sites_muted += site->left_out == 0;
	site->left_out++;
	return false;
}

void
log_level_set(enum log_level level)
{
	most = level;
}

static void
write_bounded(const struct log *log, enum log_level level, unsigned limit, const char *format, va_list args)
{
	char bounded[FORMAT_MAX], text[TEXT_MAX];

	if (level > most)
		return;
	pthread_mutex_lock(&lock);
	if (may_write(format, limit)) {
		bound_strings(bounded, format);
		vsnprintf(text, sizeof text, bounded, args);
		write_line(log, level, text);
	}
	pthread_mutex_unlock(&lock);
}

void
log_write(const struct log *log, enum log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_bounded(log, level, LINES_PER_WINDOW, format, args);
	va_end(args);
}

void
log_journal(const struct log *log, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_bounded(log, LOG_LEVEL_INFO, STEPS_PER_WINDOW, format, args);
	va_end(args);
}
