/*
 * home.h -- where a person's files are: one folder for all (--home, LAZO_HOME), or the places of the XDG Base
 * Directory specification 0.8. Folders are made 0700; a home that others may write to is refused.
 */
#ifndef CLIENT_DB_HOME_H
#define CLIENT_DB_HOME_H

#include <stdbool.h>

struct home {
	char *data;    /* the database and its lock: $XDG_DATA_HOME/lazo; owned, as are the others */
	char *config;  /* $XDG_CONFIG_HOME/lazo; the same folder as data under --home */
	char *runtime; /* the agent's socket: $XDG_RUNTIME_DIR/lazo, else data */
};

/* `folder` is --home, or NULL: then LAZO_HOME, then XDG. Makes what is missing. False: *error_r says why
 * (free). */
bool home_find(const char *folder, struct home *home_r, char **error_r);
void home_free(struct home *home);

#endif
