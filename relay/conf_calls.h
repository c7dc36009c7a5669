/*
 * conf_calls.h -- the section `calls` of lazod.conf(5): STUN and TURN services as URIs (RFC 7064, 7065), and
 * the secret shared with them.
 */
#ifndef RELAY_CONF_CALLS_H
#define RELAY_CONF_CALLS_H

#include <stdbool.h>

struct conf;

struct conf_service {
	char type[6];   /* stun, stuns, turn, turns */
	char host[256]; /* without brackets */
	unsigned port;
	const char *transport; /* udp or tcp; static */
};

/* scheme ":" host [":" port] ["?transport=udp|tcp"]. False: not one. */
bool conf_service_parse(const char *uri, struct conf_service *service_r);

/* Reads the file that calls.secret names, if any, into conf->calls_key (its first line). False: *error_r
 * (malloc'd). */
bool conf_calls_load(struct conf *conf, char **error_r);

#endif
