/*
 * show.h -- messages and their states, for people and as JSON (lazo-json(5)).
 */
#ifndef CLIENT_CMD_SHOW_H
#define CLIENT_CMD_SHOW_H

#include <jansson.h>
#include "client/db/history.h"

struct app;

json_t *show_message_json(struct app *app, const struct message *message);
void show_message(struct app *app, const struct message *message, bool with_peer);
/* Where a message is beyond our relay (db/elsewhere.h); NULL: nothing is known of it. */
const char *show_elsewhere(struct app *app, int64_t message);
json_t *show_elsewhere_json(struct app *app, int64_t message);
const char *show_sent(enum sent state);             /* translated words */
const char *show_unreadable(enum unreadable reason); /* translated sentence */
const char *show_reason(const char *word);          /* translated; the word itself when it is not ours */
/* Name given here, else address; safe to print. */
const char *show_person(struct app *app, int64_t account, const char *jid);

#endif
