/*
 * ctl/ctl.c -- what the verbs of lazoctl(8) share: see ctl.h.
 */
#include "config.h"

#include "relay/ctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#include "proto/buf.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/stamp.h"
#include "proto/utf8.h"
#include "relay/conf.h"
#include "relay/net/local.h"
#include "relay/store/store.h"

enum { PASSWORD_MAX = 1023, REPLY_MAX = 16 * 1024 * 1024, REPLY_WITHIN = 10 /* s */ };

int
ctl_complain(int code, const char *format, ...)
{
	va_list args;

	fputs("lazoctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

/* The database. */

/* Root works as the relay's user, so that every file made here is one that the relay can open. */
static bool
become_owner(const char *data)
{
	struct stat found;

	if (geteuid() != 0 || stat(data, &found) != 0 || found.st_uid == 0)
		return true;
	return setegid(found.st_gid) == 0 && seteuid(found.st_uid) == 0;
}

struct store *
ctl_store(struct ctl *ctl, int *exit_r)
{
	char *error = NULL;

	*exit_r = EX_OK;
	if (ctl->store != NULL)
		return ctl->store;
	if (access(ctl->conf->data, F_OK) == 0 && eaccess(ctl->conf->data, W_OK | X_OK) != 0) {
		*exit_r = ctl_complain(EX_NOPERM, "%s: %s; run this as the relay's user or as root",
				       ctl->conf->data, strerror(errno));
		return NULL;
	}
	if (!become_owner(ctl->conf->data)) {
		*exit_r = ctl_complain(EX_NOPERM, "cannot become the owner of %s: %s", ctl->conf->data,
				       strerror(errno));
		return NULL;
	}
	ctl->store = store_open_tool(ctl->conf->data, &error);
	if (ctl->store == NULL)
		*exit_r = ctl_complain(EX_CANTCREAT, "%s", error);
	free(error);
	return ctl->store;
}

static void
committed(void *arg, enum txn_result result)
{
	*(enum txn_result *)arg = result;
}

enum txn_result
ctl_commit(struct txn **txn)
{
	enum txn_result result = TXN_FAILED;

	txn_submit(txn, committed, &result);
	switch (result) {
	case TXN_COMMITTED:
	case TXN_CONFLICT:
		break;
	case TXN_FULL:
		ctl_complain(0, "the disk is full; nothing was changed");
		break;
	case TXN_OVER:
	case TXN_FAILED:
		ctl_complain(0, "the database could not be written; nothing was changed");
		break;
	}
	return result;
}

int
ctl_exit_of(enum txn_result result, int conflict)
{
	switch (result) {
	case TXN_COMMITTED:
		return EX_OK;
	case TXN_CONFLICT:
		return conflict;
	case TXN_FULL:
	case TXN_OVER:
	case TXN_FAILED:
		break;
	}
	return EX_TEMPFAIL;
}

/* The running relay. */

static bool
send_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		text += sent;
		len -= (size_t)sent;
	}
	return true;
}

static json_t *
read_reply(int fd)
{
	struct buf in = { .data = NULL };
	json_t *reply = NULL;
	char bytes[8192];
	ssize_t got;

	while (in.len < REPLY_MAX && (got = recv(fd, bytes, sizeof bytes, 0)) > 0) {
		buf_add(&in, bytes, (size_t)got);
		if (memchr(bytes, '\n', (size_t)got) != NULL)
			break;
	}
	if (in.len > 0)
		reply = json_loadb(in.data, in.len, JSON_DISABLE_EOF_CHECK, NULL);
	buf_free(&in);
	return reply;
}

json_t *
ctl_call(struct ctl *ctl, json_t *request)
{
	struct timeval wait = { .tv_sec = REPLY_WITHIN };
	char *text = json_dumps(request, JSON_COMPACT);
	int fd = local_connect(ctl->conf->control);
	json_t *reply = NULL;

	json_decref(request);
	if (fd >= 0 && text != NULL) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
		if (send_all(fd, text, strlen(text)) && send_all(fd, "\n", 1))
			reply = read_reply(fd);
		ctl->deaf = reply == NULL;
		if (ctl->deaf)
			ctl_complain(0, "%s: no answer from the running relay", ctl->conf->control);
	}
	if (fd >= 0)
		close(fd);
	free(text);
	return reply;
}

void
ctl_changed(struct ctl *ctl, const char *node, bool deleted)
{
	json_decref(ctl_call(
	    ctl, json_pack("{s:s, s:s, s:b}", "verb", "account-changed", "node", node, "deleted", deleted)));
}

/* Input. */

const char *
ctl_node(struct ctl *ctl, const char *text)
{
	struct jid jid;

	if (!jid_parse_text(ctl->arena, text, &jid) || jid.node == NULL || jid.resource != NULL) {
		ctl_complain(0, "%s: not an address of an account (name@%s)", text, ctl->conf->host);
		return NULL;
	}
	if (strcmp(jid.domain, ctl->conf->host) != 0) {
		ctl_complain(0, "%s: this relay is %s", text, ctl->conf->host);
		return NULL;
	}
	return jid.node;
}

char *
ctl_password(void)
{
	struct termios before, silent;
	bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
	char *line = xcalloc(1, PASSWORD_MAX + 2);
	bool got;

	if (terminal) {
		silent = before;
		silent.c_lflag &= ~(tcflag_t)ECHO;
		fputs("password: ", stderr);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	}
	setvbuf(stdin, NULL, _IONBF, 0); /* no copy of it in a buffer that nobody wipes */
	got = fgets(line, PASSWORD_MAX + 2, stdin) != NULL;
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	line[strcspn(line, "\r\n")] = '\0';
	if (got && line[0] != '\0' && strlen(line) <= PASSWORD_MAX)
		return line;
	ctl_complain(0, "no password: it is the first line of standard input, at most %d bytes",
		     PASSWORD_MAX);
	cleanse(line, PASSWORD_MAX + 2);
	free(line);
	return NULL;
}

/* Output. */

json_t *
ctl_time(int64_t ms)
{
	char stamp[STAMP_LEN + 1];

	if (ms == 0)
		return json_null();
	stamp_format(stamp, ms);
	return json_string(stamp);
}

/* What strangers sent may stand in it: neither controls, which would be a terminal's orders, nor what turns the direction of
 * writing (attack R13). */
static bool
is_harmful(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x061c || (code >= 0x200e && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

static void
print_harmless(const char *text)
{
	size_t left = strlen(text), len;
	uint32_t code;

	for (; left > 0; text += len, left -= len) {
		len = utf8_next(text, left, &code);
		if (len != 0 && !is_harmful(code))
			fwrite(text, 1, len, stdout);
		else
			putchar('?');
		len = len == 0 ? 1 : len;
	}
}

static void
print_value(const json_t *value)
{
	if (json_is_string(value))
		print_harmless(json_string_value(value));
	else if (json_is_integer(value))
		printf("%lld", (long long)json_integer_value(value));
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? "yes" : "no", stdout);
	else
		fputs("-", stdout);
}

void
ctl_print(const struct ctl *ctl, json_t *record, const char *const *columns, bool labels)
{
	if (ctl->json) {
		json_dumpf(record, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(record);
		return;
	}
	for (size_t i = 0; columns[i] != NULL; i++) {
		if (labels)
			printf("%s: ", columns[i]);
		print_value(json_object_get(record, columns[i]));
		putchar(labels || columns[i + 1] == NULL ? '\n' : '\t');
	}
	json_decref(record);
}
