/*
 * sync_roster.c -- people: the roster (RFC 6121 section 2), subscriptions (section 3) and the block list (XEP-0191).
 *
 * The roster's version is kept with its items in one transaction (RFC 6121 2.6): a roster that did not change is not sent
 * again. A relay that gives no version is asked without one.
 *
 * A request to subscribe is granted when the person is a contact here; others wait in the account's value "asked", one
 * address a line, until `contact add` or `contact block`.
 */
#include "config.h"

#include "client/sync-private.h"

#include <stdio.h>
#include <string.h>

#include "client/clock.h"
#include "client/db/contact.h"
#include "client/db/db.h"
#include "proto/arena.h"
#include "proto/jid.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"

enum {
	ROSTER_MAX = 5000,
	VERSION_MAX = 256, /* bytes */
	ASKED_MAX = 4096,  /* bytes of the list of those who asked */
};

static struct xml *
new_iq(struct arena *arena, const char *type)
{
	return stanza_new(arena, "iq", NULL, NULL, type, NULL);
}

/* -- the roster -------------------------------------------------------------------------------------------- */

static void
take_item(struct sync *sync, struct arena *arena, const struct xml *item)
{
	const char *subscription = xml_attr(item, "subscription"), *ask = xml_attr(item, "ask");
	struct jid jid;

	if (!jid_parse_text(arena, xml_attr(item, "jid"), &jid))
		return;
	contact_roster_item(sync->db, sync->account->id, jid_bare_text(arena, &jid), xml_attr(item, "name"),
	    subscription != NULL ? subscription : "none", ask != NULL && strcmp(ask, "subscribe") == 0, now_wall());
}

static void
keep_version(struct sync *sync, const struct xml *query)
{
	const char *version = xml_attr(query, "ver");

	account_set_text(sync->db, sync->account->id, "roster.ver",
	    version != NULL && strlen(version) <= VERSION_MAX ? version : NULL);
}

static void
roster_came(struct sync *sync, struct arena *arena, const struct xml *answer, void *arg)
{
	const struct xml *query = answer != NULL ? xml_find(answer, "query", NS_ROSTER) : NULL;
	size_t count = 0;

	(void)arg;
	if (answer == NULL || iq_type(answer) != IQ_RESULT || query == NULL) /* without: as it was (2.6.3) */
		return;
	db_begin(sync->db);
	contact_roster_begin(sync->db, sync->account->id);
	for (const struct xml *item = xml_find(query, "item", NS_ROSTER); item != NULL && count < ROSTER_MAX;
	     item = xml_next(item, "item", NS_ROSTER), count++)
		take_item(sync, arena, item);
	contact_roster_end(sync->db, sync->account->id);
	keep_version(sync, query);
	db_commit(sync->db, NULL);
}

static void
blocklist_came(struct sync *sync, struct arena *arena, const struct xml *answer, void *arg)
{
	const struct xml *list = answer != NULL ? xml_find(answer, "blocklist", NS_BLOCKING) : NULL;
	const char **jids;
	size_t count = 0;

	(void)arg;
	if (answer == NULL || iq_type(answer) != IQ_RESULT || list == NULL)
		return;
	jids = arena_alloc(arena, ROSTER_MAX * sizeof(*jids));
	for (const struct xml *item = xml_find(list, "item", NS_BLOCKING); item != NULL && count < ROSTER_MAX;
	     item = xml_next(item, "item", NS_BLOCKING)) {
		struct jid jid;

		if (jid_parse_text(arena, xml_attr(item, "jid"), &jid))
			jids[count++] = jid_bare_text(arena, &jid);
	}
	db_begin(sync->db);
	contact_blocklist(sync->db, sync->account->id, jids, count, now_wall());
	db_commit(sync->db, NULL);
}

void
sync_ask_roster(struct sync *sync)
{
	struct arena *arena = arena_new();
	struct xml *iq = new_iq(arena, "get");

	xml_set(arena, xml_add(arena, iq, "query", NS_ROSTER), "ver",
	    account_get(sync->db, arena, sync->account->id, "roster.ver", NULL));
	sync_ask(sync, iq, roster_came, NULL);
	iq = new_iq(arena, "get");
	xml_add(arena, iq, "blocklist", NS_BLOCKING);
	sync_ask(sync, iq, blocklist_came, NULL);
	arena_free(&arena);
}

void
sync_roster_push(struct sync *sync, struct arena *arena, const struct xml *iq)
{
	const struct xml *query = xml_find(iq, "query", NS_ROSTER), *item = xml_find(query, "item", NS_ROSTER);

	db_begin(sync->db);
	if (item != NULL) {
		take_item(sync, arena, item);
		keep_version(sync, query);
	}
	db_commit(sync->db, NULL);
	stream_send(sync->stream, iq_result(arena, iq));
}

