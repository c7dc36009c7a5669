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

/* One step of a message's way (info): its stanza-id, or the client's own id where it has none, and what became of it, so that the
 * lines with that id are its whole story. 2,000 of a call site within 10 s, as a mailbox that is fetched may bring them. */
void log_journal(const struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* log NULL: the relay itself. */
#define log_error(log, ...) log_write((log), LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(log, ...)  log_write((log), LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(log, ...)  log_write((log), LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(log, ...) log_write((log), LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
