// The inspect report of files made here and of a real model.
#include "cli/inspect_report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <sstream>
#include <string>

#include "gguf/builder.h"
#include "gguf/models.h"
#include "tokenizer/small_models.h"

namespace pellucid::cli {
namespace {

using gguf::ValueType;
using gguf::test::Builder;
using gguf::test::Bytes;

std::string text_of(const Bytes& bytes) { return inspect_text(gguf::File::parse(bytes).value()); }

/// Serialised and parsed again, so that what a reader of the output sees is what is tested.
boost::json::object json_of(const Bytes& bytes) {
  const auto file = gguf::File::parse(bytes);
  return boost::json::parse(boost::json::serialize(inspect_json(file.value()))).as_object();
}

bool has_line(const std::string& text, std::string_view name, std::string_view value) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("  " + std::string(name) + " ") && line.ends_with(" " + std::string(value)))
      return true;
  }
  return false;
}

Bytes model() {
  return Builder()
      .string("general.architecture", "llama")
      .u32("llama.block_count", 2)
      .f32("llama.attention.layer_norm_rms_epsilon", 1e-5F)
      .ints("llama.attention.head_count_kv", {1, 2, 3, 4, 5, 6, 7})
      .u32("llamas.other", 9)
      .string("tokenizer.ggml.model", "gpt2")
      .strings("tokenizer.ggml.tokens", {"<s>", "a\nb"})
      .u32("tokenizer.ggml.bos_token_id", 0)
      .u32("tokenizer.ggml.eos_token_id", 1)
      .u32("tokenizer.ggml.eot_token_id", 7)
      .string("tokenizer.chat_template", "{{ x }}")
      .zeros("token_embd.weight", TensorType::kQ4_0, {32, 100})
      .zeros("norm.weight", TensorType::kF32, {32})
      .bytes();
}

TEST(InspectText, ShowsEverySection) {
  const std::string text = text_of(model());
  EXPECT_TRUE(has_line(text, "architecture", "llama"));
  EXPECT_TRUE(has_line(text, "parameters", "3,232"));
  EXPECT_TRUE(has_line(text, "block_count", "2"));
  EXPECT_TRUE(has_line(text, "attention.layer_norm_rms_epsilon", "1e-05"));
  EXPECT_TRUE(has_line(text, "attention.head_count_kv", "[1, 2, 3, 4, 5, 6, ...] (7 values)"));
  EXPECT_FALSE(has_line(text, "other", "9"));  // another prefix
  EXPECT_TRUE(has_line(text, "model", "gpt2"));
  EXPECT_TRUE(has_line(text, "vocabulary", "2 tokens"));
  EXPECT_TRUE(has_line(text, "eos token", "1  a\\nb"));
  EXPECT_TRUE(has_line(text, "eot token", "7  (not in the vocabulary)"));
  EXPECT_TRUE(has_line(text, "chat template", "7 bytes"));
  EXPECT_TRUE(has_line(text, "Q4_0", "4.50"));
  EXPECT_TRUE(has_line(text, "total", "4.77"));  // 8 * (1,800 + 128) / 3,232
  EXPECT_NE(text.find("93.4%"), std::string::npos);
  EXPECT_NE(text.find("32 x 100"), std::string::npos);
}

TEST(InspectText, TellsTheBytesThatHaveNoToken) {
  tokenizer::test::Keys keys = tokenizer::test::byte_level_keys();
  EXPECT_EQ(text_of(keys.bytes()).find("without a token"), std::string::npos);
  EXPECT_EQ(json_of(keys.bytes()).at("tokenizer").at("missing_bytes"), boost::json::array());
  keys.tokens[0x07] = "seven";
  keys.tokens[0xF5] = "none";
  EXPECT_TRUE(has_line(text_of(keys.bytes()), "bytes without a token", "2, which encoding leaves out"));
  EXPECT_EQ(json_of(keys.bytes()).at("tokenizer").at("missing_bytes"), boost::json::array({0x07, 0xF5}));
  EXPECT_TRUE(json_of(model()).at("tokenizer").at("missing_bytes").is_null()) << "no tokenizer to ask";
}

TEST(InspectText, ReadsAFileThatIsNoModel) {
  const std::string text = text_of(Builder().bytes());
  EXPECT_TRUE(has_line(text, "architecture", "not stated"));
  EXPECT_TRUE(has_line(text, "vocabulary", "none"));
  EXPECT_TRUE(has_line(text, "total", "0.00"));
}

