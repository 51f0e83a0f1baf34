/* Threads that work on one thing together, stage by stage; none waits for another that has nothing in hand. */
#ifndef ALANET_TEAM_H
#define ALANET_TEAM_H

typedef struct Team Team;

/* What each thread runs; `member` counts from 0, and is below team_size(team). A member may come late, or never: what
 * is done must be taken with team_take. */
typedef void TeamWork(Team *team, int member, void *job);

/* Run `work` on up to so many threads, the caller's among them, and return when all is done and all have left. */
void team_run(int threads, TeamWork *work, void *job);

/* How many members there may be. */
int team_size(const Team *team);

/* Some pieces of the stage's work, *begin ... *end - 1 of so many: of the member's own share, and when nothing is left
 * of that, of another's, which another program may have kept from coming. 0 when all are taken. What was taken before
 * is done by now. */
int team_take(Team *team, int member, long pieces, long *begin, long *end);

/* Wait until all pieces of the stage are done; what was written for them can be read afterwards. Once all are taken. */
void team_wait(Team *team, int member);

/* The share of a member: pieces *begin ... *end - 1 of so many. */
void team_share(const Team *team, int member, long pieces, long *begin, long *end);

/* What is done with one row; rows do not depend on each other. */
typedef void TeamRow(const void *job, int y);

enum { SMALL = 64 * 64 }; /* pixels that are not worth another thread */

/* `row` for first ... last - 1, which have so many pixels together. */
void team_rows(int threads, int first, int last, long pixels, TeamRow *row, const void *job);

#endif
