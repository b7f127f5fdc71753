"""The forward pass of the supported architectures in float64: the oracle of the engine's logits and taps.

Written from the papers and model cards, in numpy only, one operation a line; nothing is fused, cached or
quantised. Every step is recorded under llama.cpp's name for it (inp_embd, attn_norm-0, Qcur-0, ...);
attn_out and ffn_out are what a block adds to the residual stream.

    python tests/reference/forward.py MODEL --tokens 1,2,3 -o logits.npy [--tap steps.npz]
"""

import argparse
import math
from dataclasses import dataclass

import numpy as np

from model_file import ModelFile

VOCABULARY_CHUNK = 16384  # rows of the output matrix in float64 at a time


@dataclass(frozen=True)
class Architecture:
    """What differs between the architectures, beyond the numbers in a file's metadata."""

    layer_norm: bool = False  # LayerNorm with bias, else RMSNorm
    half_rope: bool = False  # rotary pairs (i, i + n/2), else (2i, 2i + 1)
    learned_positions: bool = False  # an embedding of the position, else rotary
    gelu: bool = False  # tanh-approximated GELU, else SiLU
    scaled_embedding: bool = False  # token embeddings times sqrt(width)
    window_period: int = (
        1  # every n-th layer sees everything, the others the sliding window; 1: no such layer
    )
    local_rope_base: float = 0.0  # rotary base of the sliding layers, 0: the model's


ARCHITECTURES = {
    "llama": Architecture(),
    "qwen2": Architecture(half_rope=True),
    "qwen3": Architecture(half_rope=True),
    "gemma3": Architecture(
        half_rope=True, gelu=True, scaled_embedding=True, window_period=6, local_rope_base=10000.0
    ),
    "gpt2": Architecture(layer_norm=True, learned_positions=True, gelu=True),
}


def rms_norm(x, weight, epsilon):
    """Zhang and Sennrich 2019, over the last axis."""
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon) * weight


def layer_norm(x, weight, bias, epsilon):
    """Ba et al. 2016, over the last axis."""
    centred = x - np.mean(x, axis=-1, keepdims=True)
    return centred / np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + epsilon) * weight + bias


def silu(x):
    return x / (1.0 + np.exp(-x))


def gelu(x):
    """Hendrycks and Gimpel 2016, the tanh approximation."""
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def rope(x, angles, half):
    """Su et al. 2021: x [tokens, heads, head_dim] with its first 2 n values rotated by angles [tokens, n]."""
    n = angles.shape[1]
    cosine, sine = np.cos(angles)[:, None, :], np.sin(angles)[:, None, :]
    first, second = (slice(0, n), slice(n, 2 * n)) if half else (slice(0, 2 * n, 2), slice(1, 2 * n, 2))
    rotated = x.copy()
    rotated[..., first] = x[..., first] * cosine - x[..., second] * sine
    rotated[..., second] = x[..., first] * sine + x[..., second] * cosine
    return rotated


def attention(q, k, v, scale, window):
    """Causal softmax attention; q [tokens, heads, d], k and v [tokens, kv_heads, d], window None or a width."""
    tokens, heads, _ = q.shape
    distance = np.arange(tokens)[:, None] - np.arange(tokens)[None, :]
    visible = distance >= 0
    if window is not None:
        visible &= distance < window
    out = np.empty_like(q)
    for head in range(heads):
        kv_head = head * k.shape[1] // heads
        scores = np.where(visible, q[:, head] @ k[:, kv_head].T * scale, -np.inf)
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        out[:, head] = weights / weights.sum(axis=1, keepdims=True) @ v[:, kv_head]
    return out.reshape(tokens, -1)


