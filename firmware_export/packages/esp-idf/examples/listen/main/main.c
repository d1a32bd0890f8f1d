/* Listens to an I2S microphone (INMP441, ICS-43434) whose L/R pin is at ground, and logs what it hears. */
#include "driver/i2s_std.h"
#include "esp_log.h"
#include "freertos/FreeRTOS.h"
#include "sdkconfig.h"
#include "selftest.h"
#include "ww.h"

static const char *TAG = "wakeword";
static ww_stream stream;
static ww_scratch scratch;

static i2s_chan_handle_t open_microphone(void)
{
    i2s_chan_handle_t channel;
    const i2s_chan_config_t role = I2S_CHANNEL_DEFAULT_CONFIG(I2S_NUM_0, I2S_ROLE_MASTER);
    i2s_std_config_t config = {
        .clk_cfg = I2S_STD_CLK_DEFAULT_CONFIG(WW_SAMPLE_RATE_HZ),
        .slot_cfg = I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_32BIT, I2S_SLOT_MODE_MONO),
        .gpio_cfg = {.mclk = I2S_GPIO_UNUSED,
                     .bclk = CONFIG_MIC_BCLK_GPIO,
                     .ws = CONFIG_MIC_WS_GPIO,
                     .dout = I2S_GPIO_UNUSED,
                     .din = CONFIG_MIC_DIN_GPIO},
    };
    ESP_ERROR_CHECK(i2s_new_channel(&role, NULL, &channel));
    ESP_ERROR_CHECK(i2s_channel_init_std_mode(channel, &config));
    ESP_ERROR_CHECK(i2s_channel_enable(channel));
    return channel;
}

void app_main(void)
{
    static int32_t words[WW_HOP];
    static int16_t samples[WW_HOP];
    ESP_LOGI(TAG, "selftest: %s", ww_selftest(&stream, &scratch) == 0 ? "PASS" : "FAIL");
    ww_reset(&stream);
    i2s_chan_handle_t microphone = open_microphone();
    for (;;) {
        size_t bytes = 0;
        ESP_ERROR_CHECK(i2s_channel_read(microphone, words, sizeof words, &bytes, portMAX_DELAY));
        size_t count = bytes / sizeof words[0];
        for (size_t i = 0; i < count; i++) {
            const int32_t loud = words[i] >> 14; /* 24 bits in the upper end of 32, made four times louder */
            samples[i] = (int16_t)(loud > INT16_MAX ? INT16_MAX : loud < INT16_MIN ? INT16_MIN : loud);
        }
        const int16_t *pcm = samples;
        ww_detection hit;
        while (ww_feed(&stream, &scratch, &pcm, &count, &hit)) {
            ESP_LOGI(TAG, "%s, score %u of 65536", ww_phrases[hit.phrase], hit.score);
        }
    }
}
