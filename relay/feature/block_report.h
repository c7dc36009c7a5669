/*
 * feature/block_report.h -- why an address was blocked, for the operator (XEP-0377 0.4.1). See lazoctl
 * report.
 */
#ifndef RELAY_FEATURE_BLOCK_REPORT_H
#define RELAY_FEATURE_BLOCK_REPORT_H

#include <stdbool.h>

struct event;
struct xml;

/* Of an <item/> of <block/>: it has no report, or one with a reason. */
bool block_report_valid(const struct xml *item);
/* Its report, if it has one, joins the event's transaction and the log. */
void block_report_keep(struct event *event, const struct xml *item, const char *jid);

#endif
