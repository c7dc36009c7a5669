/* sync.c -- one sync from login to goodbye: see sync.h for the order and why. */
#include "config.h"

#include "client/sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/backlog.h"
#include "client/clock.h"
#include "client/db/db.h"
#include "client/link_cert.h"
#include "client/sync-private.h"
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"

enum {
	LOCK_WAIT_MS = 30000,
	GOODBYE_MS = 3000,
	ROUNDS_MAX = SYNC_MESSAGES_MAX, /* of the flush: each brings at least one message */
};

/* -- what is kept of an account ---------------------------------------------------------------------------- */

void
sync_settings_load(struct db *db, struct arena *arena, int64_t account, struct sync_settings *settings_r)
{
	*settings_r = (struct sync_settings){
		.server = account_get(db, arena, account, "server", NULL),
		.ca_file = account_get(db, arena, account, "ca", NULL),
		.pin = account_get(db, arena, account, "pin", NULL),
		.plain = account_get_int(db, account, "plain", 0) != 0,
		.password = account_get(db, arena, account, "secret.password", NULL),
	};
}

void
sync_settings_save(struct db *db, int64_t account, const struct sync_settings *settings)
{
	account_set_text(db, account, "server", settings->server);
	account_set_text(db, account, "ca", settings->ca_file);
	account_set_text(db, account, "pin", settings->pin);
	account_set_int(db, account, "plain", settings->plain);
}

/* Kept as "MECHANISM salt iterations salted". */
static bool
load_secret(struct db *db, struct arena *arena, int64_t account, struct sasl_secret *secret_r)
{
	const char *text = account_get(db, arena, account, "secret.scram", NULL);

	*secret_r = (struct sasl_secret){ .mechanism = "" };
	return text != NULL &&
	    sscanf(text, "%20s %88s %u %64s", secret_r->mechanism, secret_r->salt, &secret_r->iterations,
	        secret_r->salted) == 4;
}

/* Kept as "MECHANISM expiry token". */
static bool
load_token(struct db *db, struct arena *arena, int64_t account, struct sasl_token *token_r)
{
	const char *text = account_get(db, arena, account, "secret.token", NULL);
	long long expires;

	*token_r = (struct sasl_token){ .mechanism = "" };
	if (text == NULL || sscanf(text, "%20s %lld %255s", token_r->mechanism, &expires, token_r->text) != 3)
		return false;
	token_r->expires = expires;
	return true;
}

static void
save_token(struct sync *sync)
{
	struct sasl_token token;
	char *text;

	if (stream_token_refused(sync->stream))
		account_set_text(sync->db, sync->account->id, "secret.token", NULL);
	if (!stream_token(sync->stream, &token))
		return;
	text = xasprintf("%s %lld %s", token.mechanism, (long long)token.expires, token.text);
	account_set_text(sync->db, sync->account->id, "secret.token", text);
	cleanse(text, strlen(text));
	free(text);
	cleanse(&token, sizeof(token));
}

static void
save_secret(struct sync *sync, const struct sync_settings *settings)
{
	int64_t account = sync->account->id;
	struct sasl_secret secret;
	char *text;

	save_token(sync);
	if (stream_by_token(sync->stream)) /* what is demanded when it is refused stays as it was */
		return;
	account_set_text(sync->db, account, "mechanism", stream_mechanism(sync->stream));
	if (stream_keep(sync->stream, &secret)) {
		text = xasprintf("%s %s %u %s", secret.mechanism, secret.salt, secret.iterations, secret.salted);
		account_set_text(sync->db, account, "secret.scram", text);
		account_set_text(sync->db, account, "secret.password", NULL);
		cleanse(text, strlen(text));
		free(text);
		cleanse(&secret, sizeof(secret));
	} else if (settings->password != NULL) { /* PLAIN: there is nothing else to keep */
		account_set_text(sync->db, account, "secret.password", settings->password);
	}
}

/* What the relay knows this program by for this account, and no other (XEP-0388): a random UUID. */
static const char *
own_client(struct db *db, struct arena *arena, int64_t account)
{
	const char *kept = account_get(db, arena, account, "client", NULL);
	char id[ID_LEN + 1];

	if (kept != NULL)
		return kept;
	random_id(id);
	id[12] = '4'; /* RFC 9562 5.4 */
	id[16] = "89ab"[id[16] % 4];
	kept = arena_printf(arena, "%.8s-%.4s-%.4s-%.4s-%.12s", id, id + 8, id + 12, id + 16, id + 20);
	db_begin(db);
	account_set_text(db, account, "client", kept);
	db_commit(db, NULL);
	return kept;
}

