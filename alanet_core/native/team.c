#include "team.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "targets.h"

enum {
    MOST = 64,   /* threads; beyond, waiting for each other costs more than they do */
    PARTS = 8,   /* in which a share is taken */
    TURNS = 2000 /* of waiting awake, some tens of microseconds: to be woken takes as long */
};

/* Stages count from 0. A counter holds the stage that it is of, above its lower half, and what has been counted in it:
 * it begins anew with whoever first counts for a later stage. */
typedef uint64_t Counter;

struct Team {
    TeamWork *work;
    void *job;
    int size;
    Counter taken[MOST]; /* pieces of each member's share */
    Counter done;        /* pieces */
    int sleeping;        /* members that wait for the end of a stage, or have waited */
    pthread_mutex_t lock;
    pthread_cond_t ended;
    struct {
        Counter stage;
        long pieces; /* of the stage */
        long hand;   /* pieces that are taken and not done */
    } of[MOST];
    /* What follows is the crew's. */
    int joined, inside;
    pthread_cond_t left;
    Team *next;
};

/* Threads that help whichever team has room; they stay, and sleep where there is nothing to do. PyTorch's own would do
 * but for its barriers: with one processor taken by another program, all wait for a thread that has nothing to do. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t called;
    Team *open;  /* teams that more may join */
    int calls;   /* how often there was something new for helpers; it may wrap */
    int threads; /* that were started */
    int helping; /* of these, in a team */
    int sides;   /* threads that each work on something of their own and need no help, but when fewer are left */
} crew = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0, 0, 0, 0};

