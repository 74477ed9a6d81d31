// What the page does with JavaScript, and does without: copying a line. Live parts are htmx's.
document.documentElement.classList.add("js");

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy).textContent.trim();
  const said = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select and copy it";
  }
  setTimeout(() => { button.textContent = said; }, 2000);
});

// What follows grows at its end, and stays there unless somebody has scrolled back.
document.addEventListener("htmx:afterSettle", () => {
  for (const element of document.querySelectorAll("[data-follow]")) {
    element.scrollTop = element.scrollHeight;
  }
});
