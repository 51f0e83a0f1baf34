#include "team.h"

#include <pthread.h>

enum { MOST = 64 }; /* threads; beyond, waiting for each other costs more than they do */

/* A barrier of our own, since macOS has no pthread_barrier_t. */
struct Team {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int size; /* 0 until it is known how many threads there are */
    int arrived;
    unsigned turn; /* how often all have come together; it may wrap */
    TeamWork *work;
    void *job;
};

typedef struct {
    Team *team;
    int number;
} Member;

static void *join_in(void *argument) {
    const Member *member = argument;
    Team *team = member->team;
    pthread_mutex_lock(&team->lock);
    while (team->size == 0)
        pthread_cond_wait(&team->changed, &team->lock);
    pthread_mutex_unlock(&team->lock);
    team->work(team, member->number, team->job);
    return NULL;
}

void team_run(int threads, TeamWork *work, void *job) {
    Team team = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .work = work, .job = job};
    pthread_t others[MOST];
    Member members[MOST];
    int size = 1;
    for (; size < threads && size < MOST; size++) {
        members[size] = (Member){&team, size};
        if (pthread_create(&others[size], NULL, join_in, &members[size]) != 0)
            break;
    }
    pthread_mutex_lock(&team.lock);
    team.size = size;
    pthread_cond_broadcast(&team.changed);
    pthread_mutex_unlock(&team.lock);
    work(&team, 0, job);
    for (int i = 1; i < size; i++)
        pthread_join(others[i], NULL);
    pthread_cond_destroy(&team.changed);
    pthread_mutex_destroy(&team.lock);
}

int team_size(const Team *team) { return team->size; }

void team_wait(Team *team) {
    pthread_mutex_lock(&team->lock);
    unsigned turn = team->turn;
    if (++team->arrived == team->size) {
        team->arrived = 0;
        team->turn++;
        pthread_cond_broadcast(&team->changed);
    } else {
        while (turn == team->turn)
            pthread_cond_wait(&team->changed, &team->lock);
    }
    pthread_mutex_unlock(&team->lock);
}

void team_share(const Team *team, int member, long pieces, long *begin, long *end) {
    *begin = pieces * member / team->size;
    *end = pieces * (member + 1) / team->size;
}
