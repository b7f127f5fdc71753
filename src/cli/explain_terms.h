// The words and numbers of explain, which its table, its lines and its JSON share.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "cli/explain_report.h"

namespace pellucid::cli {

/// "top_k" as people write it: "top-k".
std::string spoken(std::string_view name);

/// 49142 as "49,142".
std::string grouped(size_t number);

/// A sentence with its whole numbers so: "kept 50 of 49,152".
std::string with_groups(std::string_view sentence);

std::string percent(double probability);

/// Four decimals; an exponent where those would be too wide for a column or say nothing.
std::string number(double value);

double final_probability(const sampling::CandidateHistory& candidate);

/// Why a candidate is no longer there: "top-k: rank 4 > 3". The column of the stage says where, too.
std::string removal(const sampling::WatchedChain& chain, const sampling::CandidateHistory& candidate);

/// Where a draw's number came from.
DrawAddress address_of(const RandomDraw& random);

}  // namespace pellucid::cli
