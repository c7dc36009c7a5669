/*
 * ctl/peer_key.c -- courier keys (proto/spec/courier.md 4): ours, shown to be given to others by hand; another's, believed from now on
 * because the operator says so.
 */
#include "config.h"

#include "relay/ctl/peers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "relay/conf.h"
#include "relay/net/clock.h"
#include "relay/peer/seal.h"
#include "relay/store/courier.h"
#include "relay/store/store.h"

enum { FILE_MAX = 16384 };

/* ---- ours ---- */

struct found_key {
	struct seal_key *key; /* NULL: none yet */
	bool failed;
};

static void
take_key(void *arg, bool failed, const struct courier_key_row *rows, size_t count)
{
	struct found_key *found = arg;
	const char *why = NULL;

	found->failed = failed;
	if (failed || count == 0 || rows[0].retired != 0)
		return;
	found->key = seal_key_read(rows[0].pem, strlen(rows[0].pem), &why);
	if (found->key == NULL)
		ctl_complain(0, "our courier key in the database is damaged: %s", why);
	found->failed = found->key == NULL;
}

/* Conflict: somebody else has made one, this moment. */
static enum txn_result
make_key(struct ctl *ctl)
{
	struct seal_key *key = seal_key_make(ctl->conf->host, now_wall());
	struct txn *txn = txn_new(ctl->store);
	struct buf pem = { .data = NULL };

	seal_key_write(key, &pem);
	txn_add(txn, &(struct op){ .kind = OP_COURIER_KEY_NEW, .token = pem.data, .time = now_wall() });
	cleanse(pem.data, pem.len);
	buf_free(&pem);
	seal_key_free(&key);
	return ctl_commit(&txn);
}

static int
print_key(const struct ctl *ctl, const struct seal_pin *pin)
{
	static const char *const columns[] = { "domain", "key", "certificate", NULL };
	char fingerprint[SEAL_FINGERPRINT_LEN + 1];
	struct buf pem = { .data = NULL };

	seal_pin_fingerprint(pin, fingerprint);
	seal_pin_write(pin, &pem);
	if (ctl->json) {
		ctl_print(ctl, json_pack("{s:s, s:s, s:s}", "domain", ctl->conf->host, "key", fingerprint, "certificate", pem.data), columns,
		    false);
	} else {
		fputs(pem.data, stdout);
		fprintf(stderr, "%s\n", fingerprint);
	}
	buf_free(&pem);
	return EX_OK;
}

int
ctl_peer_key(struct ctl *ctl, char **args, int count)
{
	struct found_key found = { .key = NULL };
	enum txn_result made = TXN_COMMITTED;
	int code;

	(void)args;
	(void)count;
	if (ctl_store(ctl, &code) == NULL)
		return code;
	read_courier_keys(ctl->store, take_key, &found);
	if (found.key == NULL && !found.failed) {
		made = make_key(ctl);
		if (made != TXN_COMMITTED && made != TXN_CONFLICT)
			return EX_TEMPFAIL;
		read_courier_keys(ctl->store, take_key, &found);
	}
	if (found.key == NULL)
		return ctl_complain(EX_TEMPFAIL, "our courier key could not be read");
	code = print_key(ctl, seal_key_pin(found.key));
	seal_key_free(&found.key);
	return code;
}

/* ---- another's ---- */

json_t *
ctl_courier_fingerprint(const char *pem)
{
	char fingerprint[SEAL_FINGERPRINT_LEN + 1];
	struct seal_pin *pin;
	const char *why;

	pin = pem == NULL ? NULL : seal_pin_read(pem, strlen(pem), &why);
	if (pin == NULL)
		return json_null();
	seal_pin_fingerprint(pin, fingerprint);
	seal_pin_free(&pin);
	return json_string(fingerprint);
}

