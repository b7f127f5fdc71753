"""Another quantisation of a model file: its matrices dequantised, and quantised again by the package `gguf`.

    build/peers/bin/python bench/requantise.py IN.gguf Q4_0 OUT.gguf

Only matrices of the main type (the one that holds most values) change; the others, such as an embedding that
the file keeps in Q8_0, and all metadata stay. The result serves to measure speed: it is worse than one made
from the original. As F32 every tensor is dequantised: the same weights, written out.
"""

import argparse
from collections import Counter
from pathlib import Path

import gguf
from gguf import GGMLQuantizationType as Type
from gguf import LlamaFileType as FileType

FILE_TYPES = {
    "F32": FileType.ALL_F32,
    "Q4_0": FileType.MOSTLY_Q4_0,
    "Q4_1": FileType.MOSTLY_Q4_1,
    "Q5_0": FileType.MOSTLY_Q5_0,
    "Q5_1": FileType.MOSTLY_Q5_1,
    "Q8_0": FileType.MOSTLY_Q8_0,
}


def copy_metadata(reader, writer, file_type):
    own = {"GGUF.version", "GGUF.tensor_count", "GGUF.kv_count", "general.architecture", "general.file_type"}
    for key, field in reader.fields.items():
        if key not in own:
            is_array = field.types[0] == gguf.GGUFValueType.ARRAY
            writer.add_key_value(key, field.contents(), field.types[0], field.types[-1] if is_array else None)
    writer.add_file_type(file_type)


def write(source, kind_name, path):
    reader = gguf.GGUFReader(source)
    kind = Type[kind_name]
    sizes = Counter()
    for tensor in reader.tensors:
        if len(tensor.shape) > 1:
            sizes[tensor.tensor_type] += int(tensor.n_elements)
    main_type = max(sizes, key=sizes.get)
    writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    copy_metadata(reader, writer, FILE_TYPES[kind_name])
    for tensor in reader.tensors:
        if kind == Type.F32 or (tensor.tensor_type == main_type and len(tensor.shape) > 1):
            values = gguf.dequantize(tensor.data, tensor.tensor_type)
            writer.add_tensor(tensor.name, gguf.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


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
