/* prompt.c -- passwords from the terminal or a file: see prompt.h. */
#include "config.h"

#include "client/cmd/prompt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <fcntl.h>
#include <unistd.h>

#include "client/cmd/out.h"
#include "client/intl.h"
#include "proto/mem.h"

enum { SECRET_MAX = 1024 };

/* One line, without its end. */
static char *
read_line(int fd)
{
	char *line = xcalloc(1, SECRET_MAX + 1), *result = NULL;
	size_t len = 0;

	while (len < SECRET_MAX && read(fd, line + len, 1) == 1 && line[len] != '\n')
		len++;
	while (len > 0 && (line[len] == '\n' || line[len] == '\0') && line[len - 1] == '\r')
		len--;
	line[len] = '\0';
	if (len > 0)
		result = xstrdup(line);
	cleanse(line, SECRET_MAX);
	free(line);
	return result;
}

char *
prompt_secret(const char *question)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios old, quiet;
	char *secret;

	if (fd < 0)
		return NULL;
	dprintf(fd, "%s", question);
	if (tcgetattr(fd, &old) == 0) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(fd, TCSAFLUSH, &quiet);
		secret = read_line(fd);
		tcsetattr(fd, TCSAFLUSH, &old);
		dprintf(fd, "\n");
	} else {
		secret = read_line(fd);
	}
	close(fd);
	return secret;
}

char *
prompt_file(const char *path)
{
	int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	char *secret;

	if (fd < 0) {
		out_error("password-file", "", "%s: %s", path, strerror(errno));
		return NULL;
	}
	secret = read_line(fd);
	if (fd != STDIN_FILENO)
		close(fd);
	if (secret == NULL)
		out_error("password-file", "", _("%s: its first line must be the password."), path);
	return secret;
}

void
prompt_forget(char **secret)
{
	if (*secret != NULL)
		cleanse(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}
