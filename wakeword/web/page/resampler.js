// A stream from one sample rate to another: windowed sinc (Kaiser), exact for any chunking. Verbs: feed.

const ZEROS = 24; // zero crossings on each side: 0.1 dB down at 0.9 of the band, aliases at -80 dB
const BETA = 9;

export class Resampler {
  constructor(fromHz, toHz) {
    this.step = fromHz / toHz; // input samples from one output to the next
    this.cutoff = 0.94 * Math.min(1, toHz / fromHz); // of half the input's rate
    this.half = Math.ceil(ZEROS / this.cutoff);
    this.kept = new Float32Array(this.half); // silence before the stream
    this.first = -this.half; // number of the first kept sample
    this.made = 0;
  }

  /** Float32Array [N] -> Float32Array [M]; holds a few milliseconds back. */
  feed(samples) {
    if (this.step === 1) return samples;
    const known = new Float32Array(this.kept.length + samples.length);
    known.set(this.kept);
    known.set(samples, this.kept.length);
    const last = this.first + known.length - 1;
    const output = [];
    while (this.made * this.step + this.half <= last) {
      output.push(this.at(known, this.made * this.step));
      this.made += 1;
    }
    const needed = Math.floor(this.made * this.step) - this.half;
    const drop = Math.max(0, needed - this.first);
    this.kept = known.slice(drop);
    this.first += drop;
    return Float32Array.from(output);
  }

  at(known, position) {
    const begin = Math.ceil(position - this.half);
    const end = Math.floor(position + this.half);
    let sum = 0;
    for (let n = begin; n <= end; n++) sum += known[n - this.first] * this.kernel(n - position);
    return sum;
  }

  kernel(distance) {
    const x = Math.PI * this.cutoff * distance;
    const r = distance / this.half;
    const window = Math.abs(r) >= 1 ? 0 : bessel(BETA * Math.sqrt(1 - r * r)) / bessel(BETA);
    return this.cutoff * window * (Math.abs(x) < 1e-9 ? 1 : Math.sin(x) / x);
  }
}

/** The modified Bessel function of the first kind, order 0. */
function bessel(x) {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
