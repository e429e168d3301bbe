// What the website does with a script: buttons that copy code, and search results in prose.
// Without scripts every page reads the same.
"use strict";

// -- copy -----------------------------------------------------------------------------------------

function addCopyButtons() {
  if (!navigator.clipboard) return; // neither https nor this machine
  const status = document.createElement("span");
  status.className = "visually-hidden";
  status.setAttribute("role", "status");
  document.querySelector("main")?.append(status);
  const code = "article div.highlight > pre, article .course-card > pre";
  for (const pre of document.querySelectorAll(code)) {
    if (pre.closest(".cell_output")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "course-copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(pre.textContent.replace(/\n$/, ""));
        button.textContent = "Copied";
        status.textContent = "Code copied.";
      } catch {
        button.textContent = "Not copied";
        status.textContent = "The browser did not allow it.";
      }
      button.classList.add("done");
      setTimeout(() => {
        button.textContent = "Copy";
        button.classList.remove("done");
        status.textContent = "";
      }, 2000);
    });
    pre.parentElement.classList.add("course-copy-place");
    pre.before(button);
  }
}

// -- a link to what stands in a fold opens it -------------------------------------------------------

function openFoldOfTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const fold = target?.closest("details");
  if (!fold) return;
  for (let outer = fold; outer; outer = outer.parentElement.closest("details")) outer.open = true;
  target.scrollIntoView();
}

// -- search -----------------------------------------------------------------------------------------

// A result quotes the page's prose: neither code, nor outputs, nor tables, nor what is folded.
function quoteProse() {
  if (typeof Search === "undefined") return;
  const passedOver = "pre, table, details, figure, nav, footer, button, .cell_output, .onlyprint";
  const toText = Search.htmlToText;
  Search.htmlToText = (source, anchor) => {
    const page = new DOMParser().parseFromString(source, "text/html");
    page.querySelectorAll(passedOver).forEach((part) => part.remove());
    page.querySelectorAll("#main-content article").forEach((part) => {
      part.closest("main").replaceChildren(part);
    });
    return toText(page.documentElement.outerHTML, anchor).replace(/\s+/g, " ").trim();
  };
}

addCopyButtons();
quoteProse();
openFoldOfTarget();
addEventListener("hashchange", openFoldOfTarget);
