#include "generation/phrase_matcher.h"

namespace pellucid::generation {

PhraseMatcher::PhraseMatcher(const std::vector<std::string>& phrases, bool ignore_case)
    : ignore_case_(ignore_case) {
  for (const std::string& phrase : phrases) add(phrase);
  link();
}

PhraseMatcher::Place PhraseMatcher::child(Place place, char byte) const {
  Place next = nodes_[place].first_child;
  while (next != 0 && nodes_[next].byte != byte) next = nodes_[next].next_sibling;
  return next;
}

void PhraseMatcher::add(std::string_view phrase) {
  Place place = kStart;
  for (const char each : phrase) {
    const char byte = folded(each);
    Place next = child(place, byte);
    if (next == 0) {
      next = static_cast<Place>(nodes_.size());
      nodes_.push_back({.next_sibling = nodes_[place].first_child,
                        .parent = place,
                        .depth = nodes_[place].depth + 1,
                        .byte = byte});
      nodes_[place].first_child = next;
    }
    place = next;
  }
  nodes_[place].ended = nodes_[place].depth;
}

/// Breadth first: the shorter beginnings, which the longer ones' links lead to, are done before.
void PhraseMatcher::link() {
  std::vector<Place> order{kStart};
  order.reserve(nodes_.size());
  for (size_t i = 0; i < order.size(); ++i) {
    const Place parent = order[i];
    for (Place place = nodes_[parent].first_child; place != 0; place = nodes_[place].next_sibling) {
      Node& node = nodes_[place];
      if (parent != kStart) node.fail = next(nodes_[parent].fail, node.byte);
      // A phrase that ends within a longer one is found first: the shorter counts.
      if (nodes_[node.fail].ended != 0) node.ended = nodes_[node.fail].ended;
      order.push_back(place);
    }
  }
}

PhraseMatcher::Place PhraseMatcher::next(Place place, char byte) const {
  byte = folded(byte);
  while (true) {
    const Place found = child(place, byte);
    if (found != 0 || place == kStart) return found;
    place = nodes_[place].fail;
  }
}

std::string PhraseMatcher::phrase(Place place) const {
  std::string text(ended(place), ' ');
  for (auto byte = text.rbegin(); byte != text.rend(); ++byte) {
    *byte = nodes_[place].byte;
    place = nodes_[place].parent;
  }
  return text;
}

}  // namespace pellucid::generation