static void rest(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* --- Stages. --- */

static Counter stage_of(Counter c) { return c >> 32; }

static long count_of(Counter c, Counter stage) { return stage_of(c) == stage ? (long)(uint32_t)c : 0; }

static int is_over(const Team *team, int member) {
    Counter done = __atomic_load_n(&team->done, __ATOMIC_SEQ_CST), stage = team->of[member].stage;
    return stage_of(done) > stage || count_of(done, stage) == team->of[member].pieces;
}

/* What a member has in hand is done. */
static void finish(Team *team, int member) {
    Counter stage = team->of[member].stage, old = __atomic_load_n(&team->done, __ATOMIC_RELAXED), new;
    if (team->of[member].hand == 0)
        return;
    do
        new = stage << 32 | (Counter)(count_of(old, stage) + team->of[member].hand);
    while (!__atomic_compare_exchange_n(&team->done, &old, new, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    team->of[member].hand = 0;
    if (count_of(new, stage) == team->of[member].pieces && __atomic_load_n(&team->sleeping, __ATOMIC_SEQ_CST)) {
        pthread_mutex_lock(&team->lock);
        pthread_cond_broadcast(&team->ended);
        pthread_mutex_unlock(&team->lock);
    }
}

int team_take(Team *team, int member, long pieces, long *begin, long *end) {
    Counter stage = team->of[member].stage;
    finish(team, member);
    team->of[member].pieces = pieces;
    for (int k = 0; k < team->size; k++) {
        int owner = (member + k) % team->size;
        long first, last;
        team_share(team, owner, pieces, &first, &last);
        long step = (last - first + PARTS - 1) / PARTS;
        Counter old = __atomic_load_n(&team->taken[owner], __ATOMIC_RELAXED), new;
        do {
            if (stage_of(old) > stage) /* the others are further */
                return 0;
            *begin = first + count_of(old, stage);
            new = stage << 32 | (Counter)(count_of(old, stage) + step);
        } while (*begin < last &&
                 !__atomic_compare_exchange_n(&team->taken[owner], &old, new, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
        if (*begin < last) {
            *end = *begin + step < last ? *begin + step : last;
            team->of[member].hand = *end - *begin;
            return 1;
        }
    }
    return 0;
}

void team_wait(Team *team, int member) {
    for (int turn = 0; turn < TURNS && !is_over(team, member); turn++)
        rest();
    if (!is_over(team, member)) {
        pthread_mutex_lock(&team->lock);
        __atomic_add_fetch(&team->sleeping, 1, __ATOMIC_SEQ_CST);
        while (!is_over(team, member))
            pthread_cond_wait(&team->ended, &team->lock);
        pthread_mutex_unlock(&team->lock);
    }
    team->of[member].stage++;
    team->of[member].pieces = 0;
}

int team_size(const Team *team) { return team->size; }

void team_share(const Team *team, int member, long pieces, long *begin, long *end) {
    *begin = pieces * member / team->size;
    *end = pieces * (member + 1) / team->size;
}

/* --- The crew. --- */

/* With the crew's lock. Sides and those who help them are no more than a team may have. */
static int has_room(const Team *team) {
    return team->joined < team->size && (crew.sides == 0 || crew.sides + crew.helping < team->size);
}

/* A team that has room, or NULL; with the crew's lock. */
static Team *with_room(void) {
    Team *team = crew.open;
    while (team && !has_room(team))
        team = team->next;
    return team;
}

static void *help(void *unused) {
    pthread_mutex_lock(&crew.lock);
    for (;;) {
        Team *team = with_room();
        if (!team) {
            int calls = crew.calls;
            pthread_mutex_unlock(&crew.lock);
            for (int turn = 0; turn < TURNS && calls == __atomic_load_n(&crew.calls, __ATOMIC_RELAXED); turn++)
                rest();
            pthread_mutex_lock(&crew.lock);
            while (!with_room())
                pthread_cond_wait(&crew.called, &crew.lock);
            continue;
        }
        int member = team->joined++;
        team->inside++;
        crew.helping++;
        pthread_mutex_unlock(&crew.lock);
        team->work(team, member, team->job);
        finish(team, member);
        pthread_mutex_lock(&crew.lock);
        crew.helping--;
        if (--team->inside == 0)
            pthread_cond_signal(&team->left);
    }
    return unused;
}

/* In a child that a fork has made, none of its parent's threads run. */
static void begin_anew(void) {
    pthread_mutex_init(&crew.lock, NULL);
    pthread_cond_init(&crew.called, NULL);
    crew.open = NULL;
    crew.threads = crew.helping = crew.sides = 0;
}

static pthread_once_t watched = PTHREAD_ONCE_INIT;

static void watch_forks(void) { pthread_atfork(NULL, NULL, begin_anew); }

/* Start what is lacking of so many helpers; one that the system does not give is done without. With the crew's lock. */
static void hire(int helpers) {
    pthread_attr_t attributes;
    pthread_t thread;
    if (crew.threads >= helpers)
        return;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    while (crew.threads < helpers && pthread_create(&thread, &attributes, help, NULL) == 0)
        crew.threads++;
    pthread_attr_destroy(&attributes);
}

/* With the crew's lock. */
static void call(int helpers) {
    __atomic_add_fetch(&crew.calls, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < helpers; i++)
        pthread_cond_signal(&crew.called);
}

static void open_to_all(Team *team) {
    pthread_mutex_lock(&crew.lock);
    hire(team->size - 1);
    team->next = crew.open;
    crew.open = team;
    if (has_room(team))
        call(team->size - 1);
    pthread_mutex_unlock(&crew.lock);
}

/* So many sides more or fewer; how many there are then. */
EXPORTED int alanet_sides(int change) {
    pthread_mutex_lock(&crew.lock);
    int sides = crew.sides + change; /* a side of a parent may end in its child */
    crew.sides = sides = sides > 0 ? sides : 0;
    if (with_room())
        call(1);
    pthread_mutex_unlock(&crew.lock);
    return sides;
}

static void close_to_all(Team *team) {
    pthread_mutex_lock(&crew.lock);
    Team **at = &crew.open;
    while (*at != team)
        at = &(*at)->next;
    *at = team->next;
    while (team->inside > 0)
        pthread_cond_wait(&team->left, &crew.lock);
    pthread_mutex_unlock(&crew.lock);
}

void team_run(int threads, TeamWork *work, void *job) {
    Team team = {.work = work, .job = job, .size = threads < 1 ? 1 : threads < MOST ? threads : MOST, .joined = 1};
    pthread_once(&watched, watch_forks);
    pthread_mutex_init(&team.lock, NULL);
    pthread_cond_init(&team.ended, NULL);
    pthread_cond_init(&team.left, NULL);
    if (team.size > 1)
        open_to_all(&team);
    work(&team, 0, job);
    team_wait(&team, 0);
    if (team.size > 1)
        close_to_all(&team);
    pthread_cond_destroy(&team.left);
    pthread_cond_destroy(&team.ended);
    pthread_mutex_destroy(&team.lock);
}

typedef struct {
    TeamRow *row;
    const void *job;
    int first, last;
} Rows;

static void share_rows(Team *team, int member, void *argument) {
    const Rows *rows = argument;
    long begin, end;
    while (team_take(team, member, rows->last - rows->first, &begin, &end))
        for (long y = begin; y < end; y++)
            rows->row(rows->job, rows->first + (int)y);
}

void team_rows(int threads, int first, int last, long pixels, TeamRow *row, const void *job) {
    Rows rows = {row, job, first, last};
    long worth = pixels / SMALL;
    team_run(threads < worth ? threads : (int)worth, share_rows, &rows);
}
