/*
 * out.h -- how lazo speaks: text for people, one JSON object a line for programs (lazo-json(5)).
 *
 * Text is UTF-8 here and becomes what the terminal can show. Colour only underlines what words say already, only on a
 * terminal, never under NO_COLOR or TERM=dumb. Errors go to stderr: "lazo: sentence", then the next step.
 */
#ifndef CLIENT_CMD_OUT_H
#define CLIENT_CMD_OUT_H

#include <stdbool.h>
#include <jansson.h>

struct arena;

void out_start(bool json);
bool out_is_json(void);

void out(const char *format, ...) __attribute__((format(printf, 1, 2)));
void out_error(const char *word, const char *next, const char *format, ...)
    __attribute__((format(printf, 3, 4))); /* next: a further line, or NULL */
void out_note(const char *format, ...) __attribute__((format(printf, 1, 2))); /* stderr, not with --json */
void out_json(json_t *object); /* steals the reference; adds "v": 1 */
json_t *out_json_text(const char *text); /* a string; JSON knows no broken UTF-8: such bytes become marks */
void out_json_note(json_t *object); /* the same, on stderr */
bool out_flush(void);          /* false: not everything could be written */

const char *out_bold(void);    /* "" where colour is not wanted */
const char *out_plain(void);
int out_columns(void);         /* of the terminal, 80 when it is none */

/* A table for people: cells are text_line()d and padded by display width. `head` may be NULL. */
void out_row(struct arena *arena, const int *widths, const char *const *cells, int count);

/* A moving line on stderr, only on a terminal and only after a second. "" ends it. */
void out_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
