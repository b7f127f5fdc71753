#include "tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <optional>

#include "tokenizer/byte_bpe.h"
#include "tokenizer/piece_cache.h"
#include "tokenizer/pieces.h"
#include "tokenizer/pretokenize.h"
#include "tokenizer/special_split.h"
#include "tokenizer/spm_bpe.h"
#include "tokenizer/vocabulary.h"

namespace pellucid::tokenizer {

namespace {
constexpr size_t kMaxTextBytes = size_t{1}
                                 << 30;  // positions stay below 2^32 when each space becomes 3 bytes
}

struct Tokenizer::Parts {
  Parts(Vocabulary v, SpecialSplit s)
      : vocabulary(std::move(v)), special(std::move(s)), pieces(decode_pieces(vocabulary)) {}

  /// Working memory of one encode().
  struct Scratch {
    PieceCache cache;
    MergeScratch<int32_t> bytes{};
    SpmBpe::Scratch spm{};
  };

  Result<void> encode_text(std::string_view text, Scratch& scratch, std::vector<int32_t>& ids) const {
    if (spm) {
      spm->encode(text, scratch.cache, scratch.spm, ids);
      return {};
    }
    PELLUCID_TRY(const std::vector<std::string_view> words, pretokenizer->split(text));
    for (const std::string_view word : words) {
      scratch.cache.append(word, ids, [&] { bytes->encode(word, scratch.bytes, ids); });
    }
    return {};
  }

  Vocabulary vocabulary;
  SpecialSplit special;
  Pieces pieces;
  std::optional<Pretokenizer> pretokenizer;  // with `bytes`
  std::optional<ByteBpe> bytes;              // one of the two
  std::optional<SpmBpe> spm;
};

Tokenizer::Tokenizer(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::from(const gguf::Metadata& metadata) {
  PELLUCID_TRY(Vocabulary vocabulary, read_vocabulary(metadata));
  PELLUCID_TRY(SpecialSplit special, SpecialSplit::from(vocabulary));
  auto parts = std::make_unique<Parts>(std::move(vocabulary), std::move(special));
  if (parts->vocabulary.algorithm == Algorithm::kSpmBpe) {
    PELLUCID_TRY(parts->spm, SpmBpe::from(parts->vocabulary));
  } else {
    PELLUCID_TRY(parts->pretokenizer, Pretokenizer::from(parts->vocabulary.pretokenizer));
    PELLUCID_TRY(parts->bytes,
                 ByteBpe::from(parts->vocabulary, parts->pieces.views, parts->pretokenizer->whole_pieces()));
  }
  return Tokenizer(std::move(parts));
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  const Vocabulary& vocabulary = parts_->vocabulary;
  if (text.size() > kMaxTextBytes) {
    return Error{ErrorCode::kLimit, "encoding text",
                 fmt::format("{} bytes are more than {}", text.size(), kMaxTextBytes)};
  }
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 2);
  if (options.add_bos && vocabulary.add_bos) ids.push_back(vocabulary.bos);
  Parts::Scratch scratch{PieceCache(text.size())};
  bool after_text = false;
  for (const Fragment& fragment : parts_->special.split(text, options.parse_special)) {
    if (fragment.id >= 0) {
      ids.push_back(fragment.id);
    } else if (vocabulary.add_space_prefix && !after_text) {
      PELLUCID_CHECK(parts_->encode_text(std::string(1, ' ').append(fragment.text), scratch, ids));
    } else {
      PELLUCID_CHECK(parts_->encode_text(fragment.text, scratch, ids));
    }
    after_text = fragment.id < 0;
  }
  if (options.add_bos && vocabulary.add_eos) ids.push_back(vocabulary.eos);
  return ids;
}

std::string_view Tokenizer::piece(int32_t id) const {
  return parts_->vocabulary.contains(id) ? parts_->pieces.views[id] : std::string_view{};
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool show_special) const {
  std::string text;
  bool at_prefix = parts_->vocabulary.add_space_prefix;
  for (const int32_t id : ids) {
    const bool special = is_special(id);
    if (special && !show_special) continue;
    std::string_view bytes = piece(id);
    if (at_prefix && !special) {
      if (bytes.starts_with(' ')) bytes.remove_prefix(1);
      at_prefix = false;
    }
    text.append(bytes);
  }
  return text;
}

int32_t Tokenizer::size() const { return parts_->vocabulary.size(); }
int32_t Tokenizer::bos() const { return parts_->vocabulary.bos; }
bool Tokenizer::adds_bos() const { return parts_->vocabulary.add_bos; }
int32_t Tokenizer::eos() const { return parts_->vocabulary.eos; }

std::vector<int32_t> Tokenizer::stop_ids() const {
  const Vocabulary& vocabulary = parts_->vocabulary;
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    const bool known = vocabulary.types[id] == TokenType::kControl && is_stop_text(vocabulary.texts[id]);
    if (known || id == vocabulary.eos || id == vocabulary.eot || id == vocabulary.eom) ids.push_back(id);
  }
  return ids;
}

bool Tokenizer::is_special(int32_t id) const {
  if (!parts_->vocabulary.contains(id)) return false;
  const TokenType type = parts_->vocabulary.types[id];
  return type == TokenType::kControl || type == TokenType::kUnknown;
}

std::string_view Tokenizer::text_of(int32_t id) const {
  return parts_->vocabulary.contains(id) ? parts_->vocabulary.texts[id] : std::string_view{};
}

std::vector<uint8_t> Tokenizer::missing_bytes() const {
  return parts_->bytes ? parts_->bytes->missing_bytes() : std::vector<uint8_t>{};
}

}  // namespace pellucid::tokenizer
