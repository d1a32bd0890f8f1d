// As much of Arduino's core as examples/Listen uses.
#include <stddef.h>
#include <string.h>

struct Port {
  void begin(unsigned long baud);
  size_t print(const char *text);
  size_t print(double number, int digits = 2);
  size_t println(const char *text);
};
extern Port Serial;
void delay(unsigned long ms);
void interrupts();
void noInterrupts();
