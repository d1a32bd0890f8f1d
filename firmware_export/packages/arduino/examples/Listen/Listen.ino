// Listens to a PDM microphone (Arduino Nano 33 BLE Sense, Nano RP2040 Connect, Portenta) and prints what it hears.
#include <PDM.h>
#include <selftest.h>
#include <ww.h>

static ww_stream stream;
static ww_scratch scratch;
static int16_t samples[2048];
static volatile size_t filled = 0;

// Called from an interrupt; what does not fit is lost, and so the sketch must not wait anywhere else.
void onSamples() {
  size_t room = sizeof(samples) - 2 * filled;
  size_t ready = PDM.available();
  filled += PDM.read(samples + filled, ready < room ? ready : room) / 2;
}

void setup() {
  Serial.begin(115200);
  Serial.println(ww_selftest(&stream, &scratch) == 0 ? "selftest: PASS" : "selftest: FAIL");
  ww_reset(&stream);
  PDM.onReceive(onSamples);
  if (!PDM.begin(1, WW_SAMPLE_RATE_HZ)) {
    Serial.println("no PDM microphone");
    while (true) delay(1000);
  }
}

void loop() {
  static int16_t lump[2048];
  noInterrupts();
  size_t count = filled;
  memcpy(lump, samples, 2 * count);
  filled = 0;
  interrupts();
  const int16_t *pcm = lump;
  ww_detection hit;
  while (ww_feed(&stream, &scratch, &pcm, &count, &hit)) {
    Serial.print(ww_phrases[hit.phrase]);
    Serial.print(" at ");
    Serial.print((double)hit.end_sample / WW_SAMPLE_RATE_HZ);
    Serial.println(" s");
  }
}
