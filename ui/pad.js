// Makes the canvas of streamlit-drawable-canvas 0.13.0 fit for touch, keyboard and screen readers. It lives in an open
// shadow root, which only a script can reach. Told by pad.py: {sheet, strokes, drawing, answer, failed, announcement, live,
// accept}.

const STYLE = `
  .dc-root { width: 100%; max-width: 100%; }
  .dc-scroll { overflow: hidden !important; border-radius: 0.75rem; }
  .dc-container { width: 100% !important; height: auto !important; aspect-ratio: var(--ratio, 1); }
  .canvas-container, canvas { width: 100% !important; height: 100% !important; }
  .upper-canvas { touch-action: none; }
  .dc-canvas { outline: none; }
  .dc-scroll { border: 1px solid var(--st-border-color); box-sizing: border-box; }
  /* The component's toolbar covers the sheet, unseen: one tap there wiped the drawing. Here it is a row of its own. */
  .dc-toolbar, .dc-root:hover > .dc-toolbar, .dc-toolbar:hover, .dc-toolbar:focus-within {
    position: static; opacity: 1; padding: 0.5rem 0 0; transition: none; }
  .dc-toolbar-card { padding: 0; box-shadow: none; background: none; gap: 0.5rem; color: var(--st-text-color); }
  .dc-toolbar-card > :not([title="Undo"], [title="Redo"]) { display: none !important; }
  .dc-icon-button { min-width: 2.75rem; min-height: 2.75rem; border: 1px solid var(--st-border-color); gap: 0.5rem;
    padding: 0 0.875rem; font: 400 1rem var(--st-font); }
  .dc-icon-button::after { content: attr(title); }
  .dc-icon-button:disabled { color: color-mix(in srgb, var(--st-text-color) 55%, transparent); }
  .dc-icon-button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 2px; }
`;

const canvasRoot = (sheet) =>
  [...document.querySelectorAll(`.st-key-canvas-${sheet} *`)].map((e) => e.shadowRoot).find((root) => root?.querySelector(".dc-root"));

const button = (root, title) => root?.querySelector(`.dc-icon-button[title="${title}"]`);

function dress(root, strokes) {
  if (!root.querySelector("#dressed")) {
    const style = document.createElement("style");
    style.id = "dressed";
    style.textContent = STYLE;
    root.append(style);
  }
  const paper = root.querySelector(".upper-canvas");
  paper.setAttribute("role", "img");
  paper.setAttribute("aria-label", `Drawing sheet, ${strokes ? `${strokes} ${strokes === 1 ? "stroke" : "strokes"}` : "empty"}`);
}

// The canvas sends its drawing 200 ms after the pen is lifted, so a quick Submit would go without the last stroke:
// whatever is pressed within that time makes it send at once, before the press itself arrives.
const DEBOUNCE = 300; // milliseconds, with some air
const UPDATE = "Update the app with this drawing";

const onSheet = (event) => event.composedPath().some((node) => node.classList?.contains("canvas-container"));

function sendFirst(event, root) {
  if (onSheet(event)) own.down = true;
  else if (Date.now() - own.lifted < DEBOUNCE) {
    own.lifted = 0; // once: for a popover this click is one beside it, and closes it under the next press
    button(root, UPDATE)?.click();
  }
}

// In live mode nobody waits for the canvas: its own button sends at once what it would send later, 35 ms after the pen is
// lifted in place of 217. The canvas adds the stroke in its own listener, which comes after this one.
function lift() {
  if (!own.down) return;
  own.down = false;
  own.lifted = Date.now();
  if (told.live) setTimeout(() => button(canvasRoot(told.sheet), UPDATE)?.click());
}

function shortcut(event, root) {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.target.closest?.("input, textarea")) return;
  const key = event.key.toLowerCase();
  const title = key === "y" || (key === "z" && event.shiftKey) ? "Redo" : key === "z" ? "Undo" : null;
  if (!title) return;
  event.preventDefault();
  button(root, title)?.click();
}

