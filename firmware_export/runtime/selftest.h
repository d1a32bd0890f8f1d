/* SPDX-License-Identifier: Apache-2.0 */
/* A board's check against the golden vectors. */
#ifndef WW_SELFTEST_H
#define WW_SELFTEST_H

#include "ww.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 0: bit for bit the same. n > 0: the probabilities of step n differ. -1: a hidden state or the detections differ. */
int ww_selftest(ww_stream *stream, ww_scratch *scratch);

#ifdef __cplusplus
}
#endif

#endif
