/* Render: for each frame n, hand frames n - back .. n + ahead to Python, take a sharp frame and a middle one.
 *
 * Python is called for one pair at a time (fmParallelRequests): a network has one turn, and requests that come in order
 * stay nearly in order, which the renderer's memory lives on. The source is read ahead meanwhile.
 *
 * Caches are of fixed size, so memory does not grow with seeking. Requests for the two frames of a pair, and for the
 * pairs that share a frame, follow each other closely; what threads do out of order is a matter of a few frames.
 */
#include <stdlib.h>

#include "alanet.h"

#define HASTE 8       /* frames that threads may be ahead of each other */
#define FARTHEST 1024 /* frames on either side; a request for more would be a mistake */

typedef struct {
    VSNode *source;
    VSFunction *make;
    int back, ahead, last;
} Render;

static const VSFrame *carry(const VSFrame *sharp, const VSFrame *middle, VSCore *core, const VSAPI *vsapi) {
    VSFrame *both = vsapi->copyFrame(sharp, core);
    vsapi->freeFrame(sharp);
    vsapi->mapConsumeFrame(vsapi->getFramePropertiesRW(both), ALANET_MIDDLE, middle, maReplace);
    return both;
}

static const VSFrame *make(const Render *d, int n, VSFrameContext *context, VSCore *core, const VSAPI *vsapi) {
    VSMap *question = vsapi->createMap(), *answer = vsapi->createMap();
    int first = VSMAX(n - d->back, 0), end = VSMIN(d->last - n, d->ahead) + n;
    vsapi->mapSetInt(question, "n", n, maReplace);
    vsapi->mapSetInt(question, "first", first, maReplace);
    for (int k = first; k <= end; k++)
        vsapi->mapConsumeFrame(question, "f", vsapi->getFrameFilter(k, d->source, context), maAppend);
    vsapi->callFunction(d->make, question, answer);
    vsapi->freeMap(question);

    char line[ALANET_LINE];
    const VSFrame *result = NULL;
    if (alanet_refused(answer, line, core, vsapi)) {
        vsapi->setFilterError(line, context);
    } else {
        int absent;
        result = vsapi->mapGetFrame(answer, "sharp", 0, &absent);
        const VSFrame *middle = vsapi->mapGetFrame(answer, "middle", 0, &absent);
        if (result && middle)
            result = carry(result, middle, core, vsapi);
        else if (!result)
            vsapi->setFilterError("alanet: Render must be given a function that answers with frames", context);
    }
    vsapi->freeMap(answer);
    return result;
}

static const VSFrame *VS_CC get_frame(int n, int reason, void *instance, void **frame_data, VSFrameContext *context,
                                      VSCore *core, const VSAPI *vsapi) {
    (void)frame_data;
    const Render *d = instance;
    if (reason == arInitial) {
        for (int k = VSMAX(n - d->back, 0); k <= VSMIN(d->last - n, d->ahead) + n; k++)
            vsapi->requestFrameFilter(k, d->source, context);
        return NULL;
    }
    return reason == arAllFramesReady ? make(d, n, context, core, vsapi) : NULL;
}

static const char REFUSED[] = "alanet: VapourSynth must make a filter of it, got a refusal; see its log";

static void VS_CC free_render(void *instance, VSCore *core, const VSAPI *vsapi) {
    (void)core;
    Render *d = instance;
    vsapi->freeNode(d->source);
    vsapi->freeFunction(d->make);
    free(d);
}

void VS_CC alanet_render(const VSMap *in, VSMap *out, void *user, VSCore *core, const VSAPI *vsapi) {
    (void)user;
    int64_t back = vsapi->mapGetInt(in, "back", 0, NULL), ahead = vsapi->mapGetInt(in, "ahead", 0, NULL);
    if (back < 0 || ahead < 0 || back > FARTHEST || ahead > FARTHEST) {
        vsapi->mapSetError(out, "alanet: back and ahead must be between 0 and 1024, got others; call Enhance instead");
        return;
    }
    Render *d = calloc(1, sizeof *d);
    if (!d) {
        vsapi->mapSetError(out, "alanet: memory must suffice for a filter, got none; close other programs");
        return;
    }
    d->back = (int)back;
    d->ahead = (int)ahead;
    d->source = alanet_keep(vsapi->mapGetNode(in, "clip", 0, NULL), d->back + 1 + d->ahead + HASTE, core, vsapi);
    if (!d->source) {
        vsapi->mapSetError(out, REFUSED);
        free(d);
        return;
    }
    d->make = vsapi->mapGetFunction(in, "make", 0, NULL);
    const VSVideoInfo *info = vsapi->getVideoInfo(d->source);
    d->last = info->numFrames - 1;
    VSFilterDependency source = {d->source, rpGeneral};
    VSNode *node = vsapi->createVideoFilter2("Enhance", info, get_frame, free_render, fmParallelRequests, &source, 1,
                                             d, core);
    if (node && vsapi->mapGetInt(in, "split", 0, NULL)) {
        vsapi->setCacheOptions(node, 1, HASTE, 0);
        node = alanet_split(node, d->source, d->ahead, core, vsapi);
    }
    if (node)
        vsapi->mapConsumeNode(out, "clip", node, maReplace);
    else
        vsapi->mapSetError(out, REFUSED);
}
