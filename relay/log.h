/*
 * log.h -- sentences with a subject, on stderr, one line each.
 *
 * `2026-11-22T14:37:05.123Z info [c5f2 ana@familia.example] bound as telefono`
 * What peers sent is made harmless (control characters escaped, 200 bytes at most); stanza bodies, passwords and keys
 * are never passed here. More than 50 lines of one call site within 10 s are counted instead, and the count is said.
 */
#ifndef RELAY_LOG_H
#define RELAY_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* The subject: set once on the object, printed with every line about it. Empty parts are left out. */
struct log {
	char id[12];       /* stream or queue id */
	const char *who;   /* JID or address; borrowed, NULL: unknown */
};

void log_level_set(enum log_level level);
void log_write(const struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* log NULL: the relay itself. */
#define log_error(log, ...) log_write((log), LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(log, ...)  log_write((log), LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(log, ...)  log_write((log), LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(log, ...) log_write((log), LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
