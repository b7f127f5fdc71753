"""A GGUF file as the reference reads it: metadata by key, tensors dequantised to float64 one at a time.

Reading and dequantisation are the PyPI package gguf's, so nothing here shares code with the engine.
"""

from pathlib import Path

import gguf
import numpy as np
from gguf.quants import dequantize


class ModelFile:
    """Metadata and weights of one file. Dequantised tensors are kept, so a second forward pass is cheap."""

    def __init__(self, path):
        self.path = Path(path)
        reader = gguf.GGUFReader(self.path)
        self._fields = reader.fields
        self._tensors = {tensor.name: tensor for tensor in reader.tensors}
        self._weights, self._singles = {}, {}
        self.architecture = self.metadata("general.architecture")

    def metadata(self, key, default=None):
        """The value of a metadata key, `default` where the file has none."""
        field = self._fields.get(key)
        return default if field is None else field.contents()

    def hyperparameter(self, key, default=None):
        """The value of a key under the architecture's own prefix, e.g. `block_count` of `llama.block_count`."""
        return self.metadata(f"{self.architecture}.{key}", default)

    def has(self, name):
        return name in self._tensors

    def n_rows(self, name):
        return self._tensors[name].data.shape[0]

    def weight(self, name):
        """A whole tensor as float64, [rows, columns] or [n]; None where the file has no such tensor."""
        if name not in self._tensors:
            return None
        if name not in self._weights:
            tensor = self._tensors[name]
            self._weights[name] = dequantize(tensor.data, tensor.tensor_type).astype(np.float64)
        return self._weights[name]

    def single(self, name):
        """A whole matrix as float32, which loses nothing: the output matrix, too large to keep in float64."""
        if name not in self._singles:
            tensor = self._tensors[name]
            self._singles[name] = dequantize(tensor.data, tensor.tensor_type)
        return self._singles[name]

    def rows(self, name, index):
        """Some rows of a matrix as float64: `index` is an array of row numbers. Not kept."""
        tensor = self._tensors[name]
        return dequantize(tensor.data[index], tensor.tensor_type).astype(np.float64)
