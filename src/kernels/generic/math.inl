// exp, tanh and what is made of them: one polynomial each, fma written out, so every level gives the same
// bits. Relative error below 2e-7 (tests/kernels/math_test.cpp). Included inside the namespace of a level.

/// e^x by Cody and Waite: x = n ln 2 + r, e^r as a polynomial of degree 7, times 2^n.
struct Exp {
  F32 fraction;  // e^r
  I32 exponent;  // n
};
inline Exp exp_parts(F32 x) {
  const F32 magic = set1(0x1.8p23F);  // adding it rounds to an integer, kept in the low bits
  const F32 shifted = fma(x, set1(0x1.715476p+0F), magic);
  const F32 n = shifted - magic;
  F32 r = fma(n, set1(-0x1.62e4p-1F), x);  // ln 2 in two parts, the first with room for n exactly
  r = fma(n, set1(-0x1.7f7d1cp-20F), r);
  F32 p = set1(0x1.a01a02p-13F);
  p = fma(p, r, set1(0x1.6c16c2p-10F));
  p = fma(p, r, set1(0x1.111112p-7F));
  p = fma(p, r, set1(0x1.555556p-5F));
  p = fma(p, r, set1(0x1.555556p-3F));
  p = fma(p, r, set1(0.5F));
  p = fma(p, r, set1(1.0F));
  p = fma(p, r, set1(1.0F));
  return {p, bits(shifted) - bits(magic)};
}
/// 2^n where that is a normal number.
inline F32 power_of_2(I32 n) { return from_bits(shift_left<23>(n + set1(int32_t{127}))); }

/// e^x, times 2^n in two steps so that subnormal results round once. Infinities give infinity and 0; NaN
/// stays NaN.
inline F32 exp(F32 x) {
  x = min(set1(89.0F), max(set1(-104.0F), x));  // beyond, the result is infinity or 0 anyway
  const auto [fraction, exponent] = exp_parts(x);
  const I32 half = shift_right<1>(exponent);
  return fraction * power_of_2(half) * power_of_2(exponent - half);
}

/// exp of [-87, 88] or NaN: the same bits, sooner.
inline F32 exp_of_normal(F32 x) {
  const auto [fraction, exponent] = exp_parts(x);
  return fraction * power_of_2(exponent);
}

inline F32 absolute(F32 x) { return from_bits(bits(x) & set1(int32_t{0x7FFFFFFF})); }

/// The sign of `sign` on the magnitude of x >= 0.
inline F32 with_sign(F32 x, F32 sign) {
  return from_bits(bits(x) | (bits(sign) & set1(int32_t{-0x7FFFFFFF - 1})));
}

/// tanh x: an odd polynomial near 0, else 1 - 2 / (e^2|x| + 1).
inline F32 tanh(F32 x) {
  const F32 a = absolute(x);
  const F32 s = a * a;
  F32 p = set1(-0.00570498872745F);  // minimax on [0, 0.625], Cephes tanhf
  p = fma(p, s, set1(0.0206390887954F));
  p = fma(p, s, set1(-0.0537397155531F));
  p = fma(p, s, set1(0.133314422036F));
  p = fma(p, s, set1(-0.333332819422F));
  const F32 small = fma(p * s, a, a);
  const F32 one = set1(1.0F);
  const F32 large = one - set1(2.0F) / (exp(a + a) + one);
  return with_sign(if_less(a, set1(0.625F), small, large), x);
}

/// x / (1 + e^-s), by e^-|s| so that nothing overflows: silu for s = x.
inline F32 times_sigmoid(F32 x, F32 s) {
  const F32 e = exp(from_bits(bits(s) | set1(int32_t{-0x7FFFFFFF - 1})));  // e^-|s|
  const F32 one = set1(1.0F);
  const F32 sigmoid = if_less(s, set1(0.0F), e, one) / (one + e);
  return max(set1(-0x1p100F), x) * sigmoid;  // -infinity times 0 would be NaN
}

/// gelu(x) = x/2 (1 + tanh u) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3) (Hendrycks and Gimpel 2016).
inline F32 gelu_of(F32 x) {
  const F32 square = x * x;
  const F32 twice_u = x * fma(square, set1(0.07135481283F), set1(1.5957691216F));
  return times_sigmoid(x, twice_u);
}
