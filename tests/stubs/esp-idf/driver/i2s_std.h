/* As much of ESP-IDF's I2S driver as examples/listen uses. */
#include <stddef.h>
#include <stdint.h>

typedef int esp_err_t;
typedef struct channel *i2s_chan_handle_t;
enum { I2S_NUM_0, I2S_ROLE_MASTER, I2S_DATA_BIT_WIDTH_32BIT, I2S_SLOT_MODE_MONO, I2S_GPIO_UNUSED = -1 };
typedef struct {
    int id, role;
} i2s_chan_config_t;
typedef struct {
    struct {
        uint32_t sample_rate_hz;
    } clk_cfg;
    struct {
        int data_bit_width, slot_mode;
    } slot_cfg;
    struct {
        int mclk, bclk, ws, dout, din;
    } gpio_cfg;
} i2s_std_config_t;
#define I2S_CHANNEL_DEFAULT_CONFIG(number, its_role) {.id = number, .role = its_role}
#define I2S_STD_CLK_DEFAULT_CONFIG(rate) {.sample_rate_hz = rate}
#define I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(width, mode) {.data_bit_width = width, .slot_mode = mode}

esp_err_t i2s_new_channel(const i2s_chan_config_t *config, i2s_chan_handle_t *send, i2s_chan_handle_t *receive);
esp_err_t i2s_channel_init_std_mode(i2s_chan_handle_t channel, const i2s_std_config_t *config);
esp_err_t i2s_channel_enable(i2s_chan_handle_t channel);
esp_err_t i2s_channel_read(i2s_chan_handle_t channel, void *to, size_t size, size_t *bytes, uint32_t timeout_ms);
