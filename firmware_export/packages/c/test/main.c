/* `make selftest`: does this compiler's code give the golden probabilities? */
#include <stdio.h>

#include "selftest.h"

int main(void) {
    static ww_stream stream;
    static ww_scratch scratch;
    const int result = ww_selftest(&stream, &scratch);
    if (result != 0) {
        printf("FAIL: first difference at step %d (-1: in a hidden state or the detections)\n", result);
        return 1;
    }
    printf("PASS: %u bytes a stream, %u bytes of scratch\n", (unsigned)sizeof stream, (unsigned)sizeof scratch);
    return 0;
}
