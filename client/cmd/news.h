/*
 * news.h -- what a person has to hear of, once: devices that a relay says came to someone they know, keys that
 * changed, a home that was put back from a copy (attacks O1, O2, O12).
 */
#ifndef CLIENT_CMD_NEWS_H
#define CLIENT_CMD_NEWS_H

struct app;

/* On stderr; with --json one object each (lazo-json(5)). Of the app's account. */
void news_tell(struct app *app);

#endif
