/* conf_calls.c -- services for calls: see conf_calls.h. */
#include "config.h"

#include "relay/conf_calls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/jid.h"
#include "proto/mem.h"
#include "relay/conf.h"

enum { SECRET_LEAST = 8, SECRET_MOST = 256 }; /* characters */

static const struct {
	const char *type, *transport;
	unsigned port;
} schemes[] = {
	{ "stun", "udp", 3478 },
	{ "stuns", "tcp", 5349 },
	{ "turn", "udp", 3478 },
	{ "turns", "tcp", 5349 },
};

static bool
read_port(const char *text, unsigned *port_r)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || port == 0 || port > 65535)
		return false;
	*port_r = (unsigned)port;
	return true;
}

/* "name", "192.0.2.1", "[2001:db8::1]", each with or without ":port". */
static bool
read_place(char *place, struct conf_service *service)
{
	char *host = place, *port, *end;

	if (*place == '[') {
		host = place + 1;
		end = strchr(host, ']');
		if (end == NULL || end == host ||
		    strspn(host, "0123456789abcdefABCDEF:.") != (size_t)(end - host))
			return false;
		*end = '\0';
		port = end[1] == ':' ? end + 2 : end[1] == '\0' ? NULL : place;
		if (port == place)
			return false;
	} else {
		port = strchr(place, ':');
		if (port != NULL)
			*port++ = '\0';
		if (!jid_domain_valid(host))
			return false;
	}
	snprintf(service->host, sizeof service->host, "%s", host);
	return strlen(host) < sizeof service->host && (port == NULL || read_port(port, &service->port));
}

static bool
read_rest(char *text, struct conf_service *service)
{
	char *query = strchr(text, '?');

	if (query != NULL) {
		*query++ = '\0';
		if (strcmp(query, "transport=udp") == 0)
			service->transport = "udp";
		else if (strcmp(query, "transport=tcp") == 0)
			service->transport = "tcp";
		else
			return false;
	}
	return read_place(text, service);
}

bool
conf_service_parse(const char *uri, struct conf_service *service_r)
{
	size_t scheme = strcspn(uri, ":");
	char *rest;
	bool ok;

	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		if (strlen(schemes[i].type) != scheme || strncmp(uri, schemes[i].type, scheme) != 0 ||
		    uri[scheme] == '\0')
			continue;
		*service_r =
		    (struct conf_service){ .port = schemes[i].port, .transport = schemes[i].transport };
		snprintf(service_r->type, sizeof service_r->type, "%s", schemes[i].type);
		rest = xstrdup(uri + scheme + 1);
		ok = read_rest(rest, service_r);
		free(rest);
		return ok;
	}
	return false;
}

static char *
check_file(const char *path, FILE *file)
{
	struct stat found;

	if (fstat(fileno(file), &found) != 0)
		return xasprintf("calls.secret %s: %s", path, strerror(errno));
	if ((found.st_mode & S_IRWXO) != 0)
		return xasprintf("calls.secret %s: others than its owner and group may use it; chmod o= it",
				 path);
	return NULL;
}

bool
conf_calls_load(struct conf *conf, char **error_r)
{
	const char *path = conf->calls_secret;
	char line[SECRET_MOST + 2] = "";
	FILE *file;

	if (*path == '\0')
		return true;
	file = fopen(path, "re");
	if (file == NULL) {
		*error_r = xasprintf("calls.secret %s: %s", path, strerror(errno));
		return false;
	}
	*error_r = check_file(path, file);
	if (*error_r == NULL && fgets(line, sizeof line, file) == NULL)
		line[0] = '\0';
	fclose(file);
	line[strcspn(line, "\r\n")] = '\0';
	if (*error_r == NULL && (strlen(line) < SECRET_LEAST || strlen(line) > SECRET_MOST))
		*error_r = xasprintf("calls.secret %s: its first line is the secret, of %d to %d characters",
				     path, SECRET_LEAST, SECRET_MOST);
	if (*error_r == NULL)
		conf->calls_key = xstrdup(line);
	cleanse(line, sizeof line);
	return *error_r == NULL;
}
