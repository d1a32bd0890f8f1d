// The microphone, the connection, and what the page shows of both.
import { openFolders } from "./folders.js";
import { Plot } from "./plot.js";

const $ = (id) => document.getElementById(id);
const MOST_ROWS = 100;
const MOST_IN_TITLE = 3;
const MOST_WAITING_BYTES = 1 << 19; // of sound that the network does not take: then it is dropped
const FIRST_RETRY_MS = 500, LAST_RETRY_MS = 8000;
const HEARD_MS = 1500;

const plot = new Plot($("plot"));
const listeners = new Set(); // who else wants the sound: (Int16Array, rate) => void
let about = null;
let microphone = null; // {context, stream}
let socket = null;
let retryMs = FIRST_RETRY_MS;
let heardTimer = 0;

export const sound = {
  listen: (listener) => listeners.add(listener),
  ignore: (listener) => listeners.delete(listener),
  isOn: () => microphone !== null,
  start: () => start(),
};

function show(state, text) {
  $("state").dataset.state = state;
  $("state").textContent = text;
}

function complain(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

function connect() {
  if (!microphone) return;
  const opened = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  socket = opened;
  opened.binaryType = "arraybuffer";
  opened.onopen = () => opened.send(JSON.stringify({ rate_hz: microphone.context.sampleRate }));
  opened.onmessage = (message) => receive(JSON.parse(message.data));
  opened.onclose = (event) => {
    if (socket !== opened) return;
    socket = null;
    if (!microphone) return;
    show("lost", "Connection lost");
    complain(event.reason ? `The server closed the connection: ${event.reason}` : "");
    setTimeout(connect, retryMs);
    retryMs = Math.min(2 * retryMs, LAST_RETRY_MS);
  };
}

function receive(message) {
  if (message.type === "ready") {
    retryMs = FIRST_RETRY_MS;
    plot.clear();
    complain("");
    show("on", "Listening");
  } else if (message.type === "scores") {
    plot.addScores(message.time_s, about.step_s, message.scores);
    showScores(message.scores[message.scores.length - 1]);
  } else if (message.type === "detection") {
    plot.addHit(message);
    addDetection(message);
  }
}

function hear(samples) {
  const rate = microphone.context.sampleRate;
  if (socket?.readyState === WebSocket.OPEN) {
    if (socket.bufferedAmount > MOST_WAITING_BYTES) return complain("The connection is too slow for the sound.");
    socket.send(samples.buffer);
    plot.addSound(samples, rate);
  }
  listeners.forEach((listener) => listener(samples, rate));
}

async function start() {
  complain("");
  if (!navigator.mediaDevices?.getUserMedia) {
    complain("Browsers give the microphone only to https:// pages and to localhost: open this page there.");
    return false;
  }
  try {
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
    const context = new AudioContext({ latencyHint: "interactive" });
    await context.audioWorklet.addModule("worklet.js");
    const recorder = new AudioWorkletNode(context, "recorder");
    recorder.port.onmessage = (message) => microphone && hear(message.data);
    context.createMediaStreamSource(stream).connect(recorder).connect(context.destination); // it plays silence
    stream.getAudioTracks()[0].onended = () => stop("The microphone went away.");
    await context.resume();
    microphone = { context, stream };
  } catch (error) {
    complain(error.name === "NotAllowedError" ? "The browser was told not to give the microphone to this page."
      : error.name === "NotFoundError" ? "This device has no microphone." : `The microphone cannot be used: ${error.message}`);
    return false;
  }
  $("listen").setAttribute("aria-pressed", "true");
  $("listen-text").textContent = "Stop listening";
  show("on", "Connecting");
  connect();
  requestAnimationFrame(animate);
  return true;
}

function stop(why = "") {
  microphone?.stream.getTracks().forEach((track) => track.stop());
  microphone?.context.close();
  microphone = null;
  socket?.close();
  socket = null;
  $("listen").setAttribute("aria-pressed", "false");
  $("listen-text").textContent = "Start listening";
  show("idle", "Not listening");
  complain(why);
}

function animate() {
  plot.draw();
  if (microphone) requestAnimationFrame(animate);
}

function showScores(row) {
  document.querySelectorAll("#legend b").forEach((cell, k) => (cell.textContent = row[k].toFixed(2)));
}

function addDetection(hit) {
  const row = document.createElement("li"), clock = document.createElement("time");
  const what = document.createElement("span"), score = document.createElement("span");
  row.className = "row new";
  clock.textContent = new Date().toLocaleTimeString();
  what.className = "what";
  what.textContent = hit.phrase;
  score.className = "score";
  score.textContent = hit.score.toFixed(2);
  row.append(clock, what, score);
  $("detections").prepend(row);
  while ($("detections").children.length > MOST_ROWS) $("detections").lastChild.remove();
  const count = Number($("count").dataset.count ?? 0) + 1;
  $("count").dataset.count = count;
  $("count").textContent = count === 1 ? "1 detection" : `${count} detections`;
  $("no-detections").hidden = true;
  $("announce").textContent = `Heard ${hit.phrase}`;
  document.body.classList.add("heard");
  show("heard", `Heard “${hit.phrase}”`);
  clearTimeout(heardTimer);
  heardTimer = setTimeout(() => {
    document.body.classList.remove("heard");
    if (microphone && socket) show("on", "Listening");
  }, HEARD_MS);
}

function describe() {
  const quoted = about.phrases.map((phrase) => `“${phrase}”`);
  $("title").textContent = quoted.length > MOST_IN_TITLE ? `${quoted.length} wake words` : quoted.join(" · ");
  document.title = `${about.phrases.join(", ")} · wakeword`;
  if (quoted.length > 1) $("lead").textContent = "Start, and say one of them. Every hit shows below as it happens.";
  plot.phrases = about.phrases;
  plot.thresholds = about.thresholds;
  about.phrases.forEach((phrase, k) => {
    const item = document.createElement("li"), score = document.createElement("b");
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    mark.setAttribute("viewBox", "0 0 12 12");
    mark.setAttribute("aria-hidden", "true");
    const disc = mark.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "circle"));
    [["cx", 6], ["cy", 6], ["r", 5]].forEach(([name, value]) => disc.setAttribute(name, value));
    disc.style.fill = `var(--phrase-${(k % 6) + 1})`;
    score.textContent = "0.00";
    item.append(mark, phrase, score);
    $("legend").append(item);
  });
  if (about.takes) $("privacy").textContent = "Sound goes to the computer that serves this page, and nowhere else. Only the takes that you record are kept.";
  plot.draw();
}

$("listen").addEventListener("click", () => (microphone ? stop() : start()));
about = await (await fetch("api/about")).json();
describe();
openFolders(about, sound);
