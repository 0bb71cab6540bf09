#include "harness/report/record.h"

#include "harness/report/reporter.h"

namespace rdmalab::report {

void Reporters::handle(const Event& event) {
    for (const auto& one : all_)
        one->handle(event);
}

void Reporters::finish() {
    for (const auto& one : all_)
        one->finish();
}

void Counts::add(Outcome outcome) {
    switch (outcome) {
    case Outcome::passed:
        ++passed;
        break;
    case Outcome::failed:
        ++failed;
        break;
    case Outcome::skipped:
        ++skipped;
        break;
    case Outcome::error:
        ++errors;
        break;
    case Outcome::invalid:
        ++invalid;
        break;
    }
}

StepRecord& Record::step(int run, int number) {
    RunRecord& record = runs_[run];
    for (StepRecord& one : record.steps) {
        if (one.started.step == number)
            return one;
    }
    StepRecord& fresh = record.steps.emplace_back();
    fresh.started.step = number;
    fresh.finished.step = number;
    fresh.finished.outcome = Outcome::error; // until its end is known
    return fresh;
}

void Record::handle(const Event& event) {
    struct {
        Record& record;
        int run;
        RunRecord& at() const { return record.runs_[run]; }
        void operator()(const ScenarioStarted& e) const { at().started = e; }
        void operator()(const TierChosen& e) const { at().tier = e; }
        void operator()(const ProblemFound& e) const { at().problems.push_back(e); }
        void operator()(const StepStarted& e) const { record.step(run, e.step).started = e; }
        void operator()(const ProgressLine&) const {}
        void operator()(const AssertionResult& e) const { record.step(run, e.step).assertions.push_back(e); }
        void operator()(const StepFinished& e) const {
            StepRecord& one = record.step(run, e.step);
            one.finished = e;
            one.complete = true;
        }
        void operator()(const OutputCaptured& e) const { record.step(run, e.step).outputs.push_back(e); }
        void operator()(const ScenarioFinished& e) const {
            at().finished = e;
            at().complete = true;
        }
    } const visitor{*this, event.run};
    std::visit(visitor, event.body);
}

Counts Record::scenarios() const {
    Counts counts;
    for (const auto& run : runs_)
        counts.add(run.second.outcome());
    return counts;
}

Counts Record::assertions() const {
    Counts counts;
    for (const auto& run : runs_) {
        for (const StepRecord& one : run.second.steps) {
            for (const AssertionResult& assertion : one.assertions)
                counts.add(assertion.outcome);
        }
    }
    return counts;
}

int Record::exitCode() const {
    const Counts counts = scenarios();
    if (counts.invalid > 0)
        return 2;
    if (counts.failed > 0)
        return 1;
    if (counts.errors > 0)
        return 3;
    return counts.passed == 0 && counts.skipped > 0 ? 4 : 0;
}

} // namespace rdmalab::report
