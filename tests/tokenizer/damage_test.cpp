// Vocabularies that contradict themselves are refused by name; tiny ones work.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <ctime>

#include "gguf/check_file.h"
#include "tokenizer/small_models.h"
#include "tokenizer/vocabulary.h"

namespace pellucid::tokenizer::test {
namespace {

void expect_refused(const gguf::test::Bytes& bytes, ErrorCode code, std::string_view word) {
  const Error error = refusal(bytes);
  EXPECT_EQ(error.code, code) << error.message();
  EXPECT_NE(error.message().find(word), std::string::npos) << error.message() << " has no " << word;
}

TEST(Damage, UnknownKinds) {
  Keys keys = byte_level_keys();
  keys.model = "bert";
  expect_refused(keys.bytes(), ErrorCode::kUnsupported, "gpt2, llama");
  keys = byte_level_keys();
  keys.pre = "deepseek-llm";
  expect_refused(keys.bytes(), ErrorCode::kUnsupported, "qwen2");
  keys.pre = "";
  EXPECT_EQ(refusal(keys.bytes()).code, ErrorCode::kUsage);  // "default"
}

TEST(Damage, ArraysOfUnequalLength) {
  Keys keys = byte_level_keys();
  keys.types.pop_back();
  expect_refused(keys.bytes(), ErrorCode::kBadModel, "token_type");
  keys = spm_keys();
  keys.scores.push_back(0);
  expect_refused(keys.bytes(), ErrorCode::kBadModel, "scores");
  keys.scores.resize(1);
  expect_refused(keys.bytes(), ErrorCode::kBadModel, "scores");
}

TEST(Damage, ValuesOutOfRange) {
  for (const int32_t type : {0, 7, -1, 1 << 30}) {
    Keys keys = byte_level_keys();
    keys.types[3] = type;
    expect_refused(keys.bytes(), ErrorCode::kBadModel, "token_type");
  }
  Keys keys = spm_keys();
  keys.scores[270] = std::numeric_limits<float>::quiet_NaN();
  expect_refused(keys.bytes(), ErrorCode::kBadModel, "scores");
}

TEST(Damage, MoreSpecialTokensThanAnAutomatonShouldHold) {
  const std::string text(size_t{1} << 20, '|');
  Keys keys = byte_level_keys();
  for (const char* mark : {"a", "b", "c"}) keys.add(mark + text, 3);
  const Small most = make(keys);
  EXPECT_EQ(most.tokenizer.encode("a" + text + "b" + text).value(), (std::vector<int32_t>{265, 266}));
  keys.add("d" + text, 4);
  expect_refused(keys.bytes(), ErrorCode::kLimit, "special tokens");
  keys.types.back() = 1;
  EXPECT_EQ(refusal(keys.bytes()).code, ErrorCode::kUsage) << "an ordinary token may be long";
}

/// A text of 2^30 + 1 bytes that takes no memory, because the limit is looked at before the text.
TEST(Damage, TextsBeyondTheLimitAreRefusedUnread) {
  constexpr size_t kSize = (size_t{1} << 30) + 1;
  void* pages = ::mmap(nullptr, kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  for (const Keys& keys : {byte_level_keys(), spm_keys()}) {
    const Small small = make(keys);
    const auto refused = small.tokenizer.encode({static_cast<const char*>(pages), kSize});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kLimit);
    EXPECT_NE(refused.error().message().find("1073741825 bytes are more than 1073741824"), std::string::npos);
  }
  ::munmap(pages, kSize);
}

TEST(Damage, SpecialIds) {
  for (const char* name :
       {"bos_token_id", "eos_token_id", "eot_token_id", "eom_token_id", "unknown_token_id"}) {
    for (const uint32_t id : {265u, 266u, 0x7FFFFFFFu, 0xFFFFFFFFu}) {
      Keys keys = byte_level_keys();
      keys.ids = {{name, id}};
      expect_refused(keys.bytes(), ErrorCode::kBadModel, name);
    }
  }
  Keys keys = byte_level_keys();
  keys.ids.clear();
  keys.flags = {{"add_eos_token", true}};
  expect_refused(keys.bytes(), ErrorCode::kBadModel, "add_eos_token");
  keys.flags = {{"add_bos_token", true}};
  expect_refused(keys.bytes(), ErrorCode::kBadModel, "add_bos_token");
}

TEST(Damage, Merges) {
  for (const char* merge : {"", " ", "a", "a ", " a", "a  b", "ab", "zz a", "a zz", "a d", "a b c"}) {
    Keys keys = byte_level_keys();
    keys.merges.push_back(merge);
    expect_refused(keys.bytes(), ErrorCode::kBadModel, "merge 6");
  }
}

TEST(Damage, ByteTokensAreStrict) {
  for (const char* text :
       {"<0x-1>", "<0xZZ>", "<0x+1>", "<0x 1>", "<0x1>", "<0x001>", "<0X41>", "0x41", ""}) {
    EXPECT_EQ(parse_byte_token(text), -1) << text;
    Keys keys = spm_keys();
    keys.tokens[10] = text;
    expect_refused(keys.bytes(), ErrorCode::kBadModel, "<0xHH>");
  }
  EXPECT_EQ(parse_byte_token("<0x00>"), 0);
  EXPECT_EQ(parse_byte_token("<0xfF>"), 255);
  Keys keys = spm_keys();
  keys.tokens[10] = "<0x41>";
  expect_refused(keys.bytes(), ErrorCode::kBadModel, "0x41");  // twice
}

TEST(Damage, MissingByteTokens) {
  Keys keys = spm_keys();
  keys.tokens[3 + 0x7A] = "plain";  // was <0x7A>, z
  keys.types[3 + 0x7A] = 1;
  const Small small = make(keys);  // falls back to <unk>
  EXPECT_EQ(small.tokenizer.encode("z", {.add_bos = false, .parse_special = true}).value(),
            (std::vector<int32_t>{270, 0}));  // ▁ <unk>
  keys.types[0] = 1;
  expect_refused(keys.bytes(), ErrorCode::kBadModel, "0x7A");

  keys = byte_level_keys();
  keys.tokens['z'] = "zz";
  const Small bytes = make(keys);
  EXPECT_EQ(bytes.tokenizer.missing_bytes(), std::vector<uint8_t>{'z'});
  EXPECT_EQ(bytes.tokenizer.encode("azb", {.add_bos = false, .parse_special = true}).value(),
            bytes.tokenizer.encode("ab", {.add_bos = false, .parse_special = true}).value());
}

TEST(Damage, WrongTypesAndMissingKeys) {
  const std::string prefix = "tokenizer.ggml.";
  const auto base = [&] { return gguf::test::Builder().string(prefix + "model", "llama"); };
  const std::vector<std::string> texts = {"<unk>", "a"};
  expect_refused(gguf::test::Builder().bytes(), ErrorCode::kBadModel, "model");
  expect_refused(base().bytes(), ErrorCode::kBadModel, "tokens");
  expect_refused(base().ints(prefix + "tokens", {1, 2}).bytes(), ErrorCode::kBadModel, "tokens");
  expect_refused(base().string(prefix + "tokens", "a").bytes(), ErrorCode::kBadModel, "tokens");
  expect_refused(base().strings(prefix + "tokens", texts).bytes(), ErrorCode::kBadModel, "scores");
  expect_refused(base().strings(prefix + "tokens", texts).ints(prefix + "scores", {1, 2}).bytes(),
                 ErrorCode::kBadModel, "scores");
  expect_refused(base()
                     .strings(prefix + "tokens", texts)
                     .array<uint8_t>(prefix + "scores", gguf::ValueType::kUint8, {1, 2})
                     .bytes(),
                 ErrorCode::kBadModel, "scores");
  expect_refused(base()
                     .strings(prefix + "tokens", texts)
                     .floats(prefix + "scores", {1, 2})
                     .floats(prefix + "token_type", {1, 1})
                     .bytes(),
                 ErrorCode::kBadModel, "token_type");
  expect_refused(gguf::test::Builder().u32(prefix + "model", 1).bytes(), ErrorCode::kBadModel, "model");
  expect_refused(
      gguf::test::Builder().string(prefix + "model", "gpt2").strings(prefix + "tokens", texts).bytes(),
      ErrorCode::kBadModel, "merges");
}

TEST(Damage, TinyVocabularies) {
  Keys keys{.model = "llama"};
  expect_refused(keys.bytes(), ErrorCode::kBadModel, "tokens");
  keys.add("<unk>", 2);
  for (int size = 1; size <= 3; ++size) {
    const Small small = make(keys);
    EXPECT_EQ(small.tokenizer.size(), size);
    EXPECT_EQ(small.tokenizer.bos(), -1);  // the default, token 1, is not there or is text
    EXPECT_EQ(small.tokenizer.eos(), -1);
    EXPECT_TRUE(small.tokenizer.encode("abc <unk>").ok());
    EXPECT_EQ(small.tokenizer.stop_ids(), std::vector<int32_t>{});
    keys.add(std::string(1, static_cast<char>('a' + size)), 1);
  }
  Keys bytes{.model = "gpt2", .pre = "smollm"};
  expect_refused(bytes.bytes(), ErrorCode::kBadModel, "tokens");
  bytes.add("a", 1);
  const Small small = make(bytes);
  EXPECT_EQ(small.tokenizer.encode("banana").value(), (std::vector<int32_t>{0, 0, 0}));
  EXPECT_EQ(small.tokenizer.bos(), -1);
}

/// Texts that hash alike wherever the hash has known constants: the second word undoes the state after the
/// first.
TEST(Damage, TokensMadeToHashAlikeLoadInLinearTime) {
  const auto mix = [](uint64_t a, uint64_t b) {
    __extension__ using uint128 = unsigned __int128;
    const uint128 product = static_cast<uint128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  };
  Keys keys = spm_keys();
  for (uint64_t first = 0; first < 60000; ++first) {
    const uint64_t words[2] = {first, mix(0x9E3779B97F4A7C15u ^ 16 ^ first, 0xD6E8FEB86659FD93u)};
    keys.add(std::string(reinterpret_cast<const char*>(words), sizeof(words)), 1);
  }
  const std::clock_t start = std::clock();
  const Small small = make(keys);
  EXPECT_EQ(small.tokenizer.size(), static_cast<int32_t>(keys.tokens.size()));
  EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, 2.0);
}

TEST(Damage, NamesFromTheFileArePrintedAsOneSafeLine) {
  for (const std::string& name : {std::string("\x1b[2J\n\0", 6), std::string(5000, 'x')}) {
    Keys keys = byte_level_keys();
    keys.pre = name;
    Error errors[2] = {refusal(keys.bytes()), {}};
    keys.model = name;
    errors[1] = refusal(keys.bytes());
    for (const Error& error : errors) {
      EXPECT_EQ(error.code, ErrorCode::kUnsupported);
      EXPECT_EQ(gguf::test::check_error(error), "");
    }
  }
}

TEST(Damage, DuplicateAndEmptyTokens) {
  Keys keys = byte_level_keys();
  keys.add("", 1);
  keys.add("", 3);
  keys.add("ab", 1);
  keys.add("<s>", 3);
  const Small small = make(keys);
  EXPECT_EQ(small.tokenizer.encode("ab<s>").value(), (std::vector<int32_t>{267, 268}));  // the later wins
  EXPECT_EQ(small.tokenizer.piece(265), "");
}

}  // namespace
}  // namespace pellucid::tokenizer::test
