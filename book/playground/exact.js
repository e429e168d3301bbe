// Real numbers with 256 bits: the exact answers that the playground compares with.
//
// A number is { m, e }, meaning m · 2^e, with m a BigInt: no largest and no smallest number, so
// nothing overflows and nothing underflows. What needs more than 256 bits, 77 decimal digits, is
// rounded to odd: the last bit is 1 if anything was dropped. So rounding once more, to a format,
// never sees a tie where there is none, be the difference 10^-400. tests/test_playground.py holds
// 60 digits of every result against mpmath.
//
// A classic script, not a module: browsers load no modules from file://.

"use strict";

globalThis.Softmax ??= {};

Softmax.exact = (() => {
  const BITS = 256;
  const Q = BITS + 64; // bits after the point while a function is computed
  const ONE_Q = 1n << BigInt(Q);
  const ZERO = { m: 0n, e: 0 };
  const ONE = { m: 1n, e: 0 };
  const SIZE = 30; // exp is computed up to |a| < 2^30
  const BEYOND = 2 ** 40; // what lies farther out is 2^±BEYOND: the same in every comparison here

  const abs = (n) => (n < 0n ? -n : n);
  const shift = (n, by) => (by >= 0 ? n << BigInt(by) : n >> BigInt(-by));

  /** Number of bits of |n|. */
  function bitLength(n) {
    const hex = abs(n).toString(16);
    return 4 * (hex.length - 1) + 32 - Math.clz32(parseInt(hex[0], 16));
  }

  /** m · 2^e with 256 bits, rounded to odd. */
  function real(m, e) {
    const drop = bitLength(m) - BITS;
    if (drop <= 0) return m === 0n ? ZERO : { m, e };
    const kept = m >> BigInt(drop);
    return { m: kept << BigInt(drop) === m ? kept : kept | 1n, e: e + drop };
  }

  const view = new DataView(new ArrayBuffer(8));

  /** A finite double, exactly. */
  function fromNumber(x) {
    view.setFloat64(0, x);
    const bits = view.getBigUint64(0);
    const exponent = Number((bits >> 52n) & 0x7ffn);
    const fraction = bits & 0xfffffffffffffn;
    const m = exponent ? fraction | (1n << 52n) : fraction;
    return m === 0n ? ZERO : { m: x < 0 ? -m : m, e: Math.max(exponent, 1) - 1075 };
  }

  /** The s with 2^(s - 1) <= |a| < 2^s. */
  const size = (a) => (a.m === 0n ? -Infinity : bitLength(a.m) + a.e);
  const negate = (a) => ({ m: -a.m, e: a.e });

  function add(a, b) {
    if (a.m === 0n) return b;
    if (b.m === 0n) return a;
    if (size(a) < size(b)) return add(b, a);
    if (size(a) - size(b) > 4000) {
      // Farther apart than any two doubles: b only says on which side of a the sum lies.
      return real((a.m << BigInt(BITS)) + (b.m > 0n ? 1n : -1n), a.e - BITS);
    }
    const e = Math.min(a.e, b.e);
    return real(shift(a.m, a.e - e) + shift(b.m, b.e - e), e);
  }

  const subtract = (a, b) => add(a, negate(b));
  const multiply = (a, b) => real(a.m * b.m, a.e + b.e);

  function divide(a, b) {
    const by = Math.max(0, BITS + 2 + bitLength(b.m) - bitLength(a.m));
    const up = abs(a.m) << BigInt(by);
    const down = abs(b.m);
    const quotient = (up / down) | (up % down ? 1n : 0n);
    return real(a.m < 0n === b.m < 0n ? quotient : -quotient, a.e - b.e - by);
  }

  /** -1, 0 or 1 as a is below, equal to or above b. */
  function compare(a, b) {
    const { m } = subtract(a, b);
    return m < 0n ? -1 : m > 0n ? 1 : 0;
  }

  // -- exp and log, in fixed point with Q bits after the point ---------------------------------

  /** atanh(1/n) = 1/n + 1/(3 n³) + 1/(5 n⁵) + … */
  function atanhOfInverse(n) {
    const square = n * n;
    let power = ONE_Q / n;
    let sum = 0n;
    for (let k = 1n; power; k += 2n, power /= square) sum += power / k;
    return sum;
  }

  const LOG_2 = 18n * atanhOfInverse(26n) - 2n * atanhOfInverse(4801n) + 8n * atanhOfInverse(8749n);

  /** exp of r · 2^-Q, |r| · 2^-Q < 1: the Taylor series of r / 256, squared eight times. */
  function expOfSmall(r) {
    const small = r >> 8n;
    let term = ONE_Q;
    let sum = ONE_Q;
    for (let n = 1n; term && term !== -1n; n += 1n) {
      term = ((term * small) >> BigInt(Q)) / n;
      sum += term;
    }
    for (let i = 0; i < 8; i += 1) sum = (sum * sum) >> BigInt(Q);
    return sum;
  }

  function exp(a) {
    if (size(a) > SIZE) return { m: 1n, e: a.m < 0n ? -BEYOND : BEYOND };
    const fixed = shift(a.m, a.e + Q);
    const k = (2n * fixed + LOG_2) / (2n * LOG_2) - (2n * fixed + LOG_2 < 0n ? 1n : 0n);
    return real(expOfSmall(fixed - k * LOG_2), Number(k) - Q);
  }

  /** log a, a > 0: what doubles say, made exact by two steps of Halley's iteration with exp. */
  function log(a) {
    let k = size(a);
    let f = shift(a.m, Q - bitLength(a.m)); // a = f · 2^(k - Q), ½ <= f · 2^-Q < 1
    if (10n * f < 7n * ONE_Q) {
      f = shift(a.m, Q + 1 - bitLength(a.m));
      k -= 1;
    }
    const rough = Math.log(Number(shift(f, 60 - Q)) / 2 ** 60);
    let y = shift(BigInt(Math.round(rough * 2 ** 60)), Q - 60);
    for (let step = 0; step < 2; step += 1) {
      const back = expOfSmall(y);
      y += ((2n * (f - back)) << BigInt(Q)) / (f + back);
    }
    return real(y + BigInt(k) * LOG_2, -Q);
  }

  /** log(1 + a), a > -1: where a is small by its series, which keeps all digits. */
  function log1p(a) {
    if (size(a) > -40) return log(add(ONE, a));
    const x = shift(a.m, a.e + Q);
    let power = ONE_Q;
    let sum = 0n;
    for (let n = 1n; power && power !== -1n; n += 1n) {
      sum += power / n;
      power = -((power * x) >> BigInt(Q));
    }
    return real(a.m * sum, a.e - Q);
  }

  // -- decimal digits --------------------------------------------------------------------------

  const LOG_10 = log(fromNumber(10));

  /** The first n significant digits of a, rounded: { negative, digits, exponent }, d.ddd · 10^e. */
  function decimal(a, n) {
    const negative = a.m < 0n;
    if (a.m === 0n) return { negative, digits: "0", exponent: 0 };
    const positive = { m: abs(a.m), e: a.e };
    if (Math.abs(a.e) > 5000) {
      // a = 10^(whole + fraction)
      const power = divide(log(positive), LOG_10);
      const whole = shift(power.m, power.e); // rounds down
      const fraction = subtract(power, { m: whole, e: 0 });
      const near = decimal(exp(multiply(fraction, LOG_10)), n);
      return { ...near, negative, exponent: near.exponent + Number(whole) };
    }
    let exponent = Math.floor((size(a) - 1) * Math.log10(2));
    for (;;) {
      const places = n - 1 - exponent;
      const up = positive.m * 10n ** BigInt(Math.max(places, 0)) << BigInt(Math.max(a.e, 0));
      const down = 10n ** BigInt(Math.max(-places, 0)) << BigInt(Math.max(-a.e, 0));
      const digits = ((2n * up + down) / (2n * down)).toString();
      if (digits.length === n) return { negative, digits, exponent };
      exponent += digits.length > n ? 1 : -1;
    }
  }

  /** log10 |a| as a double, a != 0. */
  function log10(a) {
    const drop = bitLength(a.m) - 60;
    return Math.log10(Number(shift(abs(a.m), -drop))) + (a.e + drop) * Math.log10(2);
  }

  return {
    ...{ BEYOND, ONE, ZERO, add, bitLength, compare, decimal, divide, exp, fromNumber, log, log10 },
    ...{ log1p, multiply, negate, shift, size, subtract },
  };
})();
