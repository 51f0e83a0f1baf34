/* Split: a clip of pairs as frames, frame 2n the sharp one and frame 2n + 1 the middle that it carries.
 *
 * Two frames of the result are one request to the pairs' node, whose cache VapourSynth keeps; none is kept here.
 */
#include <stdlib.h>

#include "alanet.h"

typedef struct {
    VSNode *pairs;
} Split;

static const VSFrame *VS_CC get_frame(int n, int reason, void *instance, void **frame_data, VSFrameContext *context,
                                      VSCore *core, const VSAPI *vsapi) {
    (void)frame_data;
    const Split *d = instance;
    if (reason == arInitial)
        vsapi->requestFrameFilter(n / 2, d->pairs, context);
    if (reason != arAllFramesReady)
        return NULL;
    const VSFrame *pair = vsapi->getFrameFilter(n / 2, d->pairs, context);
    const VSFrame *result;
    if (n % 2) {
        int absent;
        result = vsapi->mapGetFrame(vsapi->getFramePropertiesRO(pair), ALANET_MIDDLE, 0, &absent);
        if (!result)
            vsapi->setFilterError("alanet: the pair must carry a middle frame, got none", context);
    } else {
        VSFrame *sharp = vsapi->copyFrame(pair, core);
        vsapi->mapDeleteKey(vsapi->getFramePropertiesRW(sharp), ALANET_MIDDLE);
        result = sharp;
    }
    vsapi->freeFrame(pair);
    return result;
}

static void VS_CC free_split(void *instance, VSCore *core, const VSAPI *vsapi) {
    (void)core;
    Split *d = instance;
    vsapi->freeNode(d->pairs);
    free(d);
}

VSNode *alanet_split(VSNode *pairs, VSCore *core, const VSAPI *vsapi) {
    Split *d = calloc(1, sizeof *d);
    if (!d) {
        vsapi->freeNode(pairs);
        return NULL;
    }
    d->pairs = pairs;
    VSVideoInfo info = *vsapi->getVideoInfo(pairs);
    info.numFrames *= 2; /* alanet_vs.filter has refused what would overflow */
    vsh_muldivRational(&info.fpsNum, &info.fpsDen, 2, 1); /* leaves an unknown rate (0/0) alone */
    VSFilterDependency source = {pairs, rpGeneral};
    return vsapi->createVideoFilter2("EnhanceSplit", &info, get_frame, free_split, fmParallel, &source, 1, d, core);
}
