/*
 * notify.h -- tells the service manager how we are (sd_notify(3)'s protocol, without its library). Does nothing where there is none.
 */
#ifndef RELAY_NOTIFY_H
#define RELAY_NOTIFY_H

#include <stdint.h>

/* state: "READY=1", "STOPPING=1", "WATCHDOG=1"; several with line ends between. */
void notify(const char *state);
/* Reading the configuration again; READY=1 says that it is over. */
void notify_reloading(void);
/* How often it wants to hear WATCHDOG=1 from this process, in ms; 0: never. */
int64_t notify_watchdog(void);

#endif