// On a phone the answer to a file comes below the fold: bring it up. That to a drawing has its line above the sheet.
function show() {
  const place = document.querySelector(".st-key-answer");
  if (document.querySelector(".st-key-glance")?.offsetParent || !place) return;
  if (place.getBoundingClientRect().top > innerHeight - 160) bring(place);
}

// A new sheet that was asked for from further down, or from beside it, comes into sight: again once the old answer is gone,
// which makes the page shorter and moves it, unless the visitor has gone elsewhere by then.
function bringSheets() {
  const { touched } = own;
  for (const later of [0, 300, 1000]) setTimeout(() => { if (own.touched === touched) bringSheet(); }, later);
}

function bringSheet() {
  const place = document.querySelector(".st-key-playing") ?? document.querySelector(".st-key-drawing");
  if (place?.getBoundingClientRect().top < 0) bring(place);
}

function bring(place) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  place.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
}

// One live region for the whole visit, outside of what Streamlit redraws: screen readers speak changes, not newcomers.
function announce({ sheet, strokes, drawing, answer, failed, announcement, live }) {
  let region = document.getElementById("announcement");
  if (!region) {
    region = document.createElement("div");
    region.id = "announcement";
    region.setAttribute("role", "status");
    region.className = "visually-hidden";
    (document.querySelector("[data-testid=stMain]") ?? document.body).append(region);
  }
  if (answer && answer !== region.dataset.answer && !live) show();
  const text = answer && answer !== region.dataset.answer && announcement === region.textContent
    ? `${announcement}\u00a0` // the same words for another drawing are a change, too
    : announcement;
  if (region.textContent.trim() !== text) region.textContent = text;
  Object.assign(region.dataset, { sheet, strokes, drawing, answer, failed, live });
}

// Any file may be dropped and is answered in words, but the chooser offers what the API takes: then an iPhone turns its
// HEIC photos to JPEG.
function offer() {
  for (const input of document.querySelectorAll("input[type=file]")) input.accept = told.accept;
}

// The file chooser's button is drawn anew once a file was chosen, and the focus would be nowhere.
function keepFocus() {
  if (!own.chosen || document.activeElement !== document.body) return;
  document.querySelector("[data-testid=stFileUploader] button")?.focus({ preventScroll: true });
}

const told = {}; // by pad.py
const own = { down: false, lifted: 0, touched: 0 }; // the script's own: what pad.py tells must not overwrite it

function listen() {
  if (own.listening) return;
  own.listening = true;
  const root = () => canvasRoot(told.sheet);
  document.addEventListener("pointerdown", (event) => sendFirst(event, root()), true);
  document.addEventListener("click", offer, true);
  document.addEventListener("change", (event) => { own.chosen = event.target.type === "file"; }, true);
  for (const begin of ["pointerdown", "keydown", "wheel", "touchmove"]) document.addEventListener(begin, () => own.touched++, true);
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, lift, true);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") sendFirst(event, root());
    shortcut(event, root());
  }, true);
}

// Once the canvas' own style has come, and all has its place on the screen: what is first shown in the frame in which it moves
// counts as having been seen moving.
async function settled(root, then) {
  const late = [...root.querySelectorAll("link")].filter((link) => !link.sheet);
  const come = (link) => new Promise((done) => ["load", "error"].forEach((end) => link.addEventListener(end, done)));
  await Promise.all(late.map(come));
  requestAnimationFrame(() => requestAnimationFrame(then));
}

export default function ({ data }) {
  Object.assign(told, data);
  announce(data);
  keepFocus();
  listen();
  const when = () => {
    if (told.sheet !== data.sheet) return;
    const root = canvasRoot(data.sheet);
    if (!root?.querySelector(".upper-canvas")) return requestAnimationFrame(when);
    dress(root, data.strokes);
    if (own.shown !== undefined && own.shown !== data.sheet) bringSheets(); // the first is where the visitor begins
    own.shown = data.sheet;
    settled(root, () => { document.getElementById("announcement").dataset.dressed = data.sheet; }); // style.css shows the first
  };
  when();
}
