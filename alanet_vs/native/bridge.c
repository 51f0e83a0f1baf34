/* From core.alanet.Enhance to alanet_vs.enhance.
 *
 * A namespace needs a native plug-in, and the plug-in needs a Python function as a VSFunction, which only
 * VapourSynth's own Python module can make. So each call runs one line of Python, which calls Bind back on the same
 * thread with the function; it is called and let go again. Nothing is kept between calls: there is nothing to lock,
 * to free with the core, or to confuse between cores.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "alanet.h"

/* A call that waits for Bind; it lives on the stack of the thread that made it. */
typedef struct {
    VSCore *core;
    VSFunction *function;
    char error[ALANET_LINE];
} Call;

static _Thread_local Call *waiting;

/* exec with a dictionary of its own leaves no names in the user's __main__. %s: the function in alanet_vs.plugin. */
static const char INTRODUCE[] =
    "exec('''\n"
    "try:\n"
    "    from alanet_vs import plugin\n"
    "    plugin.bind('%s', '" ALANET_VERSION "')\n"
    "except Exception as error:\n"
    "    import sys, traceback, vapoursynth\n"
    "    found = f'{sys.prefix} ({type(error).__name__}: {error})'\n"
    "    vapoursynth.core.alanet.Bind(error='alanet: Python must be one with a working alanet_vs, got ' + found\n"
    "        + '; type: python -m pip install --force-reinstall alanet', trace=traceback.format_exc())\n"
    "''', {})\n";

static void *python(const char *name) { return dlsym(RTLD_DEFAULT, name); }

static int introduce(const char *function) {
    int (*is_initialized)(void);
    int (*ensure)(void);
    void (*release)(int);
    int (*run)(const char *);
    /* ISO C knows no cast from void * to a function; POSIX promises that the bits are the same. */
    *(void **)&is_initialized = python("Py_IsInitialized");
    *(void **)&ensure = python("PyGILState_Ensure");
    *(void **)&release = python("PyGILState_Release");
    *(void **)&run = python("PyRun_SimpleString");
    if (!is_initialized || !ensure || !release || !run || !is_initialized())
        return 0;
    char code[sizeof INTRODUCE + 64];
    snprintf(code, sizeof code, INTRODUCE, function);
    int state = ensure();
    run(code);
    release(state);
    return 1;
}

void VS_CC alanet_bind(const VSMap *in, VSMap *out, void *user, VSCore *core, const VSAPI *vsapi) {
    (void)user;
    if (!waiting || waiting->core != core) {
        vsapi->mapSetError(out, "alanet: Bind must be called by alanet itself, got another caller; call Enhance");
        return;
    }
    int absent;
    const char *error = vsapi->mapGetData(in, "error", 0, &absent);
    if (!absent) {
        snprintf(waiting->error, sizeof waiting->error, "%s", error);
        const char *trace = vsapi->mapGetData(in, "trace", 0, &absent);
        if (!absent)
            vsapi->logMessage(mtDebug, trace, core);
        return;
    }
    VSFunction *function = vsapi->mapGetFunction(in, "func", 0, &absent);
    if (waiting->function)
        vsapi->freeFunction(waiting->function);
    waiting->function = function;
}

void VS_CC alanet_ask_python(const VSMap *in, VSMap *out, void *user, VSCore *core, const VSAPI *vsapi) {
    Call call = {.core = core};
    Call *outer = waiting;
    waiting = &call;
    int reached = introduce(user);
    waiting = outer;
    if (!reached) {
        vsapi->mapSetError(out, "alanet: the program must run VapourSynth from Python, got a process without Python; "
                                "use vspipe, or a player that reads .vpy scripts");
        return;
    }
    if (!call.function) {
        vsapi->mapSetError(out, call.error[0] ? call.error
                                              : "alanet: the clip must belong to a Python script of this process, got "
                                                "a core of its own; call Enhance from a .vpy script");
        return;
    }
    char line[ALANET_LINE];
    VSMap *answer = vsapi->createMap();
    vsapi->callFunction(call.function, in, answer);
    vsapi->freeFunction(call.function);
    if (alanet_refused(answer, line, core, vsapi))
        vsapi->mapSetError(out, line);
    else
        vsapi->copyMap(answer, out);
    vsapi->freeMap(answer);
}
