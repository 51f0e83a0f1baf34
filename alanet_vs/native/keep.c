/* Keep: the clip as it is, and a cache of fixed size.
 *
 * Neighbouring pairs share their frames, so something must hold on to them for a moment. Left alone, VapourSynth caches
 * the source, and with every seek it learns to cache more of it, up to the whole core.max_cache_size; this node stands
 * between, needs no cache below it, and never holds more than it was told to.
 */
#include <stdlib.h>

#include "alanet.h"

static const VSFrame *VS_CC get_frame(int n, int reason, void *source, void **frame_data, VSFrameContext *context,
                                      VSCore *core, const VSAPI *vsapi) {
    (void)frame_data, (void)core;
    if (reason == arInitial)
        vsapi->requestFrameFilter(n, source, context);
    return reason == arAllFramesReady ? vsapi->getFrameFilter(n, source, context) : NULL;
}

static void VS_CC free_keep(void *source, VSCore *core, const VSAPI *vsapi) {
    (void)core;
    vsapi->freeNode(source);
}

VSNode *alanet_keep(VSNode *source, int frames, VSCore *core, const VSAPI *vsapi) {
    VSFilterDependency dependency = {source, rpStrictSpatial};
    VSNode *node = vsapi->createVideoFilter2("EnhanceKeep", vsapi->getVideoInfo(source), get_frame, free_keep,
                                             fmParallel, &dependency, 1, source, core);
    if (node)
        vsapi->setCacheOptions(node, 1, frames, 0);
    return node;
}
