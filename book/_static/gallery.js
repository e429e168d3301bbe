// Filters the gallery of mistakes. Without scripts it is a plain list by symptom.
"use strict";

const form = document.getElementById("filter");
if (form) {
  const items = [...document.querySelectorAll(".course-symptom li")];
  const texts = items.map((item) => item.textContent.toLowerCase());
  const seen = items.map((item) => new Set(item.dataset.seen.split(" ")));
  const sections = [...document.querySelectorAll(".course-symptom")];
  const status = document.getElementById("shown");

  const show = () => {
    const chosen = [...form.querySelectorAll("[name=seen]:checked")].map((box) => box.value);
    const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const notebook = form.elements.notebook.value;
    let count = 0;
    items.forEach((item, number) => {
      const fits =
        chosen.every((symptom) => seen[number].has(symptom)) &&
        words.every((word) => texts[number].includes(word)) &&
        (!notebook || item.dataset.notebook === notebook);
      item.hidden = !fits;
      count += fits;
    });
    const filtered = chosen.length || words.length || notebook;
    for (const section of sections) {
      section.hidden = filtered && !section.querySelector("li:not([hidden])");
    }
    document.body.classList.toggle("course-filtered", Boolean(filtered));
    const noun = count === 1 ? "mistake is" : "mistakes are";
    status.textContent = `${count} of ${items.length} ${noun} shown.`;
  };

  let waiting;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(show, 150);
  });
  form.addEventListener("reset", () => setTimeout(show));
  form.addEventListener("submit", (event) => event.preventDefault());

  // A link to a symptom chooses it.
  const choose = () => {
    const box = form.querySelector(`[name=seen][value="${CSS.escape(location.hash.slice(1))}"]`);
    if (box) {
      form.reset();
      box.checked = true;
      setTimeout(show);
      form.scrollIntoView();
    }
  };
  addEventListener("hashchange", choose);
  form.hidden = false;
  document.querySelector(".course-symptoms").hidden = true;
  show();
  choose();
}
