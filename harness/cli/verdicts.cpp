#include "harness/cli/verdicts.h"

namespace rdmalab::harness {

using report::Outcome;

namespace {
// One line of the scenario may be judged for several pods: the worst counts.
void note(std::pair<Outcome, scenario::Place>& slot, Outcome outcome, const scenario::Place& place) {
    if (slot.first != Outcome::failed)
        slot = {outcome, place};
}
} // namespace

void Verdicts::add(const report::EventBody& event) {
    if (const auto* assertion = std::get_if<report::AssertionResult>(&event)) {
        if (assertion->outcome == Outcome::skipped)
            return;
        const std::tuple key{assertion->step, 0, assertion->what};
        auto [slot, fresh] = outcomes.try_emplace(key, assertion->outcome, assertion->place);
        note(slot->second, assertion->outcome, assertion->place);
    } else if (const auto* step = std::get_if<report::StepFinished>(&event)) {
        if (step->outcome != Outcome::skipped)
            outcomes[{step->step, -1, "step " + std::to_string(step->step)}] = {step->outcome, {}};
    } else if (const auto* finished = std::get_if<report::ScenarioFinished>(&event)) {
        outcomes[{1 << 30, -1, "scenario"}] = {finished->outcome, {}};
    }
}

std::vector<VerdictDifference> differencesOf(const Verdicts& a, const Verdicts& b) {
    std::vector<VerdictDifference> result;
    for (const auto& [key, one] : a.outcomes) {
        const auto other = b.outcomes.find(key);
        if (other == b.outcomes.end() || other->second.first == one.first)
            continue;
        result.push_back({one.second.known() ? one.second : other->second.second, std::get<2>(key),
                          a.tier + ": " + std::string(name(one.first)), b.tier + ": " + std::string(name(other->second.first))});
    }
    return result;
}

} // namespace rdmalab::harness