TEST(InspectText, HasNoControlCharacterOfTheFile) {
  const Bytes hostile = Builder()
                            .string("general.architecture", "\x1b[2J\n\u202e")
                            .string("general.name", std::string("\0\x07\xff\u009b", 5))
                            .strings("general.tags", {"\x1b]0;owned\x07"})
                            .strings("tokenizer.ggml.tokens", {"\r\x7f"})
                            .u32("tokenizer.ggml.bos_token_id", 0)
                            .bytes();
  const std::string text = text_of(hostile);
  EXPECT_TRUE(
      std::none_of(text.begin(), text.end(), [](char c) { return c != '\n' && (c >= 0 && c < 0x20); }));
  EXPECT_EQ(text.find('\x7f'), std::string::npos);
  EXPECT_EQ(text.find("\u009b"), std::string::npos);
  EXPECT_EQ(text.find("\u202e"), std::string::npos);
  EXPECT_TRUE(has_line(text, "architecture", "\\x1b[2J\\n\\u202e"));
}

TEST(InspectJson, HoldsTheSame) {
  const boost::json::object json = json_of(model());
  EXPECT_EQ(json.at("architecture"), "llama");
  EXPECT_EQ(json.at("parameters"), 3232);
  EXPECT_EQ(json.at("file").at("tensors"), 2);
  EXPECT_EQ(json.at("hyperparameters").at("llama.block_count"), 2);
  EXPECT_EQ(json.at("hyperparameters").at("llama.attention.head_count_kv"),
            boost::json::array({1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(json.at("hyperparameters").as_object().size(), 3U);
  const auto& tokenizer = json.at("tokenizer").as_object();
  EXPECT_EQ(tokenizer.at("vocabulary_size"), 2);
  EXPECT_TRUE(tokenizer.at("pre").is_null());
  EXPECT_EQ(tokenizer.at("special_tokens").at("eos").at("text"), "a\nb");
  EXPECT_TRUE(tokenizer.at("special_tokens").at("eot").at("text").is_null());
  EXPECT_EQ(tokenizer.at("chat_template"), true);
  const auto& largest = json.at("quantisation").as_array()[0].as_object();
  EXPECT_EQ(largest.at("type"), "Q4_0");
  EXPECT_EQ(largest.at("bytes"), 1800);
  EXPECT_DOUBLE_EQ(largest.at("bits_per_weight").as_double(), 4.5);
  EXPECT_DOUBLE_EQ(largest.at("share").as_double(), 1800.0 / 1928);
  const auto& tensor = json.at("tensors").as_array()[0].as_object();
  EXPECT_EQ(tensor.at("name"), "token_embd.weight");
  EXPECT_EQ(tensor.at("shape"), boost::json::array({32, 100}));
}

TEST(InspectJson, IsValidWhateverTheFileHolds) {
  const boost::json::object json = json_of(Builder()
                                               .string("general.architecture", "x")
                                               .f32("x.nan", std::numeric_limits<float>::quiet_NaN())
                                               .floats("x.inf", {std::numeric_limits<float>::infinity(), 1})
                                               .string("x.bytes", "\xff\x01\"")
                                               .array<uint8_t>("x.bools", ValueType::kBool, {0, 1})
                                               .ints("x.long", std::vector<int32_t>(5000))
                                               .scalar("x.large", ValueType::kUint64, UINT64_MAX)
                                               .bytes());
  const auto& values = json.at("hyperparameters").as_object();
  EXPECT_TRUE(values.at("x.nan").is_null());
  EXPECT_TRUE(values.at("x.inf").as_array()[0].is_null());
  EXPECT_EQ(values.at("x.bytes"), "\ufffd\x01\"");
  EXPECT_EQ(values.at("x.bools"), boost::json::array({false, true}));
  EXPECT_EQ(values.at("x.long").at("count"), 5000);
  EXPECT_EQ(values.at("x.large"), UINT64_MAX);
}

TEST(InspectText, RealModelFits80Columns) {
  const auto path = pellucid::test::find_model(pellucid::test::kGemma3);
  if (!path) GTEST_SKIP() << "the model is not in the cache";
  const auto file = gguf::File::open(*path);
  ASSERT_TRUE(file.ok());
  const std::string text = inspect_text(file.value());
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  EXPECT_TRUE(has_line(text, "parameters", "268,098,176"));
  EXPECT_TRUE(has_line(text, "vocabulary", "262,144 tokens"));
  EXPECT_TRUE(has_line(text, "total", "7.36"));
}

}  // namespace
}  // namespace pellucid::cli
