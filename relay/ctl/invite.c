/*
 * ctl/invite.c -- a link by which one person makes an account (XEP-0401 0.6.0 section 6.4, XEP-0445 0.2.0).
 */
#include "config.h"

#include "relay/ctl/ctl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/digest.h"
#include "relay/conf.h"
#include "relay/net/clock.h"
#include "relay/store/read.h"
#include "relay/store/store.h"

#define VALID_MS (INT64_C(7) * 24 * 3600 * 1000)

/* RFC 5122 2.2: what may not stand in a URI as it is. */
static void
add_escaped(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if (isascii(c) && (isalnum(c) || strchr("-._~!$()*+", c) != NULL))
			buf_add(out, text, 1);
		else
			buf_printf(out, "%%%02X", (unsigned)c);
	}
}

static void
account_found(void *arg, bool failed, const struct account_view *view)
{
	*(bool *)arg = !failed && view->exists;
}

static void
print_invitation(struct ctl *ctl, const char *node, const char *token, int64_t expires)
{
	static const char *const columns[] = { "uri", "token", "expires", NULL };
	struct buf uri = { .data = NULL };

	buf_adds(&uri, "xmpp:");
	if (node != NULL) {
		add_escaped(&uri, node);
		buf_adds(&uri, "@");
	}
	add_escaped(&uri, ctl->conf->host);
	/* With an address, ibr=y tells apps that would only add a contact that an account may be made with
	 * it. */
	buf_printf(&uri, "?register;preauth=%s%s", token, node != NULL ? ";ibr=y" : "");
	ctl_print(ctl,
		  json_pack("{s:s, s:s, s:o}", "uri", uri.data, "token", token, "expires", ctl_time(expires)),
		  columns, true);
	buf_free(&uri);
}

int
ctl_invite(struct ctl *ctl, char **args, int count)
{
	const char *node = count > 0 ? ctl_node(ctl, args[0]) : NULL;
	int64_t now = now_wall();
	char token[ID_LEN + 1];
	enum txn_result result;
	bool exists = false;
	struct txn *txn;
	int code;

	if (count > 0 && node == NULL)
		return EX_USAGE;
	if (ctl->conf->registration == REGISTRATION_CLOSED)
		return ctl_complain(EX_CONFIG,
				    "nobody can use an invitation while registration is closed: "
				    "set registration = invite in %s",
				    ctl->conf->path);
	if (ctl_store(ctl, &code) == NULL)
		return code;
	if (node != NULL)
		read_account(ctl->store, node, account_found, &exists);
	if (exists)
		return ctl_complain(EX_EXISTS, "%s exists", args[0]);
	random_id(token);
	txn = txn_new(ctl->store);
	txn_add(txn, &(struct op){ .kind = OP_INVITE_NEW,
				   .account = node,
				   .token = token,
				   .time = now,
				   .expires = now + VALID_MS });
	result = ctl_commit(&txn);
	if (result == TXN_COMMITTED)
		print_invitation(ctl, node, token, now + VALID_MS);
	return ctl_exit_of(result, EX_TEMPFAIL);
}
