/* As much of Zephyr's kernel and device model as samples/listen uses. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device {
	int unused;
};
struct k_mem_slab {
	size_t size;
};
extern const struct device dmic_dev;
#define DT_NODELABEL(label) label
#define DEVICE_DT_GET(node) (&node)
#define K_MEM_SLAB_DEFINE_STATIC(name, bytes, count, align) \
	static struct k_mem_slab name = {(bytes) * (count) / (align) * (align)}
bool device_is_ready(const struct device *device);
void k_mem_slab_free(struct k_mem_slab *slab, void *block);
