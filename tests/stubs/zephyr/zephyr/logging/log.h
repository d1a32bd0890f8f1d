#include <stdio.h>
enum { LOG_LEVEL_INF };
#define LOG_MODULE_REGISTER(name, level) enum { name##_level = level }
#define LOG_INF(...) printf(__VA_ARGS__)
#define LOG_WRN(...) printf(__VA_ARGS__)
#define LOG_ERR(...) printf(__VA_ARGS__)
