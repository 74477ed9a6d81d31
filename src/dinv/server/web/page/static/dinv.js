// What the page does with JavaScript, and does without: copying a line, a log that follows, and saying when what
// is shown may be old. Live parts are htmx's.
document.documentElement.classList.add("js");

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button || button.dataset.said) return;
  const text = document.getElementById(button.dataset.copy).textContent.trim();
  button.dataset.said = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select and copy it";
  }
  setTimeout(() => { button.textContent = button.dataset.said; delete button.dataset.said; }, 2000);
});

// A form is sent once, however often its button is pressed; one that downloads may be sent again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => { delete form.dataset.sent; }, 3000);
});

// Escape closes what asks, and what is open of a form.
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && document.activeElement.closest("details[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});

// A log is asked for again while somebody may see it. It grows at its end, and stays there unless somebody has
// scrolled back; while something in it is selected, and while nothing is new, it is left alone.
const LOOK_MILLISECONDS = 3000;
let over = false;
document.addEventListener("htmx:sseClose", () => { over = true; });
setInterval(() => {
  if (!over && !document.hidden && window.htmx) htmx.trigger(document.body, "look");
}, LOOK_MILLISECONDS);

document.addEventListener("htmx:beforeSwap", (event) => {
  const log = event.detail.target;
  if (!log.matches("[data-follow]") || !event.detail.shouldSwap) return;
  const selection = getSelection();
  const text = event.detail.serverResponse;
  if (log.dataset.text === text || (!selection.isCollapsed && log.contains(selection.anchorNode))) {
    event.detail.shouldSwap = false;
    return;
  }
  log.dataset.text = text;
  log.dataset.follow = log.scrollHeight - log.scrollTop - log.clientHeight < 40 ? "end" : "";
});
document.addEventListener("htmx:afterSwap", (event) => {
  const log = event.target;
  if (log.dataset.follow === "end") log.scrollTop = log.scrollHeight;
});

// Whether what is shown is live: it is said when the connection is lost, and when it is back.
const LOST_MILLISECONDS = 4000;
let lost;
const say = (text) => {
  const place = document.getElementById("connection");
  place.textContent = text;
  place.hidden = !text;
};
document.addEventListener("htmx:sseError", () => {
  lost ??= setTimeout(() => say("The server does not answer; what is shown may be old. It is tried again."), LOST_MILLISECONDS);
});
document.addEventListener("htmx:sseOpen", () => {
  clearTimeout(lost);
  lost = undefined;
  say("");
});
