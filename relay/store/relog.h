/*
 * store/relog.h -- the write-ahead log, written once more over itself and synced, before anything relies on
 * it.
 *
 * Why: when a sync fails the relay ends (db.c), and the system takes the pages that did not reach the disk
 * for clean. Started again, the relay reads them as if they were there, and a checkpoint syncs the log
 * (nothing is dirty, so nothing is done) and then copies it into the file. Power that goes in the middle of
 * that finds half a checkpoint in the file and no log to finish it from: a damaged database. Written again,
 * the pages are dirty again.
 */
#ifndef RELAY_STORE_RELOG_H
#define RELAY_STORE_RELOG_H

struct sqlite3;

/* An SQLite result code. Takes the write lock meanwhile, since tools write to the same log. */
int relog(struct sqlite3 *handle);

#endif