/* The certificate in a file, for that domain; NULL: said why, *code_r is the exit code. */
static struct seal_pin *
read_file(const char *path, const char *domain, int *code_r)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	char text[FILE_MAX + 1];
	const char *why = NULL;
	struct seal_pin *pin;
	size_t len;

	if (file == NULL) {
		*code_r = ctl_complain(errno == ENOENT ? EX_NONE : EX_NOPERM, "%s: %s", path, strerror(errno));
		return NULL;
	}
	len = fread(text, 1, sizeof text, file);
	if (file != stdin)
		fclose(file);
	*code_r = EX_DATAERR;
	pin = seal_pin_read(text, len, &why); /* too large is refused there */
	if (pin == NULL) {
		ctl_complain(0, "%s: not the certificate of a courier key: %s", path, why);
	} else if (!seal_pin_names(pin, domain)) {
		ctl_complain(0, "%s: that certificate is not for %s", path, domain);
		seal_pin_free(&pin);
	}
	return pin;
}

struct found_pin {
	const struct seal_pin *wanted;
	bool failed, there, same;
	char fingerprint[SEAL_FINGERPRINT_LEN + 1];
};

static void
compare(void *arg, bool failed, const struct courier_pin_row *rows, size_t count)
{
	struct found_pin *found = arg;
	struct seal_pin *pin;
	const char *why;

	found->failed = failed;
	found->there = !failed && count > 0;
	if (!found->there)
		return;
	pin = seal_pin_read(rows[0].pem, strlen(rows[0].pem), &why);
	snprintf(found->fingerprint, sizeof found->fingerprint, "damaged");
	if (pin == NULL)
		return;
	seal_pin_fingerprint(pin, found->fingerprint);
	found->same = seal_pin_same(pin, found->wanted);
	seal_pin_free(&pin);
}

static int
trust(struct ctl *ctl, const char *domain, const struct seal_pin *pin)
{
	static const char *const columns[] = { "domain", "key", NULL };
	struct found_pin found = { .wanted = pin };
	char fingerprint[SEAL_FINGERPRINT_LEN + 1];
	struct buf pem = { .data = NULL };
	enum txn_result result;
	struct txn *txn;

	seal_pin_fingerprint(pin, fingerprint);
	read_courier_pins(ctl->store, domain, compare, &found);
	if (found.failed)
		return ctl_complain(EX_TEMPFAIL, "the database could not be read");
	if (found.there && !found.same && !ctl->replace)
		return ctl_complain(EX_EXISTS, "%s has another key: %s, and this file's is %s; ask them which it is, then use --replace", domain,
		    found.fingerprint, fingerprint);
	seal_pin_write(pin, &pem);
	txn = txn_new(ctl->store);
	txn_add(txn, &(struct op){ .kind = OP_COURIER_PIN, .peer = domain, .token = pem.data, .config = COURIER_HOW_FILE,
	    .time = now_wall(), .max_items = found.same || ctl->replace });
	buf_free(&pem);
	result = ctl_commit(&txn);
	if (result == TXN_COMMITTED)
		ctl_print(ctl, json_pack("{s:s, s:s}", "domain", domain, "key", fingerprint), columns, false);
	return ctl_exit_of(result, EX_TEMPFAIL);
}

int
ctl_peer_trust(struct ctl *ctl, char **args, int count)
{
	struct seal_pin *pin;
	struct jid jid;
	int code;

	(void)count;
	if (!jid_parse_text(ctl->arena, args[0], &jid) || jid.node != NULL || jid.resource != NULL)
		return ctl_complain(EX_USAGE, "%s: not a domain", args[0]);
	if (strcmp(jid.domain, ctl->conf->host) == 0)
		return ctl_complain(EX_USAGE, "%s: that is this relay", jid.domain);
	pin = read_file(args[1], jid.domain, &code); /* while we are who called us */
	if (pin == NULL)
		return code;
	if (ctl_store(ctl, &code) != NULL)
		code = trust(ctl, jid.domain, pin);
	seal_pin_free(&pin);
	return code;
}
