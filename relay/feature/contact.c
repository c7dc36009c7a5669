/*
 * feature/contact.c -- where people reach the operator (XEP-0157 1.1.1): a form in the host's disco#info.
 *
 * One person runs such a relay: the one address of the configuration stands for every role but sales.
 */
#include "config.h"

#include "relay/feature/feature_table.h"

#include <stddef.h>
#include "proto/form.h"
#include "relay/conf.h"
#include "relay/route/router.h"

#define SERVERINFO "http://jabber.org/network/serverinfo"

static void
add_form(void *state, struct arena *arena, struct xml *query)
{
	static const char *const roles[] = { "abuse-addresses", "admin-addresses", "security-addresses",
					     "support-addresses" };
	const char *contact = router_conf(state)->contact;
	struct xml *form;

	if (*contact == '\0')
		return;
	form = form_new(arena, query, "result", SERVERINFO);
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
		form_field(arena, form, roles[i], "list-multi", NULL, contact);
}

static void *
init(struct router *router)
{
	return router;
}

const struct feature feature_contact = {
	.name = "contact",
	.spec = "XEP-0157 1.1.1",
	.init = init,
	.disco_more = add_form,
};
