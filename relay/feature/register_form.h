/*
 * feature/register_form.h -- what a client asks of its registration (XEP-0077 2.4), read and checked. Pure.
 */
#ifndef RELAY_FEATURE_REGISTER_FORM_H
#define RELAY_FEATURE_REGISTER_FORM_H

#include <stdbool.h>
#include "proto/error.h"
#include "proto/jid.h"

enum { REGISTER_PASSWORD_MAX = 1023 };

struct arena;
struct xml;

struct register_form {
	bool remove;          /* the account is to go */
	struct jid jid;       /* node and domain, prepared */
	const char *password; /* arena's; not empty */
};

/* From the <query/> of an iq set: fields, or the same as a submitted data form. STANZA_OK, or what to answer:
 * bad-request, not-acceptable (something is missing), jid-malformed. */
enum stanza_error register_form_read(struct arena *arena, const struct xml *query, const char *domain,
				     struct register_form *form_r);
/* Overwrite and remove all that it holds, so that neither memory nor an error that echoes the request shows a
 * password. */
void register_form_forget(struct xml *query);

#endif
