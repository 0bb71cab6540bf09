// What happens in a run, as it happens. Whoever runs a scenario emits events; reporters turn them into what people and machines
// read. Events cross a pipe from the lab as one JSON line each.
#pragma once

#include "harness/scenario/place.h"

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

namespace rdmalab::report {

using scenario::Place;
using Milliseconds = std::chrono::milliseconds;

// `invalid`: the scenario file is bad. `error`: the machine or the lab failed, nothing is known about the expectation.
enum class Outcome { passed, failed, skipped, error, invalid };
std::string_view name(Outcome outcome);

struct ScenarioStarted {
    std::string scenario, file, description;
    std::string startedAt; // RFC 3339
    int steps = 0;
};

struct TierChosen {
    std::string tier;   // "model", "netns", "rxe"
    std::string reason; // why this one, or why not a higher one; may be empty
};

// Of the file, before anything is run (`check`, or a scenario that cannot be run).
struct ProblemFound {
    Place place;
    bool warning = false;
    std::string message, expected, found, hint;
};

struct StepStarted {
    int step = 0;           // from 1
    std::string name, kind; // kind: "apply", "probe", ...
    Place place;
};

// Something to look at while waiting; only the newest counts.
struct ProgressLine {
    std::string text;
};

// One expectation: a failed one says what, where, what was found instead and what to look at next; a skipped one says why.
struct AssertionResult {
    int step = 0;
    Outcome outcome = Outcome::passed;
    Place place;
    std::string what; // "Node 10-20-1-10", "exec rdma link in pod default/x"
    std::string message, expected, found, hint;
};

struct StepFinished {
    int step = 0;
    Outcome outcome = Outcome::passed;
    std::string message; // of the first failure, or the reason of the skip; may be empty
    Milliseconds took{0};
};

// Of one step's output (a container's log, a tool's output) worth keeping next to a failure.
struct OutputCaptured {
    int step = 0;
    std::string title, text;
};

struct ScenarioFinished {
    Outcome outcome = Outcome::passed;
    std::string message;        // reason of a skip or an error
    Milliseconds took{0};       // wall clock
    Milliseconds simulated{-1}; // virtual time that passed; negative = the clock was real
};

using EventBody = std::variant<ScenarioStarted, TierChosen, ProblemFound, StepStarted, ProgressLine, AssertionResult,
                               StepFinished, OutputCaptured, ScenarioFinished>;

// `run` tells the runs of one report apart: each scenario on each tier has its own number.
struct Event {
    int run = 0;
    EventBody body;
};

// One line, without the newline. Bytes that are not UTF-8 are replaced by U+FFFD.
std::string toLine(const Event& event);
// Throws std::invalid_argument with what is wrong with the line.
Event fromLine(std::string_view line);

} // namespace rdmalab::report
