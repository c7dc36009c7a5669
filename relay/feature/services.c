/*
 * feature/services.c -- where calls find their way out: STUN and TURN services with credentials for a while
 * (XEP-0215 1.0.0).
 *
 * The services are the configuration's. Credentials are what TURN servers with a shared secret take (coturn's
 * use-auth-secret): the user name is the time when they end and a name that tells the TURN server one user
 * from another but not who they are; the password is its HMAC-SHA-1 under the secret. Only this relay's own
 * users get any. DIAGNOSTICS: others: forbidden; credentials for a service that is not ours: item-not-found.
 */
#include "config.h"

#include "relay/feature/feature_table.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stamp.h"
#include "proto/xml.h"
#include "relay/conf.h"
#include "relay/conf_calls.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/store/store.h"

enum { NAME_LEN = 8 }; /* bytes of the user's name for the TURN server */

/* The same for one account, so that a TURN server can count; another in every database. */
static void
name_of(struct event *event, char out[static 2 * NAME_LEN + 1])
{
	uint8_t secret[32], mac[SHA256_LEN];

	store_secret(router_store(event->router), "calls", secret);
	digest_hmac(DIGEST_SHA256, secret, sizeof secret, event->sender->node, strlen(event->sender->node),
		    mac);
	hex_encode(out, mac, NAME_LEN);
	cleanse(secret, sizeof secret);
}

static void
add_credentials(struct event *event, struct xml *service)
{
	const struct conf *conf = router_conf(event->router);
	int64_t ends = event->time / 1000 + conf->calls_valid;
	char name[2 * NAME_LEN + 1], password[SHA1_LEN * 2], stamp[STAMP_LEN + 1];
	uint8_t mac[SHA1_LEN];
	const char *user;

	name_of(event, name);
	user = arena_printf(event->arena, "%" PRId64 ":%s", ends, name);
	digest_hmac(DIGEST_SHA1, conf->calls_key, strlen(conf->calls_key), user, strlen(user), mac);
	base64_encode(password, mac, sizeof mac);
	stamp_format(stamp, ends * 1000);
	xml_set(event->arena, service, "username", user);
	xml_set(event->arena, service, "password", password);
	xml_set(event->arena, service, "expires", stamp);
	xml_set(event->arena, service, "restricted", "true");
	cleanse(password, sizeof password);
}

static void
add_service(struct event *event, struct xml *parent, const struct conf_service *known)
{
	struct xml *service = xml_add(event->arena, parent, "service", NULL);

	xml_set(event->arena, service, "type", known->type);
	xml_set(event->arena, service, "host", known->host);
	xml_setf(event->arena, service, "port", "%u", known->port);
	xml_set(event->arena, service, "transport", known->transport);
	if (strncmp(known->type, "turn", 4) == 0 && router_conf(event->router)->calls_key != NULL)
		add_credentials(event, service);
}

/* NULL: any. */
static bool
is_wanted(const char *wanted, const char *value)
{
	return wanted == NULL || strcmp(wanted, value) == 0;
}

/* Those that agree with what is asked for. How many. */
static size_t
add_services(struct event *event, struct xml *parent, const char *type, const char *host, const char *port)
{
	const struct conf_list *list = &router_conf(event->router)->calls_services;
	struct conf_service service;
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (!conf_service_parse(list->items[i], &service) || !is_wanted(type, service.type) ||
		    !is_wanted(host, service.host) ||
		    !is_wanted(port, arena_printf(event->arena, "%u", service.port)))
			continue;
		add_service(event, parent, &service);
		count++;
	}
	return count;
}

static enum verdict
on_services(struct event *event, void *state)
{
	const char *type = xml_attr(event->payload, "type");
	struct xml *result = event_result(event);
	struct xml *services = xml_add(event->arena, result, "services", NS_EXTDISCO);

	(void)state;
	if (event->sender == NULL)
		return event_reject(event, STANZA_FORBIDDEN, NULL);
	xml_set(event->arena, services, "type", type);
	add_services(event, services, type, NULL, NULL);
	event_reply(event, result);
	return HANDLED;
}

static enum verdict
on_credentials(struct event *event, void *state)
{
	const struct xml *asked = xml_find(event->payload, "service", NS_EXTDISCO);
	struct xml *result = event_result(event);
	struct xml *credentials = xml_add(event->arena, result, "credentials", NS_EXTDISCO);

	(void)state;
	if (event->sender == NULL)
		return event_reject(event, STANZA_FORBIDDEN, NULL);
	if (asked == NULL || xml_attr(asked, "host") == NULL || xml_attr(asked, "type") == NULL)
		return event_reject(event, STANZA_BAD_REQUEST, NULL);
	if (add_services(event, credentials, xml_attr(asked, "type"), xml_attr(asked, "host"),
			 xml_attr(asked, "port")) == 0)
		return event_reject(event, STANZA_ITEM_NOT_FOUND, NULL);
	event_reply(event, result);
	return HANDLED;
}

/* Said only where there is one. */
static void
disco_more(void *state, struct arena *arena, struct xml *query)
{
	if (router_conf(state)->calls_services.count > 0)
		xml_set(arena, xml_add(arena, query, "feature", NULL), "var", NS_EXTDISCO);
}

static void *
init(struct router *router)
{
	return router;
}

static const struct iq_handler handlers[] = {
	{ "services", NS_EXTDISCO, ON_GET, TO_HOST | TO_SELF, on_services },
	{ "credentials", NS_EXTDISCO, ON_GET, TO_HOST | TO_SELF, on_credentials },
	{ 0 },
};

const struct feature feature_services = {
	.name = "services",
	.spec = "XEP-0215 1.0.0",
	.iq = handlers,
	.init = init,
	.disco_more = disco_more,
};
