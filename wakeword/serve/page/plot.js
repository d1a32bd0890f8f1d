// The last seconds as two lanes on one time axis: the waveform, and each phrase's score with its threshold.
export const WINDOW_S = 12;
const BIN_S = 0.01; // what a peak of the waveform stands for
const BINS = Math.ceil((WINDOW_S + 2) / BIN_S);
const BAR_PX = 3;
const WAVE_SHARE = 0.42;
const GAP_PX = 26; // between the lanes; a detection's name is written there
const STALL_S = 0.15; // the picture glides on between pieces of sound, but not without them

export class Plot {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.phrases = [];
    this.thresholds = [];
    this.clear();
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.readColours());
    this.readColours();
  }

  clear() {
    this.peaks = new Float32Array(BINS);
    this.time = 0;
    this.at = 0;
    this.bin = -1;
    this.scores = []; // [time, [K]]
    this.hits = [];
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    this.colours = {
      wave: colour("--wave"), rule: colour("--rule"), muted: colour("--muted"), ink: colour("--ink"),
      hit: colour("--hit"), card: colour("--card"), phrases: [1, 2, 3, 4, 5, 6].map((n) => colour(`--phrase-${n}`)),
    };
    this.font = style.getPropertyValue("--sans");
    this.draw();
  }

  colour(k) {
    return this.colours.phrases[k % this.colours.phrases.length];
  }

  addSound(samples, rate) {
    for (let i = 0; i < samples.length; i++) {
      const bin = Math.floor((this.time + i / rate) / BIN_S);
      if (bin !== this.bin) {
        this.bin = bin;
        this.peaks[bin % BINS] = 0;
      }
      this.peaks[bin % BINS] = Math.max(this.peaks[bin % BINS], Math.abs(samples[i]) / 32768);
    }
    this.time += samples.length / rate;
    this.at = performance.now();
  }

  addScores(time, step, rows) {
    rows.forEach((row, i) => this.scores.push([time - (rows.length - 1 - i) * step, row]));
    while (this.scores.length && this.scores[0][0] < this.time - WINDOW_S - 1) this.scores.shift();
  }

  addHit(hit) {
    this.hits.push(hit);
    while (this.hits.length && this.hits[0].end_s < this.time - WINDOW_S - 2) this.hits.shift();
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const c = this.context;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, width, height);
    const since = this.at ? Math.min((performance.now() - this.at) / 1000, STALL_S) : 0;
    const start = this.time + since - STALL_S - WINDOW_S;
    const x = (time) => ((time - start) / WINDOW_S) * width;
    const waveHeight = (height - GAP_PX) * WAVE_SHARE;
    this.drawHits(c, x, waveHeight, height);
    this.drawWave(c, x, start, width, waveHeight);
    this.drawScores(c, x, width, waveHeight + GAP_PX, height - 6);
  }

  drawWave(c, x, start, width, height) {
    const bar = (BAR_PX / width) * WINDOW_S;
    c.fillStyle = this.colours.wave;
    c.beginPath();
    for (let n = Math.floor(start / bar); n * bar < start + WINDOW_S; n++) {
      const first = Math.floor((n * bar) / BIN_S), last = Math.max(first + 1, Math.floor(((n + 1) * bar) / BIN_S));
      let peak = 0;
      for (let bin = Math.max(first, this.bin - BINS + 2, 0); bin < last && bin <= this.bin; bin++) {
        peak = Math.max(peak, this.peaks[bin % BINS]);
      }
      const half = Math.max(0.75, (Math.sqrt(peak) * height) / 2); // the root: what is quiet can be seen, too
      c.roundRect(x(n * bar), height / 2 - half, BAR_PX - 1, 2 * half, 1);
    }
    c.fill();
  }

  drawScores(c, x, width, top, bottom) {
    const y = (score) => bottom - score * (bottom - top);
    c.strokeStyle = this.colours.rule;
    c.lineWidth = 1;
    for (const score of [0, 0.5, 1]) {
      c.beginPath();
      c.moveTo(0, Math.round(y(score)) + 0.5);
      c.lineTo(width, Math.round(y(score)) + 0.5);
      c.stroke();
    }
    this.phrases.forEach((_, k) => {
      const points = this.scores.map(([time, row]) => [x(time), y(row[k])]).filter(([at]) => at > -40);
      if (points.length > 1) this.drawCurve(c, points, bottom, this.colour(k));
      c.setLineDash([5, 5]);
      c.strokeStyle = this.colour(k);
      c.beginPath();
      c.moveTo(0, y(this.thresholds[k]));
      c.lineTo(width, y(this.thresholds[k]));
      c.stroke();
      c.setLineDash([]);
    });
    if (this.phrases.length === 1) {
      c.fillStyle = this.colours.muted;
      c.font = `12px ${this.font}`;
      c.textAlign = "left";
      c.textBaseline = this.thresholds[0] > 0.8 ? "top" : "bottom";
      c.fillText(`threshold ${this.thresholds[0].toFixed(2)}`, 2, y(this.thresholds[0]) + (this.thresholds[0] > 0.8 ? 4 : -3));
    }
  }

  drawCurve(c, points, bottom, colour) {
    const path = new Path2D();
    points.forEach(([px, py], i) => (i ? path.lineTo(px, py) : path.moveTo(px, py)));
    const area = new Path2D(path);
    area.lineTo(points[points.length - 1][0], bottom);
    area.lineTo(points[0][0], bottom);
    c.globalAlpha = 0.14;
    c.fillStyle = colour;
    c.fill(area);
    c.globalAlpha = 1;
    c.strokeStyle = colour;
    c.lineWidth = 2;
    c.lineJoin = "round";
    c.stroke(path);
    c.lineWidth = 1;
  }

  drawHits(c, x, waveHeight, height) {
    let free = -Infinity; // where the label before ends
    for (const hit of this.hits) {
      const left = x(hit.start_s), right = x(hit.end_s);
      c.fillStyle = this.colours.hit;
      c.globalAlpha = 0.13;
      c.beginPath();
      c.roundRect(left, 0, right - left, height - 5, 6);
      c.fill();
      c.globalAlpha = 1;
      c.fillRect(right - 1, 0, 2, height - 5);
      c.font = `600 12px ${this.font}`;
      const sized = (text) => c.measureText(text).width + 14;
      const begin = (text) => Math.max(right - sized(text), 0); // at the page's edge it waits for its hit to leave
      const labels = [`${hit.phrase}  ${hit.score.toFixed(2)}`, hit.score.toFixed(2)];
      const label = labels.find((text) => begin(text) > free + 2);
      if (!label || right < 0) continue;
      const size = sized(label), at = begin(label);
      free = at + size;
      c.beginPath();
      c.roundRect(at, waveHeight + 3, size, GAP_PX - 6, 6);
      c.fill();
      c.fillStyle = this.colours.card;
      c.textAlign = "left";
      c.textBaseline = "middle";
      c.fillText(label, at + 7, waveHeight + GAP_PX / 2 + 0.5);
    }
  }
}