/* The resource stays the same from login to login, and says nothing about the machine. */
static const char *
own_resource(struct db *db, struct arena *arena, int64_t account)
{
	const char *kept = account_get(db, arena, account, "resource", NULL);
	char id[ID_LEN + 1];

	if (kept != NULL)
		return kept;
	random_id(id);
	kept = arena_printf(arena, "lazo-%.8s", id);
	db_begin(db);
	account_set_text(db, account, "resource", kept);
	db_commit(db, NULL);
	return kept;
}

/* -- login ------------------------------------------------------------------------------------------------- */

static void
on_step(void *arg, const char *name)
{
	struct sync *sync = arg;

	(void)name;
	sync_progress(sync, SYNC_CONNECT, 0, 0);
}

static bool
keep_login(struct sync *sync, const struct sync_settings *settings)
{
	char *error = NULL;

	db_begin(sync->db);
	save_secret(sync, settings);
	account_set_logged_in(sync->db, sync->account->id, true);
	account_set_int(sync->db, sync->account->id, "last_login", now_wall());
	outbox_unsent(sync->db, sync->account->id); /* of a stream that broke */
	if (db_commit(sync->db, &error))
		return true;
	trouble_set(sync->trouble, FAULT_DISK, "%s", error != NULL ? error : "");
	free(error);
	return false;
}

static bool
log_in(struct sync *sync, struct arena *arena, const struct sync_settings *settings)
{
	const char *at = strchr(sync->account->jid, '@');
	struct sasl_secret secret;
	struct sasl_token token;
	uint8_t pin[SHA256_LEN];
	struct stream_config config = {
		.domain = at != NULL ? at + 1 : sync->account->jid,
		.user = at != NULL ? arena_strndup(arena, sync->account->jid, (size_t)(at - sync->account->jid)) : "",
		.resource = own_resource(sync->db, arena, sync->account->id),
		.server = settings->server,
		.ca_file = settings->ca_file,
		.pin = settings->pin != NULL && cert_pin_parse(settings->pin, pin) ? pin : NULL,
		.password = settings->password,
		.plain = settings->plain,
		.client = own_client(sync->db, arena, sync->account->id),
		.give_back = settings->give_back,
		.enroll = settings->enroll,
		.token = settings->token,
		.step = on_step,
		.arg = sync,
	};

	if (load_secret(sync->db, arena, sync->account->id, &secret))
		config.kept = &secret;
	if (load_token(sync->db, arena, sync->account->id, &token) && settings->password == NULL)
		config.fast = &token;
	/* A new login decides anew what is demanded; from then on nothing weaker is taken. */
	if (settings->password == NULL || settings->plain)
		config.least = account_get(sync->db, arena, sync->account->id, "mechanism", NULL);
	if (config.password == NULL && config.kept == NULL)
		return trouble_set(sync->trouble, FAULT_SALT, "no password is kept for %s", sync->account->jid);
	if (db_error(sync->db) != NULL)
		return trouble_set(sync->trouble, FAULT_DISK, "%s", db_error(sync->db));
	sync->stream = stream_login(&config, sync->trouble);
	cleanse(&secret, sizeof(secret));
	cleanse(&token, sizeof(token));
	if (sync->stream == NULL) {
		sync->result->pin_shown = stream_refused_pin(sync->result->pin);
		return false;
	}
	sync->result->logged_in = true;
	if (settings->give_back)
		return false;
	return keep_login(sync, settings);
}

/* -- what waits at the relay ------------------------------------------------------------------------------- */

/*
 * The archive first, then presence, which starts the flush. The answer to a question that the relay reads from its database comes behind what it read
 * for the flush (a ping's may overtake that): our own device list is such a question, and worth asking. A relay that
 * flushes by windows goes on once we acknowledged, so it is asked again as long as messages came.
 */
