// The playground's page: what is set (and stands in the address), and what is shown of it.

"use strict";

(() => {
  const { exact: real, forms, formats } = Softmax;

  const MOST = 8;
  const REACHES = { 10: 0.1, 50: 0.5, 100: 0.5, 1000: 0.5 }; // of the sliders, and their steps
  const TEMPERATURES = [0.01, 100];
  const CUTS = {
    "top-k": { min: 1, max: MOST, step: 1, initial: 2, says: (v) => `k = ${v}` },
    "top-p": { min: 0.05, max: 1, step: 0.05, initial: 0.8, says: (v) => `mass ${v}` },
    "min-p": { min: 0.01, max: 1, step: 0.01, initial: 0.1, says: (v) => `${v} of the largest` },
  };
  const PRESETS = [
    ["(2, 1, 0, −1)", "x=2,1,0,-1"],
    ["(1000, 0)", "x=1000,0"],
    ["(709.5, 709.5)", "x=709.5,709.5"],
    ["(0, −40)", "x=0,-40"],
    ["(−1000, −1001)", "x=-1000,-1001"],
    ["four ties", "x=1,1,1,1"],
    ["ties at the top", "x=90,90,90,0"],
    ["a mask", "x=1,2,-inf,0"],
    ["all masked", "x=-inf,-inf,-inf"],
    ["float16: (12, 11)", "x=12,11&f=float16"],
    ["bfloat16: (40.1, 40)", "x=40.1,40&f=bfloat16"],
    ["E4M3: (5, 4, 3)", "x=5,4,3&f=float8_e4m3fn"],
    ["top-p on ties", "x=1,1,1,0,0,-1&cut=top-p:0.5"],
  ];
  const COLUMNS = [
    ["textbook", "Textbook form"],
    ["shifted", "Shifted form"],
    ["log1p", "log1p form"],
    ["exact", "Exact answer"],
  ];

  const $ = (id) => document.getElementById(id);

  // -- the state, and the address --------------------------------------------------------------

  let state = read(location.hash);

  /** A logit as people write it: 1e3, -inf, −2 (with a minus sign), nan. null: not a number. */
  function parse(text) {
    const plain = text.trim().replaceAll("−", "-").replaceAll("∞", "inf").toLowerCase();
    const sign = plain.startsWith("-") ? -1 : 1;
    const bare = plain.replace(/^[+-]/, "");
    if (/^inf(inity)?$/.test(bare)) return sign * Infinity;
    if (bare === "nan") return NaN;
    return /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(bare) ? sign * Number(bare) : null;
  }

  const write = (v) =>
    Object.is(v, -0) ? "-0" : Number.isNaN(v) ? "nan" : `${v}`.replace("Infinity", "inf");

  /** The state that an address holds. What is missing, or means nothing, is as at the start. */
  function read(hash) {
    const given = new URLSearchParams(hash.replace(/^#/, "").replaceAll("+", "%2B"));
    const x = (given.get("x") ?? "2,1,0,-1").split(",").map(parse);
    const whole = x.length <= MOST && x.every((v) => v !== null) ? x : [2, 1, 0, -1];
    const y = Number(given.get("y") ?? 0);
    const t = Number(given.get("t") ?? 1);
    const [kind, value] = (given.get("cut") ?? "all").split(":");
    const cut = CUTS[kind];
    const size = Number(value);
    return {
      x: whole,
      tau: t >= TEMPERATURES[0] && t <= TEMPERATURES[1] ? t : 1,
      format: given.get("f") in formats.FORMATS ? given.get("f") : "float64",
      target: Number.isInteger(y) && y >= 0 && y < whole.length ? y : 0,
      cut: cut ? kind : "all",
      cutValue: cut ? (size >= cut.min && size <= cut.max ? size : cut.initial) : null,
    };
  }

  /** The address's part for a state. */
  function hash({ x, tau, format, target, cut, cutValue }) {
    const parts = [`x=${x.map(write).join(",")}`];
    if (tau !== 1) parts.push(`t=${tau}`);
    if (format !== "float64") parts.push(`f=${format}`);
    if (target) parts.push(`y=${target}`);
    if (cut !== "all") parts.push(`cut=${cut}:${cutValue}`);
    return `#${parts.join("&")}`;
  }

  let lastHash = location.hash;
  let filing;
  /** Put the state into the address, once things rest: browsers limit how often. */
  function file() {
    clearTimeout(filing);
    filing = setTimeout(() => {
      lastHash = hash(state);
      history.replaceState(null, "", lastHash);
    }, 200);
  }

  addEventListener("hashchange", () => {
    if (location.hash === lastHash) return;
    lastHash = location.hash;
    start(read(location.hash));
  });

  // -- what is shown of numbers ----------------------------------------------------------------

  const MINUS = "−";

  /** Digits and exponent as text, in two parts: the first `right` significant digits, the rest. */
  function layOut({ negative, digits, exponent }, right) {
    const bare = digits.replace(/0+$/, "") || "0";
    const scientific = exponent < -5 || exponent > 16;
    let text = "";
    let cutAt = right > 0 ? null : 0;
    let seen = 0;
    const put = (character, counts) => {
      text += character;
      if (counts) seen += 1;
      if (counts && seen === right) cutAt = text.length;
    };
    if (scientific || exponent >= 0) {
      const before = scientific ? 1 : exponent + 1;
      [...bare.padEnd(before, "0")].forEach((digit, i) => {
        if (i === before) put(".", false);
        put(digit, true);
      });
    } else {
      text = `0.${"0".repeat(-exponent - 1)}`;
      [...bare].forEach((digit) => put(digit, true));
    }
    const end = scientific ? `e${`${exponent}`.replace("-", MINUS)}` : "";
    const sign = negative ? MINUS : "";
    if (cutAt === null || cutAt === text.length) return [sign + text + end, ""];
    return cutAt ? [sign + text.slice(0, cutAt), text.slice(cutAt) + end] : ["", sign + text + end];
  }

  const special = (v) => (Number.isNaN(v) ? "NaN" : v > 0 ? "inf" : `${MINUS}inf`);

  function plain(v, places) {
    if (!Number.isFinite(v)) return special(v);
    if (v === 0) return Object.is(v, -0) ? `${MINUS}0` : "0";
    return layOut(real.decimal(real.fromNumber(v), places), Infinity)[0];
  }

  function plainExact(truth, places) {
    if (typeof truth === "number") return special(truth);
    if (Math.abs(truth.e) > formats.BEYOND / 2) {
      return `${truth.m < 0n ? MINUS : ""}${truth.e < 0 ? "below 1e−400000000" : "above 1e400000000"}`;
    }
    return layOut(real.decimal(truth, places), Infinity)[0];
  }

  /** The two parts of a computed number, and what is said of it. */
  function marked(computed, truth, name) {
    const { nearest, digits } = forms.judge(computed, truth, name);
    const places = formats.decimalDigits(name);
    const shown = Math.min(digits, places);
    const says = nearest ? "✓" : digits === 0 ? "no digit" : `${shown} digit${shown > 1 ? "s" : ""}`;
    if (!Number.isFinite(computed) || computed === 0) {
      const text = plain(computed, places);
      return { right: nearest ? text : "", wrong: nearest ? "" : text, says, nearest, digits };
    }
    const [right, wrong] = layOut(real.decimal(real.fromNumber(computed), places), shown);
    return { right, wrong, says, nearest, digits };
  }

  // -- the controls ----------------------------------------------------------------------------

  let reach = 10;

  /** The smallest reach of the sliders that holds all finite logits. */
  function reachFor(x) {
    const far = Math.max(0, ...x.filter(Number.isFinite).map(Math.abs));
    return Object.keys(REACHES).map(Number).find((bound) => bound >= far) ?? 1000;
  }

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const SUBSCRIPTS = "₁₂₃₄₅₆₇₈";

  /** One logit: its name, a slider, its number, mask, target, and its probability as a bar. */
  function row(i) {
    const name = `x${SUBSCRIPTS[i]}`;
    const slider = element("input", { type: "range", "aria-label": `${name}, slider` });
    const text = element("input", {
      ...{ type: "text", inputmode: "text", size: 8, "aria-label": `${name}, as a number` },
      ...{ autocomplete: "off", spellcheck: "false" },
    });
    const mask = element("input", { type: "checkbox" });
    const target = element("input", { type: "radio", name: "target" });
    const made = element(
      ...["li", {}, element("span", { class: "name", "aria-hidden": "true" }, name), slider, text],
      element("label", { class: "choice" }, mask, " masked"),
      element("label", { class: "choice" }, target, " target"),
      element("span", { class: "held" }),
      element("span", { class: "bar", "aria-hidden": "true" }, element("span")),
      element("span", { class: "share" }),
    );
    let before = 0; // what unmasking brings back
    slider.addEventListener("input", () => set(i, Number(slider.value)));
    text.addEventListener("input", () => {
      const value = parse(text.value);
      text.setAttribute("aria-invalid", value === null);
      if (value !== null) set(i, value, text);
    });
    text.addEventListener("change", () => update());
    text.addEventListener("keydown", (event) => {
      const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (!by || !Number.isFinite(state.x[i])) return;
      event.preventDefault();
      set(i, Number((state.x[i] + by * REACHES[reach]).toFixed(6)));
    });
    mask.addEventListener("change", () => {
      if (mask.checked) before = Number.isFinite(state.x[i]) ? state.x[i] : 0;
      set(i, mask.checked ? -Infinity : before);
    });
    target.addEventListener("change", () => {
      state.target = i;
      update();
    });
    return made;
  }

  function set(i, value, typing = null) {
    state.x[i] = value;
    reach = Math.max(reach, reachFor(state.x));
    update(typing);
  }

  function buildRows() {
    $("rows").replaceChildren(...state.x.map((_, i) => row(i)));
  }

  /** Begin from a state: all controls anew. */
  function start(next) {
    state = next;
    reach = reachFor(state.x);
    buildRows();
    update();
  }

  for (const [label, address] of PRESETS) {
    const button = element("button", { type: "button" }, label);
    button.addEventListener("click", () => start(read(address)));
    $("presets").append(button, " ");
  }

  $("more").addEventListener("click", () => {
    state.x.push(0);
    buildRows();
    update();
    $("rows").lastChild.querySelector("input").focus();
  });
  $("fewer").addEventListener("click", () => {
    state.x.pop();
    state.target = Math.min(state.target, state.x.length - 1);
    buildRows();
    update();
  });
  $("reach").addEventListener("change", () => {
    reach = Number($("reach").value);
    update();
  });
  $("format").addEventListener("change", () => {
    state.format = $("format").value;
    update();
  });
  $("temperature").addEventListener("input", () => {
    state.tau = Number((10 ** Number($("temperature").value)).toPrecision(2));
    update();
  });
  $("temperature-text").addEventListener("input", () => {
    const value = parse($("temperature-text").value);
    const fits = value !== null && value >= TEMPERATURES[0] && value <= TEMPERATURES[1];
    $("temperature-text").setAttribute("aria-invalid", !fits);
    if (fits) {
      state.tau = value;
      update($("temperature-text"));
    }
  });
  $("temperature-text").addEventListener("change", () => update());
  $("cut").addEventListener("change", () => {
    state.cut = $("cut").value;
    state.cutValue = CUTS[state.cut]?.initial ?? null;
    update();
  });
  $("cut-value").addEventListener("input", () => {
    state.cutValue = Number($("cut-value").value);
    update();
  });
  $("copy").addEventListener("click", async () => {
    const address = location.href.replace(/#.*$/, "") + hash(state);
    try {
      await navigator.clipboard.writeText(address);
      $("copied").textContent = "Copied.";
    } catch {
      $("copied").textContent = address; // to be copied by hand
    }
  });

  /** Put what is set into every control, but for the one that is being typed into. */
  function showControls(typing, answers) {
    const rows = [...$("rows").children];
    rows.forEach((made, i) => {
      const [slider, text, mask, target] = made.querySelectorAll("input");
      const value = state.x[i];
      slider.min = -reach;
      slider.max = reach;
      slider.step = REACHES[reach];
      slider.value = Number.isFinite(value) ? value : value > 0 ? reach : -reach;
      slider.setAttribute("aria-valuetext", write(value));
      if (text !== typing) {
        text.value = write(value);
        text.setAttribute("aria-invalid", false);
      }
      mask.checked = value === -Infinity;
      target.checked = state.target === i;
      const held = answers.held[i];
      made.querySelector(".held").textContent = Object.is(held, value)
        ? ""
        : `held as ${plain(held, 17)}`;
    });
    $("more").disabled = state.x.length >= MOST;
    $("fewer").disabled = state.x.length <= 1;
    $("reach").value = reach;
    $("format").value = state.format;
    $("temperature").value = Math.log10(state.tau);
    $("temperature").setAttribute("aria-valuetext", state.tau);
    if ($("temperature-text") !== typing) {
      $("temperature-text").value = state.tau;
      $("temperature-text").setAttribute("aria-invalid", false);
    }
    const cut = CUTS[state.cut];
    $("cut").value = state.cut;
    $("cut-value").hidden = !cut;
    $("cut-text").textContent = cut ? cut.says(state.cutValue) : "";
    if (cut) {
      Object.assign($("cut-value"), { min: cut.min, max: cut.max, step: cut.step });
      $("cut-value").value = state.cutValue;
      $("cut-value").setAttribute("aria-valuetext", cut.says(state.cutValue));
    }
  }

  // -- what comes out --------------------------------------------------------------------------

  const percent = (truth) =>
    typeof truth === "number" ? NaN : 100 * formats.roundExact(truth, "float64");

  /** The bars: exact probabilities, and what the cut keeps of them. */
  function showBars(answers) {
    const keeps = forms.kept(answers.held, answers.exact.p, state.cut, state.cutValue);
    const after = state.cut === "all" ? null : forms.renormalised(answers.exact.p, keeps);
    [...$("rows").children].forEach((made, i) => {
      const p = percent(answers.exact.p[i]);
      const defined = Number.isFinite(p);
      const bar = made.querySelector(".bar");
      bar.firstChild.style.width = `${defined ? p : 0}%`;
      made.classList.toggle("kept", after !== null && keeps[i]);
      made.classList.toggle("cut", after !== null && !keeps[i]);
      const share = defined ? `${p.toFixed(2)} %` : "undefined";
      const then = after && defined ? `, ${keeps[i] ? `kept: ${percent(after[i]).toFixed(2)} %` : "cut"}` : "";
      made.querySelector(".share").textContent = share + then;
    });
  }

  /** The rows of the table: [name, group, how to get it from a form's answer]. */
  function quantities(n) {
    const each = (label, key) =>
      Array.from({ length: n }, (_, i) => [label(SUBSCRIPTS[i]), (answer) => answer[key][i]]);
    return [
      ["Probabilities", each((i) => `p${i}`, "p")],
      ["Log-softmax", each((i) => `log p${i}`, "logP")],
      ["Log-sum-exp and loss", [
        ["log-sum-exp", (answer) => answer.lse],
        ["loss", (answer) => answer.loss],
      ]],
      ["Gradient of the loss", each((i) => `∂loss/∂x${i}`, "gradient")],
    ];
  }

  function showTable(answers) {
    const table = $("table");
    table.querySelectorAll("tbody").forEach((body) => body.remove());
    const seen = { textbook: [], shifted: [], log1p: [] };
    for (const [title, rows] of quantities(state.x.length)) {
      const body = element("tbody", { role: "rowgroup" });
      body.append(
        element(
          ...["tr", { role: "row", class: "group" }],
          element("th", { role: "rowheader", scope: "rowgroup", colspan: 5 }, title),
        ),
      );
      for (const [label, of] of rows) {
        const line = element("tr", { role: "row" });
        line.append(element("th", { role: "rowheader", scope: "row" }, label));
        const truth = of(answers.exact);
        for (const [form, heading] of COLUMNS) {
          const cell = element("td", { role: "cell", "data-form": heading });
          if (form === "exact") {
            cell.append(element("span", { class: "number" }, plainExact(truth, 17)));
          } else {
            const mark = marked(of(answers[form]), truth, state.format);
            seen[form].push({ label, value: of(answers[form]), ...mark });
            const number = element("span", { class: "number" });
            if (mark.right) number.append(element("b", { class: "right" }, mark.right));
            // The further digits of the nearest number are the format's: not right, and no mistake.
            const rest = mark.nearest ? "beyond" : "wrong";
            if (mark.wrong) number.append(element("span", { class: rest }, mark.wrong));
            const says = mark.nearest
              ? [element("span", { "aria-hidden": "true" }, "✓"), element("span", { class: "unseen" }, "nearest")]
              : [mark.says];
            cell.append(
              number,
              element("span", { class: mark.nearest ? "nearest" : "says" }, " ", ...says),
            );
          }
          line.append(cell);
        }
        body.append(line);
      }
      table.append(body);
    }
    return seen;
  }

  /** One sentence for a form: what is wrong with it, worst first. */
  function sentence(title, numbers) {
    const listed = (those) => {
      const names = those.map(({ label }) => label);
      return names.length > 4 ? `${names.length} of ${numbers.length} numbers` : names.join(", ");
    };
    const nan = numbers.filter(({ nearest, value }) => !nearest && Number.isNaN(value));
    const lost = numbers.filter(({ nearest, digits, value }) =>
      !nearest && digits === 0 && !Number.isNaN(value));
    const some = numbers.filter(({ nearest, digits }) => !nearest && digits > 0);
    const parts = [];
    if (nan.length) parts.push(`NaN, though the answer is not: ${listed(nan)}`);
    if (lost.length) parts.push(`no right digit: ${listed(lost)}`);
    if (!parts.length && some.length) {
      const worst = some.reduce((a, b) => (b.digits < a.digits ? b : a));
      const digits = `${worst.digits} right digit${worst.digits > 1 ? "s" : ""}`;
      parts.push(`at least ${digits}, the fewest in ${worst.label}`);
    }
    if (!parts.length) parts.push("every number is the nearest that the format has");
    return `${title}: ${parts.join("; ")}.`;
  }

  /** What a screen reader is told, and everybody may read, once things rest. */
  let telling;
  function showSummary(seen, answers) {
    const name = $("format").selectedOptions[0].textContent;
    const unheld = answers.held.filter((v, i) => !Number.isFinite(v) && Number.isFinite(state.x[i]));
    const lines = [
      unheld.length ? `${name} cannot hold ${unheld.length} of the logits: inf.` : `In ${name}:`,
      ...COLUMNS.slice(0, 3).map(([form, title]) => sentence(title, seen[form])),
    ];
    clearTimeout(telling);
    telling = setTimeout(() => {
      $("summary").replaceChildren(...lines.map((line) => element("p", {}, line)));
    }, 300);
  }

  function update(typing = null) {
    const answers = forms.compute(state.x, state.tau, state.target, state.format);
    showControls(typing, answers);
    showBars(answers);
    showSummary(showTable(answers), answers);
    file();
  }

  // The theme that the website was set to, if it was; else the system's.
  try {
    const theme = localStorage.getItem("theme");
    if (["light", "dark"].includes(theme)) document.documentElement.dataset.theme = theme;
  } catch {
    // No storage: the system's theme.
  }

  start(state);
})();
