/*
 * intl.h -- translated text: _() at run time, N_() to mark a string of a table.
 *
 * The catalogue of the build tree (locale/ beside the program's folder) is used when the program was not installed, so that
 * what was just built speaks every language too.
 */
#ifndef CLIENT_INTL_H
#define CLIENT_INTL_H

#include <libintl.h>

#define _(text)  gettext(text)
#define N_(text) text

/* Once, at start. `lang` is --lang or NULL; then LAZO_LANG; then the environment. 0: no such language (English then). */
int intl_start(const char *lang, const char *program);
/* What the terminal shows instead of UTF-8; NULL: UTF-8. */
const char *intl_terminal_codeset(void);

#endif
