/*
 * feature/directed.h -- whom a session sent directed presence (RFC 6121 4.6): at most 200 addresses, as
 * text, bare or full.
 */
#ifndef RELAY_FEATURE_DIRECTED_H
#define RELAY_FEATURE_DIRECTED_H

#include <stdbool.h>

struct jid;
struct session;

enum { DIRECTED_MOST = 200 };

bool directed_has_room(const struct session *session, const char *to); /* it is there already, or may come */
void directed_note(struct session *session, const char *to, bool available); /* unavailable: forgotten */
bool directed_has(const struct session *session, const struct jid *who); /* its full or its bare address */
char *directed_take(struct session *session); /* one less; the caller frees it; NULL: none left */
/* The same, of the first address that the session's account blocks. */
char *directed_take_blocked(struct session *session);

#endif
