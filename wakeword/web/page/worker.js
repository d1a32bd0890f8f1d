// Samples in, detections out, off the page's thread: resampler -> model.onnx -> decision. The model's state is carried.

import * as ort from "./ort/ort.wasm.min.mjs";
import { Decision } from "./detector.js";
import { Resampler } from "./resampler.js";

const MOST_BEHIND_S = 10; // a computer that cannot keep up loses sound rather than memory

ort.env.wasm.numThreads = 1; // the graph is too small to share out
ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;

let card, session, decision, resampler, state, wantsAudio;
let pending = [];
let pendingSamples = 0;
let busy = false;

/** First {} loads the model; then {rateHz, audio, input} listens to what the port `input` brings. */
self.onmessage = async ({ data }) => {
  try {
    if (data.input) listen(data);
    else await load();
    self.postMessage({ type: "ready" });
  } catch (error) {
    self.postMessage({ type: "error", message: String(error.message ?? error) });
  }
};

async function load() {
  card = await (await fetch(new URL("./wakeword.json", import.meta.url))).json();
  session = await ort.InferenceSession.create(new URL("./model.onnx", import.meta.url).href);
  await session.run({
    pcm: new ort.Tensor("float32", new Float32Array(card.step_samples), [1, card.step_samples]),
    state: zeroState(),
  }); // the first call is slow
}

function zeroState() {
  return new ort.Tensor("float32", new Float32Array(card.state_size), [1, card.state_size]);
}

function listen({ rateHz, audio, input }) {
  decision = new Decision(card);
  resampler = new Resampler(rateHz, card.sample_rate_hz);
  state = zeroState();
  wantsAudio = audio;
  input.onmessage = ({ data }) => hear(data);
}

function hear(samples) {
  const heard = resampler.feed(samples);
  pending.push(heard);
  pendingSamples += heard.length;
  if (pendingSamples > MOST_BEHIND_S * card.sample_rate_hz) {
    self.postMessage({ type: "error", message: "this computer cannot keep up" });
    pending = [];
    pendingSamples = 0;
  }
  if (!busy) run();
}

async function run() {
  busy = true;
  try {
    while (pendingSamples >= card.step_samples) await step();
  } catch (error) {
    self.postMessage({ type: "error", message: String(error.message ?? error) });
  }
  busy = false;
}

async function step() {
  const all = joined();
  const whole = all.length - (all.length % card.step_samples);
  const chunk = all.slice(0, whole);
  pending = [all.slice(whole)];
  pendingSamples = all.length - whole;
  const results = await session.run({ pcm: new ort.Tensor("float32", chunk, [1, whole]), state });
  state = results.next_state;
  const { scores, detections } = decision.feed(results.probabilities.data);
  const level = Math.sqrt(chunk.reduce((sum, value) => sum + value * value, 0) / whole);
  self.postMessage({ type: "scores", scores, level, audio: wantsAudio ? chunk : null });
  for (const detection of detections) self.postMessage({ type: "detection", detection });
}

function joined() {
  const all = new Float32Array(pendingSamples);
  let at = 0;
  for (const piece of pending) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
