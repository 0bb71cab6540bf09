// What a tier said about each expectation of a scenario, for comparison with another tier.
#pragma once

#include "harness/report/event.h"

#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace rdmalab::harness {

struct Verdicts {
    std::string tier;
    // (step, line, what) -> outcome. What a tier skipped is left out: it says nothing.
    std::map<std::tuple<int, int, std::string>, std::pair<report::Outcome, scenario::Place>> outcomes;

    void add(const report::EventBody& event);
};

struct VerdictDifference {
    scenario::Place place;
    std::string what, first, second; // "model: passed"
};

// Expectations that both tiers judged, and judged differently; and steps that only one of them finished.
std::vector<VerdictDifference> differencesOf(const Verdicts& a, const Verdicts& b);

} // namespace rdmalab::harness
