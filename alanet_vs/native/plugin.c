/* The plug-in's entry point: core.alanet and its functions. */
#include <string.h>

#include "alanet.h"

static const char SIGNATURE[] =
    "clip:vnode;model:data:opt;mode:data:opt;device:data:opt;precision:data:opt;scene_threshold:float:opt;"
    "scene_mode:data:opt;tile:int:opt;matrix:data:opt;window:int:opt;overlap:int:opt;allow_untrained:int:opt;";

static void VS_CC version(const VSMap *in, VSMap *out, void *user, VSCore *core, const VSAPI *vsapi) {
    (void)in, (void)user, (void)core;
    vsapi->mapSetData(out, "version", ALANET_VERSION, -1, dtUtf8, maReplace);
}

VS_EXTERNAL_API(void) VapourSynthPluginInit2(VSPlugin *plugin, const VSPLUGINAPI *vspapi) {
    static char enhance[] = "enhance", models[] = "models"; /* names in alanet_vs.plugin */
    vspapi->configPlugin("org.alanet.enhance", "alanet", "ALANET: joint video deblurring and interpolation",
                         VS_MAKE_VERSION(ALANET_MAJOR, ALANET_MINOR), VAPOURSYNTH_API_VERSION, 0, plugin);
    vspapi->registerFunction("Enhance", SIGNATURE, "clip:vnode;", alanet_ask_python, enhance, plugin);
    vspapi->registerFunction("Models", "", "name:data[];summary:data[];trained:int[];window:int[];", alanet_ask_python,
                             models, plugin);
    vspapi->registerFunction("Version", "", "version:data;", version, NULL, plugin);
    vspapi->registerFunction("Bind", "func:func:opt;error:data:opt;trace:data:opt;", "", alanet_bind, NULL, plugin);
    vspapi->registerFunction("Render", "clip:vnode;back:int;ahead:int;split:int;make:func;", "clip:vnode;",
                             alanet_render, NULL, plugin);
}
