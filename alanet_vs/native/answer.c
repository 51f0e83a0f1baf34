/* What Python answered: a result, or an error in one line. */
#include <stdio.h>
#include <string.h>

#include "alanet.h"

/* VapourSynth finds the exception object again by the number in such a message; it must come through whole. */
static const char TUNNEL[] = "[VS_PY_EXC_ID:";

static void copy_last_line(const char *text, char line[ALANET_LINE]) {
    size_t end = strlen(text);
    while (end > 0 && strchr("\r\n ", text[end - 1]))
        end--;
    size_t start = end;
    while (start > 0 && text[start - 1] != '\n')
        start--;
    snprintf(line, ALANET_LINE, "%.*s", (int)(end - start), text + start);
}

int alanet_refused(const VSMap *answer, char line[ALANET_LINE], VSCore *core, const VSAPI *vsapi) {
    const char *raised = vsapi->mapGetError(answer);
    if (raised) {
        if (strncmp(raised, TUNNEL, sizeof TUNNEL - 1) == 0) {
            snprintf(line, ALANET_LINE, "%s", raised);
            return 1;
        }
        vsapi->logMessage(mtDebug, raised, core);
        copy_last_line(raised, line);
        return 1;
    }
    int absent;
    const char *error = vsapi->mapGetData(answer, "error", 0, &absent);
    if (absent)
        return 0;
    snprintf(line, ALANET_LINE, "%s", error);
    const char *trace = vsapi->mapGetData(answer, "trace", 0, &absent);
    if (!absent)
        vsapi->logMessage(mtDebug, trace, core);
    return 1;
}
