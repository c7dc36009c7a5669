/* prompt.c -- passwords from the terminal or a file: see prompt.h. */
#include "config.h"

#include "client/cmd/prompt.h"

#include <errno.h>
#include <signal.h>
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

static volatile sig_atomic_t stop_signal;

static void
on_signal(int number)
{
	stop_signal = number;
}

/* One line, without its end, perhaps empty. NULL: nothing to read, a signal, or too long for a password. */
static char *
read_line(int fd)
{
	char *line = xcalloc(1, SECRET_MAX + 1), *result = NULL;
	size_t len = 0;
	ssize_t got;

	while ((got = read(fd, line + len, 1)) == 1 && line[len] != '\n' && len < SECRET_MAX)
		len++;
	if (len < SECRET_MAX && (got == 1 || (got == 0 && len > 0))) {
		if (len > 0 && line[len - 1] == '\r')
			len--;
		line[len] = '\0';
		result = xstrdup(line);
	}
	cleanse(line, SECRET_MAX + 1);
	free(line);
	return result;
}

/* Ctrl-C, and the end of a session, leave the terminal as it was. */
static char *
read_quietly(int fd, const struct termios *old)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	const struct sigaction action = { .sa_handler = on_signal };
	struct sigaction before[sizeof(signals) / sizeof(signals[0])];
	struct termios quiet = *old;
	char *secret;

	quiet.c_lflag &= ~(tcflag_t)ECHO;
	stop_signal = 0;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, &before[i]);
	tcsetattr(fd, TCSAFLUSH, &quiet);
	secret = read_line(fd);
	tcsetattr(fd, TCSAFLUSH, old);
	dprintf(fd, "\n");
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &before[i], NULL);
	if (stop_signal != 0) {
		prompt_forget(&secret);
		raise(stop_signal);
	}
	return secret;
}

char *
prompt_secret(const char *question)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios old;
	char *secret;

	if (fd < 0)
		return NULL;
	dprintf(fd, "%s", question);
	secret = tcgetattr(fd, &old) == 0 ? read_quietly(fd, &old) : read_line(fd);
	close(fd);
	return secret;
}

char *
prompt_file(const char *path)
{
	int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	char *secret;

	if (fd < 0) {
		out_error("password-file", _("Name a file that is there and that you may read."), "%s: %s", path, strerror(errno));
		return NULL;
	}
	secret = read_line(fd);
	if (fd != STDIN_FILENO)
		close(fd);
	if (secret != NULL && secret[0] == '\0')
		prompt_forget(&secret);
	if (secret == NULL)
		out_error("password-file", _("Write the password there, alone on the first line."),
		    _("%s: its first line must be the password."), path);
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
