// Five floating-point formats, and arithmetic in them: every result is the exact one, rounded once
// to the nearest number of the format, ties to even.
//
// For + − × ÷ of float64 the browser does that. In the narrower formats the result is computed in
// float64 and rounded again: with 53 >= 2p + 2 bits the second rounding harms nothing (p <= 24).
// For exp, log and log1p "correctly rounded" means the same: the function of the format's number,
// exactly (exact.js), then rounded once. No browser's Math.exp is asked, so that all agree.
//
// helpers/formats.py says the same in Python, and tests/test_playground.py compares.

"use strict";

globalThis.Softmax ??= {};

Softmax.formats = (() => {
  const { BEYOND, bitLength, exp, fromNumber, log, log1p, shift, size } = Softmax.exact;

  const FORMATS = {
    float64: { precision: 53, minExponent: -1022, maxExponent: 1023 },
    float32: { precision: 24, minExponent: -126, maxExponent: 127 },
    float16: { precision: 11, minExponent: -14, maxExponent: 15 },
    bfloat16: { precision: 8, minExponent: -126, maxExponent: 127 },
    // The last bit pattern is NaN's. Beyond 448 this course rounds to ±inf, as in the others.
    float8_e4m3fn: { precision: 4, minExponent: -6, maxExponent: 8, largest: 448 },
  };

  const view = new DataView(new ArrayBuffer(8));

  /** 2^k as a double, exactly, -1074 <= k <= 1023. */
  function powerOfTwo(k) {
    view.setBigUint64(0, k >= -1022 ? BigInt(k + 1023) << 52n : 1n << BigInt(k + 1074));
    return view.getFloat64(0);
  }

  /** The e with 2^e <= |x| < 2^(e + 1), for a normal double. */
  function exponentOf(x) {
    view.setFloat64(0, x);
    return ((view.getUint32(0) >>> 20) & 0x7ff) - 1023;
  }

  const largest = (format) =>
    format.largest ?? (2 - powerOfTwo(1 - format.precision)) * powerOfTwo(format.maxExponent);

  /** Round a double to a format. */
  function roundNumber(x, name) {
    if (name === "float64" || !Number.isFinite(x) || x === 0) return x;
    if (name === "float32") return Math.fround(x);
    const format = FORMATS[name];
    const step = powerOfTwo(Math.max(exponentOf(x), format.minExponent) - format.precision + 1);
    const magic = 1.5 * 2 ** 52; // adding it leaves no bits after the point: ties to even
    const rounded = (Math.abs(x) / step + magic - magic) * step;
    return (x < 0 ? -1 : 1) * (rounded > largest(format) ? Infinity : rounded);
  }

  /** Round an exact number, { m, e }, to a format: once, from all its bits. */
  function roundExact(a, name) {
    const format = FORMATS[name];
    const sign = a.m < 0n ? -1 : 1;
    if (size(a) > format.maxExponent + 2) return sign * Infinity;
    if (size(a) < format.minExponent - format.precision - 2) return sign * 0;
    const last = Math.max(size(a), format.minExponent + 1) - format.precision; // the ulp is 2^last
    const m = a.m < 0n ? -a.m : a.m;
    let whole = shift(m, a.e - last);
    if (a.e < last) {
      const half = 1n << BigInt(last - a.e - 1);
      const over = m - (whole << BigInt(last - a.e)) - half;
      if (over > 0n || (over === 0n && whole & 1n)) whole += 1n;
    }
    const digits = bitLength(whole); // 2^1024 is no double: look before
    if (digits + last > format.maxExponent + 1) return sign * Infinity;
    const rounded = Number(whole) * powerOfTwo(last);
    return sign * (rounded > largest(format) ? Infinity : rounded);
  }

  /** Arithmetic in a format: each of its functions takes the format's numbers and returns one. */
  function arithmetic(name) {
    const round = (x) => roundNumber(x, name);
    const rounded = (f) => (x) => roundExact(f(fromNumber(x)), name);
    const expOf = rounded(exp);
    const logOf = rounded(log);
    const log1pOf = rounded(log1p);
    return {
      name,
      round,
      add: (a, b) => round(a + b),
      subtract: (a, b) => round(a - b),
      divide: (a, b) => round(a / b),
      exp: (x) => (Number.isNaN(x) ? NaN : Number.isFinite(x) ? expOf(x) : x > 0 ? Infinity : 0),
      log: (x) => (x > 0 && x < Infinity ? logOf(x) : x === 0 ? -Infinity : x > 0 ? x : NaN),
      log1p: (x) => (x > 0 && x < Infinity ? log1pOf(x) : x >= 0 ? x : NaN),
    };
  }

  /** Digits that tell each number of a format from its neighbours. */
  const decimalDigits = (name) => 1 + Math.ceil(FORMATS[name].precision * Math.log10(2));

  return { BEYOND, FORMATS, arithmetic, decimalDigits, roundExact, roundNumber };
})();
