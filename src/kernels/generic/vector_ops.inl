// Norms, activations and other row-wise functions. Included inside the namespace of a level.

/// Calls f(offset, lanes) for each run of 16 of n, the last one shorter.
template <typename Function>
inline void for_lanes(int n, const Function& f) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) f(i, kLanes);
  if (i < n) f(i, n - i);
}

inline F32 load_up_to(const float* p, int lanes) { return lanes == kLanes ? load(p) : load_first(p, lanes); }
inline void store_up_to(float* p, F32 a, int lanes) {
  if (lanes == kLanes) {
    store(p, a);
  } else {
    store_first(p, a, lanes);
  }
}

/// p[i] = f(p[i], q[i]).
template <typename Function>
inline void update(float* p, const float* q, int n, const Function& f) {
  for_lanes(n, [&](int i, int lanes) {
    store_up_to(p + i, f(load_up_to(p + i, lanes), load_up_to(q + i, lanes)), lanes);
  });
}

inline void rms_norm(const float* x, const float* weight, float eps, int n, float* y) {
  F32 squares = set1(0.0F);
  for_lanes(n, [&](int i, int lanes) {
    const F32 v = load_up_to(x + i, lanes);
    squares = fma(v, v, squares);
  });
  const F32 factor = set1(1.0F / sqrt1(sum(squares) / static_cast<float>(n) + eps));
  for_lanes(n, [&](int i, int lanes) {
    store_up_to(y + i, load_up_to(x + i, lanes) * factor * load_up_to(weight + i, lanes), lanes);
  });
}

inline void layer_norm(const float* x, const float* weight, const float* bias, float eps, int n, float* y) {
  const auto count = static_cast<float>(n);
  F32 total = set1(0.0F);
  for_lanes(n, [&](int i, int lanes) { total = total + load_up_to(x + i, lanes); });
  const F32 mean = set1(sum(total) / count);
  F32 squares = set1(0.0F);
  for_lanes(n, [&](int i, int lanes) {
    const F32 v = keep_lanes(load_up_to(x + i, lanes) - mean, 0, lanes, set1(0.0F));
    squares = fma(v, v, squares);
  });
  const F32 factor = set1(1.0F / sqrt1(sum(squares) / count + eps));
  for_lanes(n, [&](int i, int lanes) {
    const F32 v = (load_up_to(x + i, lanes) - mean) * factor;
    store_up_to(y + i, fma(v, load_up_to(weight + i, lanes), load_up_to(bias + i, lanes)), lanes);
  });
}

/// Rotates one pair: (a cos - b sin, b cos + a sin).
inline void rotate(float& a, float& b, float cos, float sin) {
  const float first = fma1(a, cos, -(b * sin));
  b = fma1(b, cos, a * sin);
  a = first;
}

inline void rope(float* x, int n_heads, int head_dim, int n_rot, const float* cos, const float* sin,
                 RopePairing pairing) {
  const int n_pairs = n_rot / 2;
  for (int h = 0; h < n_heads; ++h) {
    float* head = x + static_cast<int64_t>(h) * head_dim;
    if (pairing == RopePairing::kAdjacent) {
      for (int i = 0; i < n_pairs; ++i) rotate(head[2 * i], head[2 * i + 1], cos[i], sin[i]);
    } else {
      for (int i = 0; i < n_pairs; ++i) rotate(head[i], head[i + n_pairs], cos[i], sin[i]);
    }
  }
}

inline void silu_mul(float* gate, const float* up, int n) {
  update(gate, up, n, [](F32 g, F32 u) { return times_sigmoid(g, g) * u; });
}

inline void gelu_mul(float* gate, const float* up, int n) {
  update(gate, up, n, [](F32 g, F32 u) { return gelu_of(g) * u; });
}

inline void gelu(float* x, int n) {
  update(x, x, n, [](F32 v, F32) { return gelu_of(v); });
}

inline void add(float* x, const float* y, int n) {
  update(x, y, n, [](F32 a, F32 b) { return a + b; });
}

inline void scale(float* x, float factor, int n) {
  update(x, x, n, [=](F32 v, F32) { return v * set1(factor); });
}

inline void softcap(float* x, float cap, int n) {
  update(x, x, n, [=](F32 v, F32) { return set1(cap) * tanh(v / set1(cap)); });
}