static void
receive(struct sync *sync)
{
	struct arena *arena = arena_new();
	struct xml *presence = stanza_new(arena, "presence", NULL, NULL, NULL, NULL);

	sync_progress(sync, SYNC_RECEIVE, sync->result->received, 0);
	sync_archive_catch_up(sync);
	sync_add_caps(arena, presence);
	stream_send(sync->stream, presence);
	arena_free(&arena);
	for (int i = 0; i < ROUNDS_MAX && sync_alive(sync); i++) {
		sync->round = 0;
		sync_progress(sync, SYNC_RECEIVE, sync->result->received, 0);
		sync_ask_own_list(sync);
		if (!sync_settle(sync) || !sync_commit(sync) || sync->round == 0)
			break;
	}
	sync_archive_newest(sync);
}

/* -- the whole --------------------------------------------------------------------------------------------- */

static void
finish(struct sync *sync)
{
	int64_t account = sync->account->id, now = now_wall();

	sync_progress(sync, SYNC_END, 0, 0);
	db_begin(sync->db);
	omemo_maintain(sync->omemo, now);
	db_commit(sync->db, NULL);
	sync_publish(sync);
	sync_ask_keys(sync);
	inbox_caught_up(sync->db, sync->omemo, account, now);
	inbox_retry(sync->db, sync->omemo, account, NULL, now);
	sync_send_outbox(sync);
	sync_await_acks(sync);
}

static void
work(struct sync *sync)
{
	int64_t account = sync->account->id;

	sync_progress(sync, SYNC_KEYS, 0, 0);
	sync_ask_roster(sync);
	sync_ask_own_list(sync);
	sync_archive_open(sync);
	sync_custody_open(sync);
	if (!sync_settle(sync))
		return;
	if (!sync_archive_moved(sync)) /* else keys were used up, and the end publishes what takes their place */
		sync_publish(sync);
	sync_tell_roster(sync);
	sync_ask_keys(sync);
	outbox_keys_came(sync->db, sync->omemo, account, NULL, now_wall());
	sync_progress(sync, SYNC_SEND, 0, 0);
	sync_send_outbox(sync);
	if (sync_alive(sync))
		receive(sync);
	if (sync_alive(sync))
		finish(sync);
}

static void
leave(struct sync *sync)
{
	struct trouble after = { .fault = FAULT_NONE };

	if (sync->inbox != NULL && sync->trouble->fault != FAULT_DISK)
		sync_commit(sync);
	if (sync->inbox != NULL)
		inbox_abandon(&sync->inbox);
	backlog_free(&sync->backlog);
	arena_free(&sync->pong);
	if (sync->stream != NULL) {
		if (sync_alive(sync))
			stream_handled(sync->stream, stream_received(sync->stream), true);
		after = *sync->trouble;
		stream_bytes(sync->stream, &sync->result->bytes_out, &sync->result->bytes_in);
		if (after.fault == FAULT_NONE)
			stream_close(sync->stream, now_mono() + GOODBYE_MS);
		*sync->trouble = after; /* what goes wrong in a goodbye counts for nothing */
	}
	stream_free(&sync->stream);
	if (sync->flying > 0)
		outbox_unsent(sync->db, sync->account->id);
	free(sync->flights);
	sync_kept_close(sync);
	sync_archive_close(sync);
	omemo_close(&sync->omemo);
	if (sync->trouble->fault == FAULT_NONE && db_error(sync->db) != NULL)
		trouble_set(sync->trouble, FAULT_DISK, "%s", db_error(sync->db));
}

bool
sync_run(struct db *db, const struct account *account, const struct sync_settings *settings,
    const struct sync_owner *owner, struct sync_result *result_r)
{
	struct sync sync = { .db = db, .account = account, .owner = owner, .result = result_r,
		.trouble = &result_r->trouble };
	struct arena *arena = arena_new_secret();
	char *name = xasprintf("sync-%lld", (long long)account->id), *error = NULL;
	int64_t start = now_mono();
	struct db_lock *lock;

	*result_r = (struct sync_result){ .received = 0 };
	lock = db_lock(db, name, LOCK_WAIT_MS);
	if (lock == NULL) {
		trouble_set(sync.trouble, FAULT_BUSY, "%s", account->jid);
	} else {
		sync.omemo = omemo_open(db, account->id, now_wall(), &error);
		if (sync.omemo == NULL)
			trouble_set(sync.trouble, FAULT_DISK, "%s", error != NULL ? error : "keys");
		else if (log_in(&sync, arena, settings))
			work(&sync);
		leave(&sync);
		db_unlock(&lock);
	}
	result_r->took_ms = now_mono() - start;
	free(error);
	free(name);
	arena_free(&arena);
	return result_r->trouble.fault == FAULT_NONE;
}
