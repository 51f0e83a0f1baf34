/* The VapourSynth plug-in behind core.alanet: three public and two private functions, no state of its own.
 *
 * The network is Python's (alanet_vs); what is done here is what Python cannot do: own a namespace, ask for exactly the
 * frames that a pair needs, and report an error in one line. Python is reached through the process (dlsym), never
 * linked, so one build serves every Python.
 *
 * Python answers each call with a map: what was asked for, or "error" (one line for the user) and "trace" (its
 * traceback, for the log).
 */
#ifndef ALANET_H
#define ALANET_H

#include "VSHelper4.h"
#include "VapourSynth4.h"

#define ALANET_LINE 1024 /* bytes of an error message, its final zero included; longer ones are cut */

/* bridge.c: Enhance and Models, and Bind, through which Python hands over the function that answers them.
 * `user` is the name of that function in alanet_vs.plugin. */
void VS_CC alanet_ask_python(const VSMap *in, VSMap *out, void *user, VSCore *core, const VSAPI *vsapi);
void VS_CC alanet_bind(const VSMap *in, VSMap *out, void *user, VSCore *core, const VSAPI *vsapi);

/* render.c: Render, the filter that calls Python once a pair. */
void VS_CC alanet_render(const VSMap *in, VSMap *out, void *user, VSCore *core, const VSAPI *vsapi);

/* keep.c: the same clip with a cache of so many frames, and no cache below. Takes over the reference to `source`; NULL on
 * failure. */
VSNode *alanet_keep(VSNode *source, int frames, VSCore *core, const VSAPI *vsapi);

/* split.c: the filter that lays pairs out as frames; pair n reads frames of the source up to n + ahead. Takes over the
 * reference to `pairs`, not that to `source`; NULL on failure. */
#define ALANET_MIDDLE "_AlanetMiddle" /* the property under which a sharp frame carries its middle */
VSNode *alanet_split(VSNode *pairs, VSNode *source, int ahead, VSCore *core, const VSAPI *vsapi);

/* answer.c: whether Python's answer is an error; if so its line is in `line`, and its traceback in the debug log. */
int alanet_refused(const VSMap *answer, char line[ALANET_LINE], VSCore *core, const VSAPI *vsapi);

#endif
