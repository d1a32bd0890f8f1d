// The listener for your own page:
//
//   import { WakeWordListener } from "./wakeword.js";
//   const listener = new WakeWordListener();
//   listener.addEventListener("detection", ({ detail }) => console.log(detail.phrase, detail.end_s, detail.score));
//   await listener.start();   // asks for the microphone; throws an Error whose message says what is wrong
//   await listener.stop();
//
// Events: "detection" {phrase, start_s, end_s, score}; "scores" {scores [T][K], level, audio}; "failed" {message}.
// Times are seconds of sound since `start`. With `new WakeWordListener({ audio: true })` audio is the sound itself,
// Float32Array at the model's rate, else null.

const PLAIN = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };

export class WakeWordListener extends EventTarget {
  constructor({ audio = false } = {}) {
    super();
    this.audio = audio;
  }

  /** Does nothing while it listens; a second call while the first is under way waits for that one. */
  start() {
    this.starting ??= this.started().finally(() => (this.starting = null));
    return this.starting;
  }

  async started() {
    if (this.context) return;
    if (!navigator.mediaDevices || !window.AudioWorkletNode) {
      throw new Error("the browser gives no microphone here: open the page over https, or on localhost");
    }
    try {
      await this.open();
    } catch (error) {
      await this.stop();
      throw new Error(explained(error));
    }
  }

  async open() {
    const card = await (await fetch(new URL("./wakeword.json", import.meta.url))).json();
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    await this.asked({}); // before the microphone opens, so that its first word is not missed
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: PLAIN });
    const source = await this.connected(card.sample_rate_hz);
    await this.context.audioWorklet.addModule(new URL("./capture-worklet.js", import.meta.url));
    const { port1, port2 } = new MessageChannel();
    await this.asked({ rateHz: this.context.sampleRate, audio: this.audio, input: port1 }, [port1]);
    const capture = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 0 });
    capture.port.postMessage({ out: port2 }, [port2]);
    source.connect(capture);
    await this.context.resume();
    this.stream.getAudioTracks()[0].addEventListener("ended", () => this.fail("the microphone is gone"));
  }

  /** A source in a context at the model's rate, or, where the browser refuses to mix rates, at the microphone's. */
  async connected(rateHz) {
    this.context = new AudioContext({ sampleRate: rateHz });
    try {
      return this.context.createMediaStreamSource(this.stream);
    } catch {
      await this.context.close();
      this.context = new AudioContext();
      return this.context.createMediaStreamSource(this.stream);
    }
  }

  /** Resolves when the worker has done what the message says. */
  asked(message, transferred = []) {
    return new Promise((resolve, reject) => {
      this.worker.onerror = (event) => reject(new Error(event.message || "the worker could not be loaded"));
      this.worker.onmessage = ({ data }) => {
        if (data.type === "ready") resolve();
        else if (data.type === "error") {
          reject(new Error(data.message));
          this.fail(data.message);
        } else this.dispatchEvent(new CustomEvent(data.type, { detail: data.detection ?? data }));
      };
      this.worker.postMessage(message, transferred);
    });
  }

  fail(message) {
    this.dispatchEvent(new CustomEvent("failed", { detail: { message } }));
  }

  async stop() {
    const { context, worker, stream } = this;
    this.context = this.worker = this.stream = null;
    worker?.terminate();
    stream?.getTracks().forEach((track) => track.stop());
    if (context && context.state !== "closed") await context.close();
  }
}

function explained(error) {
  const known = {
    NotAllowedError: "the browser was not allowed to use the microphone",
    NotFoundError: "this computer has no microphone",
    NotReadableError: "the microphone is in use by another program",
  };
  return known[error.name] ?? error.message;
}
