// Runs tests/cases/sampling/*.case; see the README there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "sampling/chain.h"
#include "sampling/draw.h"
#include "sampling/support.h"

namespace pellucid::sampling {
namespace {

struct Case {
  std::vector<float> logits;
  Settings settings = test::all_off();
  std::optional<double> u;
  std::vector<std::string> expect;
  std::optional<int32_t> token;
};

Case read_case(const std::filesystem::path& path) {
  Case c;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string key;
    if (!(words >> key)) continue;
    if (key == "set") {
      std::string name;
      std::string value;
      words >> name >> value;
      const Result<void> status = set(c.settings, name, value);
      EXPECT_TRUE(status.ok()) << path << ": " << status.error().message();
      continue;
    }
    for (std::string word; words >> word;) {
      if (key == "logits") c.logits.push_back(std::stof(word));
      if (key == "probs") c.logits.push_back(static_cast<float>(std::log(std::stod(word))));
      if (key == "u") c.u = std::stod(word);
      if (key == "expect") c.expect.push_back(word);
      if (key == "token") c.token = std::stoi(word);
    }
  }
  return c;
}

/// As the cases print probabilities: ".8438", "0", "1".
std::string four_decimals(double p) {
  if (p == 0 || p == 1) return p == 0 ? "0" : "1";
  return fmt::format("{:.4f}", p).substr(1);
}

TEST(Cases, ComeOutToThePrintedDigits) {
  int n = 0;
  for (const auto& entry : std::filesystem::directory_iterator(PELLUCID_TEST_DATA "/cases/sampling")) {
    if (entry.path().extension() != ".case") continue;
    SCOPED_TRACE(entry.path().filename());
    ++n;
    const Case c = read_case(entry.path());
    const auto chain = run_chain(c.logits, c.settings);
    ASSERT_TRUE(chain.ok()) << chain.error().message();
    const Candidates& left = chain.value().candidates;
    std::vector<std::string> found(c.logits.size(), "0");
    for (size_t rank = 0; rank < left.size(); ++rank) {
      found[static_cast<size_t>(left.ids()[rank])] = four_decimals(left.probability(rank));
    }
    EXPECT_EQ(found, c.expect);
    if (c.token) {
      ASSERT_TRUE(c.u.has_value());
      EXPECT_EQ(draw_at(left, *c.u).value().token, *c.token);
    }
  }
  EXPECT_GE(n, 20);
}

}  // namespace
}  // namespace pellucid::sampling
