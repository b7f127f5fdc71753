#include "bridge/chat_template.h"

#include <vector>

#include "bridge/text.h"

namespace pellucid::bridge {
namespace {

ErrorCode code_of(pellucid_status status, ErrorCode not_utf8) {
  switch (status) {
    case PELLUCID_REFUSED:
      return ErrorCode::kUsage;
    case PELLUCID_LIMIT:
      return ErrorCode::kLimit;
    case PELLUCID_NOT_UTF8:
      return not_utf8;
    default:
      return ErrorCode::kBadModel;
  }
}

}  // namespace

void ChatTemplate::Free::operator()(pellucid_template* compiled) const { pellucid_template_free(compiled); }

Result<ChatTemplate> ChatTemplate::compile(std::string_view source, std::string_view bos,
                                           std::string_view eos) {
  pellucid_template* compiled = nullptr;
  pellucid_text error{};
  const pellucid_status status =
      pellucid_template_compile(view(source), view(bos), view(eos), &compiled, &error);
  if (status != PELLUCID_OK) {
    return Error{code_of(status, ErrorCode::kBadModel), "cannot read the chat template", take(error)};
  }
  return ChatTemplate(compiled);
}

Result<std::string> ChatTemplate::render(std::span<const Message> messages, bool add_generation_prompt,
                                         const std::tm* now) const {
  std::vector<pellucid_message> views;
  views.reserve(messages.size());
  for (const Message& message : messages) views.push_back({view(message.role), view(message.content)});
  pellucid_text text{};
  const pellucid_status status = pellucid_template_render(compiled_.get(), views.data(), views.size(),
                                                          add_generation_prompt, now, &text);
  std::string prompt = take(text);
  if (status == PELLUCID_OK) return prompt;
  return Error{code_of(status, ErrorCode::kUsage), "cannot apply the chat template", std::move(prompt)};
}

}  // namespace pellucid::bridge
