"""llama.cpp's greedy continuation of a prompt, as JSON: prompt_tokens, tokens, and each step's margin.

python scripts/peer_greedy.py MODEL PROMPT [-n 64] [--threads N]
"""

import argparse
import json

import peer_llama


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("prompt")
    parser.add_argument("-n", type=int, default=64, help="tokens to append")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    model = peer_llama.Llama(arguments.model, 4096, arguments.threads)
    prompt = model.tokenize(arguments.prompt)
    tokens, margins = model.greedy(prompt, arguments.n)
    print(json.dumps({"prompt_tokens": prompt, "tokens": tokens, "margins": margins}))
    model.close()


if __name__ == "__main__":
    main()
