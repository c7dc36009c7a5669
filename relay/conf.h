/*
 * conf.h -- lazod.conf(5) as one struct, read by one typed table (word, type, default, least, most, text).
 *
 * The file's grammar: `word = value;`, `word { ... }`, `word "name" { ... }`, lists `[a, b]`, strings in double quotes, bare words,
 * numbers with units (kb mb gb, s min h d), `#` comments, `include "file"`. Unknown words, wrong types and values out of range are errors with
 * file:line and, for words, the nearest known one. The reference part of lazod.conf(5) is printed from the table (conf_print_reference).
 */
#ifndef RELAY_CONF_H
#define RELAY_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum conf_registration { REGISTRATION_CLOSED, REGISTRATION_INVITE, REGISTRATION_OPEN };
enum conf_mailbox { MAILBOX_ACCOUNT, MAILBOX_DEVICE };

struct conf_list {
	char **items;
	size_t count;
};

struct conf_peer { /* peer "domain" { ... }: used from federation on */
	char *domain, *address, *tls, *pin;
	struct conf_list via;
	bool keep;
};

struct conf {
	char *path; /* of the file itself */
	char *host; /* canonical (nameprep) */
	char *data, *certificate, *key, *control, *contact, *metrics;
	struct conf_list listen_client, listen_client_tls, listen_server, listen_server_tls;
	struct conf_list trust, resolver;
	enum conf_registration registration;
	enum conf_mailbox mailbox;
	int64_t hold, hold_unknown, resume; /* seconds */
	bool dialback, plain, sandbox;
	int log; /* enum log_level */
	struct conf_peer *peers;
	size_t peer_count;
	int64_t quota_strangers, quota_strangers_bytes;
	int64_t quota_pending, quota_pending_bytes, quota_pubsub, quota_archive, quota_archive_age;
	int64_t limit_rate_client, limit_rate_server, limit_logins, limit_connections_ip; /* bytes or counts a second; 0 = none */
	int64_t retry_first, retry_most; /* seconds */
	struct conf_list calls_services; /* URIs: conf_calls.h */
	char *calls_secret, *calls_key;  /* file; what it holds, once conf_calls_load() has read it */
	int64_t calls_valid;             /* seconds */
	char *courier_inbox, *courier_outbox;
	struct conf_list courier_carriers;
	bool courier_drop;
};

/* NULL: *error_r (malloc'd) is "file:line: what is wrong". The caller frees. */
struct conf *conf_load(const char *path, char **error_r);
struct conf *conf_parse(const char *name, const char *text, size_t len, char **error_r);
void conf_free(struct conf **conf);

/* SIGHUP: which of host, data, control, listen differ and therefore wait for a restart, "host, listen.client"; "" when none. The
 * caller frees. */
char *conf_fixed_differences(const struct conf *now, const struct conf *next);
/* Those words of `next` become what they are now, and the other way round. */
void conf_swap_fixed(struct conf *now, struct conf *next);

/* The table as an mdoc list, for lazod.conf(5). */
void conf_print_reference(FILE *out);

#endif
