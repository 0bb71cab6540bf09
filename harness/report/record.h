// The events of all runs, put together: what the file formats are written from.
#pragma once

#include "harness/report/event.h"

#include <map>
#include <string>
#include <vector>

namespace rdmalab::report {

struct Counts {
    int passed = 0, failed = 0, skipped = 0, errors = 0, invalid = 0;
    int all() const noexcept { return passed + failed + skipped + errors + invalid; }
    void add(Outcome outcome);
};

struct StepRecord {
    StepStarted started;
    StepFinished finished;
    bool complete = false; // a StepFinished came
    std::vector<AssertionResult> assertions;
    std::vector<OutputCaptured> outputs;
};

struct RunRecord {
    ScenarioStarted started;
    TierChosen tier;
    std::vector<ProblemFound> problems;
    std::vector<StepRecord> steps;
    ScenarioFinished finished;
    bool complete = false; // a ScenarioFinished came; without one the run died and counts as an error
    Outcome outcome() const { return complete ? finished.outcome : Outcome::error; }
};

class Record {
public:
    void handle(const Event& event);

    const std::map<int, RunRecord>& runs() const noexcept { return runs_; }
    Counts scenarios() const;
    Counts assertions() const;
    // The command's exit code: 2 when a scenario is bad, else 1 when an expectation failed, else 3 when the environment failed,
    // else 4 when everything was skipped, else 0.
    int exitCode() const;

private:
    StepRecord& step(int run, int number);

    std::map<int, RunRecord> runs_;
};

} // namespace rdmalab::report
