/* cmd_help.h -- the texts of --help, derived from the table of verbs; with --json, the same as objects. */
#ifndef CLIENT_CMD_HELP_H
#define CLIENT_CMD_HELP_H

struct verb;

int help_verb(const struct verb *verb); /* NULL: all of them. Returns EX_OK */

#endif
