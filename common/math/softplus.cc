// Compiled once for each instruction set, as common/kernels is.
#define HWY_BASELINE_TARGETS HWY_AVX2
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "common/math/softplus.cc"
#include "common/math/softplus.h"

#include <cstddef>

#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "common/math/math.h"

HWY_BEFORE_NAMESPACE();
namespace cf::math::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Doubles = hn::CappedTag<double, 8>;
using Vector = hn::Vec<Doubles>;
constexpr std::size_t kWidth = hn::MaxLanes(Doubles());

// Beyond that e^-|x| is denormal or 0, which the functions of one number see to.
constexpr double kVectorsMost = 700;

// The operations of Exp, LogTail and so on in their order, lane by lane.
HWY_INLINE Vector ExpOf(Vector x) {
  const Doubles d;
  const hn::RebindToSigned<Doubles> bits;
  const Vector round = hn::Set(d, 0x1.8p52);
  const Vector rounded = hn::MulAdd(x, hn::Set(d, 0x1.71547652b82fep0), round);
  const auto k = hn::Sub(hn::BitCast(bits, rounded), hn::BitCast(bits, round));
  const Vector n = hn::Sub(rounded, round);
  const Vector r = hn::MulAdd(n, hn::Set(d, -internal::kLn2Low),
                              hn::MulAdd(n, hn::Set(d, -internal::kLn2High), x));
  const Vector r2 = hn::Mul(r, r);
  const Vector r4 = hn::Mul(r2, r2);
  const Vector r8 = hn::Mul(r4, r4);
  const auto pair = [&](double high, double low) {
    return hn::MulAdd(r, hn::Set(d, high), hn::Set(d, low));
  };
  const Vector p2to5 = hn::MulAdd(r2, pair(1.0 / 120, 1.0 / 24), pair(1.0 / 6, 1.0 / 2));
  const Vector p6to9 = hn::MulAdd(r2, pair(1.0 / 362880, 1.0 / 40320), pair(1.0 / 5040, 1.0 / 720));
  const Vector p10to13 =
      hn::MulAdd(r2, pair(1.0 / 6227020800, 1.0 / 479001600), pair(1.0 / 39916800, 1.0 / 3628800));
  const Vector tail = hn::MulAdd(r8, p10to13, hn::MulAdd(r4, p6to9, p2to5));
  const auto power = hn::ShiftLeft<52>(hn::Add(k, hn::Set(bits, 1023)));
  return hn::Mul(hn::Add(hn::Set(d, 1.0), hn::MulAdd(r2, tail, r)), hn::BitCast(d, power));
}

HWY_INLINE Vector LogTailOf(Vector s) {
  const Doubles d;
  const Vector z = hn::Mul(s, s);
  const Vector w = hn::Mul(z, z);
  const auto step = [&](Vector from, double add) { return hn::MulAdd(w, from, hn::Set(d, add)); };
  const Vector odd = hn::Mul(
      w, step(step(hn::Set(d, 0x1.39a09d078c69fp-3), 0x1.c71c51d8e78afp-3), 0x1.999999997fa04p-2));
  const Vector even = hn::Mul(
      z,
      step(step(step(hn::Set(d, 0x1.2f112df3e5244p-3), 0x1.7466496cb03dep-3), 0x1.2492494229359p-2),
           0x1.5555555555593p-1));
  return hn::Add(odd, even);
}

HWY_INLINE Vector LogOf(Vector f, Vector k) {
  const Doubles d;
  const Vector s = hn::Div(f, hn::Add(hn::Set(d, 2.0), f));
  const Vector half_square = hn::Mul(hn::Mul(hn::Set(d, 0.5), f), f);
  const Vector tail =
      hn::MulAdd(s, hn::Add(half_square, LogTailOf(s)), hn::Mul(k, hn::Set(d, internal::kLn2Low)));
  return hn::Sub(hn::Mul(k, hn::Set(d, internal::kLn2High)),
                 hn::Sub(hn::Sub(half_square, tail), f));
}

void Softpluses(const double* HWY_RESTRICT x, std::size_t n, double* HWY_RESTRICT values,
                double* HWY_RESTRICT slopes) {
  const Doubles d;
  const Vector one = hn::Set(d, 1.0);
  const Vector half = hn::Set(d, 0.5);
  std::size_t first = 0;
  for (; first + kWidth <= n; first += kWidth) {
    const Vector at = hn::LoadU(d, x + first);
    const Vector size = hn::Abs(at);
    if (!hn::AllTrue(d, hn::Lt(size, hn::Set(d, kVectorsMost)))) [[unlikely]] {
      for (std::size_t k = first; k < first + kWidth; ++k) {
        values[k] = Softplus(x[k]);
        slopes[k] = Sigmoid(x[k]);
      }
      continue;
    }
    const Vector e = ExpOf(hn::Neg(size));
    const Vector halvings = hn::IfThenElseZero(hn::Gt(e, hn::Set(d, 0x1.a827999fcef32p-2)), one);
    const Vector halved = hn::Mul(half, halvings);
    const Vector f = hn::MulAdd(e, hn::Sub(one, halved), hn::Neg(halved));
    const Vector log = LogOf(f, halvings);
    hn::StoreU(hn::Add(hn::Max(at, hn::Zero(d)), log), d, values + first);
    const Vector above = hn::IfThenElse(hn::Ge(at, hn::Zero(d)), one, e);
    hn::StoreU(hn::Div(above, hn::Add(one, e)), d, slopes + first);
  }
  for (; first < n; ++first) {
    values[first] = Softplus(x[first]);
    slopes[first] = Sigmoid(x[first]);
  }
}

}  // namespace
}  // namespace cf::math::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cf::math {

HWY_EXPORT(Softpluses);

void SoftplusOf(std::span<const double> x, std::span<double> values, std::span<double> slopes) {
  HWY_DYNAMIC_DISPATCH(Softpluses)(x.data(), x.size(), values.data(), slopes.data());
}

}  // namespace cf::math
#endif
