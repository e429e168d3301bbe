// The same five quantities in three forms, each in a format's arithmetic, and exactly.
//
// Every form takes the logits and the temperature as the format holds them, and the target class y,
// and returns
//
//     p         probabilities            exp(z_i) / Σ exp(z_j),  z = x / τ
//     logP      log-softmax
//     lse       log-sum-exp of z
//     loss      cross-entropy            −log p_y
//     gradient  of the loss in x         (p − q) / τ,  q = 1 at y, else 0
//
// rounding after every operation. Sums go from left to right.

"use strict";

globalThis.Softmax ??= {};

Softmax.forms = (() => {
  const { exact: real, formats } = Softmax;

  /** As the formula stands in a textbook. */
  function textbook(x, tau, y, F) {
    const e = x.map((v) => F.exp(F.divide(v, tau)));
    const s = e.reduce((sum, v) => F.add(sum, v));
    const p = e.map((v) => F.divide(v, s));
    const logP = p.map(F.log);
    return { p, logP, lse: F.log(s), loss: -logP[y], gradient: gradient(p, tau, y, F) };
  }

  /** With the maximum subtracted first: what libraries do. */
  function shifted(x, tau, y, F) {
    const z = x.map((v) => F.divide(v, tau));
    const m = z[argmax(z)];
    const d = z.map((v) => F.subtract(v, m));
    const e = d.map(F.exp);
    const s = e.reduce((sum, v) => F.add(sum, v));
    const p = e.map((v) => F.divide(v, s));
    const logS = F.log(s);
    const logP = d.map((v) => F.subtract(v, logS));
    return { p, logP, lse: F.add(m, logS), loss: -logP[y], gradient: gradient(p, tau, y, F) };
  }

  /** With the maximum's own term left out of the sum, which log1p takes: what this course does. */
  function withLog1p(x, tau, y, F) {
    const z = x.map((v) => F.divide(v, tau));
    const k = argmax(z);
    const m = z[k];
    if (!Number.isFinite(m)) return undefinedRow(x, m);
    const d = z.map((v, i) => (i === k ? 0 : F.subtract(v, m)));
    const e = d.map(F.exp);
    const rest = e.reduce((sum, v, i) => (i === k ? sum : F.add(sum, v)), 0);
    const whole = F.add(1, rest);
    const l = F.log1p(rest);
    const p = e.map((v) => F.divide(v, whole));
    const g = gradient(p, tau, y, F);
    if (y === k) g[y] = F.divide(-F.divide(rest, whole), tau); // 1 − p_y, without subtracting
    return {
      ...{ p, logP: d.map((v) => F.subtract(v, l)), lse: F.add(m, l) },
      ...{ loss: F.subtract(l, d[y]), gradient: g },
    };
  }

  function gradient(p, tau, y, F) {
    return p.map((v, i) => F.divide(i === y ? F.subtract(v, 1) : v, tau));
  }

  /** The first of the largest entries, or the first NaN: as NumPy's argmax. */
  function argmax(z) {
    const nan = z.findIndex(Number.isNaN);
    return nan >= 0 ? nan : z.reduce((k, v, i) => (v > z[k] ? i : k), 0);
  }

  /** A row with NaN or +inf, or of −inf alone, has no softmax; its log-sum-exp may have a value. */
  function undefinedRow(x, lse) {
    const all = x.map(() => NaN);
    return { p: all, logP: all, lse, loss: NaN, gradient: [...all] };
  }

  /** The exact answers for the numbers given: each { m, e }, or the number NaN, inf or -inf. */
  function exact(x, tau, y) {
    const k = argmax(x);
    if (!Number.isFinite(x[k])) return undefinedRow(x, x[k]);
    const t = real.fromNumber(tau);
    const masked = (i) => x[i] === -Infinity;
    const top = real.fromNumber(x[k]);
    const d = x.map((v, i) =>
      masked(i) ? v : real.divide(real.subtract(real.fromNumber(v), top), t),
    );
    const e = d.map((v, i) => (masked(i) ? real.ZERO : real.exp(v)));
    const rest = e.reduce((sum, v, i) => (i === k ? sum : real.add(sum, v)), real.ZERO);
    const whole = real.add(real.ONE, rest);
    const l = real.log1p(rest);
    const p = e.map((v) => real.divide(v, whole));
    const others = y === k ? rest : real.subtract(whole, e[y]); // cancels nothing: the top is in it
    return {
      p,
      logP: d.map((v, i) => (masked(i) ? v : real.subtract(v, l))),
      lse: real.add(real.divide(top, t), l),
      loss: masked(y) ? Infinity : real.subtract(l, d[y]),
      gradient: p.map((v, i) =>
        real.divide(i === y ? real.negate(real.divide(others, whole)) : v, t),
      ),
    };
  }

  // -- how good an answer is -------------------------------------------------------------------

  const isNumber = (truth) => typeof truth === "number";

  /**
   * Compare a computed number with the exact one.
   *
   * nearest: it is the format's nearest number to the truth (NaN and ±inf: the same).
   * digits: how many digits are right, the largest k with a relative error of at most ½ · 10^-k.
   */
  function judge(computed, truth, name) {
    if (isNumber(truth)) {
      const nearest = Object.is(computed, truth);
      return { nearest, digits: nearest ? Infinity : 0 };
    }
    const nearest = computed === formats.roundExact(truth, name);
    if (!Number.isFinite(computed)) return { nearest, digits: 0 };
    const error = real.subtract(real.fromNumber(computed), truth);
    if (error.m === 0n) return { nearest, digits: Infinity };
    if (truth.m === 0n) return { nearest, digits: 0 };
    const digits = Math.floor(-Math.log10(2) - real.log10(error) + real.log10(truth));
    return { nearest, digits: Math.max(0, digits) };
  }

  // -- what sampling keeps -----------------------------------------------------------------------

  /**
   * Which classes a cut keeps, by the exact probabilities: one boolean a class.
   *
   * kind: "top-k" (value: how many), "top-p" (the mass that the fewest largest must reach) or
   * "min-p" (the least share of the largest probability). Of ties the first come first; a masked
   * class never stays. Other kinds keep all. Source: kernels.topk_softmax, kernels.top_p.
   */
  function kept(x, p, kind, value) {
    const possible = p.map((v) => !isNumber(v) && v.m !== 0n);
    const order = x.map((_, i) => i).filter((i) => possible[i]);
    order.sort((i, j) => x[j] - x[i] || i - j);
    const stays = new Set(order);
    if (kind === "top-k") order.slice(value).forEach((i) => stays.delete(i));
    if (kind === "top-p") {
      const slack = { m: 1n, e: -200 }; // far above the rounding of these sums, far below a float's
      const mass = real.subtract(real.fromNumber(value), slack);
      let before = real.ZERO;
      for (const i of order) {
        if (real.compare(before, mass) >= 0) stays.delete(i);
        before = real.add(before, p[i]);
      }
    }
    if (kind === "min-p") {
      const least = real.multiply(real.fromNumber(value), p[order[0]] ?? real.ONE);
      const slack = real.multiply(least, { m: 1n, e: -200 });
      for (const i of order) {
        if (real.compare(real.add(p[i], slack), least) < 0) stays.delete(i);
      }
    }
    return x.map((_, i) => stays.has(i));
  }

  /** The probabilities of what is kept, which sum to 1 again. */
  function renormalised(p, keeps) {
    const total = p.reduce((sum, v, i) => (keeps[i] ? real.add(sum, v) : sum), real.ZERO);
    return p.map((v, i) => (keeps[i] ? real.divide(v, total) : real.ZERO));
  }

  const FORMS = { textbook, shifted, log1p: withLog1p };

  /** All of it for numbers as typed: what the format holds, the three forms, the truth. */
  function compute(x, tau, y, name) {
    const F = formats.arithmetic(name);
    const held = x.map(F.round);
    const heldTau = F.round(tau);
    const answers = Object.fromEntries(
      Object.entries(FORMS).map(([form, f]) => [form, f(held, heldTau, y, F)]),
    );
    return { held, heldTau, ...answers, exact: exact(held, heldTau, y) };
  }

  return { FORMS, compute, exact, judge, kept, renormalised };
})();
