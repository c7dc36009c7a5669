/*
 * prompt.h -- secrets from a person, only on /dev/tty; never from stdin, never when there is no terminal.
 */
#ifndef CLIENT_CMD_PROMPT_H
#define CLIENT_CMD_PROMPT_H

#include <stdbool.h>

/* NULL: no terminal, or the input ended; "": nothing was typed. Cleanse and free. */
char *prompt_secret(const char *question);
/* The first line of a file; "-": of stdin. NULL: not readable (said), or empty. Cleanse and free. */
char *prompt_file(const char *path);
void prompt_forget(char **secret);

#endif
