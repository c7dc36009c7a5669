/* link_register.c -- make an account before login: see link_register.h. */
#include "config.h"

#include "client/link_register.h"

#include <string.h>

#include "client/link.h"
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/error.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"

/* Send and wait for the answer of that id. NULL: the trouble says why. */
static struct xml *
ask(struct link *link, struct arena **arena_r, struct xml *iq, int64_t deadline, struct trouble *trouble)
{
	enum link_got got;
	struct xml *answer;

	link_send(link, iq);
	while ((got = link_next(link, deadline, arena_r, &answer)) == LINK_ELEMENT) {
		const char *id = xml_attr(answer, "id");

		if (stanza_kind(answer) == STANZA_IQ && id != NULL && strcmp(id, xml_attr(iq, "id")) == 0)
			return answer;
		if (xml_is(answer, "error", NS_STREAM))
			trouble_set(trouble, FAULT_REGISTRATION, "stream error");
		arena_free(arena_r);
	}
	if (got == LINK_TIME_OUT)
		trouble_set(trouble, FAULT_TIMEOUT, "registration");
	trouble_set(trouble, got == LINK_WOKEN ? FAULT_STOPPED : FAULT_LOST, "registration");
	return NULL;
}

static bool
settle(struct xml *answer, struct trouble *trouble, const char *step)
{
	enum stanza_error error;

	if (answer == NULL)
		return false;
	if (iq_type(answer) == IQ_RESULT)
		return true;
	error = stanza_error_of(answer);
	return trouble_set(trouble, error == STANZA_CONFLICT ? FAULT_TAKEN : FAULT_REGISTRATION, "%s: %s", step,
	    stanza_error_name(error == STANZA_OK ? STANZA_UNDEFINED_CONDITION : error));
}

static struct xml *
new_iq(struct arena *arena, const char *type, const char *domain)
{
	char id[ID_LEN + 1];

	random_id(id);
	return stanza_new(arena, "iq", NULL, domain, type, id);
}

static bool
show_token(struct link *link, const char *domain, const char *token, int64_t deadline, struct trouble *trouble)
{
	struct arena *arena = arena_new_secret(), *answer_arena = NULL;
	struct xml *iq = new_iq(arena, "set", domain);
	bool fine;

	xml_set(arena, xml_add(arena, iq, "preauth", NS_PREAUTH), "token", token);
	fine = settle(ask(link, &answer_arena, iq, deadline, trouble), trouble, "invitation");
	arena_free(&answer_arena);
	arena_free(&arena);
	return fine;
}

static bool
send_account(struct link *link, const char *domain, const char *user, const char *password, int64_t deadline,
    struct trouble *trouble)
{
	struct arena *arena = arena_new_secret(), *answer_arena = NULL;
	struct xml *iq = new_iq(arena, "set", domain);
	struct xml *query = xml_add(arena, iq, "query", NS_REGISTER);
	bool fine;

	xml_add_leaf(arena, query, "username", NULL, user);
	xml_add_leaf(arena, query, "password", NULL, password);
	fine = settle(ask(link, &answer_arena, iq, deadline, trouble), trouble, "registration");
	arena_free(&answer_arena);
	arena_free(&arena);
	return fine;
}

bool
register_account(struct link *link, const char *domain, const char *user, const char *password, const char *token,
    int64_t deadline, struct trouble *trouble)
{
	struct arena *arena, *answer_arena = NULL;
	struct xml *iq;
	bool fine;

	if (!link_encrypted(link))
		return trouble_set(trouble, FAULT_NO_TLS, "registration");
	if (token != NULL && !show_token(link, domain, token, deadline, trouble))
		return false;
	arena = arena_new();
	iq = new_iq(arena, "get", domain);
	xml_add(arena, iq, "query", NS_REGISTER);
	fine = settle(ask(link, &answer_arena, iq, deadline, trouble), trouble, "registration form");
	arena_free(&answer_arena);
	arena_free(&arena);
	return fine && send_account(link, domain, user, password, deadline, trouble);
}
