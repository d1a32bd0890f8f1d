// As much of Arduino's PDM library as examples/Listen uses.
#include <stddef.h>

struct PDMClass {
  int begin(int channels, int sampleRate);
  int available();
  int read(void *buffer, size_t size);
  void onReceive(void (*function)(void));
};
extern PDMClass PDM;
