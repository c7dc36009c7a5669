/*
 * link_register.h -- make an account on an encrypted stream before login: in-band registration (XEP-0077 2.4 section 3.1), with
 * an invitation's token first where there is one (XEP-0445 0.2.0 section 4).
 */
#ifndef CLIENT_LINK_REGISTER_H
#define CLIENT_LINK_REGISTER_H

#include <stdbool.h>
#include <stdint.h>
#include "client/fault.h"

struct link;

/* `token` NULL: open registration. False: the trouble says why. */
bool register_account(struct link *link, const char *domain, const char *user, const char *password,
    const char *token, int64_t deadline, struct trouble *trouble);

#endif
