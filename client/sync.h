/*
 * sync.h -- bring this home and the relay to the same state, once: log in, publish keys, fetch keys, send the outbox,
 * take what waits, tell what was stored, leave.
 *
 * The database is the truth, this a way to change it: everything that counts is committed before the relay hears of it, and
 * whatever is not settled when the line breaks is done again next time. One process at a time has the connection of an
 * account (db_lock "sync-<account>").
 *
 * Order, so that what a person waits for comes first: roster, block list, own device list and a first small page of the archive
 * in one go; keys that messages wait for; outbox; the other pages, each committed with its cursor before it is acknowledged;
 * presence, and with it what waits at the relay and is in no archive (without an archive: all that waits), in batches each
 * committed before it is acknowledged; sessions completed, keys refilled, receipts; goodbye. Carbons are not asked for: what
 * other devices of ours write comes with the archive.
 *
 * DIAGNOSTICS: sync_result.trouble. Never asks a person anything.
 */
#ifndef CLIENT_SYNC_H
#define CLIENT_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/db/account.h"
#include "client/fault.h"

struct db;

/* What of an account's connection is kept: by `login`, in the account's values. Text in the arena it was read into. */
struct sync_settings {
	const char *server;   /* --server, or NULL */
	const char *ca_file;  /* absolute path, or NULL */
	const char *pin;      /* "sha256:…", or NULL */
	const char *password; /* this login only, or with `plain` the kept one; else NULL */
	bool plain;           /* PLAIN is allowed: chosen explicitly at login */
	bool give_back;       /* nothing but end the token that is kept, at the relay */
	bool enroll;          /* this login only: make the account first */
	const char *token;    /* with enroll: the invitation, or NULL */
};
struct arena;
void sync_settings_load(struct db *db, struct arena *arena, int64_t account, struct sync_settings *settings_r);
/* In a transaction: of server, ca_file, pin and plain. */
void sync_settings_save(struct db *db, int64_t account, const struct sync_settings *settings);

enum sync_phase { SYNC_CONNECT, SYNC_KEYS, SYNC_SEND, SYNC_RECEIVE, SYNC_END };

struct sync_owner {
	/* For those who watch; called now and then. done and total count messages; total 0: not known. May be NULL. */
	void (*progress)(void *arg, enum sync_phase phase, size_t done, size_t total);
	bool (*stopped)(void *arg); /* a signal asked to stop; may be NULL */
	void *arg;
};

struct sync_result {
	struct trouble trouble;
	bool logged_in;
	bool pin_shown;         /* of a relay that was refused, for advice */
	uint8_t pin[32];
	size_t received;        /* new messages */
	size_t unreadable;
	size_t accepted;        /* messages the relay took */
	size_t refused;         /* messages that came back */
	uint64_t bytes_out, bytes_in;
	int64_t took_ms;
};

/* False: the trouble says why; what was done so far is kept. Secrets, mechanism and times are kept in the account's values. */
bool sync_run(struct db *db, const struct account *account, const struct sync_settings *settings,
    const struct sync_owner *owner, struct sync_result *result_r);

#endif
