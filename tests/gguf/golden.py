"""Writes what the PyPI package gguf reads from a model, for golden_test.cpp to compare with.

    pip install gguf
    python tests/gguf/golden.py MODEL.gguf > tests/gguf/golden/MODEL.gguf.txt
"""

import sys
import zlib

from gguf import GGUFReader, GGUFValueType

ELEMENTS_START = 5  # parts of an array: key length, key, type, element type, count, elements...
VALUE_START = 3  # parts of any other entry: key length, key, type, value...


def crc(parts):
    value = 0
    for part in parts:
        value = zlib.crc32(part.tobytes(), value)
    return f"crc {value:08x}"


def describe(field):
    kind = field.types[0]
    name = kind.name.lower()
    if kind == GGUFValueType.ARRAY:
        count = int(field.parts[ELEMENTS_START - 1][0])
        element = field.types[-1].name.lower()
        return f"{field.name} {name} {element} x {count} {crc(field.parts[ELEMENTS_START:])}"
    if kind == GGUFValueType.STRING:
        return f"{field.name} {name} {crc(field.parts[VALUE_START:])}"
    value = field.contents()
    if kind == GGUFValueType.BOOL:
        value = "true" if value else "false"
    elif kind in (GGUFValueType.FLOAT32, GGUFValueType.FLOAT64):
        value = f"{float(value):.17g}"
    return f"{field.name} {name} {value}"


def main(path):
    reader = GGUFReader(path)
    print("version", int(reader.fields["GGUF.version"].contents()))
    for field in reader.fields.values():
        if not field.name.startswith("GGUF."):
            print(describe(field))
    for tensor in reader.tensors:
        shape = "x".join(str(dim) for dim in tensor.shape)
        checksum = crc([tensor.data])
        print(tensor.name, tensor.tensor_type.name, shape, tensor.n_bytes, "at", tensor.data_offset, checksum)


if __name__ == "__main__":
    main(sys.argv[1])
