/*
 * ctl/check.h -- what the parts of `lazoctl check` share: findings.
 */
#ifndef RELAY_CTL_CHECK_H
#define RELAY_CTL_CHECK_H

#include <stdbool.h>

#include "relay/ctl/ctl.h"

enum level { FINE, WARNING, WRONG };

struct checking {
	struct ctl *ctl;
	enum level worst;
	bool running; /* the relay answers */
};

/* One finding, printed at once; the text is copied. */
void check_find(struct checking *checking, enum level level, const char *about, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

void check_certificate(struct checking *checking);
void check_ports(struct checking *checking);
void check_dns(struct checking *checking);
void check_data(struct checking *checking); /* disk and permissions */
void check_clock(struct checking *checking);

#endif
