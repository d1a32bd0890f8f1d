// From probabilities to detections: wakeword/detector.py, line by line, and the bookkeeping of wakeword/stream.py.

/** The rule for one word: the keys of `wakeword.sections.DetectorConfig`; rearm_ratio may be null. */
export class Detector {
  constructor(rule) {
    this.rule = rule;
    this.rearmBelow = rule.threshold * (rule.rearm_ratio ?? 0);
    this.reset();
  }

  reset() {
    this.recent = new Array(this.rule.smoothing_steps).fill(0);
    this.means = new Array(this.rule.patience_steps - 1).fill(0);
    this.since = null;
    this.armed = true;
  }

  /** One output step -> {score, fired}. */
  step(probability) {
    this.recent.shift();
    this.recent.push(probability);
    const mean = this.recent.reduce((sum, value) => sum + value, 0) / this.recent.length;
    const score = Math.min(...this.means, mean);
    if (this.means.length) this.means = [...this.means.slice(1), mean];
    this.since = this.since === null ? null : this.since + 1;
    const armed = this.armed || score < this.rearmBelow;
    const rested = this.since === null || this.since > this.rule.refractory_steps;
    const fired = score >= this.rule.threshold && armed && rested;
    if (fired) this.since = 0;
    this.armed = fired ? this.rule.rearm_ratio === null : armed;
    return { score, fired };
  }
}

/** All words of a model. `card` is wakeword.json. */
export class Decision {
  constructor(card) {
    this.card = card;
    this.detectors = card.rules.map((rule) => new Detector(rule));
    this.steps = 0;
  }

  /** Probabilities [T * K] -> {scores [T][K], detections}. Times are seconds since the stream began. */
  feed(probabilities) {
    const { phrases, phrase_s, step_samples, sample_rate_hz, warmup_steps } = this.card;
    const scores = [];
    const detections = [];
    for (let at = 0; at < probabilities.length; at += phrases.length) {
      this.steps += 1;
      const row = this.detectors.map((detector, k) => {
        const heard = this.steps > warmup_steps ? probabilities[at + k] : 0;
        const { score, fired } = detector.step(heard);
        if (fired) {
          const end_s = (this.steps * step_samples) / sample_rate_hz;
          detections.push({ phrase: phrases[k], start_s: Math.max(0, end_s - phrase_s[k]), end_s, score });
        }
        return score;
      });
      scores.push(row);
    }
    return { scores, detections };
  }
}
