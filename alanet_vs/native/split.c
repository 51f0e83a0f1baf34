/* Split: a clip of pairs as frames, frame 2n the sharp one and frame 2n + 1 the middle that it carries.
 *
 * Two frames of the result are one request to the pairs' node, whose cache VapourSynth keeps; none is kept here. Who asks
 * for a middle will ask for the next pair: the frame of the source that this one needs and pair n does not is read
 * meanwhile, and stays in the source's cache.
 */
#include <stdlib.h>

#include "alanet.h"

typedef struct {
    VSNode *pairs, *source;
    int ahead, last;
} Split;

static const VSFrame *VS_CC get_frame(int n, int reason, void *instance, void **frame_data, VSFrameContext *context,
                                      VSCore *core, const VSAPI *vsapi) {
    (void)frame_data;
    const Split *d = instance;
    int next = n / 2 + d->ahead + 1, reads = n % 2 && next <= d->last;
    if (reason == arInitial) {
        vsapi->requestFrameFilter(n / 2, d->pairs, context);
        if (reads)
            vsapi->requestFrameFilter(next, d->source, context);
    }
    if (reason != arAllFramesReady)
        return NULL;
    if (reads)
        vsapi->freeFrame(vsapi->getFrameFilter(next, d->source, context));
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
    vsapi->freeNode(d->source);
    free(d);
}

VSNode *alanet_split(VSNode *pairs, VSNode *source, int ahead, VSCore *core, const VSAPI *vsapi) {
    Split *d = calloc(1, sizeof *d);
    if (!d) {
        vsapi->freeNode(pairs);
        return NULL;
    }
    d->pairs = pairs;
    d->source = vsapi->addNodeRef(source);
    d->ahead = ahead;
    d->last = vsapi->getVideoInfo(source)->numFrames - 1;
    VSVideoInfo info = *vsapi->getVideoInfo(pairs);
    info.numFrames *= 2; /* alanet_vs.filter has refused what would overflow */
    vsh_muldivRational(&info.fpsNum, &info.fpsDen, 2, 1); /* leaves an unknown rate (0/0) alone */
    VSFilterDependency both[] = {{pairs, rpGeneral}, {source, rpGeneral}};
    return vsapi->createVideoFilter2("EnhanceSplit", &info, get_frame, free_split, fmParallel, both, 2, d, core);
}
