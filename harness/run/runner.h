// Plays the steps of a scenario on one tier and says what came of each.
#pragma once

#include "harness/report/event.h"
#include "harness/scenario/scenario.h"
#include "harness/tier/tier.h"

#include <functional>
#include <string>
#include <vector>

namespace rdmalab::hardware {
struct PciAddress;
}

namespace rdmalab::harness {

class Runner {
public:
    using Emit = std::function<void(report::EventBody)>;
    // All three must outlive the runner.
    Runner(const scenario::Scenario& scenario, Tier& tier, Emit emit);

    // Every step until one fails. Emits StepStarted .. StepFinished for each; the caller frames them as a scenario.
    report::Outcome run();
    // Of the first failure; empty when there was none.
    const std::string& message() const { return message_; }

private:
    // One expectation that can be looked at again and again until it holds.
    struct Finding {
        bool ok = true;
        std::string message, expected, found, hint;
        scenario::Place place;
    };
    using Check = std::function<Finding()>;

    report::Outcome play(const scenario::ApplyStep& step, const scenario::Place& place);
    report::Outcome play(const scenario::DeleteStep& step, const scenario::Place& place);
    report::Outcome play(const scenario::WaitStep& step, const scenario::Place& place);
    report::Outcome play(const scenario::AssertStep& step, const scenario::Place& place);
    report::Outcome play(const scenario::ProbeStep& step, const scenario::Place& place);
    report::Outcome play(const scenario::FaultStep& step, const scenario::Place& place);
    report::Outcome play(const scenario::PatchStep& step, const scenario::Place& place);
    report::Outcome play(const scenario::WriteStep& step, const scenario::Place& place);

    // Waits until the check holds or time is up, then reports it.
    report::Outcome expect(const std::string& what, const scenario::Place& place, std::chrono::milliseconds timeout,
                           const Check& check);
    report::Outcome conclude(const std::string& what, const scenario::Place& place, const Finding& finding);
    report::Outcome probe(const scenario::Probe& probe);
    report::Outcome probeExec(const scenario::Probe& probe, const scenario::ExecProbe& exec);
    report::Outcome probeReach(const scenario::Probe& probe, const scenario::ReachProbe& reach);
    Finding inspect(const scenario::Probe& probe);
    Finding inspectAt(const scenario::Probe& probe, const Inside& inside);
    Finding checkObject(const scenario::ObjectAssertion& assertion);
    Finding checkPods(const scenario::PodWait& wait);
    std::vector<Inside> places(const scenario::Target& target, const std::string& container) const;
    // Throws std::runtime_error with the node and the function.
    void changeFunction(const std::string& node, const std::string& pci,
                        const std::function<void(hardware::Machine&, const hardware::PciAddress&)>& change);
    void captureLogs(); // of pods that are neither ready nor done
    std::string lastWarning(const std::string& ns, const std::string& pod) const;

    const scenario::Scenario& scenario_;
    Tier& tier_;
    Emit emit_;
    int step_ = 0;
    bool explaining_ = false; // the wait is over and lost: hints are wanted
    std::string message_;
};

} // namespace rdmalab::harness
