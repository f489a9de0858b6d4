// What the page does in the browser besides drawing. Three components are made of it: a row of buttons, told by strip.py
// {items: [{digest, source, label, name}]}, a clock, told by clock.py {due, taken, of}, all in seconds, and the link, told by
// link.py {fragment, opened, longest, way}.
export default function (component) {
  const { data } = component;
  return (data.items ? strip : "due" in data ? clock : link)(component);
}

// Each button is a small picture with a caption.
function strip({ data, parentElement, setTriggerValue }) {
  const strip = parentElement.querySelector(".strip");
  strip.replaceChildren(
    ...data.items.map(({ digest, source, label, name }) => {
      const button = document.createElement("button");
      const picture = document.createElement("img");
      const caption = document.createElement("span");
      button.type = "button";
      button.title = name;
      button.setAttribute("aria-label", name);
      picture.src = source;
      picture.alt = "";
      caption.textContent = label;
      button.append(picture, caption);
      button.addEventListener("click", () => setTriggerValue("picked", digest));
      return button;
    })
  );
}

// Shows the time, and has the page drawn anew when it is due. While the page is drawn the time stands still: the end of that
// run tells it anew.
let ticking;

function clock({ data: { due, taken, of }, parentElement, setTriggerValue }) {
  const place = parentElement.querySelector(".clock");
  let last = performance.now();
  const tick = () => {
    const rests = document.querySelector("[data-test-script-state=notRunning]");
    const now = performance.now();
    const passed = rests ? (now - last) / 1000 : 0;
    last = now;
    if (taken !== null) {
      taken += passed;
      place.textContent = `${Math.round(Math.max(0, of === null ? taken : Math.min(of, of - taken)))} s`;
    }
    if (due === null || !rests) return;
    due -= passed;
    if (due > 0) return;
    due = null; // once
    setTriggerValue("due", true);
  };
  clearInterval(ticking);
  const mine = (ticking = setInterval(tick, 200));
  tick();
  return () => clearInterval(mine);
}

// The drawing stands in the page's address behind the #: reload, back and a link that somebody sent show it again.
const told = { fragment: "" };

const inAddress = () => location.hash.slice(1);

function link({ data, setTriggerValue }) {
  told.data = data;
  told.open = (fragment) => {
    told.opening = fragment.slice(0, data.longest + 1);
    setTriggerValue("opened", told.opening);
  };
  if (!told.listening) listen();
  if (!told.opening) open(); // a link that came in this moment, whose event is still to come
  if (told.opening && told.opening !== data.opened) return; // what the address says comes first
  told.opening = null;
  told.fragment = data.fragment;
  if (inAddress() === data.fragment) return;
  history.replaceState(history.state, "", data.fragment ? `#${data.fragment}` : location.pathname + location.search);
  dispatchEvent(new HashChangeEvent("hashchange")); // by which Community Cloud's own frame learns of it
}

function open() {
  if (!["", told.fragment, told.opening].includes(inAddress())) told.open(inAddress());
}

function listen() {
  told.listening = true;
  addEventListener("hashchange", open);
  document.addEventListener("click", copy, true);
  document.addEventListener("focusout", keepTab, true);
  document.addEventListener("paste", paste, true);
  document.addEventListener("dragstart", ({ dataTransfer }) => dataTransfer.setData(OWN, ""), true);
  for (const kind of ["dragover", "dragleave", "drop"]) document.addEventListener(kind, drag, true);
}

// Streamlit disables the tabs for some 100 ms at the start of each run. The chosen one then loses the keyboard's focus, so
// that the next arrow key would do nothing: it gets the focus back, unless that went elsewhere meanwhile.
function keepTab({ target }) {
  if (!target.matches?.("[role=tab]")) return;
  const isOff = () => target.getAttribute("aria-disabled") === "true";
  const giveBack = () => {
    if (!target.isConnected || document.activeElement !== document.body) return;
    if (isOff()) requestAnimationFrame(giveBack);
    else target.focus();
  };
  // The same task that takes its focus marks it as disabled. A frame later a busy browser may have enabled it already.
  queueMicrotask(() => isOff() && giveBack());
}

const INPUTS = "input, textarea, [contenteditable]";

function paste(event) {
  const { files } = event.clipboardData;
  if (!files.length || event.target.closest?.(INPUTS)) return;
  event.preventDefault();
  give(files);
}

// Marks what is dragged from the page itself, a picture of the strip for one: browsers offer it as a file too. A flag would
// stay when the dragged element is drawn anew, for then no dragend comes.
const OWN = "application/x-of-this-page";

// Without this the browser would leave the page for a file that is dropped beside the place meant for it.
function drag(event) {
  const { types } = event.dataTransfer;
  const files = types.includes("Files") && !types.includes(OWN);
  const over = event.type === "dragover" && files;
  document.body.classList.toggle("dropping", over);
  if (event.type === "dragleave" || event.target.closest?.(`[data-testid=stFileUploaderDropzone], ${INPUTS}`)) return;
  event.preventDefault();
  if (event.type === "dragover") event.dataTransfer.dropEffect = over ? "copy" : "none";
  else if (files) give(pictures(event.dataTransfer));
}

// A folder would come as a file that cannot be read.
const pictures = ({ items }) =>
  [...items].filter((item) => item.kind === "file" && !item.webkitGetAsEntry?.()?.isDirectory).map((item) => item.getAsFile());

// Files that come from anywhere go the way of those that are chosen: through the chooser of the tab for files.
function give(files) {
  const chosen = new DataTransfer();
  for (const file of files) chosen.items.add(file);
  if (!chosen.files.length) return;
  [...document.querySelectorAll("[role=tab]")].find((tab) => tab.textContent.trim() === told.data.way)?.click();
  const end = Date.now() + 10_000;
  const when = () => {
    const input = document.querySelector(".st-key-files input[type=file]");
    const runs = document.querySelector("[data-test-script-state=running]"); // its end may draw the chooser anew
    if (!input || runs) return Date.now() < end && requestAnimationFrame(when);
    input.files = chosen.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  when();
}

// Copies the link or the picture, and says so beside the buttons. Only a script may do it, and only on a press.
// The press goes no further: a run for it would show Share anew on a busy machine, without what was said.
async function copy(event) {
  const button = event.target.closest?.(".st-key-copy-link button, .st-key-copy-picture button");
  if (!button) return;
  event.stopPropagation();
  try {
    await (button.closest(".st-key-copy-link") ? copyLink() : copyPicture());
    say("done");
  } catch {
    say("failed");
  }
}

// The place for it comes a moment after the buttons.
function say(what) {
  const place = document.getElementById("copied");
  if (place) place.textContent = place.dataset[what];
  else if (document.querySelector("[data-testid=stPopoverBody]")) requestAnimationFrame(() => say(what));
}

const copyLink = async () => navigator.clipboard.writeText(document.querySelector(".st-key-link-text code").textContent);

async function copyPicture() {
  const picture = fetch(document.querySelector(".card").src).then((reply) => reply.blob());
  await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
}
