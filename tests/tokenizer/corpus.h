// Reads tests/cases/tokenizer/corpus.txt, the goldens beside it, and the real models where they are there.
#pragma once

#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/models.h"
#include "gguf/reader.h"
#include "tokenizer/tokenizer.h"

namespace pellucid::tokenizer::test {

using pellucid::test::kGemma3;
using pellucid::test::kSmolLM2;

inline std::vector<std::string> read_lines(const std::string& name) {
  std::ifstream in(std::string(PELLUCID_TEST_DATA) + "/" + name, std::ios::binary);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// The bytes of a line of the corpus: \\ \n \r \t \xHH are escapes.
inline std::string unescape(std::string_view line) {
  std::string out;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\') {
      out.push_back(line[i]);
      continue;
    }
    switch (const char c = line[++i]) {
      case 'x':
        out.push_back(static_cast<char>(std::stoi(std::string(line.substr(i + 1, 2)), nullptr, 16)));
        i += 2;
        break;
      default:
        out.push_back(c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c);
    }
  }
  return out;
}

inline std::vector<std::string> read_corpus() {
  std::vector<std::string> lines = read_lines("cases/tokenizer/corpus.txt");
  for (std::string& line : lines) line = unescape(line);
  return lines;
}

inline std::vector<int32_t> parse_numbers(const std::string& line) {
  std::istringstream in(line);
  std::vector<int32_t> numbers;
  for (int32_t number; in >> number;) numbers.push_back(number);
  return numbers;
}

/// A model's tokenizer and the file it views.
struct Loaded {
  gguf::File file;
  Tokenizer tokenizer;
};

/// Nothing where the model has not been downloaded.
inline std::optional<Loaded> load(const char* name) {
  const std::optional<std::string> path = pellucid::test::find_model(name);
  if (!path) return std::nullopt;
  gguf::File file = gguf::File::open(*path).value();
  Tokenizer tokenizer = Tokenizer::from(file.metadata()).value();
  return Loaded{std::move(file), std::move(tokenizer)};
}

}  // namespace pellucid::tokenizer::test
