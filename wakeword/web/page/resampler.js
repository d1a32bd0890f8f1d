// A stream from one sample rate to another: windowed sinc (Kaiser), the same for any chunking. Verbs: feed.

const ZEROS = 24; // zero crossings on each side: flat to 0.9 of the band, aliases 60 dB down
const BETA = 9;

export class Resampler {
  /** Whole numbers of Hz. */
  constructor(fromHz, toHz) {
    this.fromHz = fromHz;
    this.toHz = toHz;
    this.cutoff = 0.94 * Math.min(1, toHz / fromHz); // of half the input's rate
    this.half = Math.ceil(ZEROS / this.cutoff);
    this.kept = new Float32Array(this.half); // silence before the stream
    this.first = -this.half; // number of the first kept sample
    this.made = 0;
    this.kernels = new Map(); // one for each place of an output between two inputs; few, as rates are round
  }

  /** Float32Array [N] -> Float32Array [M]; holds a few milliseconds back. */
  feed(samples) {
    if (this.fromHz === this.toHz) return samples;
    const known = new Float32Array(this.kept.length + samples.length);
    known.set(this.kept);
    known.set(samples, this.kept.length);
    const end = this.first + known.length;
    const output = [];
    let base = this.base();
    while (base + this.half < end) {
      output.push(this.at(known, base));
      this.made += 1;
      base = this.base();
    }
    const drop = Math.max(0, base - this.half - this.first);
    this.kept = known.slice(drop);
    this.first += drop;
    return Float32Array.from(output);
  }

  /** The input sample at or before the next output. */
  base() {
    return Math.floor((this.made * this.fromHz) / this.toHz);
  }

  at(known, base) {
    const kernel = this.kernel((this.made * this.fromHz) % this.toHz);
    const begin = base - this.half + 1 - this.first;
    let sum = 0;
    for (let i = 0; i < kernel.length; i++) sum += known[begin + i] * kernel[i];
    return sum;
  }

  /** Weights of the samples from half - 1 before the base to half after it, for an output phase / toHz after it. */
  kernel(phase) {
    if (!this.kernels.has(phase)) {
      const distance = (_, i) => i - this.half + 1 - phase / this.toHz;
      this.kernels.set(phase, Float64Array.from({ length: 2 * this.half }, distance).map((d) => this.weight(d)));
    }
    return this.kernels.get(phase);
  }

  weight(distance) {
    const x = Math.PI * this.cutoff * distance;
    const window = bessel(BETA * Math.sqrt(Math.max(0, 1 - (distance / this.half) ** 2))) / bessel(BETA);
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
