/*
 * ctl/backup.c -- a consistent copy of the database to a new file, its owner's alone.
 */
#include "config.h"

#include "relay/ctl/ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relay/conf.h"
#include "relay/store/store.h"

int
ctl_backup(struct ctl *ctl, char **args, int count)
{
	char *error = NULL;
	bool done;
	int code;

	(void)count;
	if (access(args[0], F_OK) == 0)
		return ctl_complain(EX_EXISTS, "%s exists", args[0]);
	if (ctl_store(ctl, &code) == NULL)
		return code;
	/* The database is open; the copy goes where the caller may write. */
	if (getuid() == 0 && (seteuid(0) != 0 || setegid(getgid()) != 0))
		return ctl_complain(EX_NOPERM, "cannot go back to root: %s", strerror(errno));
	done = store_backup(ctl->store, args[0], &error);
	if (!done)
		ctl_complain(0, "%s", error);
	free(error);
	return done ? EX_OK : EX_CANTCREAT;
}
