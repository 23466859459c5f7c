"use strict";
// Pictures wait in <template>, which browsers neither decode nor lay out, until their card comes near the window.
const articles = [...document.querySelectorAll("article")];

function show(compare) {
  const template = compare.querySelector("template");
  if (!template) return;
  compare.prepend(template.content.cloneNode(true));
  template.remove();
}

const near = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    near.unobserve(entry.target);
    show(entry.target);
  }
}, { rootMargin: "600px" });
document.querySelectorAll(".compare").forEach((compare) => near.observe(compare));

document.addEventListener("input", (event) => {
  const compare = event.target.closest(".compare");
  if (compare) compare.style.setProperty("--at", event.target.value + "%");
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.show) return choose(button);
  const compare = button.closest("article").querySelector(".compare");
  show(compare);
  button.setAttribute("aria-pressed", String(compare.classList.toggle("show-" + button.dataset.layer)));
});

// j and k go from photo to photo, m shows where it was damaged, f its faces; arrows, Home and End move the slider itself.
const layers = { m: "damage", f: "faces" };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.type === "search") return;
  const sliders = articles.filter((a) => !a.hidden).map((a) => a.querySelector(".compare input")).filter(Boolean);
  const here = sliders.indexOf(document.activeElement);
  if (event.key === "j" || event.key === "k") {
    const next = sliders[Math.min(sliders.length - 1, Math.max(0, here + (event.key === "j" ? 1 : -1)))];
    if (next) { next.focus(); next.closest("article").scrollIntoView({ block: "nearest" }); }
  } else if (layers[event.key] && here >= 0) {
    const button = sliders[here].closest("article").querySelector(`[data-layer=${layers[event.key]}]`);
    if (button) button.click();
  }
});

const search = document.querySelector("input[type=search]");
let wanted = "all";

function choose(button) {
  wanted = button.dataset.show;
  for (const other of document.querySelectorAll("button[data-show]")) {
    other.setAttribute("aria-pressed", String(other === button));
  }
  filter();
}

function filter() {
  const text = search.value.toLowerCase();
  for (const article of articles) {
    const named = article.querySelector("h2").textContent.toLowerCase().includes(text);
    article.hidden = !(named && (wanted === "all" || wanted === article.dataset.status));
  }
}
search.addEventListener("input", filter);
