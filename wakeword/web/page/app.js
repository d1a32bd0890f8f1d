// The page: a button, a curve, a list. All listening is in wakeword.js.

import { WakeWordListener } from "./wakeword.js";

const CURVE_S = 10;
const find = (id) => document.getElementById(id);
const card = await (await fetch("./wakeword.json")).json();
const listener = new WakeWordListener();
const curve = [];
let listening = false;
let drawn = false;

document.title = `${card.phrases.join(", ")} – wakeword`;
find("phrases").textContent = card.phrases.map((phrase) => `“${phrase}”`).join(", ");
find("toggle").disabled = false;
find("toggle").addEventListener("click", toggle);
listener.addEventListener("scores", ({ detail }) => show(detail));
listener.addEventListener("detection", ({ detail }) => add(detail));
listener.addEventListener("failed", ({ detail }) => fail(detail.message));
new ResizeObserver(schedule).observe(find("curve"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", schedule);

async function toggle() {
  if (listening) return stop();
  find("toggle").disabled = true;
  say("Opening the microphone …");
  try {
    await listener.start();
    listening = true;
    curve.length = 0;
    find("toggle").textContent = "Stop";
    say("Listening. Nothing leaves this page.");
  } catch (error) {
    say(`It does not listen: ${error.message}.`);
  }
  find("toggle").disabled = false;
}

async function stop() {
  listening = false;
  await listener.stop();
  find("toggle").textContent = "Start listening";
  find("level").value = -60;
  say("Stopped.");
}

async function fail(message) {
  if (!listening) return;
  await stop();
  say(`It stopped: ${message}.`);
}

function say(text) {
  find("status").textContent = text;
}

function show({ scores, level }) {
  find("level").value = Math.max(-60, 20 * Math.log10(level + 1e-9));
  const steps = Math.round((CURVE_S * card.sample_rate_hz) / card.step_samples);
  curve.push(...scores);
  curve.splice(0, Math.max(0, curve.length - steps));
  schedule();
}

function add({ phrase, end_s, score }) {
  const item = document.createElement("li");
  item.dataset.endS = end_s;
  item.dataset.score = score;
  const minutes = Math.floor(end_s / 60);
  const time = `${minutes}:${(end_s - 60 * minutes).toFixed(2).padStart(5, "0")}`;
  for (const [name, text] of [["time", time], ["phrase", phrase], ["score", score.toFixed(2)]]) {
    const part = document.createElement("span");
    part.className = name;
    part.textContent = text;
    item.append(part, " ");
  }
  find("none").hidden = true;
  find("detections").prepend(item);
}

function schedule() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(() => {
    drawn = false;
    draw();
  });
}

function draw() {
  const canvas = find("curve");
  const style = getComputedStyle(canvas);
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.round(width * devicePixelRatio);
  canvas.height = Math.round(height * devicePixelRatio);
  const pen = canvas.getContext("2d");
  pen.scale(devicePixelRatio, devicePixelRatio);
  const steps = (CURVE_S * card.sample_rate_hz) / card.step_samples;
  const y = (score) => height - 3 - score * (height - 6);
  card.rules.forEach((rule, k) => {
    pen.strokeStyle = style.getPropertyValue("--threshold");
    pen.setLineDash([4, 4]);
    line(pen, [[0, y(rule.threshold)], [width, y(rule.threshold)]]);
    pen.strokeStyle = style.getPropertyValue(`--word-${k % 3}`);
    pen.lineWidth = 2;
    pen.setLineDash([]);
    line(pen, curve.map((row, i) => [width * (1 - (curve.length - 1 - i) / steps), y(row[k])]));
  });
}

function line(pen, points) {
  pen.beginPath();
  points.forEach(([x, y]) => pen.lineTo(x, y));
  pen.stroke();
}
