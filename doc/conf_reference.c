/* conf_reference.c -- prints the reference part of lazod.conf(5) from the table that the relay itself reads by. */
#include "config.h"

#include "relay/conf.h"

int
main(void)
{
	conf_print_reference(stdout);
	return ferror(stdout) != 0;
}
