// Runs on the audio thread: hands the microphone's samples, channels averaged, to the port it is given.

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.port.onmessage = ({ data }) => (this.out = data.out);
  }

  process([channels]) {
    if (!this.out || !channels.length) return true;
    const mono = new Float32Array(channels[0].length);
    for (const channel of channels) for (let i = 0; i < mono.length; i++) mono[i] += channel[i] / channels.length;
    this.out.postMessage(mono, [mono.buffer]);
    return true;
  }
}

registerProcessor("capture", Capture);
