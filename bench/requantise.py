"""Another quantisation of a model file: its matrices dequantised, and quantised again by llama.cpp's library.

    build/peers/bin/python bench/requantise.py IN.gguf Q4_0 OUT.gguf

Only matrices of the main type (the one that holds most values) change; the others, such as an embedding that
the file keeps in Q8_0, and all metadata stay. Where the type's blocks do not divide the rows, a matrix becomes
F32. The result serves to measure: it is worse than one made from the original. As F16 and BF16 every matrix is
dequantised, as F32 every tensor: the same weights, written out.
"""

import argparse
import ctypes
import sys
from collections import Counter
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import LlamaFileType as FileType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

import peer_llama  # noqa: E402

FILE_TYPES = {
    "F32": FileType.ALL_F32,
    "F16": FileType.MOSTLY_F16,
    "BF16": FileType.MOSTLY_BF16,
    "Q4_0": FileType.MOSTLY_Q4_0,
    "Q4_1": FileType.MOSTLY_Q4_1,
    "Q5_0": FileType.MOSTLY_Q5_0,
    "Q5_1": FileType.MOSTLY_Q5_1,
    "Q8_0": FileType.MOSTLY_Q8_0,
    "Q2_K": FileType.MOSTLY_Q2_K,
    "Q3_K": FileType.MOSTLY_Q3_K_S,
    "Q4_K": FileType.MOSTLY_Q4_K_S,
    "Q5_K": FileType.MOSTLY_Q5_K_S,
    "Q6_K": FileType.MOSTLY_Q6_K,
    "IQ4_NL": FileType.MOSTLY_IQ4_NL,
}
FLOATS = (Type.F32, Type.F16, Type.BF16)


def copy_metadata(reader, writer, file_type):
    own = {"GGUF.version", "GGUF.tensor_count", "GGUF.kv_count", "general.architecture", "general.file_type"}
    for key, field in reader.fields.items():
        if key not in own:
            is_array = field.types[0] == gguf.GGUFValueType.ARRAY
            writer.add_key_value(key, field.contents(), field.types[0], field.types[-1] if is_array else None)
    writer.add_file_type(file_type)


def quantize(values, kind):
    """Rows of float32 in another type, as bytes: [rows, bytes a row]. Types that the package has not are
    llama.cpp's own."""
    block_values, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    if values.shape[-1] % block_values != 0:
        return values, Type.F32
    try:
        return gguf.quantize(values, kind), kind
    except NotImplementedError:
        pass
    values = np.ascontiguousarray(values, np.float32)
    rows, columns = values.shape
    out = np.empty((rows, columns // block_values * block_bytes), np.uint8)
    chunk = ctypes.CDLL(str(peer_llama.binary_folder() / "libggml-base.so")).ggml_quantize_chunk
    chunk.restype = ctypes.c_size_t
    chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    written = chunk(int(kind), values.ctypes.data, out.ctypes.data, 0, rows, columns, None)
    if written != out.nbytes:
        raise SystemExit(f"llama.cpp wrote {written} bytes of {kind.name} where {out.nbytes} belong")
    return out, kind


def changes(tensor, kind, main_type):
    if len(tensor.shape) < 2:
        return kind == Type.F32
    return kind in FLOATS or tensor.tensor_type == main_type


def write(source, kind_name, path):
    """Writes the file; returns how many matrices are of the type."""
    reader = gguf.GGUFReader(source)
    kind = Type[kind_name]
    sizes = Counter()
    for tensor in reader.tensors:
        if len(tensor.shape) > 1:
            sizes[tensor.tensor_type] += int(tensor.n_elements)
    main_type = max(sizes, key=sizes.get)
    writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    copy_metadata(reader, writer, FILE_TYPES[kind_name])
    count = 0
    for tensor in reader.tensors:
        data, data_type = tensor.data, tensor.tensor_type
        if changes(tensor, kind, main_type):
            data, data_type = quantize(gguf.dequantize(tensor.data, tensor.tensor_type), kind)
        count += len(tensor.shape) > 1 and data_type == kind
        writer.add_tensor(tensor.name, data, raw_dtype=data_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return count


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, metavar="IN.gguf")
    parser.add_argument("type", choices=FILE_TYPES)
    parser.add_argument("out", type=Path, metavar="OUT.gguf")
    arguments = parser.parse_args()
    write(arguments.source, arguments.type, arguments.out)


if __name__ == "__main__":
    main()
