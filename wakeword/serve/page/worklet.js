// Collects the microphone's samples and hands them over as 16-bit integers, PIECE_S at a time.
const PIECE_S = 0.04;

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(Math.round(PIECE_S * sampleRate));
    this.filled = 0;
  }

  process([channels]) {
    const samples = channels[0];
    for (let i = 0; samples && i < samples.length; i++) {
      const scaled = Math.round(samples[i] * 32768);
      this.piece[this.filled++] = Math.max(-32768, Math.min(32767, scaled));
      if (this.filled === this.piece.length) {
        this.port.postMessage(this.piece);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