class Reference:
    """One model ready to run. `tap`, a dictionary, receives every step as float64 [tokens, width]."""

    def __init__(self, file):
        self.file = file
        if file.architecture not in ARCHITECTURES:
            raise ValueError(f"{file.path}: architecture {file.architecture!r} is not supported")
        self.kind = ARCHITECTURES[file.architecture]
        self.layers = file.hyperparameter("block_count")
        self.width = file.hyperparameter("embedding_length")
        self.heads = file.hyperparameter("attention.head_count")
        self.kv_heads = file.hyperparameter("attention.head_count_kv", self.heads)
        self.head_dim = file.hyperparameter("attention.key_length", self.width // self.heads)
        norm = "layer_norm_epsilon" if self.kind.layer_norm else "layer_norm_rms_epsilon"
        self.epsilon = file.hyperparameter(f"attention.{norm}")
        self.scale = self._attention_scale()

    def _attention_scale(self):
        # Gemma 3 27B alone divides by its width per head (Gemma 3 report, query_pre_attn_scalar = 168).
        if self.file.architecture == "gemma3" and self.layers == 62:
            return 1.0 / math.sqrt(self.width // self.heads)
        return 1.0 / math.sqrt(self.head_dim)

    def _window(self, layer):
        """The sliding window of a layer, None where it sees every position."""
        period = self.file.hyperparameter("attention.sliding_window_pattern", self.kind.window_period)
        is_global = (
            not period[layer] if isinstance(period, list) else period > 1 and layer % period == period - 1
        )
        return None if is_global else self.file.hyperparameter("attention.sliding_window") or None

    def _angles(self, layer, tokens):
        """Rotation angles [tokens, n_rot / 2] of a layer, with the scaling of the file."""
        n_rot = self.file.hyperparameter("rope.dimension_count", self.head_dim)
        base = self.file.hyperparameter("rope.freq_base", 10000.0)
        kind, factor = self.file.hyperparameter("rope.scaling.type", "none"), 1.0
        if kind == "linear":
            factor = self.file.hyperparameter("rope.scaling.factor")
        elif kind != "none":
            raise ValueError(f"{self.file.path}: rope scaling {kind!r} is not supported")
        if self.kind.local_rope_base and self._window(layer):
            base, factor = self.file.hyperparameter("rope.freq_base_swa", self.kind.local_rope_base), 1.0
        frequencies = base ** (-np.arange(0, n_rot, 2, dtype=np.float64) / n_rot) / factor
        if self.file.has("rope_freqs.weight"):  # Llama 3.1: one divisor a frequency
            frequencies = frequencies / self.file.weight("rope_freqs.weight")
        return np.arange(tokens, dtype=np.float64)[:, None] * frequencies[None, :]

    def _linear(self, name, x):
        y = x @ self.file.weight(f"{name}.weight").T
        bias = self.file.weight(f"{name}.bias")
        return y if bias is None else y + bias

    def _norm(self, name, x):
        weight = self.file.weight(f"{name}.weight")
        if self.kind.layer_norm:
            return layer_norm(x, weight, self.file.weight(f"{name}.bias"), self.epsilon)
        return rms_norm(x, weight, self.epsilon)

    def _embed(self, tokens):
        x = self.file.rows("token_embd.weight", tokens)
        if self.kind.scaled_embedding:
            x = x * math.sqrt(self.width)
        if self.kind.learned_positions:
            x = x + self.file.rows("position_embd.weight", np.arange(len(tokens)))
        return x

    def _qkv(self, layer, x):
        """Queries, keys and values as heads [tokens, heads, head_dim], normed and rotated."""
        prefix, tokens = f"blk.{layer}", len(x)
        if self.file.has(f"{prefix}.attn_qkv.weight"):
            n_q, n_kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
            q, k, v = np.split(self._linear(f"{prefix}.attn_qkv", x), [n_q, n_q + n_kv], axis=1)
        else:
            q, k, v = (self._linear(f"{prefix}.attn_{part}", x) for part in "qkv")
        q, k, v = (part.reshape(tokens, -1, self.head_dim) for part in (q, k, v))
        if self.file.has(f"{prefix}.attn_q_norm.weight"):
            q = rms_norm(q, self.file.weight(f"{prefix}.attn_q_norm.weight"), self.epsilon)
            k = rms_norm(k, self.file.weight(f"{prefix}.attn_k_norm.weight"), self.epsilon)
        if not self.kind.learned_positions:
            angles = self._angles(layer, tokens)
            q, k = rope(q, angles, self.kind.half_rope), rope(k, angles, self.kind.half_rope)
        return q, k, v

    def _feed_forward(self, layer, x):
        prefix, activation = f"blk.{layer}", gelu if self.kind.gelu else silu
        up = self._linear(f"{prefix}.ffn_up", x)
        if self.file.has(f"{prefix}.ffn_gate.weight"):
            return self._linear(f"{prefix}.ffn_down", activation(self._linear(f"{prefix}.ffn_gate", x)) * up)
        return self._linear(f"{prefix}.ffn_down", activation(up))

    def _layer(self, layer, x, note):
        """One transformer block: attention and feed-forward, each normed before (and after, in Gemma)."""
        prefix = f"blk.{layer}"
        normed = note("attn_norm", self._norm(f"{prefix}.attn_norm", x))
        q, k, v = self._qkv(layer, normed)
        for name, part in (("Qcur", q), ("Kcur", k), ("Vcur", v)):
            note(name, part.reshape(len(x), -1))
        heads = note("kqv_out", attention(q, k, v, self.scale, self._window(layer)))
        out = self._linear(f"{prefix}.attn_output", heads)
        if self.file.has(f"{prefix}.post_attention_norm.weight"):
            out = self._norm(f"{prefix}.post_attention_norm", out)
        x = note("ffn_inp", x + note("attn_out", out))
        normed = note("ffn_norm", self._norm(f"{prefix}.ffn_norm", x))
        out = self._feed_forward(layer, normed)
        if self.file.has(f"{prefix}.post_ffw_norm.weight"):
            out = self._norm(f"{prefix}.post_ffw_norm", out)
        return note("l_out", x + note("ffn_out", out))

    def hidden(self, tokens, tap=None):
        """The normed state [tokens, width] that the output matrix reads."""

        def noting(suffix):
            def note(name, value):
                if tap is not None:
                    tap[name + suffix] = value
                return value

            return note

        note = noting("")
        x = note("inp_embd", self._embed(np.asarray(tokens)))
        for layer in range(self.layers):
            x = self._layer(layer, x, noting(f"-{layer}"))
        return note("result_norm", self._norm("output_norm", x))

    def logits(self, tokens, tap=None):
        """Float64 [tokens, vocabulary] at every position; the output matrix is the embedding where it is tied."""
        state = self.hidden(tokens, tap)
        name = "output.weight" if self.file.has("output.weight") else "token_embd.weight"
        output = self.file.single(name)
        out = np.empty((len(tokens), len(output)))
        for begin in range(0, out.shape[1], VOCABULARY_CHUNK):
            chunk = slice(begin, begin + VOCABULARY_CHUNK)
            out[:, chunk] = state @ output[chunk].astype(np.float64).T
        cap = self.file.hyperparameter("final_logit_softcapping")
        if cap:
            out = cap * np.tanh(out / cap)
        if tap is not None:
            tap["result_output"] = out
        return out


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="GGUF file")
    parser.add_argument("--tokens", required=True, help="ids separated by commas")
    parser.add_argument("-o", "--output", required=True, help="float64 logits [tokens, vocabulary], .npy")
    parser.add_argument("--tap", help="every step as float64 [tokens, width], .npz")
    arguments = parser.parse_args()
    tap = {} if arguments.tap else None
    tokens = [int(token) for token in arguments.tokens.split(",")]
    np.save(arguments.output, Reference(ModelFile(arguments.model)).logits(tokens, tap))
    if tap is not None:
        np.savez(arguments.tap, **tap)


if __name__ == "__main__":
    main()
