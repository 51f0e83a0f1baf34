/* Threads that work on one thing together: each does its share, and all wait for each other between the stages. */
#ifndef ALANET_TEAM_H
#define ALANET_TEAM_H

typedef struct Team Team;

/* What each thread runs; `member` counts from 0, and is below team_size(team). */
typedef void TeamWork(Team *team, int member, void *job);

/* Run `work` on up to so many threads, the caller's among them, and return when all are done. A thread that the system
 * does not give is done without: the team is smaller then. */
void team_run(int threads, TeamWork *work, void *job);

int team_size(const Team *team);

/* Wait until all members have come here; what they wrote before can be read afterwards. */
void team_wait(Team *team);

/* The share of a member: pieces *begin ... *end - 1 of so many. */
void team_share(const Team *team, int member, long pieces, long *begin, long *end);

/* What is done with one row; rows do not depend on each other. */
typedef void TeamRow(const void *job, int y);

enum { SMALL = 64 * 64 }; /* pixels that are not worth another thread */

/* `row` for first ... last - 1, which have so many pixels together. */
void team_rows(int threads, int first, int last, long pixels, TeamRow *row, const void *job);

#endif
