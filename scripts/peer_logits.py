"""llama.cpp's logits of every position of a list of tokens, as float32 .npy [tokens, vocabulary].

python scripts/peer_logits.py MODEL --tokens 1,2,3 -o logits.npy [--kv-type f16|f32] [--threads N]
"""

import argparse

import numpy as np

import peer_llama


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--tokens", required=True, help="ids separated by commas")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--kv-type", choices=("f16", "f32"), default="f16")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    tokens = [int(token) for token in arguments.tokens.split(",")]
    kv_type = peer_llama.F32 if arguments.kv_type == "f32" else peer_llama.F16
    model = peer_llama.Llama(arguments.model, len(tokens), arguments.threads, kv_type)
    np.save(arguments.output, model.logits(tokens))
    model.close()


if __name__ == "__main__":
    main()
