#include "tokenizer/byte_bpe.h"

#include <fmt/format.h>

#include "tokenizer/pieces.h"

namespace pellucid::tokenizer {

namespace {

Error bad_merge(size_t rank, std::string_view why) {
  return Error{ErrorCode::kBadModel, "reading tokenizer.ggml.merges", fmt::format("merge {} {}", rank, why)};
}

}  // namespace

Result<ByteBpe> ByteBpe::from(const Vocabulary& vocabulary, std::span<const std::string_view> pieces,
                              bool whole_pieces) {
  ByteBpe bpe;
  PELLUCID_CHECK(bpe.read_merges(vocabulary));
  if (whole_pieces) {
    bpe.whole_pieces_ = TextIndex(pieces, pieces.size());
    for (int32_t id = 0; id < vocabulary.size(); ++id) {
      if (vocabulary.is_text(id) && vocabulary.types[id] != TokenType::kUserDefined)
        bpe.whole_pieces_.insert(id);
    }
  }
  return bpe;
}

Result<void> ByteBpe::read_merges(const Vocabulary& vocabulary) {
  TextIndex index(vocabulary.texts, vocabulary.texts.size());
  for (int32_t id = 0; id < vocabulary.size(); ++id) index.insert(id);
  for (int b = 0; b < 256; ++b) {
    const int32_t id = index.find(byte_character(static_cast<uint8_t>(b)));
    byte_ids_[b] = id >= 0 && vocabulary.is_text(id) ? id : vocabulary.byte_ids[b];
  }

  const size_t n = vocabulary.merges.size();
  if (n >= kNoMerge) return bad_merge(n, "is one too many");
  size_t capacity = 16;
  for (shift_ = 60; capacity < 2 * n; --shift_) capacity *= 2;
  ranks_.assign(capacity, Slot{0, kNoMerge});
  merged_.resize(n);
  std::string joined;
  for (uint32_t rank = 0; rank < n; ++rank) {
    const std::string_view text = vocabulary.merges[rank];
    const size_t space = text.find(' ', 1);
    if (space == text.npos || space + 1 == text.size())
      return bad_merge(rank, "is not two texts and a space");
    const int32_t left = index.find(text.substr(0, space));
    const int32_t right = index.find(text.substr(space + 1));
    joined.assign(text.substr(0, space)).append(text.substr(space + 1));
    merged_[rank] = index.find(joined);
    if (left < 0 || right < 0) return bad_merge(rank, "joins a text that is no token");
    if (merged_[rank] < 0) return bad_merge(rank, "makes a text that is no token");
    if (!vocabulary.is_text(merged_[rank])) continue;  // text never becomes a control token
    Slot& slot = ranks_[locate(key(left, right))];
    if (slot.rank == kNoMerge) slot = {key(left, right), rank};  // of equal merges the first counts
  }
  return {};
}

void ByteBpe::encode(std::string_view piece, MergeScratch<int32_t>& scratch,
                     std::vector<int32_t>& ids) const {
  if (const int32_t id = whole_pieces_.find(piece); id >= 0) return ids.push_back(id);
  scratch.values.clear();
  for (const char byte : piece) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(byte)];
    if (id >= 0) scratch.values.push_back(id);
  }
  merge_symbols(scratch, *this);
  ids.insert(ids.end(), scratch.values.begin(), scratch.values.end());
}

std::vector<uint8_t> ByteBpe::missing_bytes() const {
  std::vector<uint8_t> missing;
  for (int b = 0; b < 256; ++b) {
    if (byte_ids_[b] < 0) missing.push_back(static_cast<uint8_t>(b));
  }
  return missing;
}

}  // namespace pellucid::tokenizer