/* -- what was decided here --------------------------------------------------------------------------------- */

static void
roster_told(struct sync *sync, struct arena *arena, const struct xml *answer, void *arg)
{
	(void)arena;
	if (answer == NULL || iq_type(answer) != IQ_RESULT)
		return;
	db_begin(sync->db);
	contact_roster_told(sync->db, sync->account->id, arg);
	db_commit(sync->db, NULL);
}

static void
block_told(struct sync *sync, struct arena *arena, const struct xml *answer, void *arg)
{
	const char *word = arg; /* 'b' or 'u', then the address */

	(void)arena;
	if (answer == NULL || iq_type(answer) != IQ_RESULT)
		return;
	db_begin(sync->db);
	contact_set_blocked(sync->db, sync->account->id, word + 1, word[0] == 'b', false);
	db_commit(sync->db, NULL);
}

static void
send_presence(struct sync *sync, struct arena *arena, const char *to, const char *type)
{
	stream_send(sync->stream, stanza_new(arena, "presence", NULL, to, type, NULL));
}

static void
tell_contact(struct sync *sync, struct arena *arena, const struct contact *contact)
{
	struct xml *iq = new_iq(arena, "set");
	struct xml *item = xml_add(arena, xml_add(arena, iq, "query", NS_ROSTER), "item", NULL);
	bool wanted = contact->roster_due == CONTACT_DUE_SET;

	xml_set(arena, item, "jid", contact->jid);
	if (!wanted)
		xml_set(arena, item, "subscription", "remove");
	else if (contact->name[0] != '\0')
		xml_set(arena, item, "name", contact->name);
	sync_ask(sync, iq, roster_told, strdup(contact->jid));
	if (wanted && strcmp(contact->subscription, "to") != 0 && strcmp(contact->subscription, "both") != 0)
		send_presence(sync, arena, contact->jid, "subscribe");
	if (wanted && strcmp(contact->subscription, "from") != 0 && strcmp(contact->subscription, "both") != 0)
		send_presence(sync, arena, contact->jid, "subscribed");
}

static void
tell_block(struct sync *sync, struct arena *arena, const struct contact *contact)
{
	struct xml *iq = new_iq(arena, "set");
	struct xml *block = xml_add(arena, iq, contact->blocked ? "block" : "unblock", NS_BLOCKING);
	char *arg = NULL;

	xml_set(arena, xml_add(arena, block, "item", NULL), "jid", contact->jid);
	if (asprintf(&arg, "%c%s", contact->blocked ? 'b' : 'u', contact->jid) > 0)
		sync_ask(sync, iq, block_told, arg);
}

void
sync_tell_roster(struct sync *sync)
{
	struct arena *arena = arena_new();
	struct contact *list;
	size_t count = contact_list(sync->db, arena, sync->account->id, &list);

	for (size_t i = 0; i < count && sync_alive(sync); i++) {
		if (list[i].roster_due != CONTACT_DUE_NOTHING)
			tell_contact(sync, arena, &list[i]);
		if (list[i].block_due)
			tell_block(sync, arena, &list[i]);
	}
	arena_free(&arena);
}

/* -- presence ---------------------------------------------------------------------------------------------- */

/* Keep the address of someone unknown who wants to be a contact, once. */
static void
remember_asker(struct sync *sync, struct arena *arena, const char *jid)
{
	const char *old = account_get(sync->db, arena, sync->account->id, "asked", NULL);
	char *line = arena_printf(arena, "%s\n", jid);

	if (old != NULL && (strlen(old) > ASKED_MAX || strstr(old, line) != NULL))
		return;
	db_begin(sync->db);
	account_set_text(sync->db, sync->account->id, "asked", arena_printf(arena, "%s%s", old != NULL ? old : "", line));
	db_commit(sync->db, NULL);
}

void
sync_presence(struct sync *sync, struct arena *arena, const struct xml *presence)
{
	struct contact contact;
	struct jid from;
	const char *bare;

	if (presence_type(presence) != PRESENCE_SUBSCRIBE || !jid_parse_text(arena, xml_attr(presence, "from"), &from))
		return;
	bare = jid_bare_text(arena, &from);
	if (!contact_get(sync->db, arena, sync->account->id, bare, &contact))
		remember_asker(sync, arena, bare);
	else if (!contact.blocked && (contact.subscription[0] != '\0' || contact.roster_due == CONTACT_DUE_SET))
		send_presence(sync, arena, bare, "subscribed");
	else if (!contact.blocked)
		remember_asker(sync, arena, bare);
}
