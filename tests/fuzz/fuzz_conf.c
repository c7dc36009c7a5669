/*
 * fuzz_conf.c -- any bytes as lazod.conf(5). Promises: it is read, or said to be wrong with the file's name and a line, and never both;
 * what was read has a host and keeps to its bounds.
 */
#include "config.h"

#include "fuzz.h"

#include <string.h>
#include "relay/conf.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *error = NULL;
	struct conf *conf;

	/* Other files would be looked for in the file system, and environment and time are not to decide. */
	if (size > 8192 || memmem(data, size, "include", 7) != NULL || memchr(data, '$', size) != NULL)
		return 0;
	conf = conf_parse("fuzz.conf", (const char *)data, size, &error);
	PROMISE((conf == NULL) == (error != NULL));
	if (conf == NULL)
		PROMISE(strncmp(error, "fuzz.conf", strlen("fuzz.conf")) == 0);
	else
		PROMISE(conf->host != NULL && conf->host[0] != '\0' && conf->hold > 0 && conf->retry_first > 0);
	free(error);
	conf_free(&conf);
	return 0;
}
