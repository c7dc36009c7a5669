/*
 * home.c -- the folders of a home: found, made, and checked to be the person's own.
 *
 * Every folder that is made here is 0700. One that exists and that others may write to is refused, since
 * whoever can replace the database can replace the keys in it; one that others may read is closed to them.
 *
 * DIAGNOSTICS: no HOME; a path that is not a folder, not ours, or cannot be made.
 */
#include "config.h"
#include "client/db/home.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "client/intl.h"
#include "proto/mem.h"

/* Make the folder and those above it that are missing. */
static bool
folder_make(const char *path, char **error_r)
{
	char *copy = xstrdup(path);
	bool made = true;
	for (char *slash = strchr(copy + 1, '/'); made && slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		made = mkdir(copy, 0700) == 0 || errno == EEXIST || errno == EROFS || errno == EACCES;
		*slash = '/';
	}
	made = made && (mkdir(copy, 0700) == 0 || errno == EEXIST);
	if (!made)
		*error_r = xasprintf("%s: %s", path, strerror(errno));
	free(copy);
	return made;
}

static bool
folder_check(const char *path, char **error_r)
{
	struct stat st;
	if (!folder_make(path, error_r))
		return false;
	if (stat(path, &st) != 0)
		*error_r = xasprintf("%s: %s", path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		*error_r = xasprintf(_("%s: not a folder"), path);
	else if (st.st_uid != geteuid())
		*error_r = xasprintf(_("%s: belongs to someone else"), path);
	else if ((st.st_mode & 022) != 0)
		*error_r = xasprintf(_("%s: others may write to it. Close it to them: chmod 700 %s"), path, path);
	else if ((st.st_mode & 077) != 0 && chmod(path, 0700) != 0)
		*error_r = xasprintf("%s: %s", path, strerror(errno));
	else
		return true;
	return false;
}

/* $variable/lazo when it is set and absolute (XDG: relative paths are ignored), else $HOME/otherwise/lazo;
 * NULL: neither. */
static char *
xdg_folder(const char *variable, const char *otherwise)
{
	const char *base = getenv(variable);
	if (base && base[0] == '/')
		return xasprintf("%s/lazo", base);
	const char *home = getenv("HOME");
	if (!otherwise || !home || home[0] != '/')
		return NULL;
	return xasprintf("%s/%s/lazo", home, otherwise);
}

bool
home_find(const char *folder, struct home *home_r, char **error_r)
{
	*home_r = (struct home){ 0 };
	*error_r = NULL;
	if (!folder)
		folder = getenv("LAZO_HOME");
	if (folder && folder[0] != '\0') {
		home_r->data = xstrdup(folder);
		home_r->config = xstrdup(folder);
		home_r->runtime = xstrdup(folder);
	} else {
		home_r->data = xdg_folder("XDG_DATA_HOME", ".local/share");
		home_r->config = xdg_folder("XDG_CONFIG_HOME", ".config");
		home_r->runtime = xdg_folder("XDG_RUNTIME_DIR", NULL);
	}
	if (!home_r->data || !home_r->config) {
		*error_r = xstrdup(_("HOME is not set."));
	} else {
		if (!home_r->runtime)
			home_r->runtime = xstrdup(home_r->data);
		if (folder_check(home_r->data, error_r) && folder_check(home_r->config, error_r) &&
		    folder_check(home_r->runtime, error_r))
			return true;
	}
	home_free(home_r);
	return false;
}

void
home_free(struct home *home)
{
	free(home->data);
	free(home->config);
	free(home->runtime);
	*home = (struct home){ 0 };
}
