/*
 * feature/unsent_list.c -- the contacts elsewhere that have something to hear, by domain: see unsent-private.h.
 */
#include "config.h"

#include "relay/feature/unsent-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"
#include "relay/route/router.h"

struct domain *
unsent_find(const struct unsent *unsent, const char *name)
{
	struct domain *domain = unsent->domains;

	while (domain != NULL && strcmp(domain->name, name) != 0)
		domain = domain->next;
	return domain;
}

static struct domain *
take_domain(struct unsent *unsent, const char *name)
{
	struct domain *domain = unsent_find(unsent, name);

	if (domain != NULL)
		return domain;
	domain = xcalloc(1, sizeof *domain);
	domain->unsent = unsent;
	domain->name = xstrdup(name);
	domain->timer = timer_new(router_loop(unsent->router), unsent->begin, domain);
	domain->pause = UNSENT_PAUSE_FIRST;
	domain->next = unsent->domains;
	domain->back = &unsent->domains;
	if (domain->next != NULL)
		domain->next->back = &domain->next;
	unsent->domains = domain;
	return domain;
}

void
unsent_drop(struct unsent *unsent, struct one **at)
{
	struct one *one = *at;

	*at = one->next;
	free(one->node);
	free(one->contact);
	free(one);
	unsent->count--;
}

void
unsent_drop_domain(struct domain *domain)
{
	while (domain->ones != NULL)
		unsent_drop(domain->unsent, &domain->ones);
	*domain->back = domain->next;
	if (domain->next != NULL)
		domain->next->back = domain->back;
	timer_free(&domain->timer);
	free(domain->name);
	free(domain);
}

struct one *
unsent_take(struct unsent *unsent, const char *node, const char *contact, struct domain **domain_r)
{
	const char *name = strchr(contact, '@') == NULL ? contact : strchr(contact, '@') + 1;
	struct domain *domain;
	struct one *one;

	if (unsent->count >= UNSENT_MOST) {
		unsent->more = true;
		return NULL;
	}
	*domain_r = domain = take_domain(unsent, name);
	for (one = domain->ones; one != NULL; one = one->next)
		if (strcmp(one->contact, contact) == 0 && strcmp(one->node, node) == 0)
			return one;
	one = xcalloc(1, sizeof *one);
	one->node = xstrdup(node);
	one->contact = xstrdup(contact);
	one->next = domain->ones;
	domain->ones = one;
	unsent->count++;
	return one;
}
