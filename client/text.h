/*
 * text.h -- text from others made harmless, and put in columns (attack R13).
 *
 * Whatever a peer or a relay wrote goes through text_line() or text_block() before a person sees it: control characters
 * (so terminal escapes), bidi overrides, line separators, tags and broken UTF-8 become visible marks.
 * JSON output is not for terminals and is left whole: its writer escapes.
 */
#ifndef CLIENT_TEXT_H
#define CLIENT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

/* All in the arena, UTF-8. */
const char *text_line(struct arena *arena, const char *text);                 /* one line; line ends become spaces */
const char *text_block(struct arena *arena, const char *text, int indent);    /* further lines are indented */
const char *text_cut(struct arena *arena, const char *text, int columns);     /* at most so wide, with an ellipsis */
const char *text_pad(struct arena *arena, const char *text, int columns);     /* at least so wide */
int text_width(const char *text);                                             /* display columns */
bool text_is_utf8(const char *text, size_t len);

/* A moment in the person's way and time zone: today only the time. */
const char *text_when(struct arena *arena, int64_t ms, int64_t now);
const char *text_when_full(struct arena *arena, int64_t ms);
const char *text_rfc3339(struct arena *arena, int64_t ms); /* UTC, for JSON */

#endif
