#include "team.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>

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

/* The threads of PyTorch, where they are those of GNU OpenMP. After a convolution they wait for more work for a while
 * without sleeping; threads of our own would share the processors with that. */
static struct {
    void (*parallel)(void (*work)(void *), void *data, unsigned threads, unsigned flags);
    void (*barrier)(void);
    int (*number)(void);
    int (*size)(void);
    int found;
} pool;

static pthread_once_t looked = PTHREAD_ONCE_INIT;

static void look_for_pool(void) {
#ifdef __linux__
    *(void **)&pool.parallel = dlsym(RTLD_DEFAULT, "GOMP_parallel");
    *(void **)&pool.barrier = dlsym(RTLD_DEFAULT, "GOMP_barrier");
    *(void **)&pool.number = dlsym(RTLD_DEFAULT, "omp_get_thread_num");
    *(void **)&pool.size = dlsym(RTLD_DEFAULT, "omp_get_num_threads");
    pool.found = pool.parallel && pool.barrier && pool.number && pool.size;
#endif
}

static void join_pool(void *argument) {
    Team *team = argument;
    int size = pool.size();
    if (pool.number() == 0)
        team->size = size;
    if (size > 1)
        pool.barrier(); /* the size can be read by all */
    team->work(team, pool.number(), team->job);
}

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

static void run_on_own_threads(Team *team, int threads) {
    pthread_t others[MOST];
    Member members[MOST];
    int size = 1;
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->changed, NULL);
    for (; size < threads; size++) {
        members[size] = (Member){team, size};
        if (pthread_create(&others[size], NULL, join_in, &members[size]) != 0)
            break;
    }
    pthread_mutex_lock(&team->lock);
    team->size = size;
    pthread_cond_broadcast(&team->changed);
    pthread_mutex_unlock(&team->lock);
    team->work(team, 0, team->job);
    for (int i = 1; i < size; i++)
        pthread_join(others[i], NULL);
    pthread_cond_destroy(&team->changed);
    pthread_mutex_destroy(&team->lock);
}

void team_run(int threads, TeamWork *work, void *job) {
    Team team = {.work = work, .job = job};
    pthread_once(&looked, look_for_pool);
    threads = threads < MOST ? threads : MOST;
    if (threads < 2) {
        team.size = 1;
        work(&team, 0, job);
    } else if (pool.found) {
        pool.parallel(join_pool, &team, (unsigned)threads, 0);
    } else {
        run_on_own_threads(&team, threads);
    }
}

int team_size(const Team *team) { return team->size; }

void team_wait(Team *team) {
    if (team->size == 1)
        return;
    if (pool.found) {
        pool.barrier();
        return;
    }
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

typedef struct {
    TeamRow *row;
    const void *job;
    int first, last;
} Rows;

static void share_rows(Team *team, int member, void *argument) {
    const Rows *rows = argument;
    long begin, end;
    team_share(team, member, rows->last - rows->first, &begin, &end);
    for (long y = begin; y < end; y++)
        rows->row(rows->job, rows->first + (int)y);
}

void team_rows(int threads, int first, int last, long pixels, TeamRow *row, const void *job) {
    Rows rows = {row, job, first, last};
    long worth = pixels / SMALL;
    team_run(threads < worth ? threads : (int)worth, share_rows, &rows);
}
