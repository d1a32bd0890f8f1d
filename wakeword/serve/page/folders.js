// What the server keeps if it was told to: takes that are recorded here, and saved hits that are sorted here.
const $ = (id) => document.getElementById(id);
const TAKE_S = 2.5;
const TABS = { new: "To do", right: "Right", wrong: "Wrong" };
const player = new Audio();

export function openFolders(about, sound) {
  if (about.takes) openTakes(about, sound);
  if (about.hits) openHits();
}

async function ask(path, query, options = {}) {
  const answer = await fetch(`api/${path}?${new URLSearchParams(query)}`, options).catch(() => null);
  if (!answer) return { problem: "The server does not answer." };
  return answer.json().catch(() => ({ problem: `The server answered ${answer.status}.` }));
}

function play(path, query) {
  player.src = `api/${path}?${new URLSearchParams(query)}`;
  player.play();
}

function button(text, label, onClick, kind = "") {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.className = kind;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", onClick);
  return made;
}

function row(what, small, first, actions) {
  const made = document.createElement("li"), name = document.createElement("span"), does = document.createElement("span");
  made.className = "row";
  name.className = "what";
  name.textContent = what;
  name.append(Object.assign(document.createElement("small"), { textContent: small }));
  does.className = "do";
  does.append(...actions);
  made.append(first, name, does);
  return made;
}

function openTakes(about, sound) {
  const phrase = $("take-phrase");
  about.phrases.forEach((name) => phrase.append(new Option(name)));
  $("take-choice").hidden = about.phrases.length < 2;
  phrase.addEventListener("change", showTakes);
  $("take").addEventListener("click", () => recordTake(phrase.value, sound));
  $("takes").hidden = false;
  showTakes();
}

async function recordTake(phrase, sound) {
  if (!sound.isOn() && !(await sound.start())) return;
  $("take").disabled = true;
  $("take-told").textContent = "";
  $("take-text").textContent = `Say “${phrase}” now`;
  $("take-progress").hidden = false;
  const { pieces, rate } = await record(sound);
  $("take-progress").hidden = true;
  const told = await ask("takes", { phrase, rate_hz: rate }, { method: "POST", body: new Blob(pieces) });
  $("take-told").textContent = told.problem ? `Not kept: ${told.problem}` : `Kept as ${told.take}.`;
  $("take-text").textContent = "Record a take";
  $("take").disabled = false;
  $("take").focus();
  showTakes();
}

function record(sound) {
  return new Promise((resolve) => {
    const pieces = [];
    let samples = 0;
    const listener = (piece, rate) => {
      pieces.push(piece.slice());
      samples += piece.length;
      $("take-progress").value = Math.min(1, samples / (TAKE_S * rate));
      if (samples >= TAKE_S * rate) {
        sound.ignore(listener);
        resolve({ pieces, rate });
      }
    };
    sound.listen(listener);
  });
}

async function showTakes() {
  const phrase = $("take-phrase").value;
  const found = await ask("takes", {});
  const { folder, takes } = Array.isArray(found) ? found.find((one) => one.phrase === phrase) : { folder: "", takes: [] };
  $("takes-folder").textContent = `${takes.length} in ${folder}`;
  const rows = takes.slice().reverse().map((name) => row(
    name.replace(/\.wav$/, "").replace("_", " "), "",
    button("▶", `Play ${name}`, () => play(`takes/${name}`, { phrase })),
    [button("Delete", `Delete ${name}`, async () => {
      await ask(`takes/${name}`, { phrase }, { method: "DELETE" });
      showTakes();
    })],
  ));
  $("take-list").replaceChildren(...rows);
}

const hits = { tab: "new", all: [], at: 0 };

function openHits() {
  for (const [tab, text] of Object.entries(TABS)) {
    const made = button(text, text, () => showTab(tab));
    made.dataset.tab = tab;
    $("hit-tabs").append(made);
  }
  $("hits-again").addEventListener("click", showHits);
  $("hit-list").addEventListener("keydown", onHitKey);
  $("hits").hidden = false;
  showHits();
}

async function showHits() {
  const found = await ask("hits", {});
  hits.all = Array.isArray(found) ? found : [];
  showTab(hits.tab);
}

const tabOf = (hit) => (hit.kind in TABS ? hit.kind : "new");
const shownHits = () => hits.all.filter((hit) => tabOf(hit) === hits.tab);

function showTab(tab, focus = false) {
  hits.tab = tab;
  for (const made of $("hit-tabs").children) {
    const count = hits.all.filter((hit) => tabOf(hit) === made.dataset.tab).length;
    made.setAttribute("aria-pressed", String(made.dataset.tab === tab));
    made.setAttribute("aria-label", `${TABS[made.dataset.tab]}, ${count}`);
    made.textContent = `${TABS[made.dataset.tab]} ${count}`;
  }
  const shown = shownHits();
  hits.at = Math.max(0, Math.min(hits.at, shown.length - 1));
  $("hit-list").replaceChildren(...shown.map((hit, at) => hitRow(hit, at)));
  $("no-hits").hidden = shown.length > 0;
  $("no-hits").textContent = tab === "new" ? "Nothing is waiting to be heard." : "Nothing here yet.";
  if (focus) $("hit-list").children[hits.at]?.focus();
}

function hitRow(hit, at) {
  const when = hit.saved_at ? new Date(hit.saved_at).toLocaleString([], { dateStyle: "short", timeStyle: "short" }) : hit.name;
  const facts = [when, hit.score === undefined ? "" : `score ${hit.score.toFixed(2)}`, hit.kind === "near_misses" ? "near miss" : ""];
  const mark = (to, text, kind) => button(text, `${text}: ${hit.name}`, () => move(hit, to), kind);
  const actions = tabOf(hit) === "new" ? [mark("right", "Right", "right"), mark("wrong", "Wrong", "wrong")] : [mark("", "Back", "")];
  const made = row(hit.phrase ?? hit.name, facts.filter(Boolean).join(" · "), button("▶", `Play ${hit.name}`, () => playHit(hit)), actions);
  made.tabIndex = at === hits.at ? 0 : -1;
  made.addEventListener("focusin", () => choose(at));
  return made;
}

function choose(at) {
  hits.at = at;
  [...$("hit-list").children].forEach((made, n) => {
    made.tabIndex = n === at ? 0 : -1;
  });
}

const playHit = (hit) => play("hits/sound", { kind: hit.kind, name: hit.name });

async function move(hit, to) {
  const told = await ask("hits/move", { kind: hit.kind, name: hit.name, to }, { method: "POST" });
  if (told.kind) hit.kind = told.kind;
  else hits.all = hits.all.filter((other) => other !== hit);
  showTab(hits.tab, true);
}

function onHitKey(event) {
  const hit = shownHits()[hits.at];
  if (!hit || event.ctrlKey || event.metaKey || event.altKey) return;
  const rows = $("hit-list").children;
  const isNew = tabOf(hit) === "new";
  const keys = {
    ArrowDown: () => rows[Math.min(hits.at + 1, rows.length - 1)].focus(),
    ArrowUp: () => rows[Math.max(hits.at - 1, 0)].focus(),
    r: () => isNew && move(hit, "right"),
    w: () => isNew && move(hit, "wrong"),
    u: () => !isNew && move(hit, ""),
  };
  if (event.key === " " && event.target.tagName !== "BUTTON") playHit(hit);
  else if (keys[event.key]) keys[event.key]();
  else return;
  event.preventDefault();
}
