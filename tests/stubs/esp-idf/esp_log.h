#include <stdio.h>
#define ESP_LOGI(tag, ...) (printf("%s: ", tag), printf(__VA_ARGS__))
#define ESP_ERROR_CHECK(call) ((void)(call))
