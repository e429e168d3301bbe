// Figures that move without a kernel. On the website, the still that a notebook stored becomes a
// figure with <input type="range">: the same curves and bars, the same words, computed here.
//
// The build wraps each still in <div class="moving-figure" data-figure="slider-…"
// data-controls="…" data-given="…">: the notebook cell's id, the numbers of its
// figures.slider(…), and what Python computed beforehand. FIGURES says how to draw: for the values
// of the controls, `numbers` (what is drawn, and tests/test_moving_figures.py compares with the
// notebook's own figure), `words` (its text), and `svg`.

"use strict";

globalThis.MovingFigures = (() => {
  const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8F4C00", "#4796F0", "#000000"];
  const NAMES = { tau: "τ", alpha: "α", epsilon: "ε", x1: "x₁" };

  // -- numbers ---------------------------------------------------------------------------------

  const sum = (values) => values.reduce((total, v) => total + v, 0);
  const range = (n, f) => Array.from({ length: n }, (_, i) => f(i));
  const linspace = (low, high, n) => range(n, (i) => low + ((high - low) * i) / (n - 1));

  function softmax(x) {
    const m = Math.max(...x);
    const e = x.map((v) => Math.exp(v - m));
    const total = sum(e);
    return e.map((v) => v / total);
  }

  const entropy = (p) => -sum(p.map((v) => (v ? v * Math.log(v) : 0)));

  /** Round to a format of the course; a double does as many digits as any of its formats. */
  function roundTo(x, { precision, smallest, largest }) {
    if (!Number.isFinite(x) || x === 0 || precision === 53) return x;
    const exponent = Math.max(Math.floor(Math.log2(Math.abs(x))), Math.log2(smallest));
    const step = 2 ** (exponent - precision + 1);
    const magic = 1.5 * 2 ** 52; // leaves no bits after the point: ties to even
    const rounded = (Math.abs(x) / step + magic - magic) * step;
    return Math.sign(x) * (rounded > largest ? Infinity : rounded);
  }

  /** A number as Python's :g writes it, with that many digits. */
  function general(x, digits = 6) {
    if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
    if (x === 0) return "0";
    const [mantissa, power] = x.toExponential(digits - 1).split("e");
    const exponent = Number(power);
    if (exponent >= -4 && exponent < digits) return `${Number(x.toPrecision(digits))}`;
    const bare = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
    return `${bare}e${exponent < 0 ? "-" : "+"}${`${Math.abs(exponent)}`.padStart(2, "0")}`;
  }

  // -- drawing ---------------------------------------------------------------------------------

  const escaped = (text) => `${text}`.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const at = (v) => v.toFixed(2);

  function text(x, y, words, { anchor = "middle", size = 13, fill = "#000", turn = 0 } = {}) {
    const turned = turn ? ` transform="rotate(${turn} ${at(x)} ${at(y)})"` : "";
    return `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}" font-size="${size}" fill="${fill}"${turned}>${escaped(words)}</text>`;
  }

  const rect = (x, y, w, h, fill, more = "") =>
    `<rect x="${at(x)}" y="${at(y)}" width="${at(Math.max(w, 0))}" height="${at(Math.max(h, 0))}" fill="${fill}" ${more}/>`;
  const line = (x1, y1, x2, y2, stroke, width = 1) =>
    `<line x1="${at(x1)}" y1="${at(y1)}" x2="${at(x2)}" y2="${at(y2)}" stroke="${stroke}" stroke-width="${width}"/>`;

  /**
   * A pair of axes: where numbers lie on the paper, and the drawing so far.
   *
   * x, y: the limits; xTicks, yTicks: [value, label] each; scale: a transform of x.
   */
  function axes({ width = 600, height = 320, x, y, xTicks = [], yTicks = [], ...words }) {
    const { title = "", xLabel = "", yLabel = "", scale = (v) => v, grid = true, left = 58 } = words;
    const [top, bottom, right] = [36, xLabel ? 52 : 34, 14];
    const [low, high] = x.map(scale);
    const X = (v) => left + ((scale(v) - low) / (high - low)) * (width - left - right);
    const Y = (v) => height - bottom - ((v - y[0]) / (y[1] - y[0])) * (height - top - bottom);
    const parts = [rect(0, 0, width, height, "#fff")];
    for (const [v, label] of yTicks) {
      if (grid) parts.push(line(left, Y(v), width - right, Y(v), "#ddd"));
      parts.push(text(left - 8, Y(v) + 4, label, { anchor: "end", size: 12 }));
    }
    for (const [v, label] of xTicks) {
      parts.push(text(X(v), height - bottom + 18, label, { size: 12 }));
    }
    const finish = () => {
      const frame = [
        line(left, height - bottom, width - right, height - bottom, "#000"),
        line(left, top, left, height - bottom, "#000"),
        text(width / 2, 22, title, { size: 15 }),
        text((left + width - right) / 2, height - 10, xLabel, { size: 14 }),
        text(16, (top + height - bottom) / 2, yLabel, { size: 14, turn: -90 }),
      ];
      return { width, height, inside: [...parts, ...frame].join("") };
    };
    const bar = (centre, w, from, to, fill, more) =>
      parts.push(rect(X(centre - w / 2), Y(to), X(centre + w / 2) - X(centre - w / 2), Y(from) - Y(to), fill, more));
    const curve = (xs, ys, stroke, w = 2.5) => {
      const points = xs.map((v, i) => `${at(X(v))},${at(Y(ys[i]))}`).join(" ");
      parts.push(`<polyline points="${points}" fill="none" stroke="${stroke}" stroke-width="${w}"/>`);
    };
    /** Coloured squares with words, from x on. */
    const legend = (entries, fromX, fromY, down = true) => {
      let [px, py] = [fromX, fromY];
      for (const [label, fill] of entries) {
        parts.push(rect(px, py - 10, 12, 12, fill), text(px + 18, py, label, { anchor: "start" }));
        if (down) py += 20;
        else px += 34 + 8 * label.length;
      }
    };
    return { X, Y, parts, bar, curve, legend, finish, edges: { left, right, top, bottom } };
  }

  const tenths = [0, 0.2, 0.4, 0.6, 0.8, 1].map((v) => [v, v.toFixed(1)]);

  // -- the figures -----------------------------------------------------------------------------

  const FIGURES = {
    "slider-one-logit": ({ x1 }) => {
      const p = softmax([x1, 1, 0, -1]);
      const xTicks = ["p₁", "p₂", "p₃", "p₄"].map((name, i) => [i, name]);
      const title = `logits (${x1.toFixed(1).replace("-", "−")}, 1, 0, −1)`;
      const a = axes({ x: [-0.6, 3.6], y: [0, 1], xTicks, yTicks: tenths, yLabel: "probability", title });
      p.forEach((v, i) => a.bar(i, 0.8, 0, v, COLOURS[i]));
      const listed = p.map((v) => v.toFixed(2)).join(", ");
      return { numbers: p, words: `Four bars for the logits ${x1.toFixed(1)}, 1, 0, -1: ${listed}`, svg: a.finish() };
    },

    "slider-limits": ({ x }, given) => {
      const values = given.map((f) => roundTo(Math.exp(roundTo(x, f)), f));
      const listed = given.map(({ name }, i) => `${name}: ${general(values[i], 3)}`).join(", ");
      // As matplotlib's symlog with linthresh 10 and linscale 0.7.
      const linear = 0.7 / 0.9;
      const scale = (v) =>
        Math.abs(v) <= 10 ? v * linear : Math.sign(v) * 10 * (linear + Math.log10(Math.abs(v) / 10));
      const xTicks = [-745, -100, -10, 0, 10, 100, 710].map((v) => [v, `${v}`.replace("-", "−")]);
      const yTicks = given.map(({ name }, i) => [3 - i, name]);
      const a = axes({
        ...{ x: [-2000, 2000], y: [-1.3, 3.6], xTicks, yTicks, xLabel: "x", scale, grid: false },
        ...{ left: 84, title: `exp(x) at x = ${general(x)}` },
      });
      const kinds = ["0", "subnormal", "normal", "inf"];
      const paint = ["#bbbbbb", COLOURS[4], COLOURS[5], COLOURS[1]];
      given.forEach(({ edges }, i) => {
        const all = [-2000, ...edges, 2000];
        kinds.forEach((_, k) => {
          const width = a.X(all[k + 1]) - a.X(all[k]);
          a.parts.push(rect(a.X(all[k]), a.Y(3.35 - i), width, a.Y(2.65 - i) - a.Y(3.35 - i), paint[k]));
        });
      });
      a.legend(kinds.map((kind, k) => [kind, paint[k]]), 130, a.Y(-1) + 4, false);
      a.parts.push(line(a.X(x), a.Y(3.5), a.X(x), a.Y(-0.5), "#000", 3));
      const words = `The four bars with a line at x = ${general(x)}. exp(x) is, in ${listed}.`;
      return { numbers: values, words, svg: a.finish() };
    },

    "slider-constants": ({ c }, { low, high }) => {
      const exponents = [-1000, 1000, -1000].map((v) => v - c);
      const e = exponents.map(Math.exp);
      const p = e.map((v) => v / sum(e));
      const listed = (values) => values.map((v) => general(v)).join(", ");
      const xTicks = [-3000, -2000, -1000, 0, 1000, 2000].map((v) => [v, `${v}`.replace("-", "−")]);
      const a = axes({
        ...{ height: 220, x: [-3000, 2500], y: [-1, 1.2], xTicks, left: 20 },
        ...{ xLabel: "exponent x − c", title: `c = ${general(c)}: softmax = (${listed(p)})` },
      });
      const band = [a.X(low), a.Y(1.2), a.X(high) - a.X(low), a.Y(-1) - a.Y(1.2)];
      a.parts.push(rect(...band, COLOURS[2], 'fill-opacity="0.25"'));
      a.parts.push(text(a.X((low + high) / 2), a.Y(0.6), "exp is safe"));
      a.parts.push(text(a.X(2450), a.Y(0.6), "exp is inf", { anchor: "end" }));
      a.parts.push(text(a.X(-2950), a.Y(0.6), "exp is 0", { anchor: "start" }));
      for (const v of exponents) {
        a.parts.push(`<circle cx="${at(a.X(v))}" cy="${at(a.Y(0))}" r="6" fill="${COLOURS[0]}"/>`);
      }
      const words = `With c = ${general(c)} the exponents are (${listed(exponents)}) and softmax is (${listed(p)}).`;
      return { numbers: exponents, words, svg: a.finish() };
    },

    "slider-smooth": ({ alpha }) => {
      const t = linspace(-3, 3, 241);
      const bend = t.map((v) => Math.max(v, 0));
      const smooth = t.map((v, i) => bend[i] + Math.log1p(Math.exp(-alpha * Math.abs(v))) / alpha);
      const whole = [0, 1, 2, 3, 4, 5].map((v) => [v, v]);
      const a = axes({
        ...{ x: [-3.1, 3.1], y: [-0.1, 5], yTicks: whole, xLabel: "t" },
        xTicks: [-3, -2, -1, 0, 1, 2, 3].map((v) => [v, `${v}`.replace("-", "−")]),
        title: `α = ${alpha.toFixed(1)}, at t = 0: ${(Math.log(2) / alpha).toFixed(3)}`,
      });
      a.curve(t, bend, "#000", 1.2);
      a.curve(t, smooth, COLOURS[0]);
      a.legend([["max(t, 0)", "#000"], ["LSE_α(t, 0)", COLOURS[0]]], 80, 60);
      const words = `LSE-alpha of t and 0 beside max(t, 0) for alpha = ${alpha.toFixed(1)}.`;
      return { numbers: [...bend, ...smooth], words, svg: a.finish() };
    },

    "slider-smoothing": ({ epsilon }) => {
      const [top, other] = [1 - epsilon + epsilon / 10, epsilon / 10]; // the label's share of ten
      const gaps = linspace(0, 12, 1201);
      const loss = gaps.map((g) => Math.log1p(9 * Math.exp(-g)) + 9 * other * g);
      const floor = entropy([top, ...range(9, () => other)]);
      const best = Math.log(top / other).toFixed(2);
      const a = axes({
        ...{ x: [-0.6, 12.6], y: [0, 3], xLabel: "gap", yLabel: "loss" },
        xTicks: [0, 2, 4, 6, 8, 10, 12].map((v) => [v, v]),
        yTicks: [0, 1, 2, 3].map((v) => [v, v]),
        title: `ε = ${epsilon.toFixed(2)}: best gap ${best}`,
      });
      const inside = gaps.filter((_, i) => loss[i] <= 3);
      a.curve(inside, loss.filter((v) => v <= 3), COLOURS[0]);
      a.curve([-0.6, 12.6], [floor, floor], "#000", 1.2);
      const words = `Smoothed loss against the gap for epsilon ${epsilon.toFixed(2)}; its best gap is ${best}.`;
      return { numbers: [...loss, floor, floor], words, svg: a.finish() };
    },

    "slider-heatmap": ({ t }) => {
      const p = softmax([t, 0, 0, 0]);
      // The Jacobian's 1 − p is the sum of the others: no digit is lost.
      const J = p.map((v, i) => p.map((w, j) => (i === j ? v * sum(p.filter((_, k) => k !== i)) : -v * w)));
      const cell = 74;
      const parts = [rect(0, 0, 420, 380, "#fff"), text(230, 24, `t = ${t.toFixed(1).replace("-", "−")}`, { size: 15 })];
      J.forEach((row, i) => row.forEach((value, j) => {
        const [x, y] = [70 + j * cell, 40 + i * cell];
        const shown = (value === 0 || Math.abs(value) < 0.005 ? 0 : value).toFixed(2);
        const fill = Math.abs(value) > 0.17 ? "#fff" : "#000";
        parts.push(rect(x, y, cell, cell, redToBlue(value)), text(x + cell / 2, y + cell / 2 + 5, shown.replace("-", "−"), { fill }));
      }));
      range(4, (i) => parts.push(
        text(70 + (i + 0.5) * cell, 40 + 4 * cell + 22, `x${"₁₂₃₄"[i]}`),
        text(58, 40 + (i + 0.5) * cell + 5, `p${"₁₂₃₄"[i]}`, { anchor: "end" }),
      ));
      const words = `Heatmap of the Jacobian at t = ${t.toFixed(1)}; its first entry is ${J[0][0].toFixed(2)}.`;
      return { numbers: J.flat(), words, svg: { width: 420, height: 380, inside: parts.join("") } };
    },

    "slider-temperature": ({ tau }) => {
      const p = softmax([1, 2, 5, 4, 0].map((v) => v / tau));
      const h = entropy(p);
      const a = axes({
        ...{ x: [-0.6, 4.6], y: [0, 1], xTicks: range(5, (i) => [i, i]), yTicks: tenths },
        ...{ xLabel: "class", yLabel: "probability" },
        title: `τ = ${tau.toFixed(1)}: entropy ${h.toFixed(2)} of at most ${Math.log(5).toFixed(2)}`,
      });
      p.forEach((v, i) => a.bar(i, 0.8, 0, v, COLOURS[0]));
      const most = Math.max(...p).toFixed(2);
      const words = `Five bars at temperature ${tau.toFixed(1)}; the largest is ${most}, entropy ${h.toFixed(2)}.`;
      return { numbers: p, words, svg: a.finish() };
    },

    "slider-cuts": ({ tau, mass }) => {
      const p = softmax(range(20, (i) => (-1.3 * Math.log(i + 1)) / tau));
      let before = 0;
      const stays = p.map((v) => {
        const kept = before < mass; // the largest come first: p falls with the rank
        before += v;
        return kept;
      });
      const total = sum(p.filter((_, i) => stays[i]));
      const cut = p.map((v, i) => (stays[i] ? v / total : 0));
      const count = stays.filter(Boolean).length;
      const a = axes({
        ...{ x: [0, 21], y: [0, 1], yTicks: tenths, xLabel: "token", yLabel: "probability" },
        xTicks: [1, 5, 10, 15, 20].map((v) => [v, v]),
        title: `${count} of 20 tokens stay`,
      });
      cut.forEach((v, i) => a.bar(i + 1, 0.8, 0, v, COLOURS[5]));
      p.forEach((v, i) => a.parts.push(`<circle cx="${at(a.X(i + 1))}" cy="${at(a.Y(v))}" r="4" fill="${COLOURS[1]}"/>`));
      a.legend([["after the cut", COLOURS[5]], ["before", COLOURS[1]]], 450, 60);
      const words = `Top-p of 20 tokens at temperature ${tau.toFixed(1)}, mass ${mass.toFixed(2)}: ${count} stay.`;
      return { numbers: [...cut, ...p], words, svg: a.finish() };
    },

    "slider-bayes": ({ prior, evidence }) => {
      const p = softmax([Math.log(1 - prior), evidence + Math.log(prior)]);
      const a = axes({
        ...{ x: [-0.7, 1.7], y: [0, 1], yTicks: tenths, xTicks: [[0, "class 0"], [1, "class 1"]] },
        title: `posterior of class 1: ${p[1].toFixed(3)}`,
      });
      const before = [1 - prior, prior];
      before.forEach((v, i) => a.bar(i - 0.2, 0.38, 0, v, COLOURS[4]));
      p.forEach((v, i) => a.bar(i + 0.2, 0.38, 0, v, COLOURS[0]));
      a.legend([["prior", COLOURS[4]], ["posterior", COLOURS[0]]], 280, 56);
      const words = `Prior ${prior.toFixed(2)} of class 1 and its posterior, ${p[1].toFixed(3)}, as bars.`;
      return { numbers: [...before, ...p], words, svg: a.finish() };
    },
  };

  /** matplotlib's RdBu (ColorBrewer's) between -0.25 and 0.25. */
  function redToBlue(value) {
    const stops = ["67001f", "b2182b", "d6604d", "f4a582", "fddbc7", "f7f7f7", "d1e5f0", "92c5de", "4393c3", "2166ac", "053061"];
    const place = Math.min(Math.max((value + 0.25) / 0.5, 0), 1) * 10;
    const from = Math.min(Math.floor(place), 9);
    const channel = (stop, k) => parseInt(stops[stop].slice(2 * k, 2 * k + 2), 16);
    const mixed = [0, 1, 2].map((k) => channel(from, k) + (place - from) * (channel(from + 1, k) - channel(from, k)));
    return `rgb(${mixed.map(Math.round).join(",")})`;
  }

  // -- on the page -----------------------------------------------------------------------------

  let made = 0;

  /** Put the moving figure in the still's place. */
  function bring(box) {
    const draw = FIGURES[box.dataset.figure];
    if (!draw) return; // a figure that this file does not know: the still stays
    const controls = JSON.parse(box.dataset.controls);
    const given = JSON.parse(box.dataset.given);
    const figure = document.createElement("figure");
    const panel = document.createElement("div");
    panel.className = "moving-controls";
    const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    picture.setAttribute("role", "img");
    const caption = document.createElement("figcaption");
    const said = document.createElement("p");
    said.setAttribute("role", "status");
    caption.append(said);
    const sliders = Object.entries(controls).map(([name, [min, max, step, value]]) => {
      made += 1;
      const label = document.createElement("label");
      const slider = document.createElement("input");
      const shown = document.createElement("span"); // read out by the slider itself
      shown.setAttribute("aria-hidden", "true");
      slider.id = `moving-${made}`;
      Object.assign(slider, { type: "range", min, max, step });
      slider.value = value;
      label.htmlFor = slider.id;
      label.textContent = NAMES[name] ?? name;
      panel.append(label, slider, shown);
      slider.addEventListener("input", () => update());
      return [name, slider, shown];
    });
    let telling;
    function update() {
      const values = Object.fromEntries(sliders.map(([name, slider]) => [name, Number(slider.value)]));
      for (const [name, slider, shown] of sliders) {
        shown.textContent = general(values[name]).replace("-", "−");
        slider.setAttribute("aria-valuetext", general(values[name]));
      }
      const { words, svg } = draw(values, given);
      picture.setAttribute("viewBox", `0 0 ${svg.width} ${svg.height}`);
      picture.style.maxWidth = `${svg.width}px`;
      picture.setAttribute("aria-label", words);
      picture.innerHTML = svg.inside;
      clearTimeout(telling); // a screen reader is told once things rest
      telling = setTimeout(() => (said.textContent = words), 250);
    }
    update();
    figure.append(panel, picture, caption);
    box.replaceChildren(figure);
  }

  document.querySelectorAll(".moving-figure").forEach(bring);
  return { FIGURES, general };
})();
