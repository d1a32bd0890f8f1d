/* Listens to the board's digital microphone (node label dmic_dev, as in Zephyr's own sample) and logs what it hears. */
#include <zephyr/audio/dmic.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>

#include "selftest.h"
#include "ww.h"

LOG_MODULE_REGISTER(listen, LOG_LEVEL_INF);

enum { BLOCK_BYTES = WW_HOP * sizeof(int16_t), BLOCKS = 8, TIMEOUT_MS = 1000 };
K_MEM_SLAB_DEFINE_STATIC(slab, BLOCK_BYTES, BLOCKS, 4);

static ww_stream stream;
static ww_scratch scratch;

static int open_microphone(const struct device *dmic)
{
	struct pcm_stream_cfg pcm = {
		.pcm_rate = WW_SAMPLE_RATE_HZ,
		.pcm_width = 16,
		.block_size = BLOCK_BYTES,
		.mem_slab = &slab,
	};
	struct dmic_cfg config = {
		.io = {.min_pdm_clk_freq = 1000000,
		       .max_pdm_clk_freq = 3500000,
		       .min_pdm_clk_dc = 40,
		       .max_pdm_clk_dc = 60},
		.streams = &pcm,
		.channel = {.req_num_streams = 1,
			    .req_num_chan = 1,
			    .req_chan_map_lo = dmic_build_channel_map(0, 0, PDM_CHAN_LEFT)},
	};
	int error = dmic_configure(dmic, &config);

	return error ? error : dmic_trigger(dmic, DMIC_TRIGGER_START);
}

int main(void)
{
	const struct device *const dmic = DEVICE_DT_GET(DT_NODELABEL(dmic_dev));

	LOG_INF("selftest: %s", ww_selftest(&stream, &scratch) == 0 ? "PASS" : "FAIL");
	ww_reset(&stream);
	if (!device_is_ready(dmic) || open_microphone(dmic) != 0) {
		LOG_ERR("no microphone");
		return 0;
	}
	for (;;) {
		void *block;
		size_t bytes;

		if (dmic_read(dmic, 0, &block, &bytes, TIMEOUT_MS) != 0) {
			LOG_WRN("the microphone is silent");
			continue;
		}
		const int16_t *samples = block;
		size_t count = bytes / sizeof(int16_t);
		ww_detection hit;

		while (ww_feed(&stream, &scratch, &samples, &count, &hit)) {
			LOG_INF("%s, score %u of 65536", ww_phrases[hit.phrase], hit.score);
		}
		k_mem_slab_free(&slab, block);
	}
}
