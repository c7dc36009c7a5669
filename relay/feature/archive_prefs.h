/*
 * feature/archive_prefs.h -- what a user wants archived (XEP-0441), as one text that the account keeps.
 *
 * "always\n", "never\n" or "roster\n", then a line for each address: "+jid" always, "-jid" never. Pure.
 */
#ifndef RELAY_FEATURE_ARCHIVE_PREFS_H
#define RELAY_FEATURE_ARCHIVE_PREFS_H

#include <stdbool.h>
#include "proto/error.h"

struct arena;
struct jid;
struct xml;

enum { ARCHIVE_PREFS_MOST = 200 /* addresses in both lists together */ };

/* From <prefs/>. NULL: *error_r says what the sender did wrong. */
const char *archive_prefs_read(struct arena *arena, const struct xml *prefs, enum stanza_error *error_r);
/* As <prefs/> in `parent`. text NULL: never set. */
void archive_prefs_write(struct arena *arena, struct xml *parent, const char *text);
/* Is a message to or from `peer` archived? An entry for the full address is stronger than one for the bare,
 * never stronger than always. */
bool archive_prefs_wants(struct arena *arena, const char *text, const struct jid *peer, bool in_roster);

#endif
