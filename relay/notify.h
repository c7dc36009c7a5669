/*
 * notify.h -- tells the service manager how we are (sd_notify(3)'s protocol, without its library).
 */
#ifndef RELAY_NOTIFY_H
#define RELAY_NOTIFY_H

/* state: "READY=1", "STOPPING=1". Does nothing when NOTIFY_SOCKET is not set. */
void notify(const char *state);

#endif
