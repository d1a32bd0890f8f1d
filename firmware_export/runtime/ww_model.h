/* SPDX-License-Identifier: Apache-2.0 */
/* What the generated ww_model.c holds, and the parts of the runtime to each other. Not for applications. */
#ifndef WW_MODEL_H
#define WW_MODEL_H

#include "ww.h"

/* Row r of inputs x [inputs]: (weight[r] . x + bias[r]) * multiplier[r] / 2^shift[r]. No int16 x overflows the sum. */
typedef struct {
    const int8_t *weight;      /* [rows][inputs] */
    const int32_t *bias;       /* [rows] */
    const int32_t *multiplier; /* [rows], not negative */
    const uint8_t *shift;      /* [rows], 1..62 */
    uint16_t inputs;
} ww_matrix;

/* Gates in the order reset, update, new; both matrices [3 * units] give Q12. */
typedef struct {
    ww_matrix from_input, from_hidden;
    uint16_t units;
} ww_gru;

extern const uint16_t ww_window[WW_WINDOW];           /* Q15 */
extern const int32_t ww_cosine[WW_FFT / 4 * 3];       /* of 2 pi i / WW_FFT, Q31 */
extern const uint16_t ww_edges[WW_BANDS + 2];         /* first bin of each stretch between two bands' centres */
extern const uint16_t ww_rise[WW_BINS];               /* of bins from ww_edges[0] on: share of the band to come, Q12 */
extern const uint32_t ww_mask[WW_BANDS];              /* Q31 */
extern const uint16_t ww_sigmoid[193];                /* of i / 16, Q16 */
extern const uint16_t ww_log2[65];                    /* of 1 + i / 64, Q15 */
extern const ww_matrix ww_conv;                       /* [WW_FILTERS][WW_KERNEL * WW_BANDS] */
extern const ww_gru ww_grus[WW_GRUS];
extern const ww_matrix ww_head;                       /* [WW_PHRASES], gives Q12 */
extern const uint32_t ww_threshold[WW_PHRASES];       /* of a sum of WW_SMOOTHING probabilities */
extern const uint32_t ww_rearm_below[WW_PHRASES];     /* likewise; 0: always armed */

/* ww_front.c: one window of samples -> one frame of features. */
void ww_front(ww_stream *stream, ww_scratch *scratch, int16_t features[WW_BANDS]);

/* ww_network.c: the WW_KERNEL frames of a stream -> its hidden states and probabilities. */
void ww_network(ww_stream *stream, ww_scratch *scratch);

#endif
